"""What a test knows to be there, although its type says that it may not be."""

from __future__ import annotations

from typing import TypeVar

from airflow_provider_bill.sessions import keys
from airflow_provider_bill.sessions.shared import SharedSession

T = TypeVar("T")


def present(value: T | None) -> T:
    """Return a value that must be there."""
    assert value is not None
    return value


def device_key_of(shared: SharedSession) -> str:
    """Return the key of the record of the devices of a session's user."""
    return keys.device_key(shared.client.environment.v3_base, shared.client.credentials.mfa_user())
