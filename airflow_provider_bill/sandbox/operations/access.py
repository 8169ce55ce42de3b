"""Whose call it is and what it may do, for both dialects."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.accounts import Organization, User
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.server.messages import Call
from airflow_provider_bill.sandbox.state.sessions import Session


def check_session_key(call: Call, session: Session, key: str) -> None:
    """Refuse a session with another developer key than its own; a partner's takes the first one that fits."""
    if session.developer_key is None and session.kind == "login_as_user":
        row = call.state.seed.developer_keys.get(key)
        organization = call.state.get_organization(session)
        if row is not None and row.state == "active" and row.developer == organization.developer:
            session.developer_key = key
    if session.developer_key != key:
        raise Refusal("BDC_1109")


def get_organization(call: Call) -> Organization:
    """Return the organization of an authenticated call; a partner's own session has none and is refused."""
    if not call.session.organization_id:
        raise Refusal("BDC_1123", status=403)
    return call.state.get_organization(call.session)


def get_user(call: Call) -> User:
    """Return the user of an authenticated call."""
    user = call.state.find_user(call.session)
    if user is None:
        raise Refusal("BDC_1111", call.session.user_id, call.session.organization_id)
    return user


def require_trust(call: Call, *, production_only: bool = False) -> None:
    """Refuse a protected call in a session that MFA does not trust."""
    call.state.mfa.require_trust(call.session, production_only=production_only)
