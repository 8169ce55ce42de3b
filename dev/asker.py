"""Asks the local BILL each operation as BILL's own collection asks it.

What the contract's examples leave open is looked up or made at the local BILL: identifiers, codes, addresses, and the
situation that an operation needs.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import requests

from airflow_provider_bill.sandbox.data.contract import Operation
from dev.local_bill import Headers, LocalBill

#: What looking for an identifier raises where the answer is a refusal: what it comes from is not served.
_NOT_SERVED = (LookupError, TypeError, ValueError)
#: What the body of an upload is.
_FILE = b"%PDF-1.4 a small document"


class Asker:
    """Asks with the contract's examples; what differs from case to case is looked up at the local BILL.

    :param bill: the local BILL, fresh
    """

    bill: LocalBill
    path: str

    def __init__(self, bill: LocalBill) -> None:
        self.bill = bill
        bill.settings(mfa_mode="off", trusted_when_mfa_off=True)
        self._headers: dict[str, Headers] = {}
        #: The path that is asked.
        self.path = ""
        self._given: dict[str, Any] = {}

    def ask(self, operation: Operation, **query: str) -> requests.Response:
        """Return the answer to an operation.

        :param query: further query parameters
        """
        self.prepare(operation)
        path = self.path_of(operation)
        params = {name: self.filled(operation.query[name]) for name in operation.required} | query
        headers = dict(self.headers(operation.caller))
        if operation.path.startswith(("/v3/subscriptions",)):
            headers["X-Idempotent-Key"] = "6f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9"
        content: dict[str, Any] = {}
        if operation.body == "file":
            content = {"data": _FILE}
        elif operation.example is not None:
            content = {"json": self.body_of(operation)}
        return self.bill.http.request(
            operation.method, self._base(operation) + path, params=params, headers=headers, timeout=30, **content
        )

    def headers(self, caller: str) -> Headers:
        """Return what proves who calls."""
        if caller not in self._headers:
            self._headers[caller] = self._sign_in(caller)
        return self._headers[caller]

    def first(self, path: str, caller: str = "session") -> dict[str, Any]:
        """Return the first row of a list."""
        answer = self.bill.get(path, self.headers(caller))
        rows = answer.json()
        rows = rows if isinstance(rows, list) else rows["results"]
        return dict(rows[0])

    def _base(self, operation: Operation) -> str:
        return f"{self.bill.url}/{'connect-events' if operation.base == 'events' else 'connect'}"

    def _sign_in(self, caller: str) -> Headers:
        if caller == "session":
            return self.bill.sign_in()
        if caller == "spend":
            return {"apiToken": str(self.bill.fields("spend_token")["password"])}
        if caller == "partner":
            partner = self.bill.fields("partner")
            key = str(partner["app_api_key"])
            body = {"appKey": key, "username": partner["login"], "password": partner["password"]}
            session = self.bill.post("/partner/login", body=body).json()["sessionId"]
            return {"appKey": key, "sessionId": session, "organizationId": self.bill.organization}
        return {}

    def use(self, caller: str, headers: Headers) -> None:
        """Prove from now on with these headers who calls."""
        self._headers[caller] = headers

    def prepare(self, operation: Operation) -> None:
        """Make the situation that an operation needs."""
        situation = _SITUATIONS.get(operation.name)
        self._given = {} if situation is None else situation(self)

    def body_of(self, operation: Operation) -> Any:
        """Return the body that an operation is asked with."""
        return self.filled(operation.example)

    def path_of(self, operation: Operation) -> str:
        """Return the path of an operation, with identifiers that the local BILL has."""
        path = ""
        for word in operation.path.split("/")[1:]:
            name = re.fullmatch(r"\{(\w+)\}", word)
            if name is not None:
                try:
                    word = quote(str(self._identifier(operation, path, name[1])), safe="")
                except _NOT_SERVED:
                    word = "none"
            path += f"/{word}"
        self.path = path
        return path

    def _identifier(self, operation: Operation, path: str, name: str) -> Any:
        """Return an identifier at a place in a path: what `_MADE` makes, else that of the first row of the list."""
        if name in self._given:
            return self._given[name]
        make = _MADE.get((re.sub(r"/(?=[^/]*\d)[^/]*[A-Za-z0-9-]{18,}[^/]*", "/{}", path), name))
        if make is not None:
            return make(self)
        row = self.first(path.removeprefix("/v3"), operation.caller)
        return row.get("id") or row[name]

    def filled(self, example: Any) -> Any:
        """Return an example with what its placeholders stand for."""
        if isinstance(example, dict):
            return {name: self.filled(self._reference(name, value)) for name, value in example.items()}
        if isinstance(example, list):
            return [self.filled(value) for value in example if not _is_second_line(value)]
        if not isinstance(example, str):
            return example
        return re.sub(r"\{(\w+)\}", lambda name: str(self._value(name[1])), example)

    def _reference(self, name: str, value: Any) -> Any:
        """Return the placeholder of what a field of a bulk call refers to, of which the example says no more."""
        if name.endswith("LineItems") and self.path.endswith("/bulk") and isinstance(value, list):
            line = self.first(self.path.removeprefix("/v3").removesuffix("/bulk"))[name][0]["id"]
            return [{**one, "id": line} if one.get("id") == "{text}" else one for one in value]
        if value != "{text}":
            return value
        if name == "id" and self.path.endswith("/bulk"):
            return self.first(self.path.removeprefix("/v3").removesuffix("/bulk"))["id"]
        return _REFERENCES.get(name, value)

    def _value(self, name: str) -> Any:
        if name in self._given:
            return self._given[name]
        make = _VALUES.get(name)
        if make is not None:
            try:
                return make(self)
            except _NOT_SERVED:
                return name
        if re.fullmatch(r"\w+_line_item_id01", name):  # of the row that the path leads to, which has one line
            rows = self.bill.get(self.path.removeprefix("/v3"), self.headers("session")).json()
            lines = next(value for key, value in rows.items() if key.endswith("LineItems"))
            return lines[0]["id"]
        return name


def _is_second_line(example: Any) -> bool:
    """Return whether an example changes a line that no row of the seed has: each has one."""
    return isinstance(example, dict) and re.fullmatch(r"\{\w+_line_item_id0[2-9]\}", str(example.get("id"))) is not None


def _now(asker: Asker) -> str:
    return str(asker.bill.control("GET", "clock")["now"])


def _today(asker: Asker) -> str:
    return datetime.fromisoformat(_now(asker)).date().isoformat()


def _id_of(path: str, caller: str = "session", name: str = "id") -> Callable[[Asker], Any]:
    return lambda asker: asker.first(path, caller)[name]


def _uploaded(path: str) -> Callable[[Asker], Any]:
    def upload(asker: Asker) -> Any:
        url = f"{asker.bill.v3}{path}/{asker.first(path.replace('/attachments', '').replace('/documents', ''))['id']}"
        return asker.bill.http.post(url, params={"name": "a.pdf"}, headers=asker.headers("session"), data=_FILE)

    return lambda asker: upload(asker).json()["id"]


def _posted(
    path: str, body: Any, *names: str, caller: str = "session", base: str = "connect/v3"
) -> Callable[[Asker], Any]:
    def post(asker: Asker) -> Any:
        headers = {**asker.headers(caller), "X-Idempotent-Key": str(uuid.uuid4())}
        url = f"{asker.bill.url}/{base}{path}"
        found = asker.bill.http.post(url, json=asker.filled(body), headers=headers, timeout=30).json()
        for name in names:
            found = found[int(name)] if isinstance(found, list) else found[name]
        return found

    return post


def _spend_upload(path: str) -> Callable[[Asker], Any]:
    def upload(asker: Asker) -> Any:
        url = asker.bill.post(f"/spend/{path}", asker.headers("spend")).json()["url"]
        asker.bill.http.put(url, data=b"an image", headers={"Content-Type": "image/png"}, timeout=30)
        return url

    return upload


def _spend_receipt(path: str, placeholder: str) -> Callable[[Asker], Any]:
    def attach(asker: Asker) -> Any:
        row_id = asker.first(f"/spend/{path}", "spend")["id"]
        return _posted(f"/spend/{path}/{row_id}/receipts", {"url": placeholder}, "uuid", caller="spend")(asker)

    return attach


def _test_event(asker: Asker) -> Any:
    place = f"/subscriptions/{_subscription(asker)}/test"
    return _posted(place, {"eventType": "bill.created"}, "id", base="connect-events/v3")(asker)


_subscribe = _posted(
    "/subscriptions",
    {"name": "s", "status": {"enabled": True}, "notificationUrl": "{url}"}
    | {"events": [{"type": "bill.created", "version": "1"}]},
    "id",
    base="connect-events/v3",
)


def _subscription(asker: Asker) -> Any:
    url = f"{asker.bill.url}/connect-events/v3/subscriptions"
    rows = asker.bill.http.get(url, headers=asker.headers("session"), timeout=30).json()["results"]
    return rows[0]["id"] if rows else _subscribe(asker)


_POLICY = _posted(
    "/bill-approvals/policies",
    {
        "policyName": "p",
        "rules": [{"key": "BILL_AMOUNT", "op": "gte", "values": ["1000"]}],
        "approvers": ["{bill_approver_user_id}"],
    },
    "id",
)


def _bill_that_waits(asker: Asker) -> dict[str, Any]:
    _POLICY(asker)
    body = {"vendorId": "{vendor_id}", "dueDate": "{date}", "billLineItems": [{"amount": 5000}], "billApprovals": True}
    return {"bill_id": _posted("/bills", body, "id")(asker)}


def _user_without_a_phone(asker: Asker) -> dict[str, Any]:
    asker.bill.settings(mfa_mode="enforced")
    user = asker.bill.user("no MFA phone")
    asker.use("session", asker.bill.sign_in(username=user["username"], password=user["password"]))
    return {}


def _scheduled_payment(asker: Asker) -> dict[str, Any]:
    return {"paymentId": _pay(asker, _new_bill(asker))["id"]}


def _new_bill(asker: Asker) -> dict[str, Any]:
    body = {"vendorId": "{vendor_id}", "dueDate": "{date}", "billLineItems": [{"amount": 5000}]}
    return dict(asker.bill.post("/bills", asker.headers("session"), asker.filled(body)).json())


def _check_that_was_sent(asker: Asker) -> dict[str, Any]:
    bills = asker.bill.get("/bills", asker.headers("session")).json()["results"]
    paid = next(made for bill in bills if (made := _pay(asker, bill))["disbursementType"] == "CHECK")
    asker.bill.advance(30 * 24 * 3600)
    asker.use("session", asker.bill.sign_in())
    return {"paymentId": paid["id"]}


def _pay(asker: Asker, bill: dict[str, Any]) -> dict[str, Any]:
    day = (datetime.fromisoformat(_now(asker)) + timedelta(days=3)).date().isoformat()
    body = {"vendorId": bill["vendorId"], "billId": bill["id"], "amount": 1, "processDate": day}
    return dict(asker.bill.post("/payments", asker.headers("session"), body).json())


def _vendor_without_a_bank_account(asker: Asker) -> dict[str, Any]:
    vendor = asker.first("/vendors")["id"]
    asker.bill.call("DELETE", f"/vendors/{vendor}/bank-account", asker.headers("session"))
    return {"vendorId": vendor}


def _vendor_with_a_bank_account(asker: Asker) -> dict[str, Any]:
    vendor = _vendor_without_a_bank_account(asker)["vendorId"]
    account = {"nameOnAccount": "N", "accountNumber": "111222333", "routingNumber": "074000010"}
    _posted(f"/vendors/{vendor}/bank-account", account, "nameOnAccount")(asker)
    return {"vendorId": vendor}


def _new_user(asker: Asker) -> dict[str, Any]:
    body = {"firstName": "N", "lastName": "N", "email": "{email}", "roleId": "{org_user_role_id}"}
    return {"org_user_id": _posted("/users", body, "id")(asker)}


def _verified_risk(asker: Asker) -> dict[str, Any]:
    asker.bill.post("/risk-verifications", asker.headers("session"))
    return {}


#: What must be so before an operation can be asked; each returns what placeholders and identifiers are then.
_SITUATIONS: dict[str, Callable[[Asker], dict[str, Any]]] = {
    "POST /v3/bill-approvals/actions": _bill_that_waits,
    "POST /v3/mfa/setup": _user_without_a_phone,
    "POST /v3/mfa/setup/validate": _user_without_a_phone,
    "POST /v3/payments/{paymentId}/cancel": _scheduled_payment,
    "GET /v3/payments/{paymentId}/check-image": _check_that_was_sent,
    "GET /v3/vendors/{vendorId}/bank-account": _vendor_with_a_bank_account,
    "POST /v3/vendors/{vendorId}/bank-account": _vendor_without_a_bank_account,
    "DELETE /v3/vendors/{vendorId}/bank-account": _vendor_with_a_bank_account,
    "POST /v3/funding-accounts/banks/users/nominate": _new_user,
    "GET /v3/risk-verifications": _verified_risk,
}
#: What stands for a placeholder of the examples.
_VALUES: dict[str, Callable[[Asker], Any]] = {
    "text": lambda asker: "text",
    "date": _today,
    "time": _now,
    "email": lambda asker: "somebody@post.example",
    "vendor_email": lambda asker: "somebody@post.example",
    "url": lambda asker: "https://receiver.example/bill",
    "webhook_notification_url": lambda asker: "https://receiver.example/bill",
    "file_name_with_extension": lambda asker: "a.pdf",
    "vendor_id": _id_of("/bills", name="vendorId"),
    "network_vendor_name": lambda asker: "print",
    "network_id": _id_of("/network?name=print&scope=BILL"),
    "customer_id": _id_of("/customers"),
    "org_bank_account_id": _id_of("/funding-accounts/banks"),
    "bill_id": _id_of("/bills"),
    "bill_id01": _id_of("/bills"),
    "bill_id02": lambda asker: asker.bill.get("/bills?max=2", asker.headers("session")).json()["results"][1]["id"],
    "invoice_id": _id_of("/invoices"),
    "webhook_bill_id": _id_of("/bills"),
    "credit_memo_id": _id_of("/credit-memos"),
    "vendor_credit_id": _id_of("/vendor-credits"),
    "payment_id": _id_of("/payments"),
    "org_user_id": _id_of("/users"),
    "bill_approver_user_id": _id_of("/users"),
    "org_user_role_id": _id_of("/roles"),
    "partner_user_role_id": _id_of("/roles"),
    "partner_user_id": lambda asker: asker.bill.fields("partner")["partner_user_id"],
    "partner_organization_id": lambda asker: asker.bill.organization,
    "organization_id": lambda asker: asker.bill.organization,
    "username": lambda asker: asker.bill.username,
    "password": lambda asker: asker.bill.password,
    "developer_key": lambda asker: asker.bill.key,
    "app_key": lambda asker: asker.bill.fields("partner")["app_api_key"],
    "partner_username": lambda asker: asker.bill.fields("partner")["login"],
    "partner_password": lambda asker: asker.bill.fields("partner")["password"],
    "user_phone_no": lambda asker: "4085550199",
    "org_phone_no": lambda asker: "4085550199",
    "mfa_challenge_id": _posted("/mfa/challenge", {}, "challengeId"),
    "mfa_setup_id": _posted("/mfa/setup", {"phone": "4085550199", "type": "TEXT"}, "setupId"),
    "mfa_token": lambda asker: asker.bill.codes()[-1],
    "mfa_device_name": lambda asker: "a device",
    "mfa_machine_name": lambda asker: "a machine",
    "mfa_remember_me_id": lambda asker: "unknown",
    "document_upload_id": _uploaded("/documents/bills"),
    "se_user_uuid": _id_of("/spend/users", "spend", "uuid"),
    "se_budget_uuid": _id_of("/spend/budgets", "spend", "uuid"),
    "se_card_uuid": _id_of("/spend/cards", "spend", "uuid"),
    "se_custom_field_uuid": _id_of("/spend/custom-fields", "spend", "uuid"),
    "se_custom_field_value_uuid01": lambda asker: asker.first(asker.path.removeprefix("/v3"), "spend")["uuid"],
    "se_reimbursement_uuid": _id_of("/spend/reimbursements", "spend", "uuid"),
    "se_reimbursement_url": _spend_upload("reimbursements/image-upload-url"),
    "se_transaction_url": _spend_upload("transactions/receipt-upload-url"),
    **{
        f"{name}_id": _id_of(f"/classifications/{path}")
        for name, path in {
            "accounting_class": "accounting-classes",
            "chart_of_accounts": "chart-of-accounts",
            "department": "departments",
            "employee": "employees",
            "item": "items",
            "job": "jobs",
            "location": "locations",
        }.items()
    },
}
#: What stands where an example says no more than that there is a text.
_REFERENCES = {
    "customerId": "{customer_id}",
    "customFieldId": "{se_custom_field_uuid}",
    "op": "gte",
    "userId": "{org_user_id}",
    "vendorId": "{vendor_id}",
}
#: How an identifier at a place in a path comes to be, where it is not that of the first row of the list before it.
_MADE: dict[tuple[str, str], Callable[[Asker], Any]] = {
    ("/v3/organizations", "organizationId"): lambda asker: asker.bill.organization,
    ("/v3/partner/organizations", "organizationId"): lambda asker: asker.bill.organization,
    **{
        (f"/v3/{kind}/{path}", name): _id_of(f"/{path}")
        for kind, path, name in (
            ("attachments", "customers", "customerId"),
            ("attachments", "invoices", "invoiceId"),
            ("attachments", "vendors", "vendorId"),
            ("documents", "bills", "billId"),
        )
    },
    ("/v3/attachments", "attachmentId"): _uploaded("/attachments/customers"),
    ("/v3/documents", "documentId"): _uploaded("/documents/bills"),
    ("/v3/network/invitation/customer", "customerId"): _id_of("/customers"),
    ("/v3/network/invitation/vendor", "vendorId"): _id_of("/vendors"),
    ("/v3/reports/audit-trail/vendor", "vendorId"): _id_of("/vendors"),
    ("/v3/partner/risk-verifications", "userId"): lambda asker: asker.bill.fields("partner")["partner_user_id"],
    ("/v3/bill-approvals/policies", "policyId"): _POLICY,
    ("/v3/funding-accounts/cards", "cardAccountId"): lambda asker: asker.bill.get(
        "/funding-accounts/cards", asker.headers("session")
    ).json()["cards"][0]["id"],
    ("/v3/exports", "exportId"): _id_of("/exports", name="exportId"),
    ("/v3/spend/reimbursements/{}/receipts", "receiptId"): _spend_receipt("reimbursements", "{se_reimbursement_url}"),
    ("/v3/spend/transactions/{}/receipts", "receiptId"): _spend_receipt("transactions", "{se_transaction_url}"),
    ("/v3/subscriptions", "subscriptionId"): _subscription,
    ("/v3/events/subscription/{}/event", "eventId"): _test_event,
    ("/v3/events/subscription", "subscriptionId"): _subscription,
    ("/v3/payments/mass", "paymentBatchId"): _posted(
        "/payments/mass",
        {
            "processDate": "{date}",
            "fundingAccount": {"type": "BANK_ACCOUNT", "id": "{org_bank_account_id}"},
            "payments": [{"billId": "{bill_id01}", "amount": 1}],
        },
        "paymentBatchId",
    ),
}
