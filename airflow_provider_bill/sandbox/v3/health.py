"""Whether BILL is up; nobody needs to be signed in."""

from __future__ import annotations

from airflow_provider_bill.sandbox.server.messages import Answer, Call, reply
from airflow_provider_bill.sandbox.server.routing import Routes

routes = Routes("/connect/v3")


@routes.route("GET", "/health")
def read_health(call: Call) -> Answer:
    """Say which BILL this is."""
    return reply(call, {"appId": "bill-sandbox", "appEnv": "local", "appVersion": "3", "bdcRegion": "local"})
