"""Payments: what they make of their bills, how they are processed, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from dev.clock import START
from dev.local_bill import Headers, LocalBill
from tests.sandbox.conformity import differences

CodeOf = Callable[[requests.Response], str]

LATER = "2035-01-01"
ADDRESS = {"line1": "1 Main", "city": "San Jose", "zipOrPostalCode": "95002", "country": "US"}
MONEY = ("amount", "dueAmount", "scheduledAmount", "paidAmount", "creditAmount", "paymentStatus")


@pytest.fixture
def headers(bill: LocalBill) -> Headers:
    """A trusted session."""
    found = bill.sign_in()
    assert bill.trust(found).status_code == 200
    return found


def new_bill(bill: LocalBill, headers: Headers, amount: float = 100, **fields: Any) -> dict[str, Any]:
    body = {"vendorId": bill.vendor(headers), "dueDate": LATER, "billLineItems": [{"amount": amount}], **fields}
    answer = bill.post("/bills", headers, body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def pay(bill: LocalBill, headers: Headers, bill_id: str, amount: float, **fields: Any) -> requests.Response:
    return bill.post("/payments", headers, {"billId": bill_id, "amount": amount, "processDate": LATER, **fields})


def money(bill: LocalBill, headers: Headers, bill_id: str) -> list[Any]:
    row = bill.get(f"/bills/{bill_id}", headers).json()
    return [row[name] for name in MONEY]


def seconds_until(day: str) -> float:
    return (datetime.fromisoformat(day).replace(tzinfo=UTC) - START).total_seconds()


def test_a_payment_answers_all_that_follows_from_it(bill: LocalBill, headers: Headers) -> None:
    due = new_bill(bill, headers, 228.99)
    answer = pay(bill, headers, due["id"], 228.99, description="rent")
    assert differences(answer, "POST", "/v3/payments") == []
    made = answer.json()
    assert len(made["id"]) == 20
    assert made["billPayments"][0]["id"].startswith("blp")
    assert made["fundingAccount"]["id"].startswith("bac")
    assert made["confirmationNumber"] == f"P{made['id'][-10:]}"
    assert made["transactionNumber"] == f"T{made['id'][-10:]}"
    shown = {name: made[name] for name in made if name not in ("id", "confirmationNumber", "transactionNumber")}
    for name in ("billPayments", "fundingAccount", "disbursementInfo", "createdTime", "updatedTime"):
        del shown[name]
    assert shown == {
        "amount": 228.99,
        "vendorId": due["vendorId"],
        "vendorName": "Print Vendor 001",
        "billId": due["id"],
        "description": "rent",
        "processDate": LATER,
        "processingOptions": {"requestPayFaster": False, "createBill": False, "requestCheckDeliveryType": "STANDARD"},
        "status": "SCHEDULED",
        "exchangeRate": 1.0,
        "fundingAmount": 228.99,
        "onlinePayment": True,
        "disbursementType": "CHECK",
        "createdBy": bill.seed["users"][0]["id"],
        "cancelRequestSubmitted": False,
        "singleStatus": "SCHEDULED",
    }
    read = bill.get(f"/payments/{made['id']}", headers)
    assert differences(read, "GET", "/v3/payments/{}") == []
    assert read.json() == made


def test_a_payment_is_scheduled_and_then_paid_when_its_day_is_past(bill: LocalBill, headers: Headers) -> None:
    due = new_bill(bill, headers)
    made = pay(bill, headers, due["id"], 100).json()
    assert money(bill, headers, due["id"]) == [100, 0, 100, 0, 0, "SCHEDULED"]
    bill.advance(seconds_until("2035-01-02") - 1)
    headers = bill.sign_in()
    assert money(bill, headers, due["id"]) == [100, 0, 100, 0, 0, "SCHEDULED"]
    bill.advance(1)
    assert money(bill, headers, due["id"]) == [100, 0, 0, 100, 0, "PAID"]
    paid = bill.get(f"/payments/{made['id']}", headers).json()
    names = ("status", "singleStatus", "disbursementStatus")
    assert [paid[name] for name in names] == ["PAID", "PAID", "DONE"]
    assert paid["disbursementInfo"]["isVoidable"] is True
    assert paid["updatedTime"] == "2035-01-02T00:00:00.000+00:00"


def test_a_bill_that_is_paid_in_part_is_partial(bill: LocalBill, headers: Headers) -> None:
    due = new_bill(bill, headers)
    pay(bill, headers, due["id"], 30)
    assert money(bill, headers, due["id"]) == [100, 70, 30, 0, 0, "PARTIAL"]
    bill.advance(seconds_until("2035-01-02"))
    headers = bill.sign_in()
    assert money(bill, headers, due["id"]) == [100, 70, 0, 30, 0, "PARTIAL"]
    bill.trust(headers)
    pay(bill, headers, due["id"], 70, processDate="2035-02-01")
    assert money(bill, headers, due["id"]) == [100, 0, 70, 30, 0, "SCHEDULED"]


def test_a_bills_new_amount_makes_it_due_again(bill: LocalBill, headers: Headers) -> None:
    due = new_bill(bill, headers)
    pay(bill, headers, due["id"], 100)
    lines = {"billLineItems": [{"amount": 150}]}
    changed = bill.call("PATCH", f"/bills/{due['id']}", headers, json=lines).json()
    assert [changed[name] for name in MONEY] == [150, 50, 100, 0, 0, "PARTIAL"]
    less = bill.call("PATCH", f"/bills/{due['id']}", headers, json={"billLineItems": [{"amount": 99}]})
    assert (less.status_code, less.json()[0]["code"]) == (422, "BDC_1159")


def test_overpaying_is_refused_only_when_so_configured(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    due = new_bill(bill, headers)
    assert [pay(bill, headers, due["id"], 100).status_code for _ in range(2)] == [201, 201]
    assert money(bill, headers, due["id"]) == [100, 0, 200, 0, 0, "SCHEDULED"]
    bill.settings(overpayment="refuse")
    refused = pay(bill, headers, due["id"], 0.01)
    assert (refused.status_code, code_of(refused)) == (422, "BDC_1159")
    second = new_bill(bill, headers)
    both = [{"billId": second["id"], "amount": 60}, {"billId": second["id"], "amount": 60}]
    assert code_of(bill.post("/payments/bulk", headers, {"payments": both})) == "BDC_1159"
    assert len(bill.payments()) == 2
    lines = {"creditDate": "2026-01-01", "vendorCreditLineItems": [{"amount": 10}]}
    credit = bill.post("/vendor-credits", headers, {"vendorId": second["vendorId"], **lines}).json()["id"]
    used = [{"id": credit, "amount": 10}]
    assert code_of(pay(bill, headers, second["id"], 90.01, vendorCredits=used)) == "BDC_1159"
    assert pay(bill, headers, second["id"], 90, vendorCredits=used).status_code == 201


def test_a_payment_without_a_bill_makes_one(bill: LocalBill, headers: Headers) -> None:
    body = {"vendorId": bill.vendor(headers), "amount": 7.5, "processDate": LATER}
    made = bill.post("/payments", headers, {**body, "processingOptions": {"createBill": True}}).json()
    assert money(bill, headers, made["billId"]) == [7.5, 0, 7.5, 0, 0, "SCHEDULED"]
    assert made["processingOptions"]["createBill"] is True
    row = bill.get(f"/bills/{made['billId']}", headers).json()
    assert (row["vendorId"], row["approvalStatus"], row["approvers"]) == (body["vendorId"], "UNASSIGNED", [])
    both = {**body, "billId": made["billId"], "processingOptions": {"createBill": True}}
    assert bill.post("/payments", headers, both).status_code == 400
    again = bill.post("/payments", headers, body).json()
    assert again["billId"] != made["billId"]
    assert bill.stats()["writes"] == 2


def test_every_payment_stands_in_the_audit_list_whatever_call_made_it(bill: LocalBill, headers: Headers) -> None:
    bills = [new_bill(bill, headers)["id"] for _ in range(5)]
    pay(bill, headers, bills[0], 1, description="one")
    bill.post("/payments/bulk", headers, {"payments": [{"billId": bills[1], "amount": 2}]})
    bill.post("/payments/mass", headers, {"payments": [{"billId": bills[2], "amount": 3}]})
    bill.advance(1)
    vendor = bill.vendor(headers)
    data = {"vendorId": vendor, "processDate": LATER, "billPays": [{"billId": bills[3], "amount": 4}]}
    bill.form("PayBills", data, **headers)
    record = {"vendorId": vendor, "processDate": "2026-01-01", "payments": [{"billId": bills[4], "amount": 5}]}
    bill.post("/bills/record-payment", headers, record)
    rows = bill.payments()
    assert [(row["bill"], row["amount"], row["via"]) for row in rows] == [
        (bills[0], 1, "v3"),
        (bills[1], 2, "v3 bulk"),
        (bills[2], 3, "v3 mass"),
        (bills[3], 4, "v2"),
    ]
    assert {row["user"] for row in rows} == {bill.seed["users"][0]["id"]}
    assert rows[0]["description"] == "one"
    assert (bill.stats()["payments"], bill.stats()["paid_total"]) == (4, 10)
    assert headers["sessionId"] not in str(rows)


def test_a_double_payment_shows_in_the_audit_list(bill: LocalBill, headers: Headers) -> None:
    due = new_bill(bill, headers, 7.5)
    ids = {pay(bill, headers, due["id"], 7.5).json()["id"] for _ in range(2)}
    assert {row["id"] for row in bill.payments()} == ids
    assert [row["bill"] for row in bill.payments()] == [due["id"]] * 2
    assert bill.stats()["paid_total"] == 15.0


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"processDate": "2020-01-01"}, 422, "BDC_1152"),
        ({"processDate": "01/31/2035"}, 400, "BDC_1129"),
        ({"amount": 0}, 400, "BDC_1129"),
        ({"amount": None}, 400, "BDC_1108"),
        ({"billId": "00n01NOSUCHBILL00000"}, 404, "BDC_1205"),
        ({"vendorId": "00901NOSUCHVENDOR000"}, 404, "BDC_1205"),
        ({"fundingAccount": {"type": "BANK_ACCOUNT", "id": "bac01NOSUCHBANK00000"}}, 422, "BDC_1151"),
        ({"fundingAccount": {"type": "WALLET"}, "processDate": None}, 400, "BDC_1108"),
        ({"fundingAccount": "bank"}, 400, "BDC_1122"),
        ({"transactionNumber": "1" * 51}, 400, "BDC_1129"),
        ({"description": "d" * 71}, 400, "BDC_1129"),
    ],
)
def test_a_payment_that_cannot_be_is_refused(
    bill: LocalBill, headers: Headers, code_of: CodeOf, fields: dict[str, Any], status: int, code: str
) -> None:
    due = new_bill(bill, headers)
    answer = pay(bill, headers, **{"bill_id": due["id"], "amount": 100.0, **fields})
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert bill.payments() == []
    assert money(bill, headers, due["id"]) == [100, 100, 0, 0, 0, "UNPAID"]


def test_a_bill_of_another_vendor_or_in_the_archive_is_not_paid(
    bill: LocalBill, headers: Headers, code_of: CodeOf
) -> None:
    due = new_bill(bill, headers)
    other = bill.get("/vendors?max=2", headers).json()["results"][1]["id"]
    assert code_of(pay(bill, headers, due["id"], 1, vendorId=other)) == "BDC_1150"
    bill.post(f"/bills/{due['id']}/archive", headers)
    assert code_of(pay(bill, headers, due["id"], 1)) == "BDC_1150"
    assert bill.payments() == []


def test_the_day_before_which_a_payment_is_refused_is_named(bill: LocalBill, headers: Headers) -> None:
    due = new_bill(bill, headers)
    (error,) = pay(bill, headers, due["id"], 1, processDate="2020-01-01").json()
    assert error["message"] == "Invalid Process Date : ${paramName0}."
    assert error["params"] == [{"name": "processDate", "value": "2020-01-01", "additional": {}}]


def test_texts_of_a_payment_may_be_as_long_as_bill_says(bill: LocalBill, headers: Headers) -> None:
    due = new_bill(bill, headers)
    made = pay(bill, headers, due["id"], 1, transactionNumber="1" * 50, description="d" * 70).json()
    assert (made["transactionNumber"], made["description"]) == ("1" * 50, "d" * 70)


def test_without_a_day_a_payment_is_processed_on_the_next_business_day(bill: LocalBill, headers: Headers) -> None:
    due = new_bill(bill, headers)
    assert START.date().isoformat() == "2026-11-21"  # a Saturday
    body = {"billId": due["id"], "amount": 1}
    assert bill.post("/payments", headers, body).json()["processDate"] == "2026-11-23"
    for days, day in ((2, "2026-11-24"), (4, "2026-11-30")):  # a Monday, and then a Friday
        bill.advance(days * 86400)
        headers = bill.sign_in()
        bill.trust(headers)
        assert bill.post("/payments", headers, body).json()["processDate"] == day


@pytest.mark.parametrize(
    ("number", "kind", "funding"), [(1, "CHECK", 136), (2, "ACH", 136), (4, "ACH", 136), (10, "INTERNATIONAL", 100)]
)
def test_how_a_payment_travels_follows_from_its_vendor(
    bill: LocalBill, headers: Headers, number: int, kind: str, funding: float
) -> None:
    vendor = bill.get("/vendors?max=10", headers).json()["results"][number - 1]["id"]
    made = pay(bill, headers, new_bill(bill, headers, 136, vendorId=vendor)["id"], 136)
    assert differences(made, "POST", "/v3/payments") == []
    assert (made.json()["disbursementType"], made.json()["fundingAmount"]) == (kind, funding)
    ways = {name: way for name, way in made.json()["disbursementInfo"].items() if name != "isVoidable"}
    expected = {
        "CHECK": {"checkDisbursement": ("2035-01-08", None)},
        "ACH": {"achDisbursement": ("2035-01-03", None)},
        "INTERNATIONAL": {"internationalDisbursement": ("2035-01-05", "LOCAL")},
    }
    shown = {name: (way["arrivesByDate"], way.get("disbursementSubType")) for name, way in ways.items()}
    assert shown == expected[kind]
    assert {way["sentDate"] for way in ways.values()} == {LATER}


def test_a_bank_account_pays_only_once_it_is_verified(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    account = {"nameOnAccount": "x", "accountNumber": "123456789", "routingNumber": "021000021"}
    bank = bill.post("/funding-accounts/banks", headers, account).json()
    due, source = new_bill(bill, headers), {"type": "BANK_ACCOUNT", "id": bank["id"]}
    assert code_of(pay(bill, headers, due["id"], 1, fundingAccount=source)) == "BDC_1151"
    verify = f"/funding-accounts/banks/{bank['id']}/verify"
    for wrong in (0.49, 0.51):
        assert bill.post(verify, headers, {"depositAmount": wrong}).json() == {"verified": False}
    assert code_of(pay(bill, headers, due["id"], 1, fundingAccount=source)) == "BDC_1151"
    verified = bill.post(verify, headers, {"depositAmount": 0.5})
    assert differences(verified, "POST", "/v3/funding-accounts/banks/{}/verify") == []
    assert verified.json() == {"verified": True}
    assert pay(bill, headers, due["id"], 1, fundingAccount=source).json()["fundingAccount"] == source


def test_cents_add_up(bill: LocalBill, headers: Headers) -> None:
    due = new_bill(bill, headers, 0.3)
    bill.settings(overpayment="refuse")
    assert [pay(bill, headers, due["id"], amount).status_code for amount in (0.1, 0.2)] == [201, 201]
    assert money(bill, headers, due["id"]) == [0.3, 0, 0.3, 0, 0, "SCHEDULED"]


def test_cards_and_the_wallet_pay_too(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    card = bill.get("/funding-accounts/cards", headers).json()["cards"][0]["id"]
    ap_card = bill.get("/funding-accounts/ap-cards", headers).json()[0]["id"]
    due = new_bill(bill, headers)["id"]
    for source in (
        {"type": "CARD_ACCOUNT", "id": card},
        {"type": "AP_CARD", "id": ap_card},
        {"type": "WALLET"},
    ):
        made = pay(bill, headers, due, 1, fundingAccount=source)
        assert differences(made, "POST", "/v3/payments") == []
        assert made.json()["fundingAccount"] == source
    assert code_of(pay(bill, headers, due, 1, fundingAccount={"type": "AP_CARD", "id": card})) == "BDC_1151"
    dayless = {"billId": due, "amount": 1, "fundingAccount": {"type": "AP_CARD", "id": ap_card}}
    assert code_of(bill.post("/payments", headers, dayless)) == "BDC_1108"
    assert bill.post("/payments", headers, {**dayless, "fundingAccount": {"type": "CARD_ACCOUNT"}}).status_code == 201


def test_an_archived_bank_account_pays_no_more(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    bank = bill.get("/funding-accounts/banks", headers).json()["results"][0]["id"]
    bill.post(f"/funding-accounts/banks/{bank}/archive", headers)
    assert code_of(pay(bill, headers, new_bill(bill, headers)["id"], 1)) == "BDC_1151"


def test_what_a_payment_is_to_be_like_is_kept(bill: LocalBill, headers: Headers) -> None:
    options = {"requestPayFaster": True, "requestCheckDeliveryType": "UPS_1DAY"}
    more = {"remittanceEmail": "r@vendors.example", "processingOptions": options}
    made = pay(bill, headers, new_bill(bill, headers)["id"], 1, **more).json()
    assert made["remittanceEmail"] == "r@vendors.example"
    assert made["processingOptions"] == {**options, "createBill": False}


def test_a_vendor_credit_is_not_spent_twice_at_once(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    credits = bill.get("/vendor-credits?max=1", headers).json()["results"][0]
    vendor, part = credits["vendorId"], [{"id": credits["id"], "amount": 6}]
    lines = [
        {"billId": new_bill(bill, headers, vendorId=vendor)["id"], "amount": 1, "vendorCredits": part} for _ in range(2)
    ]
    assert credits["amount"] == 10
    assert code_of(bill.post("/payments/bulk", headers, {"payments": lines})) == "BDC_1150"
    assert bill.post("/payments/bulk", headers, {"payments": lines[:1]}).status_code == 201
    assert code_of(bill.post("/payments/bulk", headers, {"payments": lines[1:]})) == "BDC_1150"
    other = new_bill(bill, headers)["id"]
    assert code_of(pay(bill, headers, other, 1, vendorCredits=[{"id": credits["id"], "amount": 1}])) == "BDC_1150"
    assert bill.get(f"/vendor-credits/{credits['id']}", headers).json()["appliedAmount"] == 6


def test_vendor_credits_pay_a_part_of_a_bill(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    vendor = bill.vendor(headers)
    lines = [{"amount": 40, "description": "back"}]
    body = {"vendorId": vendor, "referenceNumber": "C1", "creditDate": LATER, "vendorCreditLineItems": lines}
    credit = bill.post("/vendor-credits", headers, body).json()["id"]
    due = new_bill(bill, headers)

    def state() -> list[Any]:
        row = bill.get(f"/vendor-credits/{credit}", headers).json()
        return [row["appliedAmount"], row["status"], row["usage"]]

    too_much = pay(bill, headers, due["id"], 50, vendorCredits=[{"id": credit, "amount": 41}])
    assert (too_much.status_code, code_of(too_much)) == (422, "BDC_1150")
    made = pay(bill, headers, due["id"], 75, vendorCredits=[{"id": credit, "amount": 25}])
    assert differences(made, "POST", "/v3/payments") == []
    assert made.json()["billPayments"][0]["vendorCredits"] == [{"id": credit, "amount": 25}]
    assert money(bill, headers, due["id"]) == [100, 0, 75, 25, 25, "SCHEDULED"]
    usage = [{"billId": due["id"], "paymentId": made.json()["id"], "amount": 25}]
    assert state() == [25, "IN_PROCESS", usage]
    bill.post(f"/payments/{made.json()['id']}/cancel", headers)
    assert state() == [0, "NOT_APPLIED", []]
    assert money(bill, headers, due["id"]) == [100, 100, 0, 0, 0, "UNPAID"]
    made = pay(bill, headers, due["id"], 60, vendorCredits=[{"id": credit, "amount": 40}]).json()
    bill.advance(seconds_until("2035-01-02"))
    headers |= bill.sign_in()
    assert state() == [40, "FULLY_APPLIED", [{**usage[0], "paymentId": made["id"], "amount": 40}]]
    assert money(bill, headers, due["id"]) == [100, 0, 0, 100, 40, "PAID"]


def test_bulk_payments_are_all_or_none(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    good = [{"billId": new_bill(bill, headers)["id"], "amount": 5} for _ in range(2)]
    body = {"processDate": LATER, "payments": [*good, {"billId": "x", "amount": 1}]}
    assert bill.post("/payments/bulk", headers, body).status_code == 404
    nameless = bill.post("/payments/bulk", headers, {"payments": [*good, {"amount": 1}]})
    assert nameless.json()[0]["message"] == "payments[2].billId: must not be null"
    assert bill.payments() == []
    made = bill.post("/payments/bulk", headers, {**body, "payments": good})
    assert differences(made, "POST", "/v3/payments/bulk") == []
    assert [row["billId"] for row in made.json()["payments"]] == [one["billId"] for one in good]
    assert {row["processDate"] for row in made.json()["payments"]} == {LATER}
    assert bill.stats()["payments"] == 2
    assert bill.post("/payments/bulk", headers, {"payments": []}).status_code == 400
    many = bill.post("/payments/bulk", headers, {"payments": good * 26})
    assert (many.status_code, code_of(many)) == (400, "BDC_1129")


def test_bulk_payments_of_a_vendor_that_combines_them_are_one(bill: LocalBill, headers: Headers) -> None:
    info = {"name": "Combined", "address": ADDRESS, "additionalInfo": {"combinePayments": True}}
    vendor = bill.post("/vendors", headers, info).json()["id"]
    lines = [{"billId": new_bill(bill, headers, vendorId=vendor)["id"], "amount": n + 1} for n in range(36)]
    made = bill.post("/payments/bulk", headers, {"processDate": LATER, "payments": lines})
    assert differences(made, "POST", "/v3/payments/bulk") == []
    first, second = made.json()["payments"]
    assert ([len(one["billPayments"]) for one in (first, second)]) == [35, 1]
    assert (first["amount"], second["amount"], "billId" in first) == (630, 36, False)
    assert [row["bill"] for row in bill.payments()] == [line["billId"] for line in lines]


def test_a_batch_is_made_a_second_later_and_fails_one_by_one(bill: LocalBill, headers: Headers) -> None:
    good = [{"billId": new_bill(bill, headers)["id"], "amount": 5} for _ in range(3)]
    lines = [*good[:2], {"billId": "00n01NOSUCHBILL00000", "amount": 5}, good[2]]
    answer = bill.post("/payments/mass", headers, {"processDate": LATER, "payments": lines})
    assert differences(answer, "POST", "/v3/payments/mass") == []
    batch = answer.json()["paymentBatchId"]
    assert (batch[:3], answer.json()["batchStatus"]) == ("bbq", "SCHEDULED")

    def read() -> tuple[str, dict[str, int]]:
        found = bill.get(f"/payments/mass/{batch}", headers)
        assert differences(found, "GET", "/v3/payments/mass/{}") == []
        return found.json()["batchStatus"], found.json()["count"]

    assert read() == ("SCHEDULED", {"scheduled": 4, "failed": 0, "completed": 0, "total": 4})
    bill.advance(0.5)
    assert (read()[0], bill.payments()) == ("SCHEDULED", [])
    bill.advance(0.5)
    assert [row["bill"] for row in bill.payments()] == [line["billId"] for line in good]
    assert read() == ("COMPLETED", {"scheduled": 0, "failed": 1, "completed": 3, "total": 4})
    assert money(bill, headers, good[0]["billId"]) == [100, 95, 5, 0, 0, "PARTIAL"]


def test_a_batch_takes_two_thousand_bills_and_no_more(bill: LocalBill, headers: Headers) -> None:
    line = {"billId": new_bill(bill, headers, 5000)["id"], "amount": 1}
    assert bill.post("/payments/mass", headers, {"payments": [line] * 2001}).status_code == 400
    assert bill.post("/payments/mass", headers, {"payments": [line] * 2000}).status_code == 201
    bill.advance(1)
    assert bill.stats()["payments"] == 2000
    assert money(bill, headers, line["billId"])[2] == 2000


def test_what_holds_for_a_whole_batch_is_refused_at_once(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    line = {"billId": new_bill(bill, headers)["id"], "amount": 1}
    past = bill.post("/payments/mass", headers, {"processDate": "2020-01-01", "payments": [line]})
    assert (past.status_code, code_of(past)) == (422, "BDC_1152")
    assert bill.post("/payments/mass", headers, {"payments": [{"amount": 1}]}).status_code == 400
    bill.advance(1)
    assert bill.payments() == []


def test_a_payment_is_canceled_once_and_before_its_day(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    due = new_bill(bill, headers)
    made = pay(bill, headers, due["id"], 100).json()["id"]
    canceled = bill.post(f"/payments/{made}/cancel", headers)
    assert differences(canceled, "POST", "/v3/payments/{}/cancel") == []
    names = ("status", "singleStatus", "cancelRequestSubmitted")
    assert [canceled.json()[name] for name in names] == ["CANCELLED", "CANCELED", True]
    assert money(bill, headers, due["id"]) == [100, 100, 0, 0, 0, "UNPAID"]
    again = bill.post(f"/payments/{made}/cancel", headers)
    assert (again.status_code, code_of(again)) == (422, "BDC_1129")
    bill.advance(seconds_until("2035-01-03"))
    headers = bill.sign_in()
    assert money(bill, headers, due["id"]) == [100, 100, 0, 0, 0, "UNPAID"]
    bill.trust(headers)
    late = pay(bill, headers, due["id"], 100, processDate="2035-01-03").json()["id"]
    assert bill.post(f"/payments/{late}/cancel", headers).status_code == 422
    assert money(bill, headers, due["id"]) == [100, 0, 100, 0, 0, "SCHEDULED"]


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        ("VOID_AND_CREDIT", [100, 100, 0, 0, 0, "UNPAID"]),
        ("VOID_ONLY", [100, 100, 0, 0, 0, "UNPAID"]),
        ("VOID_AND_REISSUE", [100, 0, 100, 0, 0, "SCHEDULED"]),
        ("VOID_AND_REISSUE_VCARD", [100, 0, 100, 0, 0, "SCHEDULED"]),
    ],
)
def test_a_processed_payment_is_voided_and_its_bill_is_due_again_unless_it_is_paid_anew(
    bill: LocalBill, headers: Headers, code_of: CodeOf, kind: str, after: list[Any]
) -> None:
    due = new_bill(bill, headers)
    made = pay(bill, headers, due["id"], 100).json()["id"]
    body = {"type": kind, "reason": "wrong vendor"}
    early = bill.post(f"/payments/{made}/void", headers, body)
    assert (early.status_code, code_of(early)) == (422, "BDC_1129")
    bill.advance(seconds_until("2035-01-02"))
    headers = bill.sign_in()
    assert bill.post(f"/payments/{made}/void", headers, {"type": kind}).status_code == 400
    assert bill.post(f"/payments/{made}/void", headers, {**body, "type": "VOID"}).status_code == 400
    voided = bill.post(f"/payments/{made}/void", headers, body)
    assert differences(voided, "POST", "/v3/payments/{}/void") == []
    assert [voided.json()[name] for name in ("status", "singleStatus")] == ["VOID", "VOIDED"]
    (info,) = voided.json()["voidInfo"]
    assert (info["type"], info["reason"], info["status"]) == (kind, "wrong vendor", "ACCEPTED")
    assert info["requestedBy"] == bill.seed["users"][0]["id"]
    assert voided.json()["disbursementInfo"]["isVoidable"] is False
    assert money(bill, headers, due["id"]) == after
    assert bill.post(f"/payments/{made}/void", headers, body).status_code == 422
    assert len(bill.payments()) == (2 if "REISSUE" in kind else 1)


def test_a_payment_is_voided_on_its_day_already(bill: LocalBill, headers: Headers) -> None:
    due = new_bill(bill, headers)
    made = pay(bill, headers, due["id"], 100).json()["id"]
    bill.advance(seconds_until(LATER))
    headers = bill.sign_in()
    body = {"type": "VOID_AND_CREDIT", "reason": "late"}
    assert bill.post(f"/payments/{made}/void", headers, body).json()["status"] == "VOID"
    bill.advance(seconds_until("2035-01-03") - seconds_until(LATER))
    headers = bill.sign_in()
    assert bill.get(f"/payments/{made}", headers).json()["status"] == "VOID"
    assert money(bill, headers, due["id"]) == [100, 100, 0, 0, 0, "UNPAID"]


def test_a_payment_from_before_the_first_bill_is_reissued(bill: LocalBill, headers: Headers) -> None:
    old = bill.get("/payments?max=1", headers).json()["results"][0]
    body = {"type": "VOID_AND_REISSUE", "reason": "lost"}
    assert bill.post(f"/payments/{old['id']}/void", headers, body).status_code == 200
    (row,) = bill.payments()
    assert (row["via"], row["amount"], row["vendor"]) == ("v3 void", old["amount"], old["vendorId"])
    assert row["process_date"] == "2026-11-21"


def test_the_ways_to_pay_a_vendor_can_be_asked_for(bill: LocalBill, headers: Headers) -> None:
    vendor = bill.vendor(headers)
    account = {"nameOnAccount": "x", "accountNumber": "123456789", "routingNumber": "021000021"}
    bill.post("/funding-accounts/banks", headers, account)
    answer = bill.get(f"/payments/options?vendorId={vendor}&amount=100", headers)
    assert differences(answer, "GET", "/v3/payments/options") == []
    banks = answer.json()["fundingOptions"]["banks"]
    assert [one["available"] for one in banks] == [True, False]
    assert (banks[0]["processDate"], banks[0]["deliveryDate"]) == ("2026-11-23", "2026-11-25")
    (card,) = answer.json()["fundingOptions"]["cards"]
    assert card["feeInfo"] == {"amount": 2.9, "rate": 0.029}
    assert bill.get(f"/payments/options?vendorId={vendor}", headers).status_code == 400


def test_an_exchange_rate_can_be_asked_for(bill: LocalBill, headers: Headers) -> None:
    vendor = bill.get("/vendors?max=10", headers).json()["results"][9]["id"]
    answer = bill.get(f"/payments/exchange-rate?vendorId={vendor}&amount=1000&baseCurrency=true", headers)
    assert differences(answer, "GET", "/v3/payments/exchange-rate") == []
    assert answer.json() == {
        "paymentCurrency": "CAD",
        "baseCurrency": "USD",
        "exchangeRate": 1.36,
        "amountRange": {"from": 0, "to": 100000},
        "expirationTime": "2026-11-21T13:34:56.000+00:00",
    }


def test_there_is_no_exchange_rate_for_too_much(bill: LocalBill, headers: Headers) -> None:
    vendor = bill.get("/vendors?max=10", headers).json()["results"][9]["id"]
    path = f"/payments/exchange-rate?vendorId={vendor}"
    assert bill.get(f"{path}&amount=136000&baseCurrency=false", headers).status_code == 200
    assert bill.get(f"{path}&amount=136002&baseCurrency=false", headers).status_code == 400
    assert bill.get(f"{path}&amount=100001&baseCurrency=true", headers).status_code == 400
    assert bill.get(f"{path}&amount=1", headers).status_code == 400


def test_only_a_check_that_has_been_sent_has_a_picture(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    made = pay(bill, headers, new_bill(bill, headers)["id"], 1).json()["id"]
    wired = bill.get("/vendors?max=2", headers).json()["results"][1]["id"]
    other = pay(bill, headers, new_bill(bill, headers, vendorId=wired)["id"], 1).json()["id"]
    assert code_of(bill.get(f"/payments/{made}/check-image", headers)) == "BDC_1129"
    bill.advance(seconds_until("2035-01-02"))
    headers = bill.sign_in()
    assert bill.get(f"/payments/{other}/check-image", headers).status_code == 422
    answer = bill.get(f"/payments/{made}/check-image", headers)
    assert differences(answer, "GET", "/v3/payments/{}/check-image") == []
    link = answer.json()["results"][0]["downloadLink"]
    picture = requests.get(link, timeout=30)
    assert (picture.status_code, picture.headers["content-type"], picture.content[:4]) == (200, "image/png", b"\x89PNG")
    assert requests.get(link[:-1] + "!", timeout=30).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/payments"),
        ("POST", "/payments/bulk"),
        ("POST", "/payments/mass"),
        ("GET", "/payments/mass/bbq"),
        ("POST", "/payments/{}/cancel"),
        ("POST", "/payments/{}/void"),
    ],
)
def test_an_app_for_accounting_data_makes_and_ends_no_payments(
    bill: LocalBill, headers: Headers, method: str, path: str
) -> None:
    client = next(row for row in bill.seed["oauth_clients"] if row["scope"] == "accounting")
    form = {"grant_type": "client_credentials", "client_id": client["client_id"]}
    form["client_secret"] = client["client_secret"]
    token = bill.http.post(f"{bill.url}/connect/authx/token", data=form, timeout=30).json()["access_token"]
    payment = pay(bill, headers, new_bill(bill, headers)["id"], 1).json()["id"]
    answer = bill.call(method, path.format(payment), {"Authorization": f"Bearer {token}"}, json={})
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    assert bill.get(f"/payments/{payment}", headers).json()["status"] == "SCHEDULED"


def test_payments_can_be_filtered_by_state_and_bill(bill: LocalBill, headers: Headers) -> None:
    made = pay(bill, headers, new_bill(bill, headers)["id"], 1).json()
    pay(bill, headers, new_bill(bill, headers)["id"], 1)
    for filters in (f"billId:eq:{made['billId']}", f"transactionNumber:eq:{made['transactionNumber']}"):
        answer = bill.get("/payments", headers, params={"filters": filters})
        assert differences(answer, "GET", "/v3/payments") == []
        assert answer.json()["results"] == [made]
    scheduled = bill.get("/payments?filters=singleStatus:eq:SCHEDULED", headers).json()["results"]
    assert len(scheduled) == 2


def test_one_bulk_call_pays_fifty_bills_and_no_more(bill: LocalBill, headers: Headers) -> None:
    due = new_bill(bill, headers)["id"]
    lines = [{"billId": due, "amount": 1}] * 51
    assert bill.post("/payments/bulk", headers, {"payments": lines}).status_code == 400
    assert bill.payments() == []
    made = bill.post("/payments/bulk", headers, {"payments": lines[:50]}).json()["payments"]
    assert len(made) == len({row["id"] for row in made}) == len(bill.payments()) == 50
