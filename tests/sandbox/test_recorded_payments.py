"""Payments that were made outside of BILL and are recorded there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from dev.local_bill import Headers, LocalBill
from tests.sandbox.conformity import differences

CodeOf = Callable[[requests.Response], str]

DAY = "2026-11-20"


@pytest.fixture
def headers(bill: LocalBill) -> Headers:
    """A session; recording needs no MFA."""
    return bill.sign_in()


def new_bill(bill: LocalBill, headers: Headers, amount: float) -> str:
    lines = [{"amount": amount}]
    body = {"vendorId": bill.vendor(headers), "dueDate": DAY, "billLineItems": lines}
    return str(bill.post("/bills", headers, body).json()["id"])


def new_invoice(bill: LocalBill, headers: Headers, customer: str, number: str, price: float) -> str:
    lines = [{"quantity": 2, "price": price / 2}]
    body = {"customer": {"id": customer}, "invoiceNumber": number, "dueDate": DAY, "invoiceLineItems": lines}
    answer = bill.post("/invoices", headers, body)
    assert differences(answer, "POST", "/v3/invoices") == []
    return str(answer.json()["id"])


def receive(bill: LocalBill, headers: Headers, customer: str, *parts: tuple[str, str], **fields: Any) -> Any:
    invoices = [{"id": one, "amount": amount} for one, amount in parts]
    body = {"customerId": customer, "paymentDate": DAY, "paymentType": "CREDIT_CARD", "amount": "100"}
    return bill.post("/invoices/record-payment", headers, {**body, "invoices": invoices, **fields})


def test_a_recorded_payment_pays_its_bills_at_once(bill: LocalBill, headers: Headers) -> None:
    first, second = new_bill(bill, headers, 70), new_bill(bill, headers, 50)
    pays = [{"billId": first, "amount": 70}, {"billId": second, "amount": 30}]
    body = {"vendorId": bill.vendor(headers), "processDate": DAY, "toPrintCheck": True, "payments": pays}
    answer = bill.post("/bills/record-payment", headers, body)
    assert differences(answer, "POST", "/v3/bills/record-payment") == []
    made = answer.json()
    names = ("status", "disbursementType", "onlinePayment", "amount", "processDate", "toPrintCheck")
    assert [made[name] for name in names] == ["PAID", "OFFLINE", False, 100, DAY, True]
    rows = [bill.get(f"/bills/{one}", headers).json() for one in (first, second)]
    assert [(row["paymentStatus"], row["paidAmount"], row["dueAmount"]) for row in rows] == [
        ("PAID", 70, 0),
        ("PARTIAL", 30, 20),
    ]
    assert (bill.payments(), bill.stats()["payments"], bill.stats()["paid_total"]) == ([], 0, 0)
    assert differences(bill.get(f"/payments/{made['id']}", headers), "GET", "/v3/payments/{}") == []


def test_a_recorded_payment_can_be_voided_but_not_canceled(bill: LocalBill, headers: Headers) -> None:
    due = new_bill(bill, headers, 70)
    body = {"vendorId": bill.vendor(headers), "processDate": DAY, "payments": [{"billId": due, "amount": 70}]}
    made = bill.post("/bills/record-payment", headers, body).json()["id"]
    assert bill.post(f"/payments/{made}/cancel", headers).status_code == 422
    voided = bill.post(f"/payments/{made}/void", headers, {"type": "VOID_ONLY", "reason": "twice"})
    assert voided.json()["status"] == "VOID"
    assert bill.get(f"/bills/{due}", headers).json()["paymentStatus"] == "UNPAID"


@pytest.mark.parametrize("missing", ["vendorId", "processDate", "payments"])
def test_a_recorded_payment_without_its_fields_is_refused(bill: LocalBill, headers: Headers, missing: str) -> None:
    pays = [{"billId": new_bill(bill, headers, 70), "amount": 70}]
    body = {"vendorId": bill.vendor(headers), "processDate": DAY, "payments": pays}
    del body[missing]
    assert bill.post("/bills/record-payment", headers, body).status_code == 400
    assert bill.payments() == []


def test_received_money_pays_invoices_in_part_and_in_full(bill: LocalBill, headers: Headers) -> None:
    customer = bill.get("/customers?max=1", headers).json()["results"][0]["id"]
    first, second = (new_invoice(bill, headers, customer, f"R-{n}", 50) for n in (1, 2))
    answer = receive(bill, headers, customer, (first, "50"), (second, "30"), description="by card")
    assert differences(answer, "POST", "/v3/invoices/record-payment") == []
    made = answer.json()
    assert (made["unappliedAmount"], made["status"], made["paymentType"]) == (20, "PAID", "CREDIT_CARD")
    payment = {"id": made["id"], "amount": 50, "status": "PAID", "date": DAY}
    assert made["invoices"][0] == {"id": first, "payments": [payment]}
    rows = [bill.get(f"/invoices/{one}", headers) for one in (first, second)]
    assert [differences(row, "GET", "/v3/invoices/{}") for row in rows] == [[], []]
    shown = [(row.json()["status"], row.json()["dueAmount"]) for row in rows]
    assert shown == [("PAID_IN_FULL", 0), ("PARTIAL_PAYMENT", 20)]
    assert rows[0].json()["payments"] == [payment]
    received = bill.get(f"/receivable-payments/{made['id']}", headers)
    assert differences(received, "GET", "/v3/receivable-payments/{}") == []
    assert received.json()["invoicePayments"] == [
        {"invoiceId": first, "amount": 50, "paymentDate": DAY},
        {"invoiceId": second, "amount": 30, "paymentDate": DAY},
    ]
    assert (received.json()["unappliedAmount"], received.json()["description"]) == (20, "by card")
    rest = receive(bill, headers, customer, (second, "20"), amount="20")
    assert rest.json()["unappliedAmount"] == 0
    assert bill.get(f"/invoices/{second}", headers).json()["status"] == "PAID_IN_FULL"
    assert bill.payments() == []  # no money of this organization left


@pytest.mark.parametrize(
    ("kind", "code"),
    [("CASH", "0"), ("CHECK", "1"), ("CREDIT_CARD", "2"), ("ACH", "3"), ("PAYPAL", "4"), ("OTHER", "5")],
)
def test_money_is_received_in_every_documented_way(bill: LocalBill, headers: Headers, kind: str, code: str) -> None:
    customer = bill.get("/customers?max=1", headers).json()["results"][0]["id"]
    invoice = new_invoice(bill, headers, customer, "R-1", 50)
    made = receive(bill, headers, customer, (invoice, "0.1"), (invoice, "0.2"), amount="0.3", paymentType=kind)
    assert differences(made, "POST", "/v3/invoices/record-payment") == []
    assert (made.json()["unappliedAmount"], bill.get(f"/invoices/{invoice}", headers).json()["dueAmount"]) == (0, 49.7)
    received = bill.get(f"/receivable-payments/{made.json()['id']}", headers)
    assert differences(received, "GET", "/v3/receivable-payments/{}") == []
    fields = bill.v2_sign_in()
    shown = bill.form("Crud/Read/ReceivedPay", {"id": made.json()["id"]}, **fields)["response_data"]
    assert shown["paymentType"] == code


def test_received_money_that_does_not_fit_is_refused(bill: LocalBill, headers: Headers) -> None:
    customer, other = (row["id"] for row in bill.get("/customers?max=2", headers).json()["results"])
    mine, theirs = new_invoice(bill, headers, customer, "R-1", 50), new_invoice(bill, headers, other, "R-2", 50)
    refused = [
        receive(bill, headers, customer, (mine, "50"), amount="49"),
        receive(bill, headers, customer, (mine, "51")),
        receive(bill, headers, customer, (mine, "30"), (mine, "30")),
        receive(bill, headers, customer, (theirs, "1")),
        receive(bill, headers, customer, (mine, "1"), paymentType="BARTER"),
        receive(bill, headers, customer, (mine, "1"), paymentDate="yesterday"),
        receive(bill, headers, customer),
    ]
    assert [answer.status_code for answer in refused] == [400] * 7
    assert receive(bill, headers, customer, ("00e01NOSUCHINVOICE00", "1")).status_code == 404
    assert bill.get(f"/invoices/{mine}", headers).json()["status"] == "OPEN"


def test_an_invoices_new_amount_makes_it_due_again(bill: LocalBill, headers: Headers) -> None:
    customer = bill.get("/customers?max=1", headers).json()["results"][0]["id"]
    invoice = new_invoice(bill, headers, customer, "R-1", 50)
    receive(bill, headers, customer, (invoice, "50"))
    lines = {"invoiceLineItems": [{"quantity": 1, "price": 80}]}
    changed = bill.call("PATCH", f"/invoices/{invoice}", headers, json=lines).json()
    assert (changed["status"], changed["dueAmount"]) == ("PARTIAL_PAYMENT", 30)
