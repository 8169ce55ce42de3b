"""Each call that changes something is counted as one write; those that only read are none."""

from __future__ import annotations

from typing import Any

import pytest

from dev.local_bill import Headers, LocalBill

PHONE = {"phoneNumber": "+14085550199", "phoneType": "MOBILE"}
POLICY = {"policyName": "x", "rules": [{"key": "BILL_AMOUNT", "op": "gte", "values": ["500"]}]}
WRITES: list[tuple[str, str, Any]] = [
    ("POST", "/payments/{scheduled}/cancel", None),
    ("POST", "/payments/{paid}/void", {"type": "VOID_ONLY", "reason": "x"}),
    ("POST", "/payments", {"billId": "{bill}", "amount": 1}),
    ("POST", "/payments/bulk", {"payments": [{"billId": "{bill}", "amount": 1}]}),
    ("POST", "/payments/mass", {"payments": [{"billId": "{bill}", "amount": 1}]}),
    ("POST", "/bills/record-payment", {"vendorId": "{vendor}", "processDate": "2026-11-20"}
     | {"payments": [{"billId": "{bill}", "amount": 1}]}),
    ("POST", "/bill-approvals/policies", {**POLICY, "approvers": ["{user}"]}),
    ("PUT", "/bill-approvals/policies/{policy}", {**POLICY, "approvers": ["{user}"]}),
    ("DELETE", "/bill-approvals/policies/{policy}", None),
    ("POST", "/bill-approvals/actions", [{"billId": "{waiting}", "action": "APPROVE"}]),
    ("POST", "/funding-accounts/banks/{pending}/verify", {"depositAmount": 0.5}),
    ("POST", "/funding-accounts/banks/users/nominate", {"bankAccountId": "{pending}", "userId": "{user}"}),
    ("POST", "/funding-accounts/banks/users/{bank_user}/archive", None),
    ("POST", "/vendors/{vendor}/bank-account", {"nameOnAccount": "x", "accountNumber": "1", "routingNumber": "2"}),
    ("POST", "/network/invitation/vendor/{vendor}/email", {"email": "v@vendors.example"}),
    ("POST", "/network/invitation/accept", {"networkId": "{network}", "type": "VENDOR", "id": "{vendor}"}),
    ("DELETE", "/network/invitation/vendor/{vendor}", None),
    ("PATCH", "/organizations/{organization}", {"phone": "1"}),
    ("POST", "/invoices/{invoice}/payment-link", {"customerId": "{customer}", "email": "c@c.example"}),
    ("POST", "/risk-verifications", None),
    ("POST", "/risk-verifications/phone", PHONE),
]  # fmt: skip


@pytest.fixture
def known(bill: LocalBill) -> dict[str, str]:
    """What the calls name, in a trusted session."""
    headers = bill.sign_in()
    bill.trust(headers)
    account = {"nameOnAccount": "x", "accountNumber": "123456789", "routingNumber": "021000021"}
    vendor, lines = bill.vendor(headers), {"dueDate": "2035-01-01", "billLineItems": [{"amount": 1000}]}
    row = bill.post("/bills", headers, {"vendorId": vendor, **lines}).json()["id"]
    invoice = bill.get("/invoices?max=1", headers).json()["results"][0]
    return {
        **headers,
        "vendor": vendor,
        "bill": row,
        "waiting": bill.post("/bills", headers, {"vendorId": vendor, **lines, "billApprovals": True}).json()["id"],
        "scheduled": bill.post("/payments", headers, {"billId": row, "amount": 1}).json()["id"],
        "paid": bill.get("/payments?max=1", headers).json()["results"][0]["id"],
        "pending": bill.post("/funding-accounts/banks", headers, account).json()["id"],
        "bank_user": bill.get("/funding-accounts/banks/users?max=1", headers).json()["results"][0]["id"],
        "policy": bill.get("/bill-approvals/policies", headers).json()[0]["id"],
        "user": bill.seed["users"][0]["id"],
        "network": bill.get("/network?name=print&scope=BILL", headers).json()["results"][0]["id"],
        "organization": bill.organization,
        "invoice": invoice["id"],
        "customer": invoice["customerId"],
    }


def fill(value: Any, known: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: fill(one, known) for name, one in value.items()}
    if isinstance(value, list):
        return [fill(one, known) for one in value]
    return known[value[1:-1]] if isinstance(value, str) and value.startswith("{") else value


@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=[f"{method} {path}" for method, path, _ in WRITES])
def test_a_call_that_changes_something_is_one_write(
    bill: LocalBill, known: dict[str, str], method: str, path: str, body: Any
) -> None:
    headers: Headers = {name: known[name] for name in ("devKey", "sessionId")}
    before = bill.stats()["writes"]
    more = {} if body is None else {"json": fill(body, known)}
    answer = bill.call(method, path.format(**known), headers, **more)
    assert answer.status_code in (200, 201), answer.text
    assert bill.stats()["writes"] == before + 1


@pytest.mark.parametrize(
    "path",
    [
        "/payments/options?vendorId={vendor}&amount=1",
        "/bill-approvals/pending-user-approvals",
        "/funding-accounts/cards",
        "/network/invitation/vendor/{vendor}",
        "/reports/audit-trail/vendor/{vendor}",
        "/risk-verifications/phone",
    ],
)
def test_a_call_that_only_reads_is_none(bill: LocalBill, known: dict[str, str], path: str) -> None:
    headers: Headers = {name: known[name] for name in ("devKey", "sessionId")}
    before = bill.stats()["writes"]
    assert bill.get(path.format(**known), headers).status_code == 200
    assert bill.stats()["writes"] == before
