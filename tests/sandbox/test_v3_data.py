"""v3's collections: paging, filters, sorting, writes and their errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from dev.local_bill import LocalBill

CodeOf = Callable[[requests.Response], str]

ADDRESS = {"line1": "1 Main", "city": "San Jose", "zipOrPostalCode": "95002", "country": "US"}

LISTS = [
    "vendors",
    "bills",
    "payments",
    "recurring-bills",
    "recurringbills",
    "vendor-credits",
    "funding-accounts/banks",
    "customers",
    "invoices",
    "recurring-invoices",
    "credit-memos",
    "receivable-payments",
    "users",
    "classifications/items",
    "classifications/chart-of-accounts",
    "classifications/departments",
    "classifications/locations",
    "classifications/accounting-classes",
    "classifications/jobs",
    "classifications/employees",
]


def walk(bill: LocalBill, headers: dict[str, str], path: str, **query: Any) -> list[dict[str, Any]]:
    pages, seen = [], set()
    while True:
        answer = bill.get(path, headers, params=query).json()
        pages.append(answer)
        cursor = answer.get("nextPage")
        if not cursor:
            return pages
        assert cursor not in seen
        seen.add(cursor)
        query["page"] = cursor


def test_260_vendors_come_in_pages_each_once(bill: LocalBill) -> None:
    pages = walk(bill, bill.sign_in(), "/vendors", max=100)
    assert [len(page["results"]) for page in pages] == [100, 100, 60]
    assert len({row["id"] for page in pages for row in page["results"]}) == 260
    assert "prevPage" not in pages[0]
    assert pages[1]["prevPage"]


def test_the_default_page_has_twenty_rows(bill: LocalBill) -> None:
    assert len(bill.get("/vendors", bill.sign_in()).json()["results"]) == 20


@pytest.mark.parametrize("size", ["0", "101", "-1", "many"])
def test_a_page_size_out_of_range_is_a_bad_request(bill: LocalBill, size: str) -> None:
    assert bill.get(f"/vendors?max={size}", bill.sign_in()).status_code == 400


def test_a_cursor_of_another_list_is_a_bad_request(bill: LocalBill) -> None:
    headers = bill.sign_in()
    cursor = bill.get("/vendors", headers).json()["nextPage"]
    assert bill.get("/bills", headers, params={"page": cursor}).status_code == 400
    assert bill.get("/vendors?page=nonsense", headers).status_code == 400


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ("name:sw:Paper", 26),
        ("billCurrency:eq:CAD", 26),
        ('billCurrency:in:"USD,CAD"', 260),
        ("billCurrency:nin:USD", 26),
        ("name:ne:Paper Vendor 010", 259),
        ('createdTime:gt:"2026-01-16T00:00:00.000Z"', 247),
        ("createdTime:lte:2026-01-15", 0),
        ("archived:eq:true", 0),
        ("name:sw:Paper,billCurrency:eq:USD", 0),
    ],
)
def test_filters_select(bill: LocalBill, filters: str, count: int) -> None:
    pages = walk(bill, bill.sign_in(), "/vendors", max=100, filters=filters)
    assert sum(len(page["results"]) for page in pages) == count


def test_unknown_filters_are_refused(bill: LocalBill, code_of: CodeOf) -> None:
    headers = bill.sign_in()
    assert code_of(bill.get("/vendors?filters=nope:eq:1", headers)) == "BDC_1130"
    assert code_of(bill.get("/vendors?filters=name:like:x", headers)) == "BDC_1131"


def test_sorting_goes_both_ways_and_by_several_fields(bill: LocalBill) -> None:
    headers = bill.sign_in()

    def names(sort: str) -> list[str]:
        return [row["name"] for row in bill.get("/vendors", headers, params={"sort": sort}).json()["results"]]

    assert names("name:asc") == sorted(names("name:asc"))
    assert names("name:desc")[0] == "Water Vendor 258"
    assert names("billCurrency:asc,name:asc")[0] == "Paper Vendor 010"


@pytest.mark.parametrize("path", LISTS)
def test_every_collection_lists_and_reads_its_rows(bill: LocalBill, path: str) -> None:
    headers = bill.sign_in()
    row = bill.get(f"/{path}", headers).json()["results"][0]
    assert len(row["id"]) == 20
    assert bill.get(f"/{path}/{row['id']}", headers).json() == row


def test_unknown_paths_and_wrong_capitals_are_not_supported(bill: LocalBill, code_of: CodeOf) -> None:
    headers = bill.sign_in()
    for path in ("/Vendors", "/session", "/vendors/x/y/z"):
        answer = bill.get(path, headers)
        assert (answer.status_code, code_of(answer)) == (404, "BDC_1121")


def test_an_unknown_row_is_not_found(bill: LocalBill, code_of: CodeOf) -> None:
    answer = bill.get("/vendors/00901NOSUCHVENDOR", bill.sign_in())
    assert (answer.status_code, code_of(answer)) == (404, "BDC_1120")


def test_a_vendor_is_created_changed_archived_and_restored(bill: LocalBill) -> None:
    headers = bill.sign_in()
    created = bill.post("/vendors", headers, {"name": "New", "address": ADDRESS})
    assert created.status_code == 201
    path = f"/vendors/{created.json()['id']}"
    body = {"name": "Newer", "address": {"city": "Oakland"}}
    changed = bill.call("PATCH", path, headers, json=body).json()
    assert (changed["name"], changed["address"]["line1"]) == ("Newer", "1 Main")
    assert bill.post(path + "/archive", headers).json()["archived"] is True
    assert bill.post(path + "/restore", headers).json()["archived"] is False
    assert bill.stats()["writes"] == 4


def test_a_vendor_without_its_fields_gets_one_error_for_each(bill: LocalBill) -> None:
    headers = bill.sign_in()
    answer = bill.post("/vendors", headers, {})
    assert answer.status_code == 400
    assert [row["message"] for row in answer.json()] == [
        "name: must not be blank",
        "address: must not be null",
    ]
    assert len(bill.post("/vendors", headers, {"name": "x", "address": {"city": "y"}}).json()) == 3


def test_a_vendors_bank_account_number_is_never_shown_in_full(bill: LocalBill) -> None:
    headers = bill.sign_in()
    account = {"nameOnAccount": "x", "accountNumber": "987654321", "routingNumber": "021000021"}
    body = {"name": "New", "address": ADDRESS, "bankAccount": account}
    vendor = bill.post("/vendors", headers, body)
    assert "987654321" not in vendor.text
    shown = bill.get(f"/vendors/{vendor.json()['id']}/bank-account", headers).json()
    assert shown["accountNumber"] == "*****4321"


def test_a_bill_is_created_paid_and_settled(bill: LocalBill, code_of: CodeOf) -> None:
    headers = bill.sign_in()
    bill.trust(headers)
    vendor = bill.vendor(headers)
    lines = [{"amount": 149, "description": "a"}, {"amount": 79.99, "description": "b"}]
    body = {"vendorId": vendor, "dueDate": "2035-01-31", "billLineItems": lines}
    created = bill.post("/bills", headers, body).json()
    assert (created["amount"], created["paymentStatus"]) == (228.99, "UNPAID")
    pay = {"vendorId": vendor, "billId": created["id"], "amount": 228.99, "processDate": "2035-01-01"}
    paid = bill.post("/payments", headers, pay)
    assert (paid.status_code, paid.json()["status"]) == (201, "SCHEDULED")
    after = bill.get(f"/bills/{created['id']}", headers).json()
    assert (after["dueAmount"], after["paymentStatus"]) == (0, "SCHEDULED")
    bill.settings(overpayment="refuse")
    assert code_of(bill.post("/payments", headers, pay)) == "BDC_1159"
    late = bill.post("/payments", headers, {**pay, "processDate": "2020-01-01"})
    assert (late.status_code, code_of(late)) == (422, "BDC_1152")
    audit = bill.control("GET", "payments")
    assert [(row["vendor"], row["bill"], row["amount"]) for row in audit] == [(vendor, created["id"], 228.99)]


def test_a_double_payment_shows_in_the_audit_list(bill: LocalBill) -> None:
    headers = bill.sign_in()
    bill.trust(headers)
    body = {"vendorId": bill.vendor(headers), "amount": 7.5}
    ids = {bill.post("/payments", headers, body).json()["id"] for _ in range(2)}
    assert {row["id"] for row in bill.control("GET", "payments")} == ids
    assert bill.stats()["paid_total"] == 15.0


def test_bulk_payments_are_all_or_none(bill: LocalBill) -> None:
    headers = bill.sign_in()
    bill.trust(headers)
    bills = [row["id"] for row in bill.get("/bills?max=2", headers).json()["results"]]
    good = [{"billId": one, "amount": 5} for one in bills]
    assert bill.post("/payments/bulk", headers, {"payments": [*good, {"billId": "x", "amount": 1}]}).status_code == 404
    assert bill.stats()["payments"] == 0
    made = bill.post("/payments/bulk", headers, {"processDate": "2035-01-01", "payments": good})
    assert (made.status_code, len(made.json())) == (201, 2)
    assert bill.stats()["payments"] == 2


def test_approvals_have_shapes_of_their_own(bill: LocalBill) -> None:
    headers = bill.sign_in()
    pending = bill.get("/bill-approvals/pending-user-approvals", headers).json()
    assert set(pending) == {"bills"}
    policies = bill.get("/bill-approvals", headers).json()
    assert policies[0]["status"] == "ACTIVE"
    first = pending["bills"][0]["billId"]
    assert bill.post("/bill-approvals/actions", headers, {"billId": first, "action": "APPROVE"}).status_code == 200
    assert bill.get(f"/bills/{first}", headers).json()["approvalStatus"] == "APPROVED"


def test_an_organization_is_read_by_its_id(bill: LocalBill, code_of: CodeOf) -> None:
    headers = bill.sign_in()
    assert bill.get(f"/organizations/{bill.organization}", headers).json()["name"] == "Harbor Books"
    assert code_of(bill.get("/organizations/00801NOSUCHORG", headers)) == "BDC_1120"
