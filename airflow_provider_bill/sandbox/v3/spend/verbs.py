"""The verbs that all resources of Spend & Expense share, as far as the contract has them."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_bill.sandbox.data import contract
from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.operations.fields import refuse_problems
from airflow_provider_bill.sandbox.operations.shape import join, read_fields, row_schema
from airflow_provider_bill.sandbox.server.messages import Answer, Call, reply
from airflow_provider_bill.sandbox.server.routing import Handler, Routes
from airflow_provider_bill.sandbox.v3.spend.access import (
    get_live_row,
    get_organization,
    get_row,
    get_rows,
    note_change,
    requires_token,
)
from airflow_provider_bill.sandbox.v3.spend.lists import make_list
from airflow_provider_bill.sandbox.v3.spend.resources import RESOURCES, Resource

routes = Routes("/connect")

#: What BILL itself writes.
_OWN = frozenset({"id", "uuid", "retired", "createdTime"})


def list_rows(call: Call, resource: Resource) -> Answer:
    """Answer a page of rows."""
    return reply(call, make_list(call, resource.listing, get_rows(call, resource.path).values()))


def read(call: Call, resource: Resource, name: str) -> Answer:
    """Answer one row, also one that is gone."""
    return reply(call, get_row(call, resource.path, name))


def create(call: Call, resource: Resource) -> Answer:
    """Create a row."""
    given = _read_body(call, resource)
    refuse_problems(f"{name}: must not be null" for name in resource.needs if given.get(name) in (None, "", []))
    ids = call.state.spend.make_ids(get_organization(call), resource.path)
    row = resource.make(call, ids, {**given})
    get_rows(call, resource.path)[row["uuid"]] = row
    note_change(call, resource.path, "created", row)
    return reply(call, row)


def change(call: Call, resource: Resource, name: str) -> Answer:
    """Change what a body gives of a row."""
    row = get_live_row(call, resource.path, name)
    given = {key: value for key, value in _read_body(call, resource).items() if key not in resource.once}
    refuse_problems(f"{key}: must not be blank" for key in resource.needs if given.get(key) in ("", []))
    row |= resource.make(call, row, given)
    note_change(call, resource.path, "updated", row)
    return reply(call, row)


def delete(call: Call, resource: Resource, name: str) -> Answer:
    """Retire a row: lists no longer show it, and nothing restores it."""
    row = get_live_row(call, resource.path, name)
    row["retired"] = True
    note_change(call, resource.path, "deleted", row)
    return reply(call, None)


def _read_body(call: Call, resource: Resource) -> Row:
    schema = join({"properties": resource.more}, row_schema(f"spend/{resource.path}"))
    given: Row = read_fields(schema, call.json_object())
    return {
        name: value
        for name, value in given.items()
        if value is not None and name not in _OWN and name not in resource.fixed
    }


_VERBS: dict[tuple[str, str], Callable[..., Answer]] = {
    ("GET", ""): list_rows,
    ("POST", ""): create,
    ("GET", "/{}"): read,
    ("PATCH", "/{}"): change,
    ("DELETE", "/{}"): delete,
}


def _serve(resource: Resource, verb: Callable[..., Answer]) -> Handler:
    @requires_token
    def handler(call: Call, *names: str) -> Answer:
        return verb(call, resource, *names)

    return handler


for _resource in RESOURCES.values():
    for (_method, _suffix), _verb in _VERBS.items():
        _pattern = f"/v3/spend/{_resource.path}{_suffix}"
        if (_method, _pattern) in contract.load():
            routes.add(_method, _pattern, _serve(_resource, _verb))
