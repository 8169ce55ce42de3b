"""Who makes a v3 call: headers devKey and sessionId, or a Bearer token."""

from __future__ import annotations

from functools import wraps

from airflow_provider_bill.sandbox.errors import Refusal, SingleObjectRefusal
from airflow_provider_bill.sandbox.operations.access import check_session_key, get_organization
from airflow_provider_bill.sandbox.server.messages import Answer, Call
from airflow_provider_bill.sandbox.server.routing import Handler
from airflow_provider_bill.sandbox.state.sessions import Session


def read_bearer_token(call: Call) -> str | None:
    """Return the Bearer token, if the call carries one."""
    header = call.headers.get("authorization", "")
    return header[7:].strip() if header[:7].lower() == "bearer " else None


def authenticate(call: Call) -> Session:
    """Return the session of a call, which slides its idle life."""
    token = read_bearer_token(call)
    session = _find_by_headers(call) if token is None else _find_by_bearer_token(call, token)
    call.use_session(session)
    return session


def _find_by_bearer_token(call: Call, token: str) -> Session:
    session = call.state.sessions.find(token, call.now)
    if session is None or session.ends_at is None:
        raise Refusal("BDC_1109", headers=(("www-authenticate", 'Bearer error="invalid_token"'),))
    return session


def _find_by_headers(call: Call) -> Session:
    key = call.headers.get("devkey", "")
    app_key = call.headers.get("appkey", "")
    if not key and not app_key:
        raise Refusal("BDC_1178", status=401)
    session = call.state.sessions.find(call.headers.get("sessionid", ""), call.now)
    if session is None or session.ends_at is not None:
        raise Refusal("BDC_1109")
    if key:
        check_session_key(call, session, key)
    elif session.app_key != app_key:
        raise Refusal("BDC_1109")
    return session


def requires_session(handler: Handler) -> Handler:
    """Let only authenticated calls of an organization through."""

    @wraps(handler)
    def checked(call: Call, *params: str) -> Answer:
        session = authenticate(call)
        # A partner's key alone is enough to sign in as a user and to sign out, not to work.
        if session.ends_at is None and "devkey" not in call.headers:
            raise Refusal("BDC_1178", status=401)
        get_organization(call)
        return handler(call, *params)

    return checked


def require_full_access(call: Call, what: str) -> None:
    """Refuse an OAuth token of *Accounting data access*."""
    if call.session.kind == "oauth" and call.session.scope != "full":
        raise SingleObjectRefusal(
            403,
            "insufficient_scope",
            f"{what} need an app with Full access; this one has Accounting data access.",
            (("www-authenticate", 'Bearer error="insufficient_scope"'),),
        )
