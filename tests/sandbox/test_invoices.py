"""Invoices that are sent, and their links."""

from __future__ import annotations

from typing import Any

import pytest

from dev.local_bill import Headers, LocalBill
from tests.sandbox.conformity import differences


@pytest.fixture
def headers(bill: LocalBill) -> Headers:
    """A session."""
    return bill.sign_in()


def invoice(bill: LocalBill, headers: Headers) -> dict[str, Any]:
    return dict(bill.get("/invoices?max=1", headers).json()["results"][0])


def test_an_invoice_is_sent_with_an_empty_answer(bill: LocalBill, headers: Headers) -> None:
    path = f"/invoices/{invoice(bill, headers)['id']}/email"
    body = {"recipient": {"to": ["c@customers.example"]}, "replyTo": {"userId": bill.seed["users"][0]["id"]}}
    assert differences(bill.post(path, headers, body), "POST", "/v3/invoices/{}/email") == []
    assert bill.stats()["writes"] == 1
    for bad, status in (
        ({"recipient": {"to": []}}, 400),
        ({"recipient": None}, 400),
        ({"replyTo": "me"}, 400),
        ({"replyTo": {"userId": "nobody"}}, 404),
    ):
        assert bill.post(path, headers, {**body, **bad}).status_code == status
    assert bill.post("/invoices/nothing/email", headers, body).status_code == 404
    assert bill.stats()["writes"] == 1


def test_each_link_to_pay_an_invoice_is_another(bill: LocalBill, headers: Headers) -> None:
    row = invoice(bill, headers)
    path, body = f"/invoices/{row['id']}/payment-link", {"customerId": row["customerId"], "email": "c@c.example"}
    answers = [bill.post(path, headers, body) for _ in range(2)]
    assert [differences(answer, "POST", "/v3/invoices/{}/payment-link") for answer in answers] == [[], []]
    first, second = (answer.json()["paymentLink"] for answer in answers)
    assert first != second
    assert first.startswith(f"https://pay.bill.example/{row['id']}/")
    assert bill.post(path, headers, {**body, "customerId": "another"}).status_code == 400
    assert bill.post(path, headers, {"email": "c@c.example"}).status_code == 400
