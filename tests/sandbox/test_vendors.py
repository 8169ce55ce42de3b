"""What belongs to a vendor: bank account, what paying it abroad takes, and the trail of its changes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import requests

from dev.local_bill import Headers, LocalBill
from tests.sandbox.conformity import differences

CodeOf = Callable[[requests.Response], str]

ACCOUNT = {"nameOnAccount": "x", "accountNumber": "987654321", "routingNumber": "021000021"}
ADDRESS = {"line1": "1 Main", "city": "Aarhus", "zipOrPostalCode": "8000", "country": "DK"}


@pytest.fixture
def headers(bill: LocalBill) -> Headers:
    """A session."""
    return bill.sign_in()


def test_a_vendors_bank_account_is_added_read_and_deleted(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    path = f"/vendors/{bill.vendor(headers)}/bank-account"
    assert code_of(bill.get(path, headers)) == "BDC_1205"
    assert code_of(bill.call("DELETE", path, headers)) == "BDC_1205"
    added = bill.post(path, headers, ACCOUNT)
    assert differences(added, "POST", "/v3/vendors/{}/bank-account") == []
    read = bill.get(path, headers)
    assert differences(read, "GET", "/v3/vendors/{}/bank-account") == []
    assert read.json()["accountNumber"] == "*****4321"
    deleted = bill.call("DELETE", path, headers)
    assert differences(deleted, "DELETE", "/v3/vendors/{}/bank-account") == []
    assert bill.get(path, headers).status_code == 404


def test_what_paying_a_vendor_abroad_takes_can_be_asked_for(bill: LocalBill, headers: Headers) -> None:
    question = "/vendors/configuration/international-payments"
    answer = bill.get(f"{question}?country=DK&billCurrency=EUR&accountType=BUSINESS", headers)
    assert differences(answer, "GET", "/v3/vendors/configuration/international-payments") == []
    fields = {row["name"]: row["regularExpression"] for row in answer.json()["validations"]["fields"]}
    assert fields["accountNumber"] == "^DK[A-Z0-9]{16}$"
    assert bill.get(f"{question}?country=XX&billCurrency=EUR&accountType=BUSINESS", headers).status_code == 422
    assert bill.get(f"{question}?country=DK", headers).status_code == 400
    body = {"name": "Dane", "address": ADDRESS, "billCurrency": "DKK"}
    vendor = bill.post("/vendors", headers, body).json()["id"]
    own = bill.get(f"/vendors/{vendor}/configuration", headers)
    assert differences(own, "GET", "/v3/vendors/{}/configuration") == []
    assert own.json() == {"internationalPayments": answer.json()}
    assert bill.get(f"/vendors/{bill.vendor(headers)}/configuration", headers).json() == {}


@pytest.mark.parametrize(
    "iban",
    [
        *("AT611904300234573201", "BE68539007547034", "CH9300762011623852957", "DE89370400440532013000"),
        *("DK5000400440116243", "ES9121000418450200051332", "FI2112345600000785", "FR1420041010050500013M02606"),
        *("GB29NWBK60161331926819", "IE29AIBK93115212345678", "NL91ABNA0417164300"),
    ],
)
def test_account_numbers_abroad_are_ibans(bill: LocalBill, headers: Headers, iban: str) -> None:
    query = f"country={iban[:2]}&billCurrency=EUR&accountType=BUSINESS"
    answer = bill.get(f"/vendors/configuration/international-payments?{query}", headers).json()
    account, bank = answer["validations"]["fields"]
    assert (account["required"], bank["required"], answer["paymentPurpose"]["required"]) == (True, True, False)
    assert re.search(account["regularExpression"], iban)
    assert not re.search(account["regularExpression"], iban + "1")
    assert not re.search(account["regularExpression"], iban[:-1])
    assert re.search(bank["regularExpression"], "NWBKGB2L")
    assert not re.search(bank["regularExpression"], "NWBKGB2")


def test_the_audit_trail_tells_what_was_changed_newest_first(bill: LocalBill, headers: Headers) -> None:
    vendor = bill.vendor(headers)
    path = f"/reports/audit-trail/vendor/{vendor}"
    assert bill.get(path, headers).json() == []
    old = bill.get(f"/vendors/{vendor}", headers).json()
    bill.call("PATCH", f"/vendors/{vendor}", headers, json={"name": "Renamed", "address": {"city": "Oakland"}})
    bill.advance(60)
    bill.call("PATCH", f"/vendors/{vendor}", headers, json={"name": "Renamed"})
    fields = bill.v2_sign_in()
    bill.form("Crud/Update/Vendor", {"obj": {"entity": "Vendor", "id": vendor, "phone": "1"}}, **fields)
    answer = bill.get(path, headers)
    assert differences(answer, "GET", "/v3/reports/audit-trail/vendor/{}") == []
    ada = {"id": bill.seed["users"][0]["id"], "name": "Ada Admin"}
    shown = [(row["field"]["name"], row["field"]["value"], row["user"], row["type"]) for row in answer.json()]
    assert shown == [
        ("phone", {"previous": old["phone"], "current": "1"}, ada, "UPDATED"),
        ("address.city", {"previous": old["address"]["city"], "current": "Oakland"}, ada, "UPDATED"),
        ("name", {"previous": old["name"], "current": "Renamed"}, ada, "UPDATED"),
    ]
    times = [row["createdTime"] for row in answer.json()]
    assert times == ["2026-11-21T12:35:56.000+00:00", *["2026-11-21T12:34:56.000+00:00"] * 2]
    assert bill.get(f"{path}?start=1&max=1", headers).json() == answer.json()[1:2]
    assert bill.get(f"{path}?start=3", headers).json() == []
    for bad in ("max=0", "max=101", "start=-1", "max=all"):
        assert bill.get(f"{path}?{bad}", headers).status_code == 400
    assert bill.get("/reports/audit-trail/vendor/nobody", headers).status_code == 404


def test_the_audit_trail_of_an_archived_vendor_is_asked_for(bill: LocalBill, headers: Headers) -> None:
    vendor = bill.vendor(headers)
    bill.post(f"/vendors/{vendor}/archive", headers)
    path = f"/reports/audit-trail/vendor/{vendor}"
    assert bill.get(path, headers).json() == []
    (row,) = bill.get(f"{path}?includeArchived=true", headers).json()
    assert row["field"] == {"name": "archived", "value": {"previous": "false", "current": "true"}}


def test_a_new_vendors_trail_begins_with_its_creation(bill: LocalBill, headers: Headers) -> None:
    vendor = bill.post("/vendors", headers, {"name": "New", "address": ADDRESS}).json()["id"]
    rows = bill.get(f"/reports/audit-trail/vendor/{vendor}?max=100", headers).json()
    assert {row["type"] for row in rows} == {"CREATED"}
    values = {row["field"]["name"]: row["field"]["value"] for row in rows}
    assert values["name"] == {"current": "New"}
    assert values["address.country"] == {"current": "DK"}


def test_an_account_number_never_stands_in_the_trail_in_full(bill: LocalBill, headers: Headers) -> None:
    body = {"name": "New", "address": ADDRESS, "paymentInformation": {"bankAccount": ACCOUNT}}
    vendor = bill.post("/vendors", headers, body).json()["id"]
    trail = bill.get(f"/reports/audit-trail/vendor/{vendor}?max=100", headers)
    assert "*****4321" in trail.text
    assert ACCOUNT["accountNumber"] not in trail.text
