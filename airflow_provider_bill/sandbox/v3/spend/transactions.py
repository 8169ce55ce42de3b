"""Transactions: what a list shows of them, their budget, their custom fields and their 3DS challenges."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.spend_rows import apply_field, refer
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.fields import is_list_of_objects, require_fields
from airflow_provider_bill.sandbox.server.messages import Answer, Call, get_text, is_true, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.state.clock import to_iso
from airflow_provider_bill.sandbox.v3.spend.access import (
    get_live_row,
    get_named_row,
    get_row,
    get_rows,
    is_gone,
    note_change,
    requires_token,
)
from airflow_provider_bill.sandbox.v3.spend.custom_fields import find_values
from airflow_provider_bill.sandbox.v3.spend.lists import Listing, by_ids, make_list
from airflow_provider_bill.sandbox.v3.spend.making import add_values
from airflow_provider_bill.sandbox.v3.spend.resources import RESOURCES, SELECTED_VALUES

routes = Routes("/connect/v3/spend/transactions")

_FIELDS = Listing({"customFieldIds": by_ids()})
_OUTCOMES = {"ACCEPT": "ACCEPTED", "REJECT": "REJECTED"}


def _show(call: Call, row: Row, *, receipts: bool) -> Row:
    wanted = call.query_list("showCustomFieldIds")
    shown = dict(row)
    if wanted:
        fields = row["customFields"]
        shown["customFields"] = [field for field in fields if field["id"] in wanted or field["uuid"] in wanted]
    if not receipts:
        del shown["receipts"]
    return shown


def _change(call: Call, row: Row, fields: Row) -> Row:
    row |= {**fields, "updatedTime": to_iso(call.now)}
    note_change(call, "transactions", "updated", row)
    return row


@routes.route("GET", "")
@requires_token
def list_transactions(call: Call) -> Answer:
    """List the transactions that are no part of another, with their receipts if that is asked for."""
    parents = [row for row in get_rows(call, "transactions").values() if row["isParent"]]
    page = make_list(call, RESOURCES["transactions"].listing, parents)
    receipts = is_true(call.query.get("includeReceipts", ""))
    return reply(call, {**page, "results": [_show(call, row, receipts=receipts) for row in page["results"]]})


@routes.route("GET", "/{}")
@requires_token
def read_transaction(call: Call, name: str) -> Answer:
    """Read one transaction."""
    return reply(call, _show(call, get_row(call, "transactions", name), receipts=True))


@routes.route("PUT", "/{}")
@requires_token
def move_transaction(call: Call, name: str) -> Answer:
    """Move a transaction to another budget."""
    row, body = get_live_row(call, "transactions", name), call.json_object()
    require_fields(body, "budgetId")
    budget = get_named_row(call, "budgets", body, "budgetId")
    return reply(call, _change(call, row, {**refer("budget", budget), "budgetName": budget["name"]}))


@routes.route("GET", "/{}/custom-fields")
@requires_token
def list_custom_fields(call: Call, name: str) -> Answer:
    """List the custom fields of a transaction."""
    return reply(call, make_list(call, _FIELDS, get_row(call, "transactions", name)["customFields"]))


@routes.route("PUT", "/{}/custom-fields")
@requires_token
def put_custom_fields(call: Call, name: str) -> Answer:
    """Set custom fields of a transaction, all or none; those that are not named stay."""
    row, wanted = get_live_row(call, "transactions", name), call.json_object().get("customFields")
    if not is_list_of_objects(wanted):
        raise Refusal("BDC_1108", fields=("customFields: must not be empty",))
    if row["isLocked"]:
        raise Refusal("BDC_1129", "customFields", "the transaction is locked")
    checked = [(field, body) for body in wanted for field in [_check_field(call, body)]]
    made = {field["uuid"]: _apply(call, field, body) for field, body in checked}
    kept = [field for field in row["customFields"] if field["uuid"] not in made]
    _change(call, row, {"customFields": [*kept, *made.values()]})
    return reply(call, {"status": "SUCCESS"})


def _check_field(call: Call, body: Row) -> Row:
    field, values = get_named_row(call, "custom-fields", body, "customFieldId"), body.get("selectedValues", [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise Refusal("BDC_1122")
    if len(values) > 1 and not field["multiSelect"]:
        raise Refusal("BDC_1129", "selectedValues", f"{len(values)} values (the custom field takes one)")
    unknown = [value for value in values if _find_value(call, field, value) is None]
    if unknown and not field["allowCustomValues"]:
        raise Refusal("BDC_1129", "selectedValues", unknown[0][:80])
    return field


def _find_value(call: Call, field: Row, wanted: str) -> Row | None:
    live = [value for value in find_values(call, field) if not is_gone(value)]
    return next((value for value in live if wanted in (value["uuid"], value["id"], value["value"])), None)


def _apply(call: Call, field: Row, body: Row) -> Row:
    values = [
        _find_value(call, field, value) or add_values(call, field, [value])[0]
        for value in body.get("selectedValues", [])
    ]
    return apply_field(field, values, get_text(body, "note"))


@routes.route("GET", "/{}/custom-fields/{}/values")
@requires_token
def list_selected_values(call: Call, name: str, field_name: str) -> Answer:
    """List the values that a transaction has of a custom field."""
    field, row = get_row(call, "custom-fields", field_name), get_row(call, "transactions", name)
    found = [
        one for applied in row["customFields"] if applied["uuid"] == field["uuid"] for one in applied["selectedValues"]
    ]
    return reply(call, make_list(call, SELECTED_VALUES, found))


@routes.route("POST", "/{}/3ds-challenge")
@requires_token
def answer_challenge(call: Call, name: str) -> Answer:
    """Accept or reject a transaction that waits for it; one that is rejected is declined."""
    row, body = get_live_row(call, "transactions", name), call.json_object()
    require_fields(body, "action")
    outcome = _OUTCOMES.get(str(body["action"]))
    if outcome is None:
        raise Refusal("BDC_1129", "action", f"{str(body['action'])[:40]} (must be ACCEPT or REJECT)")
    if row.get("challenge") != "PENDING":
        raise Refusal("BDC_1129", "action", "no challenge of the transaction is open")
    declined = {"transactionType": "DECLINE", "declineReason": "The 3DS challenge was rejected", "complete": True}
    _change(call, row, {"challenge": outcome, **(declined if outcome == "REJECTED" else {})})
    return reply(call, {"id": row["id"], "status": outcome})
