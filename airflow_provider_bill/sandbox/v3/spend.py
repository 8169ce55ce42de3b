"""Spend & Expense under ``/connect/v3/spend``: an ``apiToken`` header, no sign-in."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_bill.sandbox.data.spend_rows import SPEND_ROWS
from airflow_provider_bill.sandbox.errors import SingleObject
from airflow_provider_bill.sandbox.operations.paging import page_of
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import authenticate, bearer

routes = Routes()

_NO_FILTERS: frozenset[str] = frozenset()


def _authenticate(call: Call) -> None:
    if bearer(call) is not None:
        token = authenticate(call).token
    else:
        token = call.headers.get("apitoken", "")
        row = call.world.seed.spend_tokens.get(token)
        if row is None:
            raise SingleObject(401, "unauthorized", "The apiToken header is missing or not valid.")
        call.organization_id = row.organization_id
    call.world.limits.take_spend(token, call.now)


def _list(name: str) -> Callable[..., Answer]:
    def answer(call: Call) -> Answer:
        _authenticate(call)
        # Spend & Expense ignores names it does not know and answers unfiltered.
        query = {key: value for key, value in call.query.items() if key == "max"}
        cursor = call.query.get("nextPage") or call.query.get("page")
        if cursor:
            query["page"] = cursor
        return answer_json(page_of(SPEND_ROWS[name], f"spend/{name}", query, _NO_FILTERS))

    return answer


def _get(name: str) -> Callable[..., Answer]:
    def answer(call: Call, row_id: str) -> Answer:
        _authenticate(call)
        found = next((row for row in SPEND_ROWS[name] if row["id"] == row_id), None)
        if found is None:
            raise SingleObject(404, "not_found", f"There is no {name[:-1]} with this id.")
        return answer_json(found)

    return answer


@routes.on("GET", "/connect/v3/spend/users/current")
def current_user(call: Call) -> Answer:
    """The user of the token."""
    _authenticate(call)
    return answer_json(SPEND_ROWS["users"][0])


for _name in SPEND_ROWS:
    routes.add("GET", f"/connect/v3/spend/{_name}", _list(_name))
    routes.add("GET", f"/connect/v3/spend/{_name}/{{}}", _get(_name))
