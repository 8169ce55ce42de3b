"""The user whose token makes a call."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.server.messages import Answer, Call, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.spend.access import get_rows, requires_token

routes = Routes("/connect/v3/spend/users")


def get_current_user(call: Call) -> Row:
    """Return the user that made the token: the first, who is an administrator."""
    return next(iter(get_rows(call, "users").values()))


@routes.route("GET", "/current")
@requires_token
def read_current_user(call: Call) -> Answer:
    """Read the user of the token."""
    return reply(call, get_current_user(call))
