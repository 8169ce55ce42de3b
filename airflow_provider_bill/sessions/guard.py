"""What stands before a sign-in: few at a time, none with refused credentials, none while blocked.

Its notes are Variables that a person can read, and delete to clear them; ``keys.py`` names them. They are about where
and as whom to sign in, not about a connection: ten connections of one user share its refusals.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from airflow_provider_bill.client.auth.base import Credentials, KeyedCredentials
from airflow_provider_bill.client.codes import is_final_refusal
from airflow_provider_bill.client.environments import Environment
from airflow_provider_bill.client.secret import Secret, SecretBytes
from airflow_provider_bill.client.session import Clock, utc_now
from airflow_provider_bill.exceptions import (
    BillRateLimitError,
    BillSignInRefusedError,
    BillStoreError,
    BillUnavailableError,
)
from airflow_provider_bill.sessions import keys
from airflow_provider_bill.sessions.events import Events
from airflow_provider_bill.sessions.host import file_of
from airflow_provider_bill.sessions.identity import Identity
from airflow_provider_bill.sessions.locks import Lock
from airflow_provider_bill.sessions.stores import Store
from airflow_provider_bill.sessions.times import from_text

log = logging.getLogger(__name__)
T = TypeVar("T")

#: For so many seconds after a sign-in, its credentials count as good, and another organization need not wait for it.
PROVEN_SECONDS = 900
#: For so many seconds a refusal is remembered that need not be the credentials' fault, such as a gateway's.
UNSURE_SECONDS = 900
#: Sign-ins of one login in flight at most: so many refusals cost a password that was changed at BILL a moment ago.
IN_FLIGHT = 2
#: Refusals that speak of the organization and not of the user or key.
_OF_ORGANIZATION = frozenset({"BDC_1105", "BDC_1106", "BDC_1123", "BDC_1129"})
#: Refusals that speak of the developer key. Any other may be the password's, whatever key it was sent with: ten of them
#: lock the user.
_OF_KEY = frozenset({"BDC_1102", "BDC_1103", "BDC_1104", "BDC_1178"})


@dataclass(frozen=True)
class _Proven(Generic[T]):
    """Another has found out that the credentials are good, and may have made the very session that is wanted."""

    session: T | None


class Guard:
    """Lets few sign-ins of a login through at a time, and remembers how they ended.

    :param store: where notes and leases lie; all hosts must see the same
    :param identity: what the sessions belong to
    :param credentials: what is about to be sent
    :param environment: where it is sent
    :param lock: lets one caller through at a time
    :param clock: gives the present moment in UTC
    :param check: called before a sign-in; what it raises stops it
    :param fallback: where a refusal is kept that the store does not take; None for nowhere
    :param events: logs and counts what happens
    """

    def __init__(
        self,
        store: Store,
        identity: Identity,
        credentials: Credentials,
        environment: Environment,
        *,
        lock: Lock,
        fallback: Store | None = None,
        clock: Clock = utc_now,
        check: Callable[[], None] = lambda: None,
        events: Events | None = None,
    ) -> None:
        self._store = store
        self._identity = identity
        self._clock = clock
        self._lock = lock
        self._check = check
        self._fallback = fallback
        self._events = events or Events(identity.conn_id)
        self._limit_key = credentials.limit_key()
        # Without the organization: a wrong password is wrong for all of them, and ten refusals lock the user.
        # Without the developer key, of which each organization may have its own. Without the kind: v2 and v3 sign in
        # the same user.
        user, self._developer_key = dataclasses.replace(credentials, organization_id=""), ""
        if isinstance(user, KeyedCredentials):
            user, self._developer_key = dataclasses.replace(user, developer_key=""), Secret(user.developer_key)
        _, *secrets = user.sealing_secrets()
        self._user = SecretBytes(json.dumps([*credentials.addresses(environment), *secrets]).encode())
        account = credentials.account()
        # One organization has always the same place, so that two tasks never sign in to it at once.
        places = [keys.sign_in_lease_key(identity, account, number) for number in range(IN_FLIGHT)]
        self._first_place = places[0]
        self._place = places[zlib.crc32(identity.organization_id.encode()) % IN_FLIGHT]
        #: The lock that is held for the sign-in that is going on; empty for none, and once another has it.
        self._held = ""

    @property
    def note_keys(self) -> tuple[str, ...]:
        """The keys of all notes that can hold up these sign-ins, whichever connection has met what they say."""
        return self._user_note_key, self._note_key, self._organization_note_key, self._block_note_key

    @contextmanager
    def admit(self, peek: Callable[[], T | None]) -> Iterator[T | None]:
        """Wait until a sign-in may begin, and note how it ended.

        Nobody knows yet whether unproven credentials are good: one caller finds out, for all organizations. With proven
        ones, as many are let through as there are places.

        :param peek: returns the session, if another has signed in meanwhile
        :return: what ``peek`` has found; None if the caller is to sign in
        :raises BillSignInRefusedError: BILL has refused these very credentials before; nothing is sent
        :raises BillRateLimitError: BILL takes no more sign-ins in this hour; nothing is sent
        :raises BillUnavailableError: BILL did not answer the sign-in that this one has waited for; nothing is sent
        """
        self._check()
        before = self._read(self._note_key)
        if not self._are_proven(before):
            with self._lock.acquire(self._first_place, lambda: self._peek_unproven(peek, before)) as proven:
                if proven is None:
                    with self._noted(self._first_place, proven=False):
                        yield None
                    return
            if proven.session is not None:
                yield proven.session
                return
        # The first lock is free again: who dies here holds others up for one lease and not for two.
        with self._lock.acquire(self._place, lambda: self._peek_proven(peek, before)) as found:
            if found is not None:
                yield found
                return
            with self._noted(self._place, proven=self._are_proven(before)):
                yield None

    def prolong(self) -> None:
        """Say that the sign-in goes on: a further call of it is about to be sent.

        :raises BillUnavailableError: another has begun to sign in, as this one took too long
        """
        try:
            self._lock.prolong(self._held)
        except BillUnavailableError:
            self._held = ""
            raise

    def _peek_unproven(self, peek: Callable[[], T | None], before: dict[str, Any]) -> _Proven[T] | None:
        session = peek()
        return _Proven(session) if session is not None or self._are_proven(before) else None

    def _peek_proven(self, peek: Callable[[], T | None], before: dict[str, Any]) -> T | None:
        session = peek()
        if session is None:
            self._are_proven(before)  # or raise
        return session

    def _are_proven(self, before: dict[str, Any]) -> bool:
        """Return whether these credentials were good a short while ago; raise if a sign-in is hopeless.

        :param before: the note that was there when this caller began to wait
        """
        of_credentials, of_organization = self._read(self._note_key), self._read(self._organization_note_key)
        self._raise_if_blocked(self._read(self._block_note_key))
        # A refusal that only this host remembers may be older than the user's last success.
        good_at = str(of_credentials.get("at")) if of_credentials.get("state") == "proven" else ""
        of_user = self._read(self._user_note_key, newer_than=good_at)
        notes = {
            self._user_note_key: of_user,
            self._note_key: of_credentials,
            self._organization_note_key: of_organization,
        }
        for key, note in notes.items():
            self._raise_if_blocked(note)
            self._raise_if_refused(key, note)
        self._raise_if_unanswered(of_credentials, before)
        return of_credentials.get("state") == "proven" and self._is_recent(of_credentials)

    def _raise_if_blocked(self, note: dict[str, Any]) -> None:
        if note.get("state") != "blocked":
            return
        try:
            until = from_text(note.get("until"))
        except ValueError:
            return
        if self._clock() < until:
            self._events.tell("sign_in.withheld")
            raise BillRateLimitError(
                f"BILL refuses these sign-ins before {until.isoformat()} ({note.get('code')})",
                advice="wait until then; nothing was sent",
                code=_code_in(note),
                retry_at=until,
            )

    def _raise_if_refused(self, key: str, note: dict[str, Any]) -> None:
        if not self._refuses(note):
            return
        self._events.tell("sign_in.withheld")
        until = "" if note.get("until") is None else f" before {note['until']}"
        error = BillSignInRefusedError(
            f"{note.get('says')}; that was at {note.get('at')}, and these credentials are not sent again{until}",
            advice=f"correct the connection {self._identity.conn_id!r}, or, once the cause is fixed at BILL, "
            f"delete {self._where(key)}",
            code=_code_in(note),
        )
        error.note_key, error.noted_at = key, str(note.get("at"))
        raise error

    def _refuses(self, note: dict[str, Any]) -> bool:
        """Return whether a note speaks of a refusal that still counts."""
        if note.get("state") != "refused" or note.get("until") is None:
            return note.get("state") == "refused"
        try:
            return self._clock() < from_text(note["until"])
        except ValueError:
            return False

    def _raise_if_unanswered(self, note: dict[str, Any], before: dict[str, Any]) -> None:
        # Only who has waited for that very sign-in: whoever comes later finds out anew.
        if note.get("state") == "unanswered" and note != before:
            raise BillUnavailableError(
                f"BILL did not answer another task's sign-in at {note.get('at')}, so that this one was not tried",
                advice="run the task again later",
            )

    @contextmanager
    def _noted(self, place: str, *, proven: bool) -> Iterator[None]:
        """Note how the sign-in inside ended.

        :param place: the lock that is held for it
        :param proven: whether its success is known already
        """
        self._held = place
        try:
            yield
        except BillSignInRefusedError as error:
            self._events.tell("sign_in.refused")
            key = self._note_key if error.code in _OF_KEY else self._user_note_key
            key = self._organization_note_key if error.code in _OF_ORGANIZATION else key
            facts = {"state": "refused", "code": error.code, "says": str(error)}
            if not is_final_refusal(error.code):
                facts["until"] = self._clock().add(seconds=UNSURE_SECONDS).isoformat()
            self._note(key, facts)
            error.note_key = key
            raise
        except BillRateLimitError as error:
            if error.retry_at is not None:
                self._note(self._note_of_limit(error), _blocked(error, error.retry_at.isoformat()))
            raise
        except BillUnavailableError:
            if self._held:  # else another has begun to sign in, and how that ends is for that one to say
                self._note_unanswered()
            raise
        finally:
            self._held = ""
        if not proven:
            of_user = self._read(self._user_note_key)
            if of_user.get("state") == "refused" and of_user.get("until") is not None:
                self._note(self._user_note_key, {"state": "proven"})  # also for a host whose clock is behind
            self._note(self._note_key, {"state": "proven"})

    def _note_unanswered(self) -> None:
        with contextlib.suppress(BillStoreError):
            if self._refuses(self._read(self._note_key)):
                return  # as another organization's sign-in has found out, which was in flight beside this one
        self._note(self._note_key, {"state": "unanswered", "id": uuid.uuid4().hex[:8]})

    def _note_of_limit(self, error: BillRateLimitError) -> str:
        """Return the key of the note about a limit: of all with this key only if BILL itself says so."""
        if error.code == "BDC_1144":
            return self._block_note_key
        return self._organization_note_key

    @cached_property
    def _note_key(self) -> str:
        return keys.credentials_note_key(self._identity, self._user, self._developer_key)

    @cached_property
    def _user_note_key(self) -> str:
        return keys.credentials_note_key(self._identity, self._user)

    @cached_property
    def _organization_note_key(self) -> str:
        return keys.organization_note_key(self._identity, self._user, self._developer_key)

    @cached_property
    def _block_note_key(self) -> str:
        return keys.block_note_key(self._identity, self._limit_key)

    def _where(self, key: str) -> str:
        """Return where a person finds a note."""
        store = self._store
        if self._kept(key) and self._fallback is not None:
            store = self._fallback
        if store.name == "variable":
            return f"the Variable {key!r}"
        return f"the file {file_of(key, 'note')}" if store.name == "host" else f"the note {key!r}"

    def _is_recent(self, note: dict[str, Any]) -> bool:
        try:
            return abs((self._clock() - from_text(note.get("at"))).total_seconds()) < PROVEN_SECONDS
        except ValueError:
            return False

    def _note(self, key: str, facts: dict[str, Any]) -> None:
        note = {"v": 2, **facts, "at": self._clock().isoformat(), "connection": self._identity.conn_id}
        if key == self._organization_note_key:
            note["organization_id"] = self._identity.organization_id
        try:
            try:
                self._store.write(key, json.dumps(note))
            except BillStoreError:
                # A refusal that is forgotten is refused again: then at least this host remembers it.
                if self._fallback is None or note["state"] != "refused":
                    raise
                self._fallback.write(key, json.dumps(note))
        except BillStoreError as error:
            log.warning("How the sign-in to BILL ended could not be noted for other tasks: %s", error)

    def _read(self, key: str, *, newer_than: str = "") -> dict[str, Any]:
        """Return a note.

        :param newer_than: moment in ISO 8601; what this host has kept is forgotten if it is older
        """
        note, kept = _read_note(self._store.read(key)), self._kept(key)
        if self._fallback is None or not kept:
            return note
        is_newer = str(kept.get("at")) > str(note.get("at", newer_than))
        with contextlib.suppress(BillStoreError):
            if is_newer:
                self._store.write(key, json.dumps(kept))
            self._fallback.delete(key)
        return kept if is_newer else note

    def _kept(self, key: str) -> dict[str, Any]:
        """Return a refusal that the store has not taken."""
        try:
            return {} if self._fallback is None else _read_note(self._fallback.read(key))
        except BillStoreError:
            return {}


def _read_note(text: str | None) -> dict[str, Any]:
    try:
        note = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) and note.get("v") == 2 else {}


def _code_in(note: dict[str, Any]) -> str | None:
    code = note.get("code")
    return code if isinstance(code, str) else None


def _blocked(error: BillRateLimitError, until: str) -> dict[str, Any]:
    return {"state": "blocked", "code": error.code or f"HTTP {error.status}", "until": until}
