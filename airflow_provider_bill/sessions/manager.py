"""``SessionManager``: finds the shared session, signs in where there is none, and keeps its record true."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from pendulum import DateTime

from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.credentials import SignIn
from airflow_provider_bill.client.dialect import MfaState, Organization
from airflow_provider_bill.client.session import BillSession, Clock, SessionState, utc_now
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillMfaError,
    BillMfaRequiredError,
    BillSessionExpiredError,
    BillStoreError,
)
from airflow_provider_bill.sessions.devices import WAY_OUT, Devices
from airflow_provider_bill.sessions.guard import Guard
from airflow_provider_bill.sessions.identity import Identity
from airflow_provider_bill.sessions.record import Seal, open_session, seal_session
from airflow_provider_bill.sessions.stores import Store

log = logging.getLogger(__name__)

#: A session's use is written back at most this often, in seconds: the store is a database, not a cache.
TOUCH_INTERVAL = 60


class Answered(Protocol):
    """What a call gives back: at least when it was sent."""

    @property
    def sent_at(self) -> DateTime:
        """The moment the call was sent, UTC."""


A = TypeVar("A", bound=Answered)


class SessionManager:
    """Shares one session between all who have the same identity and store.

    :param client: signs in and out
    :param store: where the record lives
    :param guard: what stands before a sign-in
    :param devices: the remembered device
    :param identity: what the session belongs to
    :param clock: gives the present moment in UTC
    :param signed_in_by: dag, run and task, noted in a session that this manager opens
    :param on_secret: told a session's secret before anything else is done with it
    """

    def __init__(
        self,
        client: BillClient,
        store: Store,
        guard: Guard,
        devices: Devices,
        identity: Identity,
        *,
        clock: Clock = utc_now,
        signed_in_by: Mapping[str, str] | None = None,
        on_secret: Callable[[str], None] = lambda secret: None,
    ) -> None:
        self.client = client
        self.store = store
        self.devices = devices
        self.identity = identity
        self.clock = clock
        self._guard = guard
        self._signed_in_by = dict(signed_in_by or {})
        self._on_secret = on_secret
        self._seal = Seal("session", identity, client.credentials.sealing_secrets())
        self._session: BillSession | None = None
        self._written_at: DateTime | None = None
        self._lock = threading.RLock()

    def look(self) -> BillSession | None:
        """Give the session as stored, also one that is over, or None; never signs in.

        :raises BillStoreError: the store cannot be read
        """
        return self._open(self.store.read(self.identity.session_key))

    def is_live(self, session: BillSession) -> bool:
        """Tell whether there is time enough left in a session to use it."""
        return session.state(self.clock()) is not SessionState.EXPIRED

    def acquire(self) -> BillSession:
        """Give a live session: the one in use, the stored one, or a new one.

        :raises BillError: BILL refused the sign-in or could not be reached, or the store cannot be read
        """
        with self._lock:
            if self._session is not None and self.is_live(self._session):
                return self._session
            text = self.store.read(self.identity.session_key)
            session = self._open(text)
            if session is not None and self.is_live(session):
                return self._adopt(session)
            return self._sign_in(seen=text)

    def acquire_trusted(self) -> BillSession:
        """Give a live session that has passed MFA; steps up with the remembered device, never sends a text.

        :raises BillMfaRequiredError: only a person can make it so, and the error says how
        :raises BillError: as in :meth:`acquire`
        """
        session = self.make_trusted(self.acquire())
        if session.trusted or not self.client.credentials.mfa:
            return session
        raise _needs_a_person()

    def make_trusted(self, session: BillSession) -> BillSession:
        """Give the session as trusted as it can be made without a person; a protected call may need it.

        Looks whether another task has made it so, steps up with the remembered device, or finds that MFA is off.
        """
        return self._trust(session)[0]

    def renew(self, dead: BillSession) -> BillSession:
        """Give a session in place of one that BILL no longer knows: another task's newer one, or a new one.

        :raises BillError: as in :meth:`acquire`
        """
        with self._lock:
            if self._session is not None and self._session.session_token != dead.session_token:
                return self.acquire()
            session = self.look()
            if session is not None and session.session_token != dead.session_token and self.is_live(session):
                return self._adopt(session)
            self.forget(dead)
            return self._sign_in(seen=None, dead=dead)

    def run(self, call: Callable[[BillSession], A], *, trusted: bool = False) -> A:
        """Make one call with a live session; if BILL no longer knows it, renew it and make the call once more.

        Making it again is right also for a payment: BILL refused the first before acting.

        :param trusted: whether the call needs a session that has passed MFA; checked before it is sent
        :raises BillError: whatever the call raises; a second refusal is final
        """
        session = self._fit(self.acquire(), trusted)
        try:
            answer = call(session)
        except BillSessionExpiredError:
            log.info("BILL no longer knows the session in use; renewing it.")
            session = self._fit(self.renew(session), trusted)
            answer = call(session)
        except BillMfaRequiredError:
            session = self._regain_trust(session)
            answer = call(session)
        self.touch(session, answer.sent_at)
        return answer

    def organizations(self) -> list[Organization]:
        """List the organizations that can be signed in to.

        v2 sends its credentials for it, so there it counts as a sign-in and passes the guard.

        :raises BillError: as in :meth:`acquire`
        """
        if self.client.credentials.kind not in (SignIn.V2, SignIn.SYNC_TOKEN):
            session = self.acquire()
            try:
                return self.client.organizations(session)
            except BillSessionExpiredError:
                return self.client.organizations(self.renew(session))
        nothing: Callable[[], None] = lambda: None  # noqa: E731
        with self._guard.admit(nothing):
            return self.client.organizations()

    def touch(self, session: BillSession, sent_at: DateTime) -> None:
        """Note that BILL answered a call sent at that moment; written back at most once a minute."""
        with self._lock:
            mine = self._session
            if mine is None or mine.session_token != session.session_token:
                return
            self._session = mine = mine.used(sent_at)
            if mine.idle_limit is None:
                return
            if self._written_at and sent_at.timestamp() - self._written_at.timestamp() < TOUCH_INTERVAL:
                return
            self._written_at = sent_at
            try:
                stored = self.look()
                # Signed out or renewed by another task: its word is newer than ours.
                if stored is None or stored.session_token != mine.session_token:
                    return
                if (sent_at - stored.last_used_at).total_seconds() < TOUCH_INTERVAL:
                    self._written_at = stored.last_used_at
                    return
                # Trust is taken from the record: another task may have passed MFA meanwhile.
                self.replace(replace(mine, trusted=stored.trusted))
            except BillStoreError as error:
                log.warning("The session's last use could not be noted: %s", error)

    def replace(self, session: BillSession) -> None:
        """Store a changed picture of the session in use, such as one that has become trusted.

        :raises BillStoreError: it could not be stored
        """
        with self._lock:
            self._session = session
            self.store.write(self.identity.session_key, seal_session(self._seal, session))
            self._written_at = session.last_used_at

    def forget(self, session: BillSession) -> None:
        """Remove the record, if it is of this very session.

        :raises BillStoreError: the store did not answer
        """
        with self._lock:
            if self._session is not None and self._session.session_token == session.session_token:
                self._session = None
            stored = self.look()
            if stored is not None and stored.session_token == session.session_token:
                self.store.delete(self.identity.session_key)

    def _open(self, text: str | None) -> BillSession | None:
        session = open_session(self._seal, text)
        if session is not None:
            self._on_secret(session.session_token)
        return session

    def _adopt(self, session: BillSession) -> BillSession:
        self._session, self._written_at = session, session.last_used_at
        return session

    def _fit(self, session: BillSession, trusted: bool) -> BillSession:
        """Make a session fit for a call; where BILL does not tell of MFA (v2), BILL itself will refuse it."""
        if not trusted:
            return session
        session, state = self._trust(session)
        if state.may_pay or state is MfaState.UNKNOWN:
            return session
        raise _needs_a_person()

    def _trust(self, session: BillSession) -> tuple[BillSession, MfaState]:
        try:
            return self._try_to_trust(session)
        except BillSessionExpiredError:
            log.info("BILL no longer knows the session in use; renewing it.")
            return self._try_to_trust(self.renew(session))

    def _try_to_trust(self, session: BillSession) -> tuple[BillSession, MfaState]:
        if session.trusted or not self.client.credentials.mfa:
            return session, MfaState.TRUSTED
        with self._lock:
            stored = self.look()
            if stored is not None and stored.session_token == session.session_token and stored.trusted:
                return self._adopt(stored), MfaState.TRUSTED
            if self.client.credentials.kind is SignIn.V2 and self.devices.usable() is not None:
                # v2 has no step-up: its device goes with the sign-in.
                session = self.renew(session)
            elif self._step_up(session):
                session = replace(session, trusted=True)
                self.replace(session)
            if session.trusted:
                return session, MfaState.TRUSTED
            state = self.client.session_details(session).mfa
            if state.may_pay:
                session = replace(session, trusted=True)
                self.replace(session)
            return session, state

    def _sign_in(self, seen: str | None, dead: BillSession | None = None) -> BillSession:
        if not self.client.credentials.signs_in:
            self._session = self.client.sign_in()
            return self._session
        since = self.clock()

        def look() -> BillSession | None:
            text = self.store.read(self.identity.session_key)
            session = self._open(text)
            if session is None or (dead and session.session_token == dead.session_token):
                return None
            if text != seen:
                # Written while we waited: it is live, whatever the clock of its host says.
                session = session.used(since)
            return session if self.is_live(session) else None

        with self._guard.admit(look) as found:
            if found is not None:
                return self._adopt(found)
            session = replace(self._open_session(), signed_in_by=self._signed_in_by)
            self._check(session)
            try:
                self.replace(session)
            except BillStoreError as error:
                # The session is good: losing it now would cost a sign-in more.
                self._adopt(session)
                log.warning("Signed in to BILL, but other tasks cannot share the session: %s", error)
        log.info("Signed in to BILL (%s); live until %s if unused.", self.identity.kind, session.expires_at)
        return session

    def _open_session(self) -> BillSession:
        device = self.devices.usable()
        try:
            session = self.client.sign_in(device)
        except BillMfaError:
            # BILL refused the device and not the credentials.
            if device is None:
                raise
            self.devices.refuse(device)
            return self.client.sign_in()
        if device is not None and not session.trusted:
            self.devices.refuse(device)
        return session

    def _step_up(self, session: BillSession) -> bool:
        device = self.devices.usable()
        # v2 has no step-up: its device goes with the sign-in.
        if device is None or self.client.credentials.kind is SignIn.V2:
            return False
        if self.client.mfa_step_up(session, device):
            return True
        self.devices.refuse(device)
        return False

    def _regain_trust(self, session: BillSession) -> BillSession:
        """Step up once after BILL has said that the session is untrusted (BDC_1361)."""
        with self._lock:
            trusted = self.client.credentials.mfa and self._step_up(session)
            if trusted or session.trusted:
                session = replace(session, trusted=trusted)
                self.replace(session)
            if not trusted:
                raise _needs_a_person()
            return session

    def _check(self, session: BillSession) -> None:
        self._on_secret(session.session_token)
        asked, given = self.identity.organization_id, session.organization_id
        if asked and given and asked.lower() != given.lower():
            raise BillApiError(
                f"BILL signed in to organization {given} instead of {asked}",
                advice="correct organization_id in the connection or argument",
            )
        if session.seconds_left(self.clock()) <= 0:
            raise BillApiError("BILL gave a session that is already over", advice="check the clock of this machine")


def _needs_a_person() -> BillMfaRequiredError:
    return BillMfaRequiredError(
        "BILL asks for MFA before it does this, and no remembered device answers for it (BDC_1361)",
        advice=f"{WAY_OUT}; signing in again does not help",
        code="BDC_1361",
    )
