"""What stands before a sign-in: one at a time, none with refused credentials, none while blocked.

Its notes are Variables that a person can read, and delete to clear them; ``keys.py`` names them.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from airflow_provider_bill.client.auth.base import Credentials
from airflow_provider_bill.client.session import Clock, utc_now
from airflow_provider_bill.exceptions import BillRateLimitError, BillSignInRefusedError, BillStoreError
from airflow_provider_bill.sessions import keys
from airflow_provider_bill.sessions.derivation import costly_key
from airflow_provider_bill.sessions.identity import Identity, XComLocation
from airflow_provider_bill.sessions.locks import Lock
from airflow_provider_bill.sessions.stores import Store
from airflow_provider_bill.sessions.times import from_text

log = logging.getLogger(__name__)
T = TypeVar("T")

#: For so many seconds after a sign-in, its credentials count as good, and other organizations need not wait.
PROVEN_SECONDS = 900
#: Refusals that speak of the organization and not of the user or key.
_OF_ORGANIZATION = frozenset({"BDC_1105", "BDC_1106", "BDC_1123", "BDC_1129"})


@dataclass(frozen=True)
class _Proven(Generic[T]):
    """Another has found out that the credentials are good, and may have made the very session that is wanted."""

    session: T | None


class Guard:
    """Lets one sign-in of an identity through at a time, and remembers how it ended.

    :param store: where notes and leases lie; all hosts must see the same
    :param identity: what the sessions belong to
    :param credentials: what is about to be sent
    :param lock: lets one caller through at a time
    :param location: of the session in the XCom store; None for the other stores
    :param clock: gives the present moment in UTC
    """

    def __init__(
        self,
        store: Store,
        identity: Identity,
        credentials: Credentials,
        *,
        lock: Lock,
        location: XComLocation | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._store = store
        self._identity = identity
        # Without the organization: a wrong password is wrong for all of them, and ten refusals lock the user.
        self._secrets = replace(credentials, organization_id="").sealing_secrets()
        self._clock = clock
        self._lock = lock
        self._login_note = keys.login_note_key(identity)
        self._organization_note = keys.organization_note_key(identity)
        self._limit_key = credentials.limit_key()
        self._login_lease = keys.login_lease_key(identity)
        self._organization_lease = keys.organization_lease_key(identity, location)

    @contextmanager
    def admit(self, peek: Callable[[], T | None]) -> Iterator[T | None]:
        """Wait until a sign-in may begin, and note how it ended.

        Nobody knows yet whether unproven credentials are good: one caller finds out, for all organizations. With proven
        ones only the callers of one organization wait for each other.

        :param peek: returns the session, if another has signed in meanwhile
        :return: what ``peek`` has found; None if the caller is to sign in
        :raises BillSignInRefusedError: BILL has refused these very credentials before; nothing is sent
        :raises BillRateLimitError: BILL takes no more sign-ins in this hour; nothing is sent
        """
        if not self._are_proven():
            with self._lock.acquire(self._login_lease, lambda: self._peek_unproven(peek)) as proven:
                if proven is None:
                    with self._noted(proven=False):
                        yield None
                    return
            if proven.session is not None:
                yield proven.session
                return
        # The first lock is free again: who dies here holds others up for one lease and not for two.
        with self._lock.acquire(self._organization_lease, peek) as found:
            if found is not None:
                yield found
                return
            with self._noted(proven=self._are_proven()):
                yield None

    def _peek_unproven(self, peek: Callable[[], T | None]) -> _Proven[T] | None:
        session = peek()
        return _Proven(session) if session is not None or self._are_proven() else None

    def _are_proven(self) -> bool:
        """Return whether these credentials were good a short while ago; raise if a sign-in is hopeless."""
        of_login, of_organization = self._read(self._login_note), self._read(self._organization_note)
        self._raise_if_blocked(self._read(self._block_note()))
        self._raise_if_blocked(of_organization)
        self._raise_if_refused(self._login_note, of_login)
        self._raise_if_refused(self._organization_note, of_organization)
        return of_login.get("state") == "proven" and self._is_mine(of_login) and self._is_recent(of_login)

    def _raise_if_blocked(self, note: dict[str, Any]) -> None:
        if note.get("state") != "blocked":
            return
        try:
            until = from_text(note.get("until"))
        except ValueError:
            return
        if self._clock() < until:
            raise BillRateLimitError(
                f"BILL refuses all sign-ins before {until.isoformat()} ({note.get('code')})",
                advice="wait until then; nothing was sent",
                code=note.get("code"),
                retry_at=until,
            )

    def _raise_if_refused(self, key: str, note: dict[str, Any]) -> None:
        if note.get("state") == "refused" and self._is_mine(note):
            raise BillSignInRefusedError(
                f"{note.get('says')}; that was at {note.get('at')}, and these credentials are not sent again",
                advice=f"correct the connection {self._identity.conn_id!r}, or, once the cause is fixed at BILL, "
                f"delete the Variable {key!r}",
                code=note.get("code"),
            )

    @contextmanager
    def _noted(self, *, proven: bool) -> Iterator[None]:
        """Note how the sign-in inside ended.

        :param proven: whether its success is known already
        """
        try:
            yield
        except BillSignInRefusedError as error:
            key = self._organization_note if error.code in _OF_ORGANIZATION else self._login_note
            self._note(key, {"state": "refused", "code": error.code, "says": str(error)})
            raise
        except BillRateLimitError as error:
            if error.retry_at is not None:
                key = self._organization_note if error.code == "BDC_1107" else self._block_note()
                self._note(key, {"state": "blocked", "code": error.code, "until": error.retry_at.isoformat()})
            raise
        if not proven:
            self._note(self._login_note, {"state": "proven"})

    def _block_note(self) -> str:
        return keys.block_note_key(self._identity.environment, self._limit_key)

    def _is_recent(self, note: dict[str, Any]) -> bool:
        try:
            return abs((self._clock() - from_text(note.get("at"))).total_seconds()) < PROVEN_SECONDS
        except ValueError:
            return False

    def _is_mine(self, note: dict[str, Any]) -> bool:
        fingerprint = self._fingerprint(str(note.get("salt")))
        return hmac.compare_digest(fingerprint, str(note.get("fingerprint")))

    def _fingerprint(self, salt: str) -> str:
        # The secrets are the key, and a guess at them is costly: a note is read by more people than the connection.
        return costly_key(json.dumps(list(self._secrets)).encode(), salt.encode()).hex()

    def _note(self, key: str, facts: dict[str, Any]) -> None:
        salt = os.urandom(16).hex()
        note = {
            "v": 1,
            **facts,
            "at": self._clock().isoformat(),
            "salt": salt,
            "fingerprint": self._fingerprint(salt),
        }
        try:
            self._store.write(key, json.dumps(note))
        except BillStoreError as error:
            log.warning("How the sign-in to BILL ended could not be noted for other tasks: %s", error)

    def _read(self, key: str) -> dict[str, Any]:
        try:
            note = json.loads(self._store.read(key) or "{}")
        except (ValueError, RecursionError):
            return {}
        return note if isinstance(note, dict) and note.get("v") == 1 else {}
