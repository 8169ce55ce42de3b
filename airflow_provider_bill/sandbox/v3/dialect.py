"""v3 as the gateway sees it: finds a call's handler and writes refusals in v3's way."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data import contract
from airflow_provider_bill.sandbox.errors import Refusal, SingleObjectRefusal
from airflow_provider_bill.sandbox.server.credentials import has_credentials_in_url
from airflow_provider_bill.sandbox.server.messages import Answer, Call, get_text
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3 import (
    approvals,
    collections,
    documents,
    exports,
    funding_accounts,
    health,
    invoices,
    mfa,
    network,
    oauth,
    organizations,
    partner,
    payments,
    recorded_payments,
    reports,
    risk_verifications,
    sign_in,
    vendors,
)
from airflow_provider_bill.sandbox.v3.authentication import read_bearer_token
from airflow_provider_bill.sandbox.v3.errors import refuse, refuse_with_object
from airflow_provider_bill.sandbox.v3.spend import serving as spend

__all__ = ["answer", "identify_caller", "refuse"]

#: Other spellings, by BILL's own pages or by public clients; they write recurring bills in two ways, too.
_SPELLINGS = {
    "/connect/v3/bill-approvals": "/connect/v3/bill-approvals/policies",
    "/connect/v3/bill-approvals/pending-approvals": "/connect/v3/bill-approvals/pending-user-approvals",
}

ROUTES = Routes()
for _module in (
    approvals,
    documents,
    exports,
    funding_accounts,
    health,
    invoices,
    mfa,
    network,
    oauth,
    organizations,
    partner,
    payments,
    recorded_payments,
    reports,
    risk_verifications,
    sign_in,
    spend,
    vendors,
    collections,
):
    ROUTES.include(_module.routes)


def answer(call: Call) -> Answer:
    """Carry a v3 call out."""
    has_credentials_in_url(call, "headers or the JSON body")
    path = _SPELLINGS.get(call.path, call.path).replace("/v3/recurring-bills", "/v3/recurringbills", 1)
    found = ROUTES.find(call.method, path)
    if found is None:
        raise Refusal("BDC_1121")
    call.operation = contract.load().get((call.method, found.pattern.removeprefix("/connect")))
    try:
        return found.handler(call, *found.params)
    except SingleObjectRefusal as refusal:
        return refuse_with_object(call, refusal)


def _answer_not_served(call: Call, *ids: str) -> Answer:
    name = call.operation.name if call.operation else call.path
    message = f"The local BILL does not imitate {name}; docs/bill-sandbox-coverage.md lists what it does."
    raise Refusal("BDC_1121", message=message, status=501)


for _method, _pattern in contract.load():
    if contract.load()[_method, _pattern].base == "connect" and not ROUTES.has(_method, f"/connect{_pattern}"):
        ROUTES.add(_method, f"/connect{_pattern}", _answer_not_served)


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
