"""What BILL says about sessions, organizations and phones, alike in both dialects."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pendulum import DateTime


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
