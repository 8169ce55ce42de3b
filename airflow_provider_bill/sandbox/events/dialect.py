"""Webhooks as the gateway sees them: finds a call's handler; refusals are written as v3 writes them."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data import contract
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.events import history, subscriptions
from airflow_provider_bill.sandbox.server.credentials import has_credentials_in_url
from airflow_provider_bill.sandbox.server.messages import Answer, Call
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.dialect import identify_caller
from airflow_provider_bill.sandbox.v3.errors import refuse

__all__ = ["answer", "identify_caller", "refuse"]

PREFIX = "/connect-events"
ROUTES = Routes()
for _module in (history, subscriptions):
    ROUTES.include(_module.routes)


def answer(call: Call) -> Answer:
    """Carry a call out."""
    has_credentials_in_url(call, "headers")
    # BILL's guide spells this path with a hyphen, its reference with an underscore.
    path = call.path.replace("/security-key", "/security_key")
    found = ROUTES.find(call.method, path)
    if found is None:
        raise Refusal("BDC_1121")
    call.operation = contract.load().get((call.method, found.pattern.removeprefix(PREFIX)))
    return found.handler(call, *found.params)
