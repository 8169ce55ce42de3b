"""Identifiers of BILL's shape (20 characters, a prefix for each type) and unguessable tokens."""

from __future__ import annotations

import secrets

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def to_base36(number: int, width: int) -> str:
    """Return a number in capitals and digits, padded with zeros."""
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text.rjust(width, "0")


def make_id(prefix: str, organization: int, number: int = 0) -> str:
    """Return a 20-character identifier, the same at every start."""
    return f"{prefix}01SBX{to_base36(organization, 4)}{to_base36(number, 8)}"


def make_session_id(*, v2: bool = False) -> str:
    """Return a new session id."""
    return _make_token(48, v2)


def make_challenge_id(*, v2: bool = False) -> str:
    """Return a new MFA challenge's id."""
    return _make_token(24, v2)


def make_remembered_device_id(*, v2: bool = False) -> str:
    """Return a new remembered device's id, about as long as BILL's."""
    return _make_token(54, v2)


def make_upload_token() -> str:
    """Return what makes an upload's URL unguessable."""
    return _make_token(32, False)


def make_security_key() -> str:
    """Return a new key that a webhook subscription's notifications are signed with."""
    return _make_token(32, False)


def make_mfa_code() -> str:
    """Return a random six-digit code."""
    return f"{secrets.randbelow(1_000_000):06d}"


def _make_token(size: int, v2: bool) -> str:
    token = secrets.token_urlsafe(size)
    return "!" + token[1:] if v2 else token  # v2's begin with an exclamation mark
