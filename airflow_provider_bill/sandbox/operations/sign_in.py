"""What every kind of sign-in has in common: the order of checks, the lock-out and the remembered device."""

from __future__ import annotations

import hmac

from airflow_provider_bill.sandbox.data.accounts import Organization, SyncToken, User
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.state.sessions import Session
from airflow_provider_bill.sandbox.state.state import World


def same(one: str, other: str) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def check_developer_key(world: World, key: str) -> None:
    """BDC_1102, BDC_1103, BDC_1104."""
    row = world.seed.developer_keys.get(key)
    if row is None:
        raise Refusal("BDC_1102", signing_in=True)
    if row.state == "inactive":
        raise Refusal("BDC_1103", signing_in=True)
    if row.state == "terms":
        raise Refusal("BDC_1104", signing_in=True)


def wrong_password(world: World, user: User | None) -> Refusal:
    """Count a refused password; the last one that is allowed locks the user."""
    if user is not None:
        user.failures += 1
        user.locked = user.locked or user.failures >= world.settings.lock_after
    return Refusal("BDC_1101", signing_in=True)


def check_password(world: World, username: str, password: str) -> User:
    """BDC_1110 and BDC_1101."""
    user = world.seed.users.get(username)
    if user is not None and user.locked:
        raise Refusal("BDC_1110", signing_in=True)
    if user is None or not same(user.password, password):
        raise wrong_password(world, user)
    user.failures = 0
    return user


def check_console_token(world: World, username: str, token: str) -> User:
    """The Console API token takes the place of the password, the lock-out is the same."""
    user = world.seed.users.get(username)
    if user is not None and user.locked:
        raise Refusal("BDC_1110", signing_in=True)
    row = world.seed.console_tokens.get(username)
    if user is None or row is None or not same(row.token, token):
        raise wrong_password(world, user)
    user.failures = 0
    return user


def check_sync_token(world: World, name: str, value: str) -> SyncToken | None:
    """The sync token of this name; None when no token is called so."""
    row = world.seed.sync_tokens.get(name)
    if row is not None and not same(row.value, value):
        raise Refusal("BDC_1101", signing_in=True)
    return row


def check_organization(world: World, organization_id: str, developer_key: str, user: User, *, v2: bool) -> Organization:
    """The organization exists, is the user's, is the key's developer's, and is open."""
    row = world.seed.organizations.get(organization_id)
    if row is None or not world.seed.reaches(user, organization_id):
        if v2:
            raise Refusal("BDC_1129", "orgId", organization_id)
        raise Refusal("BDC_1123", signing_in=True)
    if not world.seed.is_key_of(developer_key, row):
        raise Refusal("BDC_1102", signing_in=True)
    if row.locked:
        raise Refusal("BDC_1107")
    if not row.api_access:
        raise Refusal("BDC_1105")
    return row


def check_active(user: User, organization_id: str) -> None:
    """BDC_1111."""
    if not user.active:
        raise Refusal("BDC_1111", user.username, organization_id, signing_in=True)


def is_trusted(world: World, user: User, organization_id: str, remember_id: str, device: str, now: float) -> bool:
    """Whether the sign-in begins trusted: by a remembered device, or because MFA is off and so configured."""
    settings = world.settings
    if settings.mfa_mode in ("off", "bypass") and settings.trusted_when_mfa_off:
        return True
    if not remember_id:
        return False
    if world.mfa.knows(user.id, organization_id, remember_id, device, now):
        return True
    if settings.bad_remember_me == "refuse":
        raise Refusal("BDC_1109")
    return False


def opened(world: World, session: Session) -> Session:
    """Count a sign-in that succeeded."""
    world.stats.sign_ins += 1
    world.stats.sign_ins_by_kind[session.kind] += 1
    return session
