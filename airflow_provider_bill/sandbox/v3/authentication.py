"""Who makes a v3 call: headers devKey and sessionId, or a Bearer token."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from airflow_provider_bill.sandbox.data.accounts import Organization, User
from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal, SingleObject
from airflow_provider_bill.sandbox.server.messages import Answer, Call
from airflow_provider_bill.sandbox.state.sessions import Session

_STALE_BEARER = (("www-authenticate", 'Bearer error="invalid_token"'),)


def bearer(call: Call) -> str | None:
    """The Bearer token, if the call carries one."""
    header = call.headers.get("authorization", "")
    return header[7:].strip() if header[:7].lower() == "bearer " else None


def authenticate(call: Call) -> Session:
    """The session of a v3 call; using it slides its idle life."""
    world = call.world
    token = bearer(call)
    if token is not None:
        session = world.sessions.find(token, call.now)
        if session is None or session.ends_at is None:
            raise Refusal("BDC_1109", headers=_STALE_BEARER)
    else:
        session = _by_headers(call)
    session.used_at = call.now
    call.session = session
    call.organization_id = session.organization_id
    return session


def _by_headers(call: Call) -> Session:
    key = call.headers.get("devkey", "")
    app_key = call.headers.get("appkey", "")
    if not key and not app_key:
        raise Refusal("BDC_1178", status=401)
    session = call.world.sessions.find(call.headers.get("sessionid", ""), call.now)
    if session is None or session.ends_at is not None:
        raise Refusal("BDC_1109")
    if key:
        bind_key(call, session, key)
    elif session.app_key != app_key:
        raise Refusal("BDC_1109")
    return session


def bind_key(call: Call, session: Session, key: str) -> None:
    """A session works only with its own developer key; a partner's takes the first one that fits."""
    if session.developer_key is None and session.kind == "login_as_user":
        row = call.world.seed.developer_keys.get(key)
        organization = call.world.organization(session)
        if row is not None and row.state == "active" and row.developer == organization.developer:
            session.developer_key = key
    if session.developer_key != key:
        raise Refusal("BDC_1109")


def organization_of(call: Call) -> Organization:
    """The organization of an authenticated call; a partner's own session has none."""
    if not call.known_session.organization_id:
        raise Refusal("BDC_1123", status=403)
    return call.world.organization(call.known_session)


def user_of(call: Call) -> User:
    """The user of an authenticated call."""
    user = call.world.user(call.known_session)
    if user is None:
        raise Refusal("BDC_1111", call.known_session.user_id, call.known_session.organization_id)
    return user


def signed_in(handler: Callable[..., Answer]) -> Callable[..., Answer]:
    """Let only authenticated calls of an organization through."""

    @wraps(handler)
    def checked(call: Call, *params: str) -> Answer:
        session = authenticate(call)
        # A partner's key alone is enough to sign in as a user and to sign out, not to work.
        if session.ends_at is None and "devkey" not in call.headers:
            raise Refusal("BDC_1178", status=401)
        organization_of(call)
        return handler(call, *params)

    return checked


def full_scope(call: Call, what: str) -> None:
    """Refuse an OAuth token of *Accounting data access*."""
    if call.known_session.kind == "oauth" and call.known_session.scope != "full":
        raise SingleObject(
            403,
            "insufficient_scope",
            f"{what} need an app with Full access; this one has Accounting data access.",
            (("www-authenticate", 'Bearer error="insufficient_scope"'),),
        )


def protected(call: Call, *, production_only: bool = False) -> None:
    """Refuse a session that MFA does not trust."""
    call.world.mfa.demand_trust(call.known_session, production_only=production_only)


def counted_sign_in(handler: Callable[..., Answer]) -> Callable[..., Answer]:
    """Count refused sign-ins; a call that is only badly formed is not one."""

    @wraps(handler)
    def counted(call: Call, *params: str) -> Answer:
        try:
            return handler(call, *params)
        except Refusal as refusal:
            if refusal.code not in ("BDC_1108", "BDC_1122", "BDC_1178"):
                call.world.stats.refused_sign_ins += 1
            raise

    return counted


def require(body: Row, *names: str) -> None:
    """One error object for each missing field."""
    missing = [name for name in names if body.get(name) in (None, "")]
    if missing:
        raise Refusal("BDC_1108", fields=tuple(f"{name}: must not be null" for name in missing))
