"""Who makes a v2 call: form fields devKey and sessionId."""

from __future__ import annotations

from functools import wraps
from http.cookies import CookieError, SimpleCookie

from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import check_session_key
from airflow_provider_bill.sandbox.server.messages import Answer, Call
from airflow_provider_bill.sandbox.server.routing import Handler
from airflow_provider_bill.sandbox.state.sessions import Session
from airflow_provider_bill.sandbox.v2.envelope import require_form_fields


def authenticate(call: Call) -> Session:
    """Return the session of a call, which slides its idle life."""
    (key,) = require_form_fields(call.form, "devKey")
    token = call.form.get("sessionId") or _read_cookie(call)
    session = call.state.sessions.find(token, call.now)
    if session is None or session.ends_at is not None or not session.organization_id:
        raise Refusal("BDC_1109")
    check_session_key(call, session, key)
    call.use_session(session)
    return session


def _read_cookie(call: Call) -> str:
    if not call.state.settings.v2_cookies:
        return ""
    try:
        found = SimpleCookie(call.headers.get("cookie", "")).get("sid")
    except CookieError:
        return ""
    return found.value if found else ""


def requires_session(handler: Handler) -> Handler:
    """Let only authenticated calls through."""

    @wraps(handler)
    def checked(call: Call, *params: str) -> Answer:
        authenticate(call)
        return handler(call, *params)

    return checked
