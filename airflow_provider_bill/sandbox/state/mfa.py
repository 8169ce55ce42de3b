"""MFA: phones, texts, challenges, trust and remembered devices, for both dialects."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from airflow_provider_bill.sandbox import ids
from airflow_provider_bill.sandbox.data.accounts import User
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.state.clock import to_iso
from airflow_provider_bill.sandbox.state.limits import Limits
from airflow_provider_bill.sandbox.state.sessions import Session
from airflow_provider_bill.sandbox.state.settings import Settings

DEVICE_LENGTH = 100


@dataclass(slots=True)
class Challenge:
    """A code that was sent; ``phone`` is set when it registers a new phone."""

    id: str
    user_id: str
    organization_id: str
    code: str
    sent_at: float
    phone: str | None = None
    wrong: int = 0
    used: bool = False


@dataclass(slots=True)
class RememberedDevice:
    """A remembered device, bound to user, organization and device label."""

    id: str
    user_id: str
    organization_id: str
    device: str
    ends_at: float


class Mfa:
    """All challenges and remembered devices, and the texts that were sent."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self.settings = settings
        self.limits = limits
        self.challenges: dict[str, Challenge] = {}
        self.remembered: dict[str, RememberedDevice] = {}
        #: The session and the device's label of each id that v2 gives without remembering the device.
        self.session_devices: dict[str, tuple[str, str]] = {}
        self.outbox: list[dict[str, object]] = []

    def start_setup(self, user: User, organization_id: str, phone: str, how: str, now: float) -> str:
        """Send a code to a phone that is to be registered, and return the set-up's id."""
        if user.phone is not None:
            raise Refusal("BDC_5324")
        return self._send_code(user, organization_id, phone, now, setup=True, v2=False, how=how)

    def start_challenge(self, user: User, organization_id: str, now: float, *, v2: bool) -> str:
        """Text a code to the user's phone, and return the challenge's id."""
        if user.phone is None:
            raise Refusal("BDC_1354")
        return self._send_code(user, organization_id, user.phone, now, setup=False, v2=v2, how="TEXT")

    def _send_code(
        self, user: User, organization_id: str, phone: str, now: float, *, setup: bool, v2: bool, how: str
    ) -> str:
        self.limits.take_text(user.id, now)
        code = self.settings.mfa_code or ids.make_mfa_code()
        challenge = Challenge(
            ids.make_challenge_id(v2=v2), user.id, organization_id, code, now, phone if setup else None
        )
        self.challenges[challenge.id] = challenge
        self.outbox.append(
            {
                "to": phone,
                "type": how,
                "user": user.username,
                "organization": organization_id,
                "code": code,
                "challenge": challenge.id,
                "purpose": "setup" if setup else "challenge",
                "when": to_iso(now),
            }
        )
        return challenge.id

    def check_code(
        self, user: User, organization_id: str, name: str, challenge_id: str, token: str, now: float
    ) -> None:
        """Check the answer to a challenge; wrong, late and too many answers are refused with their own codes."""
        challenge = self.challenges.get(challenge_id)
        is_setup = name == "setupId"
        if (
            challenge is None
            or (challenge.user_id, challenge.organization_id) != (user.id, organization_id)
            or (challenge.phone is not None) != is_setup
        ):
            raise Refusal("BDC_1129", name, "not a live challenge of this user")
        if challenge.used:
            raise Refusal("BDC_1374")
        if challenge.wrong >= self.settings.mfa_tries:
            raise Refusal("BDC_1358")
        if now - challenge.sent_at >= self.settings.mfa_code_seconds:
            raise Refusal("BDC_1356")
        if not hmac.compare_digest(token.replace("-", "").encode(), challenge.code.encode()):
            challenge.wrong += 1
            raise Refusal("BDC_1358" if challenge.wrong >= self.settings.mfa_tries else "BDC_1355")
        challenge.used = True
        if challenge.phone is not None:
            user.phone = challenge.phone

    def remember_device(self, user: User, organization_id: str, device: str, now: float, *, v2: bool) -> str:
        """Remember a device, and return the id that signs in as trusted."""
        row = RememberedDevice(
            ids.make_remembered_device_id(v2=v2),
            user.id,
            organization_id,
            device,
            now + self.settings.remember_days * 86400,
        )
        self.remembered[row.id] = row
        return row.id

    def is_remembered(self, user_id: str, organization_id: str, remember_id: str, device: str, now: float) -> bool:
        """Return whether a device with this id is remembered for the user in the organization."""
        row = self.remembered.get(remember_id)
        return (
            row is not None
            and now < row.ends_at
            and (row.user_id, row.device) == (user_id, device)
            and (row.organization_id == organization_id or self.settings.device_holds_for == "user")
        )

    def note_session_device(self, session: Session, device: str) -> str:
        """Return an id of a device that is good in this session only."""
        device_id = ids.make_remembered_device_id(v2=True)
        self.session_devices[device_id] = (session.token, device)
        return device_id

    def is_session_device(self, session: Session, device_id: str, device: str) -> bool:
        """Return whether an id was given to a device in this very session."""
        return self.session_devices.get(device_id) == (session.token, device)

    def read_status(self, session: Session, user: User | None) -> str:
        """Return the ``mfaStatus`` of a session."""
        if self.settings.mfa_mode == "off":
            return "DISABLED"
        if session.kind == "oauth":
            return "COMPLETE" if session.scope == "full" and not self.settings.oauth_needs_mfa else "UNDEFINED"
        if session.kind == "sync_token" or user is None:
            return "UNDEFINED"
        if session.trusted:
            return "COMPLETE"
        return "CHALLENGE" if user.phone is not None else "SETUP"

    def require_trust(self, session: Session, *, production_only: bool = False) -> None:
        """Refuse a session that the MFA mode does not trust; a sync token is never trusted."""
        mode = self.settings.mfa_mode
        if session.kind == "sync_token":
            raise Refusal("BDC_1361")
        if mode in ("off", "bypass") or session.trusted or (production_only and mode != "production-list"):
            return
        if session.kind == "oauth" and session.scope == "full" and not self.settings.oauth_needs_mfa:
            return
        raise Refusal("BDC_1361")
