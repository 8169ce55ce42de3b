"""The members of a budget: who may spend it, and how much."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.contract import Schema
from airflow_provider_bill.sandbox.data.spend_rows import make_member
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.fields import is_list_of_objects, require_fields
from airflow_provider_bill.sandbox.operations.shape import read_fields
from airflow_provider_bill.sandbox.server.messages import Answer, Call, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.spend.access import (
    get_live_row,
    get_named_row,
    get_row,
    get_rows,
    is_gone,
    note_change,
    requires_token,
)
from airflow_provider_bill.sandbox.v3.spend.lists import make_list
from airflow_provider_bill.sandbox.v3.spend.making import read_limit
from airflow_provider_bill.sandbox.v3.spend.resources import MEMBERS

routes = Routes("/connect/v3/spend/budgets/{}/members")

_ROLES = ("OWNER", "MEMBER", "OBSERVER")
_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "userId": {"type": "string"},
        "limit": {"type": "number"},
        "recurringLimit": {"type": "number"},
        "role": {"type": "string", "enum": list(_ROLES)},
        "shareBudgetFunds": {"type": "boolean"},
    },
}


def _members(call: Call, budget: Row) -> list[Row]:
    return [row for row in get_rows(call, "members").values() if row["budgetUuid"] == budget["uuid"]]


def _find(call: Call, budget: Row, user: str) -> Row | None:
    return next((row for row in _members(call, budget) if user in (row["userUuid"], row["userId"])), None)


@routes.route("GET", "")
@requires_token
def list_members(call: Call, budget: str) -> Answer:
    """List the members of a budget."""
    return reply(call, make_list(call, MEMBERS, _members(call, get_row(call, "budgets", budget))))


@routes.route("GET", "/{}")
@requires_token
def read_member(call: Call, budget: str, user: str) -> Answer:
    """Read one member, also one who is gone."""
    row = _find(call, get_row(call, "budgets", budget), user)
    if row is None:
        raise Refusal("BDC_1205")
    return reply(call, row)


@routes.route("PUT", "/bulk")
@requires_token
def put_members(call: Call, budget: str) -> Answer:
    """Add or change several members, all or none."""
    row, wanted = get_live_row(call, "budgets", budget), call.json_object().get("members")
    if not is_list_of_objects(wanted):
        raise Refusal("BDC_1108", fields=("members: must not be empty",))
    _put_all(call, row, wanted)
    return reply(call, {"status": "SUCCESS"})


@routes.route("PUT", "/{}")
@requires_token
def put_member(call: Call, budget: str, user: str) -> Answer:
    """Add a member to a budget, or change one."""
    row = get_live_row(call, "budgets", budget)
    get_live_row(call, "users", user)
    return reply(call, _put_all(call, row, [{**call.json_object(), "userId": user}])[0])


@routes.route("DELETE", "/{}")
@requires_token
def delete_member(call: Call, budget: str, user: str) -> Answer:
    """Take a member out of a budget."""
    row = get_live_row(call, "budgets", budget)
    member = _find(call, row, user)
    if member is None or is_gone(member):
        raise Refusal("BDC_1205")
    member["retired"] = True
    _note_change(call, row)
    return reply(call, None)


def _put_all(call: Call, budget: Row, bodies: list[Row]) -> list[Row]:
    made = [_make(call, budget, read_fields(_SCHEMA, body)) for body in bodies]
    for member in made:
        get_rows(call, "members")[member["key"]] = member
    _note_change(call, budget)
    return made


def _make(call: Call, budget: Row, given: Row) -> Row:
    require_fields(given, "userId")
    user = get_named_row(call, "users", given, "userId")
    old = _find(call, budget, user["uuid"]) or {}
    role = given.pop("role", None) or old.get("budgetRole", "MEMBER")
    limits = {name: value for name, value in given.items() if name != "userId" and value is not None}
    if not old and not limits.get("shareBudgetFunds"):
        require_fields(limits, "limit", "recurringLimit")
    for name in ("limit", "recurringLimit"):
        read_limit(limits.get(name, 0), name)
    return {**make_member(budget, user, role), **old, **limits, "budgetRole": role, "retired": False}


def _note_change(call: Call, budget: Row) -> None:
    live = [row for row in _members(call, budget) if not is_gone(row)]
    assigned = round(sum(row["limit"] for row in live), 2)
    budget["currentPeriod"] = {**budget["currentPeriod"], "assigned": assigned}
    note_change(call, "members", "updated", budget)
