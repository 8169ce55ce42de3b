"""``SessionManager``: finds the shared session, signs in where there is none, and keeps its record true."""

from __future__ import annotations

import contextlib
import hmac
import itertools
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from pendulum import DateTime

from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.codes import is_session_over
from airflow_provider_bill.client.results import Organization
from airflow_provider_bill.client.session import SAFETY_MARGIN, BillSession, Clock, SessionState, utc_now
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillError,
    BillMfaError,
    BillSessionExpiredError,
    BillStoreError,
    BillUnavailableError,
)
from airflow_provider_bill.sessions import words
from airflow_provider_bill.sessions.devices import Devices, user_hint
from airflow_provider_bill.sessions.events import Events
from airflow_provider_bill.sessions.guard import Guard
from airflow_provider_bill.sessions.identity import Identity
from airflow_provider_bill.sessions.keys import device_key, session_key, trust_key
from airflow_provider_bill.sessions.record import Seal, open_session, seal_session
from airflow_provider_bill.sessions.stores import Store

log = logging.getLogger(__name__)
T = TypeVar("T")

#: A session that was opened so many seconds ago is hardly over: if BILL refuses it, something else may be wrong.
YOUNG_SECONDS = 60
#: How often one call renews the session: another task's in its place may be over too.
RENEWALS = 2
#: A session's use is written back at most this often, in seconds: the store is a database, not a cache.
TOUCH_INTERVAL = 60


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
    :param events: logs and counts what happens
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
        events: Events | None = None,
    ) -> None:
        self.client = client
        self.store = store
        self.devices = devices
        self.identity = identity
        self.clock = clock
        self.events = events or Events(identity.conn_id)
        #: Held while the session in use is changed; the threads of a task share one manager.
        self.lock = threading.RLock()
        self._guard = guard
        self._key = session_key(identity)
        self._trust_key = trust_key(identity)
        #: The session whose trust could not be stored.
        self._unsaved_trust = ""
        self._signed_in_by = dict(signed_in_by or {})
        self._about = {
            "connection": identity.conn_id,
            "kind": identity.kind,
            "environment": identity.environment,
            "user": user_hint(client.credentials.mfa_user()),
            "device_record": device_key(identity, client.credentials.mfa_user()),
        }
        self._on_secret = on_secret
        self._seal = Seal("session", identity, client.credentials.sealing_secrets(), exposed=store.exposed)
        self._session: BillSession | None = None
        #: Token of the last session that was opened here.
        self._opened = ""
        self._written_at: DateTime | None = None

    @property
    def has_opened(self) -> bool:
        """Whether a session was opened here, and not only found."""
        return bool(self._opened)

    def peek(self) -> BillSession | None:
        """Return the session as stored, also one that is over, or None; never signs in.

        :raises BillStoreError: the store cannot be read
        """
        return self._open(self.store.read(self._key))

    def is_live(self, session: BillSession) -> bool:
        """Return whether there is time enough left in a session to use it."""
        return session.state(self.clock()) is not SessionState.EXPIRED

    def check(self, session: BillSession) -> None:
        """Raise if a session that was opened just now is not the one that was asked for; it is ended then.

        :raises BillApiError: it is of another organization
        """
        for secret in session.secrets():
            self._on_secret(secret)
        asked, given = self.identity.organization_id, session.organization_id
        if asked and given and asked.lower() != given.lower():
            with contextlib.suppress(BillError):
                self.client.sign_out(session)
            raise BillApiError(
                f"BILL signed in to organization {given} instead of {asked}",
                advice="correct organization_id in the connection or argument",
            )

    def acquire(self) -> BillSession:
        """Return a live session: the one in use, the stored one, or a new one.

        :raises BillError: BILL refused the sign-in or could not be reached, or the store cannot be read
        """
        with self.lock:
            if self._session is not None and self.is_live(self._session):
                return self._session
            text = self.store.read(self._key)
            session = self._open(text)
            if session is not None and self.is_live(session):
                return self._found(session)
            why = "" if session is None else _why_over(session, self.clock())
            return self._sign_in(seen=text, why=why)

    def renew(self, dead: BillSession, refusal: BillSessionExpiredError | None = None) -> BillSession:
        """Return a session in place of one that BILL no longer knows: another task's newer one, or a new one.

        :param refusal: how BILL refused it; None if it is to be replaced for another reason
        :raises BillApiError: BILL refused the call, and the session is not over
        :raises BillError: as in :meth:`acquire`
        """
        with self.lock:
            if self._session is not None and self._session.session_token != dead.session_token:
                return self.acquire()
            text = self.store.read(self._key)
            session = self._open(text)
            if session is not None and session.session_token != dead.session_token and self.is_live(session):
                return self._found(session)
            young = self.clock().timestamp() - dead.signed_in_at.timestamp() < YOUNG_SECONDS
            if refusal is not None and (young or not is_session_over(refusal.code)):
                self._make_sure(dead, refusal, young=young)
            self.forget(dead)
            renewals = dead.renewals + 1 if young and refusal else 0
            return self._sign_in(seen=text, dead=dead, renewals=renewals, why=_why_renewed(dead, refusal))

    def with_renewal(
        self,
        call: Callable[[BillSession], T],
        *,
        session: BillSession | None = None,
        ready: Callable[[BillSession], BillSession] = lambda session: session,
    ) -> T:
        """Make a call with a live session; if BILL no longer knows it, renew it and make the call once more.

        Making it again is right also for a payment: BILL refused the first before acting.

        :param session: the one to begin with; by default the shared one
        :param ready: makes a session ready for the call, such as trusted
        :raises BillError: whatever the call raises; a second refusal is final
        """
        session = ready(session or self.acquire())
        for renewals in itertools.count():
            try:
                return call(session)
            except BillSessionExpiredError as error:
                # Another task's session may be over as well; one that was opened for this very call is not.
                if renewals and (renewals == RENEWALS or session.session_token == self._opened):
                    raise
                refusal = error
            session = ready(self.renew(session, refusal))
        raise AssertionError("no end of the loop")

    def organizations(self) -> list[Organization]:
        """List the organizations that can be signed in to.

        Where the credentials are sent for it, it counts as a sign-in and passes the guard.

        :raises BillError: as in :meth:`acquire`
        """
        if not self.client.credentials.lists_by_credentials:
            return self.with_renewal(self.client.organizations)
        nothing: Callable[[], None] = lambda: None  # noqa: E731
        with self._guard.admit(nothing):
            return self.client.organizations()

    def touch(self, session: BillSession, sent_at: DateTime) -> None:
        """Note that BILL answered a call sent at that moment; written back at most once a minute."""
        with self.lock:
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
                stored = self.peek()
                # Signed out or renewed by another task: its word is newer than ours.
                if stored is None or stored.session_token != mine.session_token:
                    return
                if (sent_at - stored.last_used_at).total_seconds() < TOUCH_INTERVAL:
                    self._written_at = stored.last_used_at
                    return
                # Trust is taken from the record: another task may have passed MFA meanwhile.
                trusted = stored.trusted or self._unsaved_trust == _fingerprint(mine)
                self.save(replace(mine, trusted=trusted))
                # And also between my reading and my writing: see save_trust.
                if trusted or not self.client.credentials.has_mfa:
                    return
                if self.store.read(self._trust_key) == _fingerprint(mine):
                    self.save(replace(mine, trusted=True))
            except BillStoreError as error:
                log.warning("The session's last use could not be noted: %s", error)

    def adopt(self, session: BillSession) -> BillSession:
        """Use a stored session from now on, and return it."""
        self._session, self._written_at = session, session.last_used_at
        return session

    def tell(self, event: str, session: BillSession | None = None, **facts: str) -> None:
        """Log and count what happened to a session.

        :param event: see ``sessions.events``
        """
        facts["whose"] = f"connection {self.identity.conn_id!r}"
        if session is not None:
            organization = session.organization_id or self.identity.organization_id
            facts["whose"] += f" (organization {organization or 'not named'})"
            facts |= {"by": words.task(session.signed_in_by), "since": words.moment(session.signed_in_at)}
        self.events.tell(event, **facts)

    def _found(self, session: BillSession) -> BillSession:
        self.tell("session.found", session, life=_life(session, self.clock()))
        return self.adopt(session)

    def save(self, session: BillSession) -> BillSession:
        """Store a changed picture of the session in use, such as one that has become trusted, and return it.

        :raises BillStoreError: it could not be stored
        """
        with self.lock:
            self._session = session
            self.store.write(self._key, seal_session(self._seal, session, self._about))
            self._written_at = session.last_used_at
            return session

    def save_trust(self, session: BillSession, *, trusted: bool = True) -> BillSession:
        """Store that a session has passed MFA, or that it counts as trusted no more, and return it.

        If it cannot be stored, this process uses it all the same: the session is good. Trust is noted before the
        record is written, so that whoever overwrites the record with an older picture finds it: see :meth:`touch`.
        """
        session = replace(session, trusted=trusted)
        with self.lock:
            self._unsaved_trust = ""
            with contextlib.suppress(BillStoreError):
                if trusted:
                    self.store.write(self._trust_key, _fingerprint(session))
                else:
                    self.store.delete(self._trust_key)
            try:
                return self.save(session)
            except BillStoreError as error:
                self._unsaved_trust = _fingerprint(session) if trusted else ""
                log.warning("Whether the session is trusted could not be noted for other tasks: %s", error)
                return self.adopt(session)

    def forget(self, session: BillSession) -> None:
        """Remove the record, if it is of this very session.

        :raises BillStoreError: the store did not answer
        """
        with self.lock:
            if self._session is not None and self._session.session_token == session.session_token:
                self._session = None
            stored = self.peek()
            if stored is not None and stored.session_token == session.session_token:
                self.store.delete(self._key)

    def discard(self) -> bool:
        """Remove the record, whether it can be opened or not, and return whether there was one; sends nothing.

        :raises BillStoreError: the store did not answer
        """
        with self.lock:
            self._session = None
            found = bool(self.store.read(self._key))
            if found:
                self.store.delete(self._key)
            return found

    def sign_out(self, *, only_if_opened_by_this_run: bool = False) -> bool:
        """End the shared session, if there is one; the record goes first, so that nobody picks it up any more.

        :param only_if_opened_by_this_run: leave a session alone that another DAG run opened
        :return: whether a session was ended now
        """
        session = self.peek()
        if session is None:
            self.tell("session.none")
            return False
        opened_by, this_task = session.signed_in_by, self._signed_in_by
        if only_if_opened_by_this_run and any(opened_by.get(k) != this_task.get(k) for k in ("dag_id", "run_id")):
            self.tell("session.left", session)
            return False
        self.forget(session)
        ended = self.client.sign_out(session)
        if ended or self.client.credentials.signs_out:
            self.tell("session.signed_out" if ended else "session.was_over", session)
        else:
            self.tell("session.dropped", session, life=_life(session, self.clock()))
        return ended

    def _open(self, text: str | None) -> BillSession | None:
        session = open_session(self._seal, text)
        if session is not None:
            for secret in session.secrets():
                self._on_secret(secret)
        return session

    def _make_sure(self, dead: BillSession, refusal: BillSessionExpiredError, *, young: bool) -> None:
        """Ask BILL whether a session is over, where its refusal of a call need not mean that.

        :raises BillApiError: it is not
        :raises BillUnavailableError: it is, and so was the one before it, both within a minute
        """
        try:
            self.client.session_details(dead)
        except BillSessionExpiredError:
            if not young or not dead.renewals:
                return
            raise BillUnavailableError(
                f"a session was over within a minute, and the one that took its place too ({refusal.code})",
                advice="see what else signs out with this user, and run the task again in a minute",
            ) from None
        raise BillApiError(
            f"{str(refusal).removesuffix(f'; {refusal.advice}')}, though it knows the session",
            advice="check whether this user and this kind of sign-in may make the call; signing in again does not help",
            code=refusal.code,
            status=refusal.status,
        )

    def _sign_in(
        self, seen: str | None, dead: BillSession | None = None, renewals: int = 0, why: str = ""
    ) -> BillSession:
        """Sign in, unless another task does so meanwhile.

        :param seen: the stored text that was found to be of no use
        :param dead: the session that BILL no longer knows
        :param renewals: how many sessions in a row were over within a minute
        :param why: the session before is not used any more; empty if there was none
        """
        if not self.client.credentials.signs_in:
            self._session = self.client.sign_in()
            return self._session
        since = self.clock()

        def peek() -> BillSession | None:
            text = self.store.read(self._key)
            session = self._open(text)
            if session is None or (dead and session.session_token == dead.session_token):
                return None
            if text != seen:
                # Written while we waited: it is live, whatever the clock of its host says.
                session = session.used(since)
            return session if self.is_live(session) else None

        with self._guard.admit(peek) as found:
            if found is not None:
                return self._found(found)
            session = replace(self._open_session(), signed_in_by=self._signed_in_by, renewals=renewals)
            self.check(session)
            self._opened = session.session_token
            try:
                self.save(session)
            except BillStoreError as error:
                # The session is good: losing it now would cost a sign-in more.
                self.adopt(session)
                log.warning("Signed in to BILL, but other tasks cannot share the session: %s", error)
        self._tell_of_sign_in(session, why)
        return session

    def _tell_of_sign_in(self, session: BillSession, why: str) -> None:
        user = self._about["user"] or session.user_id
        parts = [
            f"organization {session.organization_id or self.identity.organization_id or 'not named'}",
            *([f"user {user}"] if user else []),
            f"kind {self.identity.kind}",
            self.client.environment.name,
        ]
        whose = f"connection {self.identity.conn_id!r} ({', '.join(parts)})"
        name = "session.renewed" if why else "session.signed_in"
        self.events.tell(name, whose=whose, why=why, life=_life(session, self.clock()).removeprefix("it "))

    def _open_session(self) -> BillSession:
        device = self.devices.usable()
        try:
            session = self.client.sign_in(device, before_each=self._guard.prolong)
        except BillMfaError:
            # BILL refused the device and not the credentials.
            if device is None:
                raise
            self.devices.refuse(device)
            return self.client.sign_in(before_each=self._guard.prolong)
        if device is not None and session.tells_trust:  # an answer that says nothing is no refusal
            (self.devices.honoured if session.trusted else self.devices.refuse)(device)
        return session


def _life(session: BillSession, now: DateTime) -> str:
    """Return how long a session still lives, for the log."""
    if session.idle_limit is not None:
        return f"it lives for {words.duration(session.seconds_left(now))} more if nobody uses it"
    if session.ends_at is not None:
        return f"it ends at {words.moment(session.ends_at)}, used or not"
    return "it has no end"


def _why_over(session: BillSession, now: DateTime) -> str:
    """Return why a stored session is not used, for the log."""
    if session.ends_at is not None and session.ends_at.timestamp() - now.timestamp() <= SAFETY_MARGIN.total_seconds():
        return f"the one before ends at {words.moment(session.ends_at)}"
    return f"nobody has used the one before since {words.moment(session.last_used_at)}"


def _why_renewed(dead: BillSession, refusal: BillSessionExpiredError | None) -> str:
    """Return why a session was given up, for the log."""
    if refusal is None:
        return "the remembered device goes with a sign-in only"
    age = f"opened by {words.task(dead.signed_in_by)} at {words.moment(dead.signed_in_at)}"
    return f"BILL no longer knows the one {age} ({refusal.code})"


def _fingerprint(session: BillSession) -> str:
    return hmac.new(session.session_token.encode(), b"airflow-provider-bill trust", "sha256").hexdigest()[:24]
