"""v3 as the gateway sees it: finds a call's handler and writes refusals in v3's way."""

from __future__ import annotations

from airflow_provider_bill.sandbox.errors import Refusal, SingleObjectRefusal
from airflow_provider_bill.sandbox.server.credentials import has_credentials_in_url
from airflow_provider_bill.sandbox.server.messages import Answer, Call, get_text
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3 import (
    bank_accounts,
    bills,
    collections,
    mfa,
    oauth,
    organizations,
    payments,
    receivables,
    sign_in,
    spend,
    vendors,
)
from airflow_provider_bill.sandbox.v3.authentication import read_bearer_token
from airflow_provider_bill.sandbox.v3.errors import refuse, refuse_with_object

__all__ = ["answer", "identify_caller", "refuse"]

ROUTES = Routes()
for _module in (
    bank_accounts,
    bills,
    collections,
    mfa,
    oauth,
    organizations,
    payments,
    receivables,
    sign_in,
    spend,
    vendors,
):
    ROUTES.include(_module.routes)


def answer(call: Call) -> Answer:
    """Carry a v3 call out."""
    has_credentials_in_url(call, "headers or the JSON body")
    # Public clients spell this collection in two ways.
    path = call.path.replace("/v3/recurringbills", "/v3/recurring-bills", 1)
    found = ROUTES.find(call.method, path)
    if found is None:
        raise Refusal("BDC_1121")
    handler, params = found
    try:
        return handler(call, *params)
    except SingleObjectRefusal as refusal:
        return refuse_with_object(call, refusal)


def identify_caller(call: Call) -> tuple[str, str]:
    """Return the developer key, or what stands for it, and the organization that limits are counted by."""
    headers, sessions = call.headers, call.state.sessions.by_token
    token = read_bearer_token(call)
    if token is not None:
        session = sessions.get(token)
        return (session.limit_key(), session.organization_id) if session else ("", "")
    if "sessionid" in headers:
        session = sessions.get(headers["sessionid"])
        key = headers.get("devkey", "") or headers.get("appkey", "")
        return key, session.organization_id if session else ""
    if call.path == "/connect/v3/login":
        body = call.json_or_none
        if isinstance(body, dict):
            return get_text(body, "devKey"), get_text(body, "organizationId")
    return "", ""
