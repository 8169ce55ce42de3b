"""What stands before a sign-in: one at a time, none with refused credentials, none while blocked.

Its notes are Variables that a person can read, and delete to clear them:

- ``bill_sign_in__<connection>__<kind>``: credentials that BILL refused, or has just accepted;
- ``bill_sign_in__<connection>__<organization>__<kind>``: an organization that BILL refused;
- ``bill_sign_in_block__<fingerprint of the developer key>``: until when BILL takes no more sign-ins;
- ``bill_sign_in_lease__...``: whose turn it is.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import pendulum
from pendulum import DateTime

from airflow_provider_bill.client.credentials import Credentials
from airflow_provider_bill.client.session import Clock, utc_now
from airflow_provider_bill.exceptions import BillRateLimitError, BillSignInRefusedError, BillStoreError
from airflow_provider_bill.sessions.identity import Identity
from airflow_provider_bill.sessions.stores import Store
from airflow_provider_bill.sessions.turns import Turns

log = logging.getLogger(__name__)
T = TypeVar("T")

#: For so many seconds after a sign-in, its credentials count as good, and other organizations need not wait.
PROVEN_SECONDS = 900
#: Refusals that speak of the organization and not of the user or key.
_OF_ORGANIZATION = frozenset({"BDC_1105", "BDC_1106", "BDC_1123", "BDC_1129"})


class Guard:
    """Lets one sign-in of an identity through at a time, and remembers how it ended.

    :param store: where notes and leases lie; all hosts must see the same
    :param identity: what the sessions belong to
    :param credentials: what is about to be sent
    :param turns: gives one caller at a time the turn
    :param place: further words that tell sessions apart, such as the login task in the XCom store
    :param clock: gives the present moment in UTC
    """

    def __init__(
        self,
        store: Store,
        identity: Identity,
        credentials: Credentials,
        *,
        turns: Turns,
        place: str = "",
        clock: Clock = utc_now,
    ) -> None:
        self._store = store
        self._identity = identity
        # Without the organization: a wrong password is wrong for all of them, and ten refusals lock the user.
        self._secrets = replace(credentials, organization_id="").sealing_secrets()
        self._clock = clock
        self._turns = turns
        login = f"{identity.conn_id}__{identity.kind}"
        organization = f"{identity.conn_id}__{identity.organization_id or 'any'}__{identity.kind}"
        self._login_note = f"bill_sign_in__{login}"
        self._organization_note = f"bill_sign_in__{organization}"
        self._block_note = f"bill_sign_in_block__{_digest(credentials.limit_key())}"
        self._login_lease = f"bill_sign_in_lease__{login}"
        self._organization_lease = "__".join(filter(None, [f"bill_sign_in_lease__{organization}", place]))

    @contextmanager
    def admit(self, look: Callable[[], T | None]) -> Iterator[T | None]:
        """Wait for the turn to sign in.

        :param look: gives the session, if another has signed in meanwhile
        :raises BillSignInRefusedError: BILL has refused these very credentials before; nothing is sent
        :raises BillRateLimitError: BILL takes no more sign-ins in this hour; nothing is sent
        """
        proven = self._check()

        def known() -> tuple[T | None] | None:
            found = look()
            return (found,) if found is not None or self._check() else None

        with ExitStack() as turns:
            if not proven:
                # Nobody knows yet whether these credentials are good: one finds out, for all organizations.
                outcome = turns.enter_context(self._turns.take(self._login_lease, known))
                if outcome is not None:
                    # Another found out while we waited, and may even have made our session.
                    turns.close()
                    proven, (found,) = True, outcome
                    if found is not None:
                        yield found
                        return
            if proven:
                # One turn at a time, so that who dies holds others up for one lease and not for two.
                found = turns.enter_context(self._turns.take(self._organization_lease, look))
                if found is not None:
                    yield found
                    return
                proven = self._check()
            try:
                yield None
            except BillSignInRefusedError as error:
                key = self._organization_note if error.code in _OF_ORGANIZATION else self._login_note
                self._note(key, {"state": "refused", "code": error.code, "says": str(error)})
                raise
            except BillRateLimitError as error:
                if error.retry_at is not None:
                    locked = error.code == "BDC_1107"
                    key = self._organization_note if locked else self._block_note
                    note = {"state": "blocked", "code": error.code, "until": error.retry_at.isoformat()}
                    self._note(key, note)
                raise
            if not proven:
                self._note(self._login_note, {"state": "proven"})

    def _check(self) -> bool:
        """Raise if a sign-in is hopeless; tell whether these credentials were good a short while ago."""
        self._check_block(self._read(self._block_note))
        of_organization = self._read(self._organization_note)
        self._check_block(of_organization)
        login = self._read(self._login_note)
        for key, note in ((self._login_note, login), (self._organization_note, of_organization)):
            if note.get("state") == "refused" and self._is_mine(note):
                raise BillSignInRefusedError(
                    f"{note.get('says')}; that was at {note.get('at')}, and these credentials are not sent again",
                    advice=f"correct the connection {self._identity.conn_id!r}, or, once the cause is mended at BILL, "
                    f"delete the Variable {key!r}",
                    code=note.get("code"),
                )
        return login.get("state") == "proven" and self._is_mine(login) and self._is_recent(login)

    def _check_block(self, note: dict[str, Any]) -> None:
        until = _time(note.get("until")) if note.get("state") == "blocked" else None
        if until is not None and self._clock() < until:
            raise BillRateLimitError(
                f"BILL takes no more sign-ins before {until.isoformat()} ({note.get('code')})",
                advice="wait until then; nothing was sent",
                code=note.get("code"),
                retry_at=until,
            )

    def _is_recent(self, note: dict[str, Any]) -> bool:
        at = _time(note.get("at"))
        return at is not None and abs((self._clock() - at).total_seconds()) < PROVEN_SECONDS

    def _is_mine(self, note: dict[str, Any]) -> bool:
        fingerprint = self._fingerprint(str(note.get("salt")))
        return hmac.compare_digest(fingerprint, str(note.get("fingerprint")))

    def _fingerprint(self, salt: str) -> str:
        # The secrets are the key: without all of them nobody can tell which password it was.
        secrets = self._secrets
        return hmac.new(json.dumps(list(secrets)).encode(), salt.encode(), hashlib.sha256).hexdigest()[:32]

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


def _digest(text: str) -> str:
    return hashlib.sha256(f"airflow-provider-bill {text}".encode()).hexdigest()[:16]


def _time(text: object) -> DateTime | None:
    try:
        moment = pendulum.parse(str(text))
    except (ValueError, OverflowError):
        return None
    return moment if isinstance(moment, DateTime) else None
