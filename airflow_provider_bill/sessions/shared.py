"""``SharedSession``: calls with the one session that all tasks of a connection share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pendulum import DateTime

from airflow_provider_bill.client.answers import Answer
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.downloads import is_link, link_in, written
from airflow_provider_bill.client.request import BillRequest
from airflow_provider_bill.client.requester import Around
from airflow_provider_bill.client.session import BillSession, Clock, utc_now
from airflow_provider_bill.exceptions import BillMfaRequiredError
from airflow_provider_bill.sessions.devices import Devices
from airflow_provider_bill.sessions.events import Events
from airflow_provider_bill.sessions.guard import Guard
from airflow_provider_bill.sessions.identity import Handle, Identity, XComLocation
from airflow_provider_bill.sessions.keys import session_key
from airflow_provider_bill.sessions.locks import Lock
from airflow_provider_bill.sessions.manager import SessionManager
from airflow_provider_bill.sessions.stores import Store
from airflow_provider_bill.sessions.trust import Trust
from airflow_provider_bill.sessions.writes import Send, Writes, tell_of_write

if TYPE_CHECKING:
    from airflow_provider_bill.sessions.mfa import Mfa


class _Answered(Protocol):
    """What a call returns: at least when it was sent."""

    @property
    def sent_at(self) -> DateTime:
        """The moment the call was sent, UTC."""


A = TypeVar("A", bound=_Answered)


class SharedSession:
    """Makes calls with the shared session: kept alive by them, renewed once if it is over, trusted where they need it.

    :param client: speaks to BILL
    :param conn_id: Airflow connection id
    :param store: where the session's record lives
    :param notes: where the remembered device lives and what all sign-ins must see; it outlives a DAG run. By default
        the store
    :param lock: lets one caller at a time sign in or send a text; it covers all who see the notes
    :param writes: tells what sends the writes of this task durably; None where no task is running
    :param location: of the session, in the XCom store
    :param clock: gives the present moment in UTC
    :param signed_in_by: dag, run and task, noted in a session that is opened here
    :param team: Airflow's team whose task this is
    :param check: called before a sign-in; what it raises stops it
    :param fallback: where a refused sign-in is remembered that the notes do not take
    :param on_secret: told each secret before anything else is done with it
    :param events: logs and counts what happens
    """

    def __init__(
        self,
        client: BillClient,
        conn_id: str,
        *,
        store: Store,
        notes: Store | None = None,
        lock: Lock,
        writes: Callable[[], Writes | None] = lambda: None,
        location: XComLocation | None = None,
        clock: Clock = utc_now,
        signed_in_by: Mapping[str, str] | None = None,
        team: str = "",
        check: Callable[[], None] = lambda: None,
        fallback: Store | None = None,
        on_secret: Callable[[str], None] = lambda secret: None,
        events: Events | None = None,
    ) -> None:
        credentials = client.credentials
        identity = Identity(conn_id, credentials.organization_id, credentials.kind, client.environment.v3_base, team)
        self.events = events = events or Events(conn_id)
        named = f"organization {identity.organization_id}, " if identity.organization_id else ""
        events.uses(f"connection {conn_id!r} ({named}{client.environment.name})")
        client.observe(events)
        self.client = client
        self._notes = notes or store
        self._lock = lock
        self._location = location
        self._writes = writes
        self.guard = Guard(
            self._notes,
            identity,
            credentials,
            client.environment,
            lock=lock,
            clock=clock,
            check=check,
            fallback=fallback,
            events=events,
        )
        self.manager = SessionManager(
            client,
            store,
            self.guard,
            Devices(self._notes, identity, credentials, clock=clock, on_secret=on_secret),
            identity,
            clock=clock,
            signed_in_by=signed_in_by,
            on_secret=on_secret,
            events=events,
        )
        self.trust = Trust(self.manager)

    @cached_property
    def mfa(self) -> Mfa:
        """What passes MFA with a person."""
        from airflow_provider_bill.sessions.mfa import Mfa

        return Mfa(self.manager, self._notes, self._lock)

    def send(self, request: BillRequest, *, idempotency_key: str | None = None) -> Answer:
        """Make a call, trusted if it needs to be; a write of a task at most once.

        :param idempotency_key: name of a write within its task; None for the next number
        :raises BillError: whatever BILL refuses; a second refusal of the session is final
        """

        def send(request: BillRequest, around: Around | None) -> Answer:
            return self.run(lambda live: self.client.send(live, request, around=around), trusted=request.needs_trust)

        # Asked for each write: a hook may be made where no task is running yet.
        writes = self._writes() if request.is_write else None
        if writes is None:
            return self._send_unprotected(request, send)
        return writes.send(request, self.manager.identity, idempotency_key, send)

    def _send_unprotected(self, request: BillRequest, send: Send) -> Answer:
        began = time.monotonic()
        answer = send(request, None)
        if request.is_write:
            tell_of_write(self.events, request.label, answer.body, time.monotonic() - began)
        return answer

    def download(self, link: str, target: Any, *, most: int) -> int:
        """Write the file that a link of BILL's leads to, and return its size in bytes.

        :param link: from an answer, or the path of an answer that holds one
        :param target: see ``client.downloads.written``
        :param most: bytes that are written at most
        :raises BillError: see ``exceptions.py``; none of them holds the link
        """
        with written(target) as file:
            if not is_link(link):
                request = self.client.prepare("GET", link, dialect="v3")
                link = link_in(self.send(request).body, request.label)
            checked = self.client.checked_link(link)
            if not checked.own:
                return self.client.download(None, checked, file, most=most).size
            return self.run(lambda live: self.client.download(live, checked, file, most=most)).size

    def run(self, call: Callable[[BillSession], A], *, trusted: bool = False) -> A:
        """Make one call with a live session; renew the session or its trust once if BILL refuses for that.

        :param trusted: whether the call needs a session that has passed MFA; checked before it is sent
        :raises BillError: whatever the call raises; a second refusal is final
        """

        def attempt(session: BillSession) -> A:
            try:
                answer = call(session)
            except BillMfaRequiredError:
                session = self.trust.regain(session)
                answer = call(session)
            self.manager.touch(session, answer.sent_at)
            return answer

        if trusted:
            return self.manager.with_renewal(attempt, ready=self.trust.ensure)
        return self.manager.with_renewal(attempt)

    def keep_alive(self) -> BillSession:
        """Ask BILL about the session, which keeps it alive, and return it as trusted as it can be made."""
        if self.client.credentials.signs_in:
            self.run(self.client.session_details)
        return self.trust.make(self.manager.acquire())

    def handle_of(self, session: BillSession) -> Handle:
        """Return the handle by which other tasks find the session."""
        identity, expires_at = self.manager.identity, session.expires_at
        return Handle(
            conn_id=identity.conn_id,
            organization_id=identity.organization_id,
            store=self.manager.store.name,
            key=session_key(identity),
            location=self._location,
            trusted=session.trusted,
            expires_at=expires_at.isoformat() if expires_at else "",
        )
