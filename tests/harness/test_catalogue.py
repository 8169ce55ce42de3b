"""What is read from BILL's request collection: facts, and none of its text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dev.catalogue import CATALOGUE, CONTRACT, contract_of, facts, read, requests_of
from dev.shapes import Shapes


def item(method: str, url: str, answer: Any, body: Any = None, status: int = 200, **request: Any) -> dict[str, Any]:
    """Return a request as a collection holds it."""
    path, _, query = url.partition("?")
    parts = [part.partition("=") for part in query.split("&") if part]
    return {
        "name": "Its own words",
        "request": {
            "method": method,
            "url": {"raw": path, "query": [{"key": key.strip("?"), "value": value, "disabled": key.endswith("?")}
                                           for key, _, value in parts]},
            "header": [{"key": "sessionId"}, {"key": "devKey"}],
            **({"body": {"mode": "raw", "raw": body if isinstance(body, str) else json.dumps(body)}} if body else {}),
            **request,
        },
        "response": [{"code": status, "body": json.dumps(answer)}, {"code": 400, "body": "[]"}],
    }  # fmt: skip


def facts_of(made: dict[str, Any]) -> dict[str, Any]:
    shapes = Shapes({})
    return facts(read(made, shapes), shapes)


def read_one(made: dict[str, Any], shapes: Shapes | None = None) -> dict[str, Any]:
    return read(made, shapes or Shapes({}))


def test_requests_are_found_however_deep_their_folders_are() -> None:
    made = item("GET", "{{baseUrl}}/v3/vendors", {})
    assert list(requests_of({"item": [{"name": "a", "item": [{"name": "b", "item": [made]}]}, made]})) == [made, made]


def test_a_request_says_where_it_goes_who_calls_and_how_it_pages() -> None:
    vendors = item("GET", "{{baseUrl}}/v3/vendors?max?=10&page?=&sort?=archived", {"results": []})
    assert facts_of(vendors) == {
        "method": "GET",
        "path": "/v3/vendors",
        "paging": "page",
        "page_size": 100,
        "rows": "results",
        "query": ["max", "page", "sort"],
    }
    spend = item("GET", "{{baseUrl}}/v3/spend/transactions?nextPage?=&max?=5", {}, header=[{"key": "apiToken"}])
    assert facts_of(spend) | {"query": 0} == {
        "method": "GET",
        "path": "/v3/spend/transactions",
        "caller": "spend",
        "paging": "nextPage",
        "page_size": 50,
        "rows": "results",
        "query": 0,
    }
    trail = item("GET", "{{baseUrl}}/v3/reports/audit-trail/vendor/:vendorId?start?=0&max?=1", [])
    assert (facts_of(trail)["paging"], facts_of(trail)["rows"]) == ("start", "")
    assert facts_of(trail)["path"] == "/v3/reports/audit-trail/vendor/{vendorId}"
    hook = item("GET", "{{webhookBaseUrl}}/v3/subscriptions?page?=", {})
    assert facts_of(hook)["base"] == "events"
    assert "paging" not in facts_of(item("GET", "{{baseUrl}}/v3/roles/:roleId", {}))
    named = [{"key": "sessionId"}, {"key": "appKey"}, {"key": "organizationId"}]
    partner = facts_of(item("GET", "{{baseUrl}}/v3/partner/users", {}, header=named))
    assert (partner["caller"], partner["organization"]) == ("partner", True)


def test_a_write_says_what_its_body_is_and_what_may_be_empty_or_protected() -> None:
    paid = facts_of(item("POST", "{{baseUrl}}/v3/payments", {"id": "x"}, {"amount": 1}, 201))
    assert (paid["body"], paid["protected"]) == ("json", "always")
    vendor = facts_of(item("PATCH", "{{baseUrl}}/v3/vendors/:vendorId", {"id": "x"}, {"name": "x"}))
    assert vendor["protected"] == "autoPay"
    upload = item("POST", "{{baseUrl}}/v3/documents/bills/:billId?name=a", {"id": "x"})
    upload["request"]["body"] = {"mode": "file"}
    assert facts_of(upload)["body"] == "file"
    gone = item("DELETE", "{{baseUrl}}/v3/vendors/:vendorId/bank-account", "", status=204)
    gone["response"][0]["body"] = ""
    assert facts_of(gone)["may_be_empty"] is True


def test_no_text_of_an_example_is_kept_but_what_a_program_must_know() -> None:
    body = {
        "name": "Happy Music",
        "when": "2026-01-31",
        "at": "2026-01-31T10:00:00Z",
        "who": "joe@music.example",
        "to": "https://music.example/hook",
        "vendorId": "{{vendor_id}}",
        "type": "BANK_ACCOUNT",
        "event": "bill.created",
        "zip": "95002",
        "amount": 12.5,
        "on": True,
    }
    made = item("POST", "{{baseUrl}}/v3/things?filters?=name:eq:Happy Music", {"id": "string"}, body)
    shapes = Shapes({})
    written = contract_of(read_one(made, shapes), shapes)
    assert written["example"] == {
        "name": "{text}",
        "when": "{date}",
        "at": "{time}",
        "who": "{email}",
        "to": "{url}",
        "vendorId": "{vendor_id}",
        "type": "BANK_ACCOUNT",
        "event": "bill.created",
        "zip": "95002",
        "amount": 12.5,
        "on": True,
    }
    assert written["query"] == {"filters": "name:eq:{text}"}
    assert written["request"]["properties"]["amount"] == {"type": "number"}
    assert "Its own words" not in json.dumps(written)


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ('{"name": "x",}', {"name": "{text}"}),
        ('{""name": "x"}', {"name": "{text}"}),
        ('{"id": {{vendor_id}}}', {"id": "{vendor_id}"}),
    ],
)
def test_bodies_that_are_not_quite_json_are_read_all_the_same(text: str, read_as: dict[str, str]) -> None:
    assert read_one(item("POST", "{{baseUrl}}/v3/things", {}, text))["example"] == read_as


def test_one_kind_of_row_is_one_schema_with_all_values_that_were_seen() -> None:
    shapes, row = Shapes({"bills status": ["LATE"]}), {"id": "s", "a": 1, "b": 1.5, "c": True, "d": "2026-01-01"}
    shapes.see({"status": "DRAFT"}, "bills")
    alone = shapes.schema(shapes.add({**row, "status": "PAID"}, "bills"))
    page = shapes.schema(shapes.add({"results": [{**row, "status": "OPEN"}, {**row, "status": "VOID"}]}, "bills"))
    assert alone == page["properties"]["results"]["items"] == {"$ref": "#/schemas/Bills"}
    assert shapes.schemas() == {
        "Bills": {
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "a": {"type": "integer"},
                "b": {"type": "number"},
                "c": {"type": "boolean"},
                "d": {"type": "string", "format": "date"},
                "status": {"type": "string", "enum": ["DRAFT", "LATE", "OPEN", "PAID", "VOID"]},
            },
        }
    }


def test_codes_of_standards_are_no_enumeration_and_free_names_are_no_fields() -> None:
    shapes = Shapes({})
    assert shapes.add({"country": "US", "extra": {"key_0": "string", "key_1": "string"}}, "x") == {
        "type": "object",
        "properties": {
            "country": {"type": "string"},
            "extra": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }


def test_catalogue_and_contract_hold_the_same_operations() -> None:
    catalogue = json.loads(CATALOGUE.read_text())
    contract = json.loads(CONTRACT.read_text())["operations"]
    names = [(row["method"], row["path"]) for row in catalogue]
    assert names == [(row["method"], row["path"]) for row in contract]
    assert len(names) == len(set(names)) == 307


def test_an_empty_example_says_nothing_of_the_names_that_an_object_has() -> None:
    shapes = Shapes({})
    assert shapes.schema(shapes.add({}, "subscriptions")) == {"type": "object"}
