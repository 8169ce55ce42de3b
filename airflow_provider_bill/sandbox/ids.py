"""Identifiers of BILL's shape (20 characters, a prefix for each type) and unguessable tokens."""

from __future__ import annotations

import secrets

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def base36(number: int, width: int) -> str:
    """A number in capitals and digits, padded with zeros."""
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text.rjust(width, "0")


def make_id(prefix: str, organization: int, number: int = 0) -> str:
    """A 20-character identifier: the same at every start."""
    return f"{prefix}01SBX{base36(organization, 4)}{base36(number, 8)}"


def session_token(*, v2: bool = False) -> str:
    """A session id; v2's begin with an exclamation mark."""
    token = secrets.token_urlsafe(48)
    return "!" + token[1:] if v2 else token


def challenge_token(*, v2: bool = False) -> str:
    """An MFA challenge id."""
    token = secrets.token_urlsafe(24)
    return "!" + token[1:] if v2 else token


def remember_token(*, v2: bool = False) -> str:
    """A remembered device's id, about as long as BILL's."""
    token = secrets.token_urlsafe(54)
    return "!" + token[1:] if v2 else token


def mfa_code() -> str:
    """A random six-digit code."""
    return f"{secrets.randbelow(1_000_000):06d}"
