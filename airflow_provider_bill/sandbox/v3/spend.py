"""Spend & Expense under ``/connect/v3/spend``: an ``apiToken`` header, no sign-in."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.spend_rows import SPEND_ROWS
from airflow_provider_bill.sandbox.errors import SingleObjectRefusal
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import authenticate, read_bearer_token
from airflow_provider_bill.sandbox.v3.paging import make_page

routes = Routes("/connect/v3/spend/")


def _authenticate(call: Call) -> None:
    if read_bearer_token(call) is not None:
        token = authenticate(call).token
    else:
        token = call.headers.get("apitoken", "")
        row = call.state.seed.spend_tokens.get(token)
        if row is None:
            raise SingleObjectRefusal(401, "unauthorized", "The apiToken header is missing or not valid.")
        call.organization_id = row.organization_id
    call.state.limits.take_spend(token, call.now)


def _serve(name: str) -> None:
    rows = SPEND_ROWS[name]

    @routes.route("GET", name)
    def list_rows(call: Call) -> Answer:
        _authenticate(call)
        # Spend & Expense ignores names it does not know and answers unfiltered.
        query = {key: value for key, value in call.query.items() if key == "max"}
        cursor = call.query.get("nextPage") or call.query.get("page")
        if cursor:
            query["page"] = cursor
        return answer_json(make_page(rows, f"spend/{name}", query, frozenset()))

    @routes.route("GET", name + "/{}")
    def read(call: Call, row_id: str) -> Answer:
        _authenticate(call)
        found = next((row for row in rows if row["id"] == row_id), None)
        if found is None:
            raise SingleObjectRefusal(404, "not_found", f"There is no {name[:-1]} with this id.")
        return answer_json(found)


for _name in SPEND_ROWS:
    _serve(_name)


@routes.route("GET", "users/current")
def read_current_user(call: Call) -> Answer:
    """Read the user of the token."""
    _authenticate(call)
    return answer_json(SPEND_ROWS["users"][0])
