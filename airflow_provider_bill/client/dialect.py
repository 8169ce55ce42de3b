"""What both dialects answer, and the small interface they stand behind."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

from pendulum import DateTime

from airflow_provider_bill.client.credentials import RememberedDevice
from airflow_provider_bill.client.session import BillSession


class MfaState(enum.StrEnum):
    """How a session stands to MFA (https://developer.bill.com/reference/getsessioninfo.md)."""

    #: Passed: BILL's ``COMPLETE``.
    TRUSTED = "trusted"
    #: A phone is registered, and this session still needs a code.
    CHALLENGE = "challenge"
    #: Set-up has begun, and the phone is not validated yet.
    SETUP = "setup"
    #: MFA is off for the organization.
    DISABLED = "disabled"
    #: MFA is off for the developer key.
    BYPASS = "bypass"
    #: BILL does not say.
    UNKNOWN = "unknown"

    @property
    def may_pay(self) -> bool:
        """Whether a protected call can succeed as things stand."""
        return self in (MfaState.TRUSTED, MfaState.DISABLED, MfaState.BYPASS)


@dataclass(frozen=True)
class SessionDetails:
    """What BILL says about a live session.

    :param organization_id: the organization it is for
    :param user_id: the signed-in user
    :param mfa: how it stands to MFA
    :param trusted: whether it has passed MFA; None where BILL does not say (v2)
    :param sent_at: moment the question was sent, UTC: the session was alive then
    """

    organization_id: str
    user_id: str
    mfa: MfaState
    trusted: bool | None
    sent_at: DateTime


@dataclass(frozen=True)
class Organization:
    """An organization that can be signed in to; the console fields name its parent, where it has one."""

    id: str
    name: str
    console_id: str = ""
    console_name: str = ""


@dataclass(frozen=True)
class Phone:
    """A phone registered for MFA.

    :param type: ``MOBILE`` or ``WORK``
    :param last_digits: the last four digits of its number
    :param primary: whether codes go to it
    """

    type: str
    last_digits: str
    primary: bool


class Dialect(Protocol):
    """One of BILL's two dialects: how to sign in and out, and to pass MFA, in it."""

    def sign_in(self, remembered: RememberedDevice | None) -> BillSession:
        """Open a session."""

    def sign_out(self, session: BillSession) -> None:
        """End a session."""

    def session_details(self, session: BillSession) -> SessionDetails:
        """Ask what BILL knows about a session."""

    def organizations(self, session: BillSession | None) -> list[Organization]:
        """List the organizations that can be signed in to."""

    def challenge(self, session: BillSession) -> str:
        """Have a code sent to the user's phone and give the challenge's id."""

    def validate(
        self,
        session: BillSession,
        challenge_id: str,
        code: str,
        *,
        device: str,
        machine_name: str,
        remember: bool,
    ) -> str:
        """Send the code and give the remembered device's id, empty if there is none."""

    def is_trusted(self, session: BillSession, remembered: RememberedDevice | None) -> bool:
        """Ask whether the session, or the remembered device, is trusted."""
