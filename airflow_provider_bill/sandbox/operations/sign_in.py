"""What every kind of sign-in has in common: its checks, the lock-out and the remembered device."""

from __future__ import annotations

import hmac
from functools import wraps

from airflow_provider_bill.sandbox.data.accounts import Organization, User
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.server.messages import Answer, Call
from airflow_provider_bill.sandbox.server.routing import Handler
from airflow_provider_bill.sandbox.state.sessions import Session
from airflow_provider_bill.sandbox.state.state import State

_BADLY_FORMED = ("BDC_1108", "BDC_1122", "BDC_1178")


def count_refused_sign_ins(handler: Handler) -> Handler:
    """Count the refusals of a sign-in; a call that is only badly formed is not one."""

    @wraps(handler)
    def counted(call: Call, *params: str) -> Answer:
        try:
            return handler(call, *params)
        except Refusal as refusal:
            if refusal.code not in _BADLY_FORMED:
                call.state.stats.refused_sign_ins += 1
            raise

    return counted


def count_sign_in(state: State, session: Session) -> Session:
    """Count a sign-in that succeeded, and return its session."""
    state.stats.sign_ins += 1
    state.stats.sign_ins_by_kind[session.kind] += 1
    return session


def is_same_secret(one: str, other: str) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def check_developer_key(state: State, key: str) -> None:
    """Refuse a developer key that is unknown, inactive or without accepted terms."""
    row = state.seed.developer_keys.get(key)
    if row is None:
        raise Refusal("BDC_1102", signing_in=True)
    if row.state == "inactive":
        raise Refusal("BDC_1103", signing_in=True)
    if row.state == "terms":
        raise Refusal("BDC_1104", signing_in=True)


def check_password(state: State, username: str, password: str) -> User:
    """Return the user with this name and password; too many wrong passwords lock the user."""
    user = state.seed.users.get(username)
    return _check_secret(state, user, user.password if user else None, password)


def check_console_token(state: State, username: str, token: str) -> User:
    """Return the user with this Console API token, which takes the place of the password."""
    row = state.seed.console_tokens.get(username)
    return _check_secret(state, state.seed.users.get(username), row.token if row else None, token)


def _check_secret(state: State, user: User | None, expected: str | None, given: str) -> User:
    if user is not None and user.locked:
        raise Refusal("BDC_1110", signing_in=True)
    if user is None or expected is None or not is_same_secret(expected, given):
        if user is not None:
            user.failures += 1
            user.locked = user.failures >= state.settings.lock_after
        raise Refusal("BDC_1101", signing_in=True)
    user.failures = 0
    return user


def open_session(
    call: Call,
    kind: str,
    user: User,
    developer_key: str,
    organization_id: str,
    *,
    remembered_device: tuple[str, str] = ("", ""),
    v2: bool = False,
) -> Session:
    """Open the session of a user whose credentials were right.

    :param remembered_device: the id and the label of a remembered device.
    :param v2: whether the sign-in is v2's, which has a code and a session id of its own.
    """
    state, seed = call.state, call.state.seed
    row = seed.organizations.get(organization_id)
    if row is None or not seed.reaches(user, organization_id):
        raise _refuse_organization(organization_id, v2=v2)
    if not seed.is_key_of(developer_key, row):
        raise Refusal("BDC_1102", signing_in=True)
    if row.locked:
        raise Refusal("BDC_1107")
    if not row.api_access:
        raise Refusal("BDC_1105")
    if not is_active(state, user, row):
        raise Refusal("BDC_1111", user.username, organization_id, signing_in=True)
    trusted = kind != "sync_token" and starts_trusted(call, user, organization_id, remembered_device)
    session = state.sessions.open(
        kind, organization_id, user.id, call.now, developer_key=developer_key, trusted=trusted, v2=v2
    )
    return count_sign_in(state, session)


def is_active(state: State, user: User, organization: Organization) -> bool:
    """Return whether a user may sign in to an organization: not if the user is archived there."""
    row = state.ledger.get_rows(organization, "users").get(user.id)
    return user.active if row is None else not row["archived"]


def open_sync_session(
    call: Call, developer_key: str, name: str, value: str, organization_id: str, *, v2: bool
) -> Session:
    """Open a sync token's session, which lives long and is never trusted."""
    token = call.state.seed.sync_tokens[name]
    user = call.state.seed.find_user(token.user_id)
    if user is None or not is_same_secret(token.value, value):
        raise Refusal("BDC_1101", signing_in=True)
    if token.organization_id != organization_id:
        raise _refuse_organization(organization_id, v2=v2)
    return open_session(call, "sync_token", user, developer_key, organization_id, v2=v2)


def _refuse_organization(organization_id: str, *, v2: bool) -> Refusal:
    return Refusal("BDC_1129", "orgId", organization_id) if v2 else Refusal("BDC_1123", signing_in=True)


def starts_trusted(call: Call, user: User, organization_id: str, remembered_device: tuple[str, str]) -> bool:
    """Return whether a session begins trusted: by a remembered device, or because MFA is off and so configured."""
    state, settings = call.state, call.state.settings
    if settings.mfa_mode in ("off", "bypass") and settings.trusted_when_mfa_off:
        return True
    device_id, label = remembered_device
    if not device_id:
        return False
    if state.mfa.is_remembered(user.id, organization_id, device_id, label, call.now):
        return True
    if settings.bad_remember_me == "refuse":
        raise Refusal("BDC_1109")
    return False
