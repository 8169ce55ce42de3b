"""``BillSession``: our immutable picture of BILL's server-side session, and the time left in it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pendulum
from pendulum import DateTime, Duration

from airflow_provider_bill.client.secret import Secret

Clock = Callable[[], DateTime]

#: BILL ends a session after 35 minutes without a call (https://developer.bill.com/reference/login).
IDLE_LIMIT = pendulum.duration(minutes=35)
#: A sync-token session lives for 48 idle hours (https://developer.bill.com/docs/token-based-sign-in).
SYNC_TOKEN_IDLE_LIMIT = pendulum.duration(hours=48)
#: Under this much time left a session counts as over: a call on its way could find it gone.
SAFETY_MARGIN = pendulum.duration(seconds=60)
#: Over this much time left there is no need to keep a session alive.
FRESH_MARGIN = pendulum.duration(minutes=10)


def utc_now() -> DateTime:
    """Return the present moment in UTC; the default clock."""
    return pendulum.now("UTC")


class SessionState(enum.StrEnum):
    """What the time left in a session means."""

    FRESH = "fresh"
    STALE = "stale"
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class BillSession:
    """A session as last known; each use makes a new picture.

    :param session_token: BILL's session id, OAuth access token or Spend & Expense token; secret
    :param partner_token: the partner's own session id, for the calls of partners; secret, empty for other kinds
    :param organization_id: the organization it is for; empty where the kind of sign-in names none
    :param user_id: the signed-in user; empty where BILL does not say
    :param api_endpoint: v2 base address that BILL gave, already checked; empty for the environment's own
    :param trusted: whether the session has passed MFA
    :param tells_trust: whether BILL has said so or the contrary when it was opened; not stored
    :param signed_in_at: moment the sign-in was sent, UTC
    :param last_used_at: moment the last answered call was sent, UTC
    :param idle_limit: how long it lives without a call; None where use does not matter
    :param ends_at: its fixed end, UTC (OAuth); None where there is none
    :param signed_in_by: the dag, run and task that opened it
    :param renewals: how many sessions in a row, before this one, BILL ended within a minute
    """

    session_token: str = field(repr=False)
    partner_token: str = field(default="", repr=False)
    organization_id: str
    user_id: str = ""
    api_endpoint: str = ""
    trusted: bool = False
    tells_trust: bool = field(default=True, compare=False)
    signed_in_at: DateTime
    last_used_at: DateTime
    idle_limit: Duration | None = IDLE_LIMIT
    ends_at: DateTime | None = None
    signed_in_by: Mapping[str, str] = field(default_factory=dict)
    renewals: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "session_token", Secret(self.session_token))
        object.__setattr__(self, "partner_token", Secret(self.partner_token))

    def secrets(self) -> tuple[str, ...]:
        """Return every value that must be masked."""
        return tuple(filter(None, (self.session_token, self.partner_token)))

    @property
    def expires_at(self) -> DateTime | None:
        """The moment it ends if nobody uses it any more; None if it does not end."""
        ends = [] if self.idle_limit is None else [self.last_used_at + self.idle_limit]
        if self.ends_at is not None:
            ends.append(self.ends_at)
        return min(ends, default=None)

    def seconds_left(self, now: DateTime) -> float:
        """Return the seconds until it ends (infinite if it does not), negative once it has."""
        # In seconds, not with pendulum's sums: those count months and years too, and this is asked before every call.
        ends = [] if self.idle_limit is None else [self.last_used_at.timestamp() + self.idle_limit.total_seconds()]
        if self.ends_at is not None:
            ends.append(self.ends_at.timestamp())
        return min(ends, default=float("inf")) - now.timestamp()

    def state(self, now: DateTime) -> SessionState:
        """Return whether it is fresh, worth keeping alive, or over."""
        left = self.seconds_left(now)
        if left <= SAFETY_MARGIN.total_seconds():
            return SessionState.EXPIRED
        return SessionState.FRESH if left > FRESH_MARGIN.total_seconds() else SessionState.STALE

    def used(self, sent_at: DateTime) -> BillSession:
        """Return the picture after a call sent at that moment was answered; never moves backwards."""
        return replace(self, last_used_at=max(self.last_used_at, sent_at))
