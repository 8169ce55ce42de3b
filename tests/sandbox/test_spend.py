"""Spend & Expense: its lists, what its calls change, and that each answers as BILL's own collection says."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import requests
from jsonschema import validate

from airflow_provider_bill.sandbox.data.contract import Operation, load
from dev.local_bill import LocalBill

Json = dict[str, Any]
OPERATIONS = {row.name: row for row in load().values() if row.path.startswith("/v3/spend/")}
RESOURCES = ["budgets", "cards", "custom-fields", "reimbursements", "transactions", "users"]
IMAGE = b"\xff\xd8\xff\xe0 a photo of a bill"


class Spend:
    """Spend & Expense as a client sees it."""

    def __init__(self, bill: LocalBill, token: str) -> None:
        self.bill = bill
        self.headers = {"apiToken": token}

    def call(self, method: str, path: str, body: Any = None, status: int = 200, **query: Any) -> Any:
        answer = self.bill.call(method, f"/spend/{path}", self.headers, json=body, params=query)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.text else None

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, **query)

    def rows(self, path: str, **query: Any) -> list[Json]:
        return list(self.get(path, **query)["results"])

    def first(self, path: str) -> Json:
        return self.rows(path, max=1)[0]

    def refused(self, method: str, path: str, body: Any = None, status: int = 400, **query: Any) -> str:
        errors = self.call(method, path, body, status, **query)
        assert {"code", "severity", "category", "timestamp", "message", "params"} <= set(errors[0])
        return " ".join([errors[0]["code"], *(row["message"] for row in errors)])

    def upload(self, path: str) -> str:
        name = "image-upload-url" if path == "reimbursements" else "receipt-upload-url"
        url = str(self.call("POST", f"{path}/{name}")["url"])
        put = requests.put(url, data=IMAGE, headers={"Content-Type": "image/jpeg"}, timeout=30)
        assert put.status_code == 200
        return url


@pytest.fixture
def spend(bill: LocalBill) -> Spend:
    bill.settings(spend_per_minute=1000)
    return Spend(bill, bill.connections["spend_token"]["password"])


def walk(spend: Spend, path: str, **query: Any) -> Iterator[list[Json]]:
    cursor = None
    while True:
        page = spend.get(path, **query, **({"nextPage": cursor} if cursor else {}))
        yield page["results"]
        cursor = page.get("nextPage")
        if not cursor:
            return


# -- the contract -----------------------------------------------------------------------------------------


def closed(schema: Any) -> Any:
    """Return a schema that allows no other names than it has, and needs those that identify a row."""
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    if "properties" in schema:
        inner["properties"] = {key: closed(value) for key, value in schema["properties"].items()}
        inner["additionalProperties"] = False
    return inner


def make_names(spend: Spend) -> dict[str, str]:
    """Return what stands for the placeholders of the contract's paths and bodies."""
    budget, user = spend.rows("budgets")[0], spend.rows("users")[1]
    field, reimbursement = spend.rows("custom-fields")[1], spend.first("reimbursements")
    value = spend.rows(f"custom-fields/{field['uuid']}/values")[0]["uuid"]
    transaction = spend.rows("transactions")[1]["uuid"]
    url = spend.upload("transactions")
    receipt = spend.call("POST", f"transactions/{transaction}/receipts", {"url": url})["uuid"]
    other = spend.call(
        "POST", f"reimbursements/{reimbursement['uuid']}/receipts", {"url": spend.upload("reimbursements")}
    )
    return {
        "budgetId": budget["uuid"],
        "se_budget_uuid": budget["uuid"],
        "userId": user["uuid"],
        "se_user_uuid": user["uuid"],
        "cardId": spend.first("cards")["uuid"],
        "customFieldId": field["uuid"],
        "customFieldValueId": value,
        "se_custom_field_value_uuid01": value,
        "reimbursementId": reimbursement["uuid"],
        "transactionId": transaction,
        "acsTransactionId": spend.first("transactions")["uuid"],
        "transaction receiptId": receipt,
        "reimbursement receiptId": other["uuid"],
        "se_reimbursement_url": spend.upload("reimbursements"),
        "se_transaction_url": spend.upload("transactions"),
        "file_name_with_extension": "receipt.jpg",
        "date": "2026-11-01",
        "email": "new@spend.example",
        "text": "some text",
    }


def fill(text: str, names: dict[str, str], kind: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], names.get(f"{kind} {found[1]}", "")), text)


def make_body(operation: Operation, names: dict[str, str]) -> Any:
    if operation.path.endswith("/custom-fields") and operation.method == "PUT":
        one = {"customFieldId": names["customFieldId"], "selectedValues": [names["customFieldValueId"]], "note": "x"}
        return {"customFields": [one]}
    return json.loads(fill(json.dumps(operation.example), names, "")) if operation.example else None


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_takes_bills_own_example_and_answers_as_documented(spend: Spend, name: str) -> None:
    operation = OPERATIONS[name]
    names = make_names(spend)
    if name == "GET /v3/spend/budgets/{budgetId}/members/{userId}":
        spend.call("PUT", f"budgets/{names['budgetId']}/members/{names['userId']}", {"limit": 1, "recurringLimit": 1})
    kind = "reimbursement" if "reimbursement" in operation.path else "transaction"
    path = fill(operation.path.removeprefix("/v3/spend/"), names, kind)
    query = {key: operation.query[key] for key in operation.required}
    answer = spend.call(operation.method, path, make_body(operation, names), operation.status, **query)
    if operation.answer is None:
        assert answer is None
        return
    validate(answer, closed(operation.answer))
    row = answer["results"][0] if "results" in answer else answer
    identity = {"id", "uuid", "userUuid", "token", "url", "status"} & set(row)
    assert identity, "the answer names nothing"
    for key in identity & {"uuid", "userUuid"}:
        assert str(UUID(row[key])) == row[key]


@pytest.mark.parametrize("path", RESOURCES)
def test_the_seeded_rows_show_every_documented_field(spend: Spend, path: str) -> None:
    schema = load()["GET", f"/v3/spend/{path}/{{}}"].answer
    assert schema is not None
    query = {"filters": "status:eq:DELETED"} if path == "cards" else {}
    rows = [row for page in walk(spend, path) for row in page] + (spend.rows(path, **query) if query else [])
    if path == "transactions":
        rows = [spend.get(f"transactions/{row['uuid']}") for row in rows[:12]]
        rows += [spend.get(f"transactions/{one}") for row in rows for one in row["childTransactionUuids"]]
    assert set(schema["properties"]) == {key for row in rows for key in row}


def test_no_two_rows_have_the_same_identifiers(spend: Spend) -> None:
    rows = [row for path in RESOURCES for row in spend.rows(path, max=50)]
    assert len({row["uuid"] for row in rows}) == len({row["id"] for row in rows}) == len(rows)


# -- lists ------------------------------------------------------------------------------------------------


def test_130_transactions_come_in_pages_of_50_each_once(spend: Spend) -> None:
    pages = list(walk(spend, "transactions", max=50))
    assert [len(page) for page in pages] == [50, 50, 30]
    assert len({row["uuid"] for page in pages for row in page}) == 130
    assert spend.bill.count_calls("/connect/v3/spend/transactions") == 3


def test_a_list_goes_back_by_prev_page(spend: Spend) -> None:
    first = spend.get("transactions", max=50)
    assert "prevPage" not in first
    second = spend.get("transactions", max=50, nextPage=first["nextPage"])
    again = spend.get("transactions", max=50, prevPage=second["prevPage"])
    assert again["results"] == first["results"]


def test_an_unknown_parameter_is_ignored_so_page_gives_the_first_page_again(spend: Spend) -> None:
    first = spend.get("transactions", max=50)
    again = spend.get("transactions", max=50, page=first["nextPage"], unknown="1")
    assert again == first


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("transactions", "50", 200),
        ("transactions", "51", 400),
        ("transactions", "0", 400),
        ("users", "100", 200),
        ("users", "101", 400),
        ("users", "many", 400),
    ],
)
def test_a_page_holds_at_most_50_transactions_and_100_of_others(
    spend: Spend, path: str, size: str, status: int
) -> None:
    spend.call("GET", path, None, status, max=size)


def test_a_cursor_of_another_list_is_refused_by_its_name(spend: Spend) -> None:
    cursor = spend.get("transactions", max=5)["nextPage"]
    assert "nextPage" in spend.refused("GET", "reimbursements", nextPage=cursor)
    assert "prevPage" in spend.refused("GET", "transactions", prevPage="nonsense")


@pytest.mark.parametrize(
    ("path", "filters", "count"),
    [
        ("transactions", "updatedTime:gte:2026-05-25T00:00:00Z", 1),
        ("transactions", 'updatedTime:lte:"2026-01-16T23:59:59.000Z"', 1),
        ("transactions", "authorizedTime:gte:2026-01-20T00:00:00Z,authorizedTime:lte:2026-01-22T00:00:00Z", 2),
        ("transactions", "amount:gte:451.50", 2),
        ("transactions", "amount:lte:3.5", 1),
        ("transactions", "syncStatus:eq:SYNCED", 1),
        ("transactions", "syncStatus:ne:NOT_SYNCED", 1),
        ("transactions", "syncStatus:eq:NOT_SYNCED,amount:lte:35", 9),
        ("budgets", "name:sw:Budget", 5),
        ("budgets", "name:eq:Budget 2", 1),
        ("budgets", "isBudgetGroup:eq:true", 1),
        ("budgets", "retired:eq:true", 0),
        ("cards", "status:eq:ACTIVATED", 5),
        ("cards", "status:eq:DELETED", 1),
        ("cards", 'types:in:"PHYSICAL,VIRTUAL_MEMBER"', 1),
        ("custom-fields", "name:sw:Pro,retired:eq:false", 1),
        ("reimbursements", "type:eq:MILEAGE", 2),
        ("reimbursements", "submittedTime:gte:2026-01-15T22:00:00Z", 1),
        ("users", "retired:eq:false", 5),
    ],
)
def test_filters_select(spend: Spend, path: str, filters: str, count: int) -> None:
    assert len(spend.rows(path, filters=filters, max=50)) == count


@pytest.mark.parametrize("name", ["uuid", "id"])
def test_filters_by_identifiers_take_uuids_and_the_older_ids(spend: Spend, name: str) -> None:
    budgets = spend.rows("budgets")
    pair = f"{budgets[0][name]},{budgets[1][name]}"
    assert spend.rows("budgets", filters=f'budgetIds:in:"{pair}"') == budgets[:2]
    assert spend.rows("budgets", filters=f"parentBudgetId:eq:{budgets[0][name]}") == [budgets[4]]
    cards = spend.rows("cards", filters=f"budgetIds:eq:{budgets[1][name]}")
    assert {row["budgetUuid"] for row in cards} == {budgets[1]["uuid"]}
    assert len(spend.rows("cards", filters=f"cardIds:eq:{cards[0][name]}")) == 1
    paid = spend.rows("transactions", filters=f"cardId:eq:{cards[0][name]}", max=50)
    assert len(paid) == 26
    value = spend.first("reimbursements")["customFields"][0]["selectedValues"][0]
    assert len(spend.rows("reimbursements", filters=f"customFieldValueIds:eq:{value[name]}")) == 12


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("transactions", {"filters": "merchantName:eq:City Taxi"}),
        ("transactions", {"filters": "updatedTime:gt:2026-01-16"}),
        ("budgets", {"filters": "nope:eq:1"}),
        ("budgets", {"filters": "name"}),
        ("cards", {"sort": "budgetId:asc"}),
        ("users", {"sort": "email:asc"}),
        ("budgets", {"sort": "name:up"}),
        ("budgets", {"sort": "name:asc,spent:desc"}),
    ],
)
def test_an_unknown_filter_or_sort_is_an_error_and_not_an_empty_list(spend: Spend, path: str, query: Json) -> None:
    assert spend.refused("GET", path, **query).startswith("BDC_11")


def test_lists_are_sorted_by_what_bill_sorts_by(spend: Spend) -> None:
    assert spend.rows("budgets", sort="spent:desc", max=1)[0]["name"] == "Budget 5"
    spend.call("PATCH", f"budgets/{spend.rows('budgets')[3]['uuid']}", {"limit": 7})
    assert [row["name"][-1] for row in spend.rows("budgets", sort="limit:asc")] == ["4", "1", "2", "3", "5"]
    spend.call("DELETE", f"budgets/{spend.rows('budgets')[2]['uuid']}/members/{spend.rows('users')[3]['uuid']}")
    assert [row["name"] for row in spend.rows("budgets", sort="assigned:asc", max=1)] == ["Budget 3"]
    assert [row["status"] for row in spend.rows("reimbursements", sort="status", max=9)][-1] == "READY_TO_PAY"
    amounts = [row["amount"] for row in spend.rows("transactions", sort="amount:desc", max=50)]
    assert amounts == sorted(amounts, reverse=True)
    members = spend.rows(f"budgets/{spend.rows('budgets')[4]['uuid']}/members", sort="name:desc")
    assert [row["name"] for row in members] == ["Spender 5", "Spender 2", "Spender 1"]


def test_receipts_are_listed_only_when_asked_for_and_custom_fields_by_choice(spend: Spend) -> None:
    assert "receipts" not in spend.first("transactions")
    row = spend.rows("transactions", includeReceipts="true", max=1)[0]
    assert (row["receipts"], len(row["customFields"])) == ([], 2)
    field = row["customFields"][1]
    chosen = spend.rows("transactions", showCustomFieldIds=field["uuid"], max=1)[0]
    assert chosen["customFields"] == [field]
    assert spend.get(f"transactions/{row['uuid']}", showCustomFieldIds=field["id"])["customFields"] == [field]


def test_a_part_of_a_transaction_is_read_but_not_listed(spend: Spend) -> None:
    parent = next(row for row in spend.rows("transactions") if row["childTransactionIds"])
    child = spend.get(f"transactions/{parent['childTransactionUuids'][0]}")
    assert (child["isParent"], child["parentTransactionId"]) == (False, parent["id"])


# -- who may call -----------------------------------------------------------------------------------------


def test_a_reset_puts_every_row_back(spend: Spend) -> None:
    row = spend.first("budgets")
    spend.call("PATCH", f"budgets/{row['uuid']}", {"name": "Renamed"})
    spend.bill.reset()
    assert spend.get(f"budgets/{row['uuid']}") == row


def test_a_call_needs_a_good_token(bill: LocalBill) -> None:
    for headers in ({}, {"apiToken": "wrong"}, bill.sign_in()):
        for method, path in (("GET", "/spend/users"), ("POST", "/spend/cards/x/freeze"), ("GET", "/spend/users/x")):
            assert bill.call(method, path, headers).status_code == 401


def test_what_is_not_there_is_not_found(spend: Spend) -> None:
    for method, path in (
        ("GET", "budgets/nope"),
        ("PATCH", "budgets/nope"),
        ("DELETE", "users/nope"),
        ("POST", "cards/nope/freeze"),
        ("GET", f"budgets/{spend.first('budgets')['uuid']}/members/nope"),
        ("DELETE", f"transactions/{spend.first('transactions')['uuid']}/receipts/nope"),
    ):
        assert spend.refused(method, path, {}, 404).startswith("BDC_1205")


# -- what calls change ------------------------------------------------------------------------------------


def test_a_budget_is_created_with_its_members_changed_and_deleted_for_good(spend: Spend) -> None:
    users = spend.rows("users")
    body = {"name": "New", "owners": [users[0]["uuid"]], "members": [users[1]["id"]], "observers": [users[2]["uuid"]]}
    made = spend.call("POST", "budgets", {**body, "recurringInterval": "MONTHLY", "limit": 200, "recurringLimit": 150})
    period = made["currentPeriod"]
    assert (made["name"], made["recurringLimit"], period["limit"], made["retired"]) == ("New", 150, 200, False)
    assert period["startDate"][-2:] == "01"
    assert period["startDate"] < period["endDate"]
    path = f"budgets/{made['uuid']}"
    roles = {row["userUuid"]: row["budgetRole"] for row in spend.rows(f"{path}/members")}
    assert roles == {
        users[0]["uuid"]: "OWNER",
        users[1]["uuid"]: "MEMBER",
        users[2]["uuid"]: "OBSERVER",
    }
    changed = spend.call("PATCH", path, {"limit": "300", "description": "more", "uuid": "x", "retired": True})
    assert (changed["currentPeriod"]["limit"], changed["description"]) == (300, "more")
    assert (changed["uuid"], changed["retired"], changed["name"]) == (made["uuid"], False, "New")
    spend.call("DELETE", path)
    assert made["uuid"] not in {row["uuid"] for row in spend.rows("budgets")}
    assert [row["uuid"] for row in spend.rows("budgets", filters="retired:eq:true")] == [made["uuid"]]
    assert spend.get(path)["retired"] is True
    assert spend.refused("PATCH", path, {"limit": 1}, 404)
    assert spend.refused("DELETE", path, None, 404)
    assert spend.bill.stats()["writes"] == 3


@pytest.mark.parametrize(
    ("interval", "start", "end"),
    [
        ("MONTHLY", "2026-11-01", "2026-11-30"),
        ("QUARTERLY", "2026-11-01", "2027-01-31"),
        ("YEARLY", "2026-11-01", "2027-10-31"),
        ("DAILY", "2026-11-21", "2026-11-21"),
        ("WEEKLY", "2026-11-16", "2026-11-22"),
        ("NONE", "2026-11-21", None),
    ],
)
def test_a_budgets_period_follows_from_its_interval(spend: Spend, interval: str, start: str, end: str | None) -> None:
    spend.bill.stop_clock(datetime(2026, 11, 21, 12, tzinfo=UTC))
    body = {"name": "x", "owners": [spend.first("users")["uuid"]], "recurringInterval": interval}
    made = spend.call("POST", "budgets", {**body, "limit": 90})
    assert made["recurringLimit"] == made["currentPeriod"]["limit"] == 90
    period = made["currentPeriod"]
    assert (period["startDate"], period.get("endDate")) == (start, end)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("budgets", {}, "name"),
        ("budgets", {"name": "x", "owners": [], "recurringInterval": "MONTHLY"}, "owners"),
        ("budgets", {"name": "x", "owners": ["nope"], "recurringInterval": "MONTHLY"}, "owners"),
        ("budgets", {"name": "x", "owners": ["nope"], "recurringInterval": "OFTEN"}, "recurringInterval"),
        ("cards", {"name": "x", "userId": "nope", "budgetId": "nope"}, "userId"),
        ("cards", {"name": "x"}, "budgetId"),
        ("custom-fields", {"name": "x", "global": True}, "allowCustomValues"),
        ("reimbursements", {"amount": 5}, "merchantName"),
        ("users", {"firstName": "x", "lastName": "y", "email": "z", "role": "KING"}, "role"),
        ("users", {"firstName": "x"}, "email"),
    ],
)
def test_a_bad_body_is_refused_by_field_and_nothing_is_made(spend: Spend, path: str, body: Json, words: str) -> None:
    before = spend.rows(path, max=100)
    assert words in spend.refused("POST", path, body)
    assert spend.rows(path, max=100) == before
    assert spend.bill.stats()["writes"] == 0


def test_a_body_cannot_name_a_row_that_is_gone(spend: Spend) -> None:
    budget, user = spend.first("budgets")["uuid"], spend.first("users")["uuid"]
    spend.call("DELETE", f"budgets/{budget}")
    assert "budgetId" in spend.refused("POST", "cards", {"name": "x", "userId": user, "budgetId": budget})
    transaction = spend.first("transactions")["uuid"]
    assert "budgetId" in spend.refused("PUT", f"transactions/{transaction}", {"budgetId": budget})


def test_what_only_a_new_row_is_given_is_not_changed_later(spend: Spend) -> None:
    budgets, users = spend.rows("budgets"), spend.rows("users")
    card = spend.first("cards")
    changed = spend.call("PATCH", f"cards/{card['uuid']}", {"userId": users[4]["uuid"], "budgetId": "nope"})
    assert (changed["userId"], changed["budgetId"]) == (card["userId"], card["budgetId"])
    members = spend.rows(f"budgets/{budgets[0]['uuid']}/members")
    spend.call("PATCH", f"budgets/{budgets[0]['uuid']}", {"owners": [users[4]["uuid"]]})
    assert spend.rows(f"budgets/{budgets[0]['uuid']}/members") == members
    asked = spend.first("reimbursements")
    forged = {"receipts": [{"url": "https://elsewhere.example/a.jpg", "filename": "a.jpg", "uuid": "x"}]}
    again = spend.call("PATCH", f"reimbursements/{asked['uuid']}", {**forged, "userId": users[4]["uuid"]})
    assert (again["receipts"], again["userId"]) == ([], asked["userId"])


def test_what_a_row_needs_is_not_blanked_by_a_change(spend: Spend) -> None:
    for path in ("budgets", "cards", "custom-fields"):
        row = spend.first(path)
        assert "name" in spend.refused("PATCH", f"{path}/{row['uuid']}", {"name": ""})
        assert spend.get(f"{path}/{row['uuid']}") == row


def test_a_limit_below_zero_is_refused(spend: Spend) -> None:
    for path in ("budgets", "cards"):
        assert "limit" in spend.refused("PATCH", f"{path}/{spend.first(path)['uuid']}", {"limit": -1})


def test_members_have_limits_of_their_own(spend: Spend) -> None:
    budget, user = spend.first("budgets"), spend.rows("users")[4]
    path = f"budgets/{budget['uuid']}/members/{user['uuid']}"
    assert "limit" in spend.refused("PUT", path, {})
    added = spend.call("PUT", path, {"limit": "50", "recurringLimit": "100"})
    assert (added["limit"], added["recurringLimit"], added["budgetRole"], added["name"]) == (
        50,
        100,
        "MEMBER",
        "Spender 5",
    )
    assert spend.get(f"budgets/{budget['uuid']}")["currentPeriod"]["assigned"] == 350
    assert spend.call("PUT", path, {"role": None, "limit": None}) == added
    changed = spend.call("PUT", path, {"limit": 60, "role": "OWNER"})
    assert (changed["limit"], changed["recurringLimit"], changed["budgetRole"]) == (60, 100, "OWNER")
    assert spend.get(path) == changed
    spend.call("DELETE", path)
    assert spend.get(f"budgets/{budget['uuid']}")["currentPeriod"]["assigned"] == 300
    assert len(spend.rows(f"budgets/{budget['uuid']}/members")) == 3
    gone = spend.rows(f"budgets/{budget['uuid']}/members", filters="retired:eq:true")
    assert [row["userUuid"] for row in gone] == [user["uuid"]]
    assert spend.refused("DELETE", path, None, 404)
    assert spend.call("PUT", path, {"shareBudgetFunds": True})["retired"] is False


def test_several_members_are_put_at_once_or_none(spend: Spend) -> None:
    budget, users = spend.first("budgets"), spend.rows("users")
    path = f"budgets/{budget['uuid']}/members"
    good = {"userId": users[4]["uuid"], "limit": 200, "recurringLimit": 200, "role": "OWNER", "shareBudgetFunds": True}
    assert "userId" in spend.refused("PUT", f"{path}/bulk", {"members": [good, {**good, "userId": "nope"}]})
    assert "role" in spend.refused("PUT", f"{path}/bulk", {"members": [{**good, "role": "KING"}]})
    assert "members" in spend.refused("PUT", f"{path}/bulk", {"members": []})
    assert len(spend.rows(path)) == 3
    both = {"members": [good, {**good, "userId": users[0]["id"], "limit": 5}]}
    assert spend.call("PUT", f"{path}/bulk", both) == {"status": "SUCCESS"}
    rows = {row["userUuid"]: row["limit"] for row in spend.rows(path)}
    assert (rows[users[4]["uuid"]], rows[users[0]["uuid"]]) == (200, 5)


def test_a_card_is_created_changed_frozen_and_thawed(spend: Spend) -> None:
    budget, user = spend.rows("budgets")[2], spend.rows("users")[3]
    made = spend.call(
        "POST", "cards", {"name": "Mine", "budgetId": budget["uuid"], "userId": user["id"], "limit": "100"}
    )
    assert (made["status"], made["type"], made["currentPeriod"]) == ("ACTIVATED", "VIRTUAL", {"limit": 100, "spent": 0})
    assert (made["userUuid"], made["budgetId"]) == (user["uuid"], budget["id"])
    assert re.fullmatch(r"\d{4}", made["lastFour"])
    assert re.fullmatch(r"\d\d/\d\d", made["validThru"])
    path = f"cards/{made['uuid']}"
    spend.bill.advance(5)
    assert spend.call("POST", f"{path}/freeze")["status"] == "FROZEN"
    assert spend.get(path)["status"] == "FROZEN"
    assert [row["uuid"] for row in spend.rows("cards", filters="status:eq:FROZEN")] == [made["uuid"]]
    assert spend.call("POST", f"{path}/unfreeze")["status"] == "ACTIVATED"
    thawed = spend.get(path)
    spend.bill.advance(5)
    assert spend.call("POST", f"{path}/unfreeze") == thawed
    changed = spend.call("PATCH", path, {"limit": "120", "status": "FROZEN", "lastFour": "0000"})
    assert (changed["currentPeriod"]["limit"], changed["status"]) == (120, "ACTIVATED")
    assert changed["lastFour"] == made["lastFour"]
    assert made["createdTime"] == changed["createdTime"] < changed["updatedTime"]


def test_a_deleted_card_keeps_its_reason_and_does_nothing_more(spend: Spend) -> None:
    path = f"cards/{spend.first('cards')['uuid']}"
    assert "reason" in spend.refused("DELETE", path, reason="BORED")
    spend.call("DELETE", path, reason="FRAUD_CONFIRMED")
    row = spend.get(path)
    assert (row["status"], row["deletedReason"]) == ("DELETED", "FRAUD_CONFIRMED")
    assert len(spend.rows("cards")) == 4
    other = f"cards/{spend.first('cards')['uuid']}"
    spend.call("DELETE", other)
    assert spend.get(other)["deletedReason"] == "CANCELLED"
    for method, end in (("POST", "/freeze"), ("POST", "/unfreeze"), ("GET", "/pan-jwt"), ("PATCH", "")):
        assert spend.refused(method, path + end, {}, 404)


def test_a_token_for_a_cards_number_lives_five_minutes(spend: Spend) -> None:
    card = spend.first("cards")
    token = spend.get(f"cards/{card['uuid']}/pan-jwt")["token"]
    head, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    found = json.loads(claims)
    assert json.loads(head)["alg"] == "HS256"
    assert len(signature) == 32
    assert (found["sub"], found["exp"] - found["iat"]) == (card["uuid"], 300)
    assert found["iat"] == int(spend.bill.control("GET", "clock")["timestamp"])


def test_a_custom_field_has_values_that_come_and_go(spend: Spend) -> None:
    body = {"name": "Team offsite", "allowCustomValues": False, "global": True, "values": ["Travel", "Food"]}
    field = spend.call("POST", "custom-fields", body)
    path = f"custom-fields/{field['uuid']}/values"
    values = spend.rows(path)
    assert [row["value"] for row in values] == ["Travel", "Food"]
    assert spend.call("POST", path, {"values": ["Fun", "Drinks"]})["value"] == "Fun"
    assert "values" in spend.refused("POST", path, {"values": [" "]})
    assert "values" in spend.refused("POST", path, {"values": []})
    both = [values[0]["uuid"], "nope"]
    assert "customFieldValueIds" in spend.refused("DELETE", path, {"customFieldValueIds": both})
    assert len(spend.rows(path)) == 4
    spend.call("DELETE", path, {"customFieldValueIds": [values[0]["uuid"]]})
    assert "customFieldValueIds" in spend.refused("DELETE", path, {"customFieldValueIds": [values[0]["id"]]})
    assert [row["value"] for row in spend.rows(path)] == ["Food", "Fun", "Drinks"]
    assert [row["value"] for row in spend.rows(path, filters="retired:eq:true")] == ["Travel"]
    assert spend.get(f"{path}/{values[0]['uuid']}")["deleted"] is True
    other = spend.rows("custom-fields")[0]["uuid"]
    assert spend.refused("GET", f"custom-fields/{other}/values/{values[1]['uuid']}", None, 404)
    assert spend.call("PATCH", f"custom-fields/{field['uuid']}", {"description": "2026"})["description"] == "2026"
    spend.call("DELETE", f"custom-fields/{field['uuid']}")
    assert len(spend.rows("custom-fields")) == 2
    assert spend.refused("POST", path, {"values": ["Late"]}, 404)


def test_a_reimbursement_is_asked_for_and_approved_once(spend: Spend) -> None:
    budget, user = spend.first("budgets"), spend.rows("users")[1]
    body = {"budgetId": budget["uuid"], "userId": user["uuid"], "occurredDate": "2026-11-01", "note": "Team lunch"}
    url = spend.upload("reimbursements")
    body |= {"merchantName": "Cafe", "amount": 50, "receipts": [{"url": url, "filename": "lunch.jpg"}]}
    made = spend.call("POST", "reimbursements", body)
    assert (made["amount"], made["fundRequestAmount"], made["type"]) == (50, 50, "PURCHASE")
    assert [(row["actorRole"], row["actorId"]) for row in made["statusHistory"]] == [("SUBMITTER", user["uuid"])]
    assert [row["filename"] for row in made["receipts"]] == ["lunch.jpg"]
    path = f"reimbursements/{made['uuid']}"
    changed = spend.call("PATCH", path, {"occurredDate": "2026-11-02", "amount": 60, "status": "READY_TO_PAY"})
    assert (changed["occurredDate"], changed["fundRequestAmount"]) == ("2026-11-02", 60)
    assert changed["status"] == made["status"] == "AWAITING_TIER2_APPROVAL"
    assert "action" in spend.refused("POST", f"{path}/action", {"action": "PAY"})
    spend.bill.advance(60)
    approved = spend.call("POST", f"{path}/action", {"action": "APPROVE", "note": "fine"})
    assert approved["status"] == "APPROVED"
    last = approved["statusHistory"][-1]
    assert (last["status"], last["note"], last["actorRole"]) == ("APPROVED", "fine", "BUDGET_OWNER")
    assert last["occurredTime"] > approved["submittedTime"]
    assert "APPROVED already" in spend.refused("POST", f"{path}/action", {"action": "DENY"})
    assert len(spend.get(path)["statusHistory"]) == 2
    spend.call("DELETE", path)
    assert spend.get(path)["retired"] is True
    assert made["uuid"] not in {row["uuid"] for row in spend.rows("reimbursements", max=100)}


def test_a_reimbursement_is_denied(spend: Spend) -> None:
    path = f"reimbursements/{spend.first('reimbursements')['uuid']}"
    row = spend.call("POST", f"{path}/action", {"action": "DENY"})
    assert (row["status"], row["statusHistory"][-1]["status"]) == ("DENIED", "DENIED")


@pytest.mark.parametrize("amount", [0, -5, "much"])
def test_a_reimbursement_of_nothing_is_refused(spend: Spend, amount: Any) -> None:
    body = {"budgetId": spend.first("budgets")["uuid"], "userId": spend.first("users")["uuid"]}
    body |= {"occurredDate": "2026-11-01", "merchantName": "x", "amount": amount}
    assert "amount" in spend.refused("POST", "reimbursements", body)


@pytest.mark.parametrize("path", ["reimbursements", "transactions"])
def test_an_uploaded_receipt_appears_and_goes(spend: Spend, path: str) -> None:
    row = spend.rows(path, max=2)[1]
    place = f"{path}/{row['uuid']}"
    url = spend.upload(path)
    receipt = spend.call("POST", f"{place}/receipts", {"url": url, "filename": "a.jpg"})
    assert (receipt["filename"], receipt["url"]) == ("a.jpg", url)
    assert spend.get(place)["receipts"] == [receipt]
    assert requests.get(url, timeout=30).content == IMAGE
    if path == "transactions":
        shown = spend.get(place)
        assert (shown["receiptStatus"], shown["complete"]) == ("ATTACHED", True)
        assert shown["updatedTime"] > row["updatedTime"]
        assert spend.rows(path, max=2, includeReceipts="true")[1]["receipts"] == [receipt]
    spend.call("DELETE", f"{place}/receipts/{receipt['uuid']}")
    assert spend.get(place)["receipts"] == []
    if path == "transactions":
        shown = spend.get(place)
        assert (shown["receiptStatus"], shown["complete"]) == ("MISSING", False)


def test_a_receipt_must_have_been_uploaded_for_its_own_kind(spend: Spend) -> None:
    place = f"transactions/{spend.first('transactions')['uuid']}/receipts"
    empty = spend.call("POST", "transactions/receipt-upload-url")["url"]
    for url in ("https://elsewhere.example/a.jpg", empty, spend.upload("reimbursements")):
        assert "url" in spend.refused("POST", place, {"url": url})
    assert "url" in spend.refused("POST", place, {})


def test_an_upload_takes_images_only_and_its_url_is_unguessable(spend: Spend) -> None:
    urls = {spend.call("POST", "transactions/receipt-upload-url")["url"] for _ in range(2)}
    assert len(urls) == 2
    url = urls.pop()
    token = url.rpartition("/")[2]
    assert len(token) >= 40
    bad = requests.put(url, data=b"%PDF", headers={"Content-Type": "application/pdf"}, timeout=30)
    assert bad.status_code == 400
    assert requests.put(url, data=b"", headers={"Content-Type": "image/png"}, timeout=30).status_code == 400
    assert requests.get(url, timeout=30).status_code == 404
    other = url.replace(token, "A" * len(token))
    assert requests.put(other, data=IMAGE, headers={"Content-Type": "image/png"}, timeout=30).status_code == 404
    shown = json.dumps(spend.bill.control("GET", "requests")) + json.dumps(spend.bill.stats())
    assert token not in shown


def test_a_transaction_moves_to_another_budget(spend: Spend) -> None:
    row, budget = spend.first("transactions"), spend.rows("budgets")[3]
    spend.bill.advance(5)
    moved = spend.call("PUT", f"transactions/{row['uuid']}", {"budgetId": budget["uuid"]})
    assert (moved["budgetId"], moved["budgetUuid"], moved["budgetName"]) == (
        budget["id"],
        budget["uuid"],
        budget["name"],
    )
    assert moved["updatedTime"] > row["updatedTime"]
    assert "budgetId" in spend.refused("PUT", f"transactions/{row['uuid']}", {"budgetId": "nope"})
    assert "budgetId" in spend.refused("PUT", f"transactions/{row['uuid']}", {})


def test_custom_fields_of_a_transaction_are_set_by_value(spend: Spend) -> None:
    fields = spend.rows("custom-fields")
    many, one = fields[0], fields[1]
    values = {
        field["uuid"]: [row["uuid"] for row in spend.rows(f"custom-fields/{field['uuid']}/values")] for field in fields
    }
    row = spend.rows("transactions")[1]
    path = f"transactions/{row['uuid']}/custom-fields"

    def put(field: Json, selected: list[str]) -> Json:
        return {"customFieldId": field["uuid"], "selectedValues": selected, "note": "noted"}

    two = values[many["uuid"]][1:3]
    assert spend.call("PUT", path, {"customFields": [put(many, two)]}) == {"status": "SUCCESS"}
    shown = {found["uuid"]: found for found in spend.get(path)["results"]}
    assert [value["uuid"] for value in shown[many["uuid"]]["selectedValues"]] == two
    assert (shown[many["uuid"]]["note"], len(shown)) == ("noted", 2)
    listed = spend.rows(f"{path}/{many['uuid']}/values")
    assert [value["uuid"] for value in listed] == two
    assert [found["uuid"] for found in spend.rows(path, filters=f"customFieldIds:eq:{one['uuid']}")] == [one["uuid"]]
    assert "takes one" in spend.refused("PUT", path, {"customFields": [put(one, values[one["uuid"]])]})
    assert "selectedValues" in spend.refused("PUT", path, {"customFields": [put(one, ["nope"])]})
    assert "customFieldId" in spend.refused("PUT", path, {"customFields": [put({"uuid": "nope"}, [])]})
    assert {found["uuid"]: found for found in spend.get(path)["results"]} == shown
    locked = next(row for row in spend.rows("transactions") if row["isLocked"])
    assert "locked" in spend.refused(
        "PUT", f"transactions/{locked['uuid']}/custom-fields", {"customFields": [put(many, [])]}
    )


def test_a_custom_field_that_allows_it_takes_values_of_the_caller(spend: Spend) -> None:
    field = spend.call("POST", "custom-fields", {"name": "Free", "allowCustomValues": True, "global": True})
    path = f"transactions/{spend.rows('transactions')[1]['uuid']}/custom-fields"
    body = {"customFields": [{"customFieldId": field["uuid"], "selectedValues": ["Mine"]}]}
    spend.call("PUT", path, body)
    spend.call("PUT", path, body)
    assert [row["value"] for row in spend.rows(f"custom-fields/{field['uuid']}/values")] == ["Mine"]


@pytest.mark.parametrize(
    ("action", "outcome", "kind"), [("ACCEPT", "ACCEPTED", "AUTHORIZATION"), ("REJECT", "REJECTED", "DECLINE")]
)
def test_a_3ds_challenge_is_answered_once(spend: Spend, action: str, outcome: str, kind: str) -> None:
    row = spend.first("transactions")
    path = f"transactions/{row['uuid']}"
    assert "ACCEPT or REJECT" in spend.refused("POST", f"{path}/3ds-challenge", {"action": "MAYBE"})
    answer = spend.call("POST", f"{path}/3ds-challenge", {"action": action})
    assert answer == {"id": row["id"], "status": outcome}
    assert spend.get(path)["transactionType"] == kind
    assert "no challenge" in spend.refused("POST", f"{path}/3ds-challenge", {"action": "ACCEPT"})


def test_a_user_is_created_promoted_and_retired(spend: Spend) -> None:
    body = {"firstName": "Clark", "lastName": "Spender", "email": "clark@spend.example", "role": "MEMBER"}
    made = spend.call("POST", "users", {**body, "dateOfBirth": "1990-01-01"})
    assert (made["role"], made["receiptEmail"], made["hasDateOfBirth"]) == ("MEMBER", "clark@spend.example", True)
    path = f"users/{made['uuid']}"
    assert spend.call("PATCH", path, {"role": "ADMIN"})["role"] == "ADMIN"
    spend.call("DELETE", path)
    assert spend.get(path)["retired"] is True
    assert len(spend.rows("users")) == 5
    assert [row["uuid"] for row in spend.rows("users", filters="retired:eq:true")] == [made["uuid"]]
    budget = spend.first("budgets")["uuid"]
    assert spend.refused("PUT", f"budgets/{budget}/members/{made['uuid']}", {"limit": 1, "recurringLimit": 1}, 404)


def test_the_current_user_is_the_administrator_who_made_the_token(spend: Spend) -> None:
    current = spend.get("users/current")
    assert (current, current["role"]) == (spend.first("users"), "ADMIN")
