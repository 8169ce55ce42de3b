"""Who makes a webhook call: a session with its developer key, a partner's session with its key, or an apiToken.

Never a Bearer token. Source: https://developer.bill.com/docs/bill-webhook-api-general-rules
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import NamedTuple

from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.server.messages import Answer, Call
from airflow_provider_bill.sandbox.server.routing import Handler
from airflow_provider_bill.sandbox.v3.authentication import authenticate, read_bearer_token

_BEARER = "Webhooks take no Bearer token: send sessionId and devKey, sessionId and appKey, or apiToken."


class Caller(NamedTuple):
    """Whose subscriptions a call sees, the organizations whose events they tell of, and the one it acts in."""

    owner: str
    organizations: frozenset[str]
    organization_id: str
    is_spend: bool = False


def knows_caller(handler: Callable[..., Answer]) -> Handler:
    """Let only authenticated calls through, and tell the handler who calls."""

    @wraps(handler)
    def checked(call: Call, *params: str) -> Answer:
        return handler(call, _identify(call), *params)

    return checked


def _identify(call: Call) -> Caller:
    if read_bearer_token(call) is not None:
        raise Refusal("BDC_1109", message=_BEARER, status=401)
    headers, seed = call.headers, call.state.seed
    if "apitoken" in headers:
        token = seed.spend_tokens.get(headers["apitoken"])
        if token is None:
            raise Refusal("BDC_1109", message="The apiToken header is not valid.", status=401)
        call.organization_id = token.organization_id
        return Caller(token.organization_id, frozenset({token.organization_id}), token.organization_id, is_spend=True)
    key = "appKey" if "appkey" in headers else "devKey"
    missing = tuple(f"{name}: header must not be null" for name in (key, "sessionId") if not headers.get(name.lower()))
    if missing:
        raise Refusal("BDC_1108", fields=missing)
    session = authenticate(call)
    if session.organization_id:
        return Caller(session.organization_id, frozenset({session.organization_id}), session.organization_id)
    app = seed.app_keys[headers["appkey"]]
    return Caller(app.key, frozenset(app.organizations), "")
