"""v3's collections: paging, filters, sorting, writes and their errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from airflow_provider_bill.sandbox.data.contract import Operation, load
from dev.asker import Asker
from dev.contract_check import compare
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
    assert len(walk(bill, bill.sign_in(), "/vendors", max=26)) == 10  # the last page is full
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
        ("name:sw:pAPER", 26),
        ("billCurrency:eq:CAD", 26),
        ('billCurrency:in:"USD,CAD"', 260),
        ("billCurrency:nin:USD", 26),
        ("accountType:ne:PERSON", 232),
        ('createdTime:gt:"2026-01-16T00:00:00.000Z"', 247),
        ("createdTime:lte:2026-01-15", 0),
        ("createdTime:gt:2026-01-16T11:30:00", 235),
        ("createdTime:gte:2026-01-16T11:30:00", 236),
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
    assert (answer.status_code, code_of(answer)) == (404, "BDC_1205")


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
    assert [row["message"] for row in answer.json()] == ["name: must not be null", "address: must not be null"]
    assert [row["params"] for row in answer.json()] == [
        [{"name": "name", "value": "", "additional": {}}],
        [{"name": "address", "value": "", "additional": {}}],
    ]
    assert len(bill.post("/vendors", headers, {"name": "x", "address": {"city": "y"}}).json()) == 3


def test_a_vendors_bank_account_number_is_never_shown_in_full(bill: LocalBill) -> None:
    headers = bill.sign_in()
    account = {"nameOnAccount": "x", "accountNumber": "987654321", "routingNumber": "021000021"}
    body = {"name": "New", "address": ADDRESS, "paymentInformation": {"bankAccount": account}}
    vendor = bill.post("/vendors", headers, body)
    assert "987654321" not in vendor.text
    shown = bill.get(f"/vendors/{vendor.json()['id']}/bank-account", headers).json()
    assert shown["accountNumber"] == "*****4321"


def test_what_a_line_says_is_not_set_is_as_if_it_were_left_out(bill: LocalBill) -> None:
    headers = bill.sign_in()
    line = {"amount": None, "quantity": None, "price": 5, "description": None}
    body = {"vendorId": bill.vendor(headers), "dueDate": "2035-01-31", "billLineItems": [line]}
    created = bill.post("/bills", headers, body)
    assert (created.status_code, created.json()["amount"]) == (201, 5)


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/vendors"), ("PUT", "/payments"), ("POST", "/health")])
def test_a_wrong_method_is_an_operation_that_bill_does_not_have(
    bill: LocalBill, code_of: CodeOf, method: str, path: str
) -> None:
    answer = bill.call(method, path, bill.sign_in(), json={})
    assert (answer.status_code, code_of(answer)) == (404, "BDC_1121")


def test_an_error_tells_the_parameter_that_it_names(bill: LocalBill) -> None:
    (error,) = bill.get("/vendors?max=0", bill.sign_in()).json()
    assert error["params"] == [{"name": "max", "value": "0 (must be from 1 to 100)", "additional": {}}]
    (error,) = bill.get("/vendors?filters=nope:eq:1", bill.sign_in()).json()
    assert error["params"] == [{"name": "nope", "value": "", "additional": {}}]
    assert bill.get("/vendors/00901NOSUCHVENDOR", bill.sign_in()).json()[0]["params"] == {}


def _caught() -> list[Operation]:
    """Return the operations whose path another one's identifiers would catch."""
    words = {name: one.pattern.split("/") for name, one in load().items()}
    return [
        one
        for (method, _), one in load().items()
        if any(
            method == other[0]
            and one.pattern != other[1]
            and len(parts) == len(one.pattern.split("/"))
            and all(part in (word, "{}") for word, part in zip(one.pattern.split("/"), parts, strict=True))
            for other, parts in words.items()
        )
    ]


def test_a_word_in_a_path_is_never_taken_for_an_identifier(sandbox: LocalBill) -> None:
    operations = _caught()
    assert len(operations) == 37
    for operation in operations:
        sandbox.reset()
        answer = Asker(sandbox).ask(operation)
        result = compare(operation, answer)
        assert (answer.status_code, result.extra, result.wrong) == (operation.status, set(), set()), operation.name
