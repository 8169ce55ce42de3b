"""Money: whatever happens to bills and payments, the amounts add up, and what must not be paid is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from dev.local_bill import Headers, LocalBill

CodeOf = Callable[[requests.Response], str]
LATER = "2035-01-01"
ACCOUNT = {"nameOnAccount": "N", "accountNumber": "111222333", "routingNumber": "074000010"}
SHOWN = {"type": "CHECKING", "ownerType": "BUSINESS", "paymentCurrency": "USD", **ACCOUNT, "accountNumber": "*****2333"}


@pytest.fixture
def headers(bill: LocalBill) -> Headers:
    """A trusted session."""
    found = bill.sign_in()
    assert bill.trust(found).status_code == 200
    return found


def new_bill(bill: LocalBill, headers: Headers, amount: float = 100, **fields: Any) -> str:
    body = {"vendorId": bill.vendor(headers), "dueDate": LATER, "billLineItems": [{"amount": amount}], **fields}
    return str(bill.post("/bills", headers, body).json()["id"])


def pay(bill: LocalBill, headers: Headers, bill_id: str, amount: float, **fields: Any) -> requests.Response:
    return bill.post("/payments", headers, {"billId": bill_id, "amount": amount, "processDate": LATER, **fields})


def rows_of(bill: LocalBill, headers: Headers, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"nextPage": None}
    while "nextPage" in page:
        query = {"max": 100, **({"page": page["nextPage"]} if page["nextPage"] else {})}
        page = bill.get(path, headers, params=query).json()
        found += page["results"]
    return found


def check_sums(bill: LocalBill, headers: Headers) -> None:
    """Every bill's amount is what is paid, scheduled and due of it, and its payments say the same."""
    payments = rows_of(bill, headers, "/payments")
    parts = [(row["status"], part) for row in payments for part in row["billPayments"]]
    for row in rows_of(bill, headers, "/bills"):
        assert round(row["paidAmount"] + row["scheduledAmount"] + row["dueAmount"], 2) == row["amount"]
        mine = [(status, part) for status, part in parts if part["billId"] == row["id"]]
        scheduled = sum(part["amount"] for status, part in mine if status == "SCHEDULED")
        paid = sum(part["amount"] for status, part in mine if status == "PAID")
        credit = sum(
            one["amount"]
            for status, part in mine
            if status in ("SCHEDULED", "PAID")
            for one in part.get("vendorCredits", [])
        )
        assert (row["scheduledAmount"], row["paidAmount"], row["creditAmount"]) == (scheduled, paid + credit, credit)
        status = "PARTIAL" if row["dueAmount"] < row["amount"] else "UNPAID"
        settled = "SCHEDULED" if scheduled else "PAID"
        assert row["paymentStatus"] == (status if row["dueAmount"] else settled)
    for row in rows_of(bill, headers, "/invoices"):
        assert round(sum(one["amount"] for one in row["payments"]) + row["dueAmount"], 2) == row["totalAmount"]


def test_the_amounts_add_up_after_every_way_to_pay_and_every_end_of_a_payment(
    bill: LocalBill, headers: Headers
) -> None:
    check_sums(bill, headers)
    vendor = bill.vendor(headers)
    one, two, three, four, five = (new_bill(bill, headers) for _ in range(5))
    made = [pay(bill, headers, one, 60).json()["id"], pay(bill, headers, one, 40).json()["id"]]
    body = {"payments": [{"billId": two, "amount": 30}, {"billId": three, "amount": 100}], "processDate": "2026-11-23"}
    bill.post("/payments/bulk", headers, body)
    bill.post("/payments/mass", headers, {"payments": [{"billId": two, "amount": 20}, {"billId": five, "amount": 5}]})
    bill.form("PayBills", {"vendorId": vendor, "billPays": [{"billId": four, "amount": 10}]}, **headers)
    record = {"vendorId": vendor, "processDate": "2026-01-01", "payments": [{"billId": four, "amount": 90}]}
    bill.post("/bills/record-payment", headers, record)
    bill.advance(1)
    check_sums(bill, headers)
    assert (bill.stats()["payments"], bill.stats()["paid_total"]) == (7, 265)
    bill.post(f"/payments/{made[0]}/cancel", headers)
    check_sums(bill, headers)
    assert bill.get(f"/bills/{one}", headers).json()["dueAmount"] == 60
    assert [row["status"] for row in bill.payments() if row["id"] == made[0]] == ["CANCELLED"]
    bill.advance(7 * 24 * 3600)
    headers = bill.sign_in()
    check_sums(bill, headers)
    assert bill.get(f"/bills/{three}", headers).json()["paymentStatus"] == "PAID"
    paid = next(row["id"] for row in bill.payments() if row["bill"] == three)
    bill.post(f"/payments/{paid}/void", headers, {"type": "VOID_ONLY", "reason": "r"})
    check_sums(bill, headers)
    assert bill.get(f"/bills/{three}", headers).json()["paymentStatus"] == "UNPAID"
    assert bill.stats()["paid_total"] == 105


def test_what_is_switched_to_pay_by_itself_is_never_paid_by_the_local_bill(bill: LocalBill, headers: Headers) -> None:
    vendor = bill.vendor(headers)
    bill.call("PATCH", f"/vendors/{vendor}", headers, json={"autoPay": {"enabled": True, "daysBeforeDueDate": 1}})
    due = new_bill(bill, headers, dueDate="2026-11-25")
    recurring = bill.get("/recurringbills?max=1", headers).json()["results"][0]["id"]
    automatic = {"processingOptions": {"autoPayment": True}}
    assert bill.call("PATCH", f"/recurringbills/{recurring}", headers, json=automatic).status_code == 200
    bill.advance(90 * 24 * 3600)
    headers = bill.sign_in()
    assert bill.get(f"/vendors/{vendor}", headers).json()["autoPay"]["enabled"] is True
    assert bill.get(f"/bills/{due}", headers).json()["paymentStatus"] == "UNPAID"
    assert (bill.payments(), bill.stats()["payments"]) == ([], 0)


def test_nothing_in_the_archive_is_paid_by_any_call(bill: LocalBill, headers: Headers) -> None:
    vendor = bill.post(
        "/vendors",
        headers,
        {"name": "V", "address": {"line1": "1", "city": "c", "zipOrPostalCode": "1", "country": "US"}},
    ).json()["id"]
    of_vendor, archived = new_bill(bill, headers, vendorId=vendor), new_bill(bill, headers)
    bill.post(f"/vendors/{vendor}/archive", headers)
    bill.post(f"/bills/{archived}/archive", headers)
    batch = [{"billId": of_vendor, "amount": 1}, {"billId": archived, "amount": 1}]
    made = bill.post("/payments/mass", headers, {"payments": batch}).json()["paymentBatchId"]
    for due, payee in ((of_vendor, vendor), (archived, bill.vendor(headers))):
        line = {"billId": due, "amount": 1}
        record = {"vendorId": payee, "processDate": "2026-01-01", "payments": [line]}
        answers = [
            pay(bill, headers, due, 1),
            bill.post("/payments/bulk", headers, {"payments": [line]}),
            bill.post("/bills/record-payment", headers, record),
        ]
        assert [(answer.status_code, answer.json()[0]["code"]) for answer in answers] == [(422, "BDC_1150")] * 3
        paid = bill.form("PayBills", {"vendorId": payee, "billPays": [line]}, **headers)
        assert paid["response_data"]["error_code"] == "BDC_1150"
    assert bill.post("/payments", headers, {"vendorId": vendor, "amount": 1}).status_code == 422
    bill.advance(1)
    assert bill.get(f"/payments/mass/{made}", headers).json()["count"]["failed"] == 2
    assert bill.payments() == []
    assert bill.get("/payments", headers, params={"filters": f"vendorId:eq:{vendor}"}).json()["results"] == []


def test_an_archived_vendor_credit_pays_nothing(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    lines = [{"amount": 10}]
    body = {"vendorId": bill.vendor(headers), "creditDate": "2026-01-01", "vendorCreditLineItems": lines}
    credit = bill.post("/vendor-credits", headers, body).json()["id"]
    bill.post(f"/vendor-credits/{credit}/archive", headers)
    due = new_bill(bill, headers)
    refused = pay(bill, headers, due, 90, vendorCredits=[{"id": credit, "amount": 10}])
    assert (code_of(refused), bill.payments()) == ("BDC_1150", [])


def test_an_archived_invoice_takes_no_money(bill: LocalBill, headers: Headers) -> None:
    invoice = bill.get("/invoices?max=1", headers).json()["results"][0]
    bill.post(f"/invoices/{invoice['id']}/archive", headers)
    body = {"customerId": invoice["customerId"], "paymentDate": "2026-01-01", "paymentType": "CASH", "amount": 1}
    refused = bill.post("/invoices/record-payment", headers, {**body, "invoices": [{"id": invoice["id"], "amount": 1}]})
    assert (refused.status_code, "is archived" in refused.text) == (400, True)
    assert bill.get(f"/invoices/{invoice['id']}", headers).json()["payments"] == []


def test_payments_that_are_put_together_keep_their_day_and_their_account(bill: LocalBill, headers: Headers) -> None:
    vendor = bill.vendor(headers)
    bill.call("PATCH", f"/vendors/{vendor}", headers, json={"additionalInfo": {"combinePayments": True}})
    bills = [new_bill(bill, headers) for _ in range(4)]
    day, wallet = {"processDate": "2035-02-02"}, {"fundingAccount": {"type": "WALLET"}}
    kinds: list[dict[str, Any]] = [{}, day, day, {**day, **wallet}]
    lines = [{"billId": one, "amount": 1, **kind} for one, kind in zip(bills, kinds, strict=True)]
    made = bill.post("/payments/bulk", headers, {"payments": lines, "processDate": LATER}).json()["payments"]
    assert [(row["processDate"], row["amount"], row["fundingAccount"]["type"]) for row in made] == [
        (LATER, 1, "BANK_ACCOUNT"),
        ("2035-02-02", 2, "BANK_ACCOUNT"),
        ("2035-02-02", 1, "WALLET"),
    ]


def test_the_default_account_pays_where_none_is_named(bill: LocalBill, headers: Headers) -> None:
    first = bill.get("/funding-accounts/banks", headers).json()["results"][0]["id"]
    default = {**ACCOUNT, "default": {"payables": True}}
    second = bill.post("/funding-accounts/banks", headers, default).json()["id"]
    bill.post(f"/funding-accounts/banks/{second}/verify", headers, {"depositAmount": 0.5})
    due = new_bill(bill, headers)
    assert pay(bill, headers, due, 1).json()["fundingAccount"]["id"] == first
    bill.call("PATCH", f"/funding-accounts/banks/{first}", headers, json={"default": {"payables": False}})
    assert pay(bill, headers, due, 1).json()["fundingAccount"]["id"] == second
    bill.post(f"/funding-accounts/banks/{second}/archive", headers)
    assert pay(bill, headers, due, 1).json()["fundingAccount"]["id"] == first


def test_who_is_taken_off_a_bank_account_pays_from_it_no_more(
    bill: LocalBill, headers: Headers, code_of: CodeOf
) -> None:
    (mine,) = bill.get("/funding-accounts/banks/users?currentUser=true", headers).json()["results"]
    bill.post(f"/funding-accounts/banks/users/{mine['id']}/archive", headers)
    due = new_bill(bill, headers)
    assert (code_of(pay(bill, headers, due, 1)), bill.payments()) == ("BDC_1151", [])
    again = {"bankAccountId": mine["bankAccountId"], "userId": mine["userId"]}
    bill.post("/funding-accounts/banks/users/nominate", headers, again)
    assert pay(bill, headers, due, 1).status_code == 201


def test_v2_pays_no_bill_that_is_not_named(bill: LocalBill, headers: Headers) -> None:
    named = {"billId": new_bill(bill, headers), "amount": 5}
    for lines in ([{"amount": 5}], [named, {"amount": 5}]):
        answer = bill.form("PayBills", {"vendorId": bill.vendor(headers), "billPays": lines}, **headers)
        assert answer["response_data"]["error_code"] == "BDC_1108"
    assert bill.payments() == []


@pytest.mark.parametrize("what", ["bill", "vendor", "recorded"])
def test_what_cannot_be_paid_is_not_reissued(bill: LocalBill, headers: Headers, code_of: CodeOf, what: str) -> None:
    due, vendor = new_bill(bill, headers), bill.vendor(headers)
    record = {"vendorId": vendor, "processDate": "2026-01-01", "payments": [{"billId": due, "amount": 5}]}
    if what == "recorded":
        made = bill.post("/bills/record-payment", headers, record).json()["id"]
    else:
        made = pay(bill, headers, due, 5, processDate="2026-11-21").json()["id"]
    if what == "bill":
        bill.post(f"/bills/{due}/archive", headers)
    elif what == "vendor":
        bill.post(f"/vendors/{vendor}/archive", headers)
    before = bill.payments()
    refused = bill.post(f"/payments/{made}/void", headers, {"type": "VOID_AND_REISSUE", "reason": "r"})
    assert (refused.status_code, code_of(refused)) == (422, "BDC_1129")
    assert bill.payments() == before
    assert bill.post(f"/payments/{made}/void", headers, {"type": "VOID_ONLY", "reason": "r"}).status_code == 200


@pytest.mark.parametrize("way", ["POST", "PATCH", "own", "v2"])
def test_a_vendor_shows_the_bank_account_on_which_it_is_paid(bill: LocalBill, headers: Headers, way: str) -> None:
    address = {"line1": "1", "city": "c", "zipOrPostalCode": "1", "country": "US"}
    with_account = {"paymentInformation": {"bankAccount": ACCOUNT}}
    vendor = bill.post(
        "/vendors", headers, {"name": "V", "address": address, **(with_account if way == "POST" else {})}
    )
    vendor_id = vendor.json()["id"]
    path = f"/vendors/{vendor_id}"
    if way == "PATCH":
        bill.call("PATCH", path, headers, json=with_account)
    elif way == "own":
        bill.post(f"{path}/bank-account", headers, ACCOUNT)
    elif way == "v2":
        account = {"vendorId": vendor_id, "nameOnAcct": "N", "accountNumber": "111222333", "routingNumber": "074000010"}
        bill.form("Crud/Create/VendorBankAccount", {"obj": account}, **headers)
    row = bill.get(path, headers).json()
    assert row["paymentInformation"]["bankAccount"] == SHOWN
    assert (row["bankAccountStatus"], row["paymentInformation"]["payByType"]) == ("NO_NET_LINKED_ACCOUNT", "ACH")
    assert bill.get(f"{path}/bank-account", headers).json()["accountNumber"] == "*****2333"
    again = {**ACCOUNT, "accountNumber": "999888777"}
    second = bill.post(f"{path}/bank-account", headers, again)
    patched = bill.call("PATCH", path, headers, json={"paymentInformation": {"bankAccount": again}})
    assert [answer.status_code for answer in (second, patched)] == [422, 422]
    assert bill.get(path, headers).json() == row
    due = new_bill(bill, headers, vendorId=vendor_id)
    assert pay(bill, headers, due, 1).json()["disbursementType"] == "ACH"
    bill.call("DELETE", f"{path}/bank-account", headers)
    assert bill.get(f"{path}/bank-account", headers).status_code == 404
    row = bill.get(path, headers).json()
    assert row["bankAccountStatus"] == "NO_ACCOUNT"
    assert "bankAccount" not in row.get("paymentInformation", {})
    assert pay(bill, headers, due, 1).json()["disbursementType"] == "CHECK"
    assert bill.post(f"{path}/bank-account", headers, again).status_code == 200


def test_a_bank_account_that_v2_deletes_is_gone_in_v3_too_and_comes_back(bill: LocalBill, headers: Headers) -> None:
    account = bill.form("List/VendorBankAccount", {"start": 0, "max": 1}, **headers)["response_data"][0]
    path = f"/vendors/{account['vendorId']}"
    bill.form("Crud/Delete/VendorBankAccount", {"id": account["id"]}, **headers)
    assert bill.get(f"{path}/bank-account", headers).status_code == 404
    assert bill.get(path, headers).json()["bankAccountStatus"] == "NO_ACCOUNT"
    bill.form("Crud/Undelete/VendorBankAccount", {"id": account["id"]}, **headers)
    assert bill.get(path, headers).json()["bankAccountStatus"] == "NO_NET_LINKED_ACCOUNT"
    bill.form("Crud/Delete/VendorBankAccount", {"id": account["id"]}, **headers)
    bill.post(f"{path}/bank-account", headers, ACCOUNT)
    back = bill.form("Crud/Undelete/VendorBankAccount", {"id": account["id"]}, **headers)
    assert back["response_data"]["error_code"] == "BDC_1129"


def test_a_vendors_bank_account_and_how_it_is_paid_agree_at_the_start(bill: LocalBill, headers: Headers) -> None:
    vendors = bill.get("/vendors?max=6", headers).json()["results"]
    shown = ["bankAccount" in row["paymentInformation"] for row in vendors]
    read = [bill.get(f"/vendors/{row['id']}/bank-account", headers).status_code == 200 for row in vendors]
    assert shown == read == [False, True, True, True, False, False]


def test_v2_pays_from_the_account_that_is_named(bill: LocalBill, headers: Headers) -> None:
    bank = bill.post("/funding-accounts/banks", headers, ACCOUNT).json()["id"]
    data = {"vendorId": bill.vendor(headers), "billPays": [{"billId": new_bill(bill, headers), "amount": 5}]}
    refused = bill.form("PayBills", {**data, "bankAccountId": bank}, **headers)
    assert (refused["response_data"]["error_code"], bill.payments()) == ("BDC_1151", [])
    bill.post(f"/funding-accounts/banks/{bank}/verify", headers, {"depositAmount": 0.5})
    paid = bill.form("PayBills", {**data, "bankAccountId": bank}, **headers)
    assert paid["response_data"]["bankAccountId"] == bank


def test_a_vendor_credit_becomes_no_smaller_than_what_is_applied_of_it(bill: LocalBill, headers: Headers) -> None:
    lines = [{"amount": 10}]
    body = {"vendorId": bill.vendor(headers), "creditDate": "2026-01-01", "vendorCreditLineItems": lines}
    path = f"/vendor-credits/{bill.post('/vendor-credits', headers, body).json()['id']}"
    used = [{"id": path.rpartition("/")[2], "amount": 10}]
    pay(bill, headers, new_bill(bill, headers), 90, vendorCredits=used, processDate="2026-11-21")

    def change(amount: float) -> Any:
        answer = bill.call("PATCH", path, headers, json={"vendorCreditLineItems": [{"amount": amount}]})
        return answer.json()["status"] if answer.status_code == 200 else answer.status_code

    assert [change(9), change(12), change(10)] == [422, "IN_PROCESS", "IN_PROCESS"]
    bill.advance(24 * 3600)
    headers = bill.sign_in()
    assert bill.get(path, headers).json()["status"] == "FULLY_APPLIED"
    assert [change(9.99), change(12), change(10)] == [422, "PARTIALLY_APPLIED", "FULLY_APPLIED"]


def test_what_is_offered_to_pay_with_is_what_pays(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    (mine,) = bill.get("/funding-accounts/banks/users?currentUser=true", headers).json()["results"]
    path = f"/payments/options?vendorId={bill.vendor(headers)}&amount=1"
    bill.post(f"/funding-accounts/banks/users/{mine['id']}/archive", headers)
    (offer,) = bill.get(path, headers).json()["fundingOptions"]["banks"]
    assert (offer["available"], offer["reason"]) == (False, "The user may not pay from this account.")
    bill.post(f"/vendors/{bill.vendor(headers)}/archive", headers)
    assert code_of(bill.get(path, headers)) == "BDC_1150"


@pytest.mark.parametrize("way", ["v3", "v2"])
def test_what_is_used_of_one_vendor_credit_is_not_used_of_another(bill: LocalBill, headers: Headers, way: str) -> None:
    vendor, credits = bill.vendor(headers), []
    for number in range(2):
        lines = {"vendorCreditLineItems": [{"amount": 10}], "creditDate": "2026-01-01", "vendorId": vendor}
        if way == "v3":
            credits.append(bill.post("/vendor-credits", headers, lines).json()["id"])
        else:
            made = bill.form("Crud/Create/VendorCredit", {"obj": {**lines, "refNumber": f"C{number}"}}, **headers)
            credits.append(made["response_data"]["id"])
    pay(bill, headers, new_bill(bill, headers), 90, vendorCredits=[{"id": credits[0], "amount": 4}])
    rows = [bill.get(f"/vendor-credits/{one}", headers).json() for one in credits]
    assert [[one["amount"] for one in row["usage"]] for row in rows] == [[4], []]


def test_an_archived_account_is_not_offered(bill: LocalBill, headers: Headers) -> None:
    vendor, bank = bill.vendor(headers), bill.get("/funding-accounts/banks", headers).json()["results"][0]["id"]
    bill.post(f"/funding-accounts/banks/{bank}/archive", headers)
    answer = bill.get(f"/payments/options?vendorId={vendor}&amount=1", headers).json()
    assert answer["fundingOptions"]["banks"] == []


def test_an_app_for_accounting_data_neither_pays_nor_ends_a_payment(bill: LocalBill, headers: Headers) -> None:
    due = new_bill(bill, headers)
    made = pay(bill, headers, due, 1).json()["id"]
    batch = bill.post("/payments/mass", headers, {"payments": [{"billId": due, "amount": 1}]}).json()["paymentBatchId"]
    app = next(one for one in bill.seed["oauth_clients"] if one["scope"] == "accounting")
    form = {"grant_type": "client_credentials", "client_id": app["client_id"], "client_secret": app["client_secret"]}
    token = bill.http.post(f"{bill.url}/connect/authx/token", data=form, timeout=10).json()["access_token"]
    line = {"billId": due, "amount": 1}
    calls: list[tuple[str, str, Any]] = [
        ("POST", "", line),
        ("POST", "/bulk", {"payments": [line]}),
        ("POST", "/mass", {"payments": [line]}),
        ("GET", f"/mass/{batch}", None),
        ("POST", f"/{made}/cancel", None),
        ("POST", f"/{made}/void", {"type": "VOID_ONLY", "reason": "r"}),
    ]
    before = bill.payments()
    for method, path, body in calls:
        answer = bill.call(method, f"/payments{path}", {"Authorization": f"Bearer {token}"}, json=body)
        assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope"), path
    assert bill.payments() == before


def test_a_new_bank_account_says_who_made_it(bill: LocalBill, headers: Headers) -> None:
    assert bill.post("/funding-accounts/banks", headers, ACCOUNT).json()["createdBy"] == bill.seed["users"][0]["id"]


def test_a_combined_payment_is_listed_with_what_it_pays_of_each_bill(bill: LocalBill, headers: Headers) -> None:
    lines = [{"billId": new_bill(bill, headers), "amount": amount} for amount in (3, 4)]
    bill.form("PayBills", {"vendorId": bill.vendor(headers), "billPays": lines}, **headers)
    assert [(row["bill"], row["amount"]) for row in bill.payments()] == [
        (one["billId"], one["amount"]) for one in lines
    ]
    assert len({row["id"] for row in bill.payments()}) == 1
    assert bill.stats()["paid_total"] == 7


def test_a_payment_is_paid_at_the_end_of_its_day_however_late_one_looks(bill: LocalBill, headers: Headers) -> None:
    made = pay(bill, headers, new_bill(bill, headers), 5, processDate="2026-11-23").json()["id"]
    bill.advance(60 * 24 * 3600)
    row = bill.get(f"/payments/{made}", bill.sign_in()).json()
    assert (row["status"], row["updatedTime"]) == ("PAID", "2026-11-24T00:00:00.000+00:00")
