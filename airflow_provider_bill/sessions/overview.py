"""What is known of all connections at once, for people: sessions, trust, refused sign-ins, open writes.

It is read from the readable part of what is stored: no secret is opened, no connection is asked for, nothing is sent.
Sessions in XCom or in one process are nobody else's, so they are not here. What cannot be read is counted and left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from airflow_provider_bill.sessions.mfa import CODE_LIFE

#: How the keys of all that is read here begin.
PREFIX = "bill_"


class Entry(NamedTuple):
    """A stored text: a Variable, or an entry of a task's state store.

    ``task`` is the dag, run, task and map index whose state it is; empty for a Variable.
    """

    key: str
    text: str
    task: tuple[str | int, ...] = ()


@dataclass(frozen=True)
class KnownSession:
    """A stored session, live or over.

    :param key: of its record
    :param user: a hint at the user, such as ``f***@example.com``
    :param signed_in_by: the dag, run and task that opened it, or the person; empty for a script
    :param trusted_until: when BILL forgets the remembered device, UTC; None if there is none
    :param code_sent_at: when a code was sent that can still be entered, UTC
    """

    key: str
    connection: str
    organization_id: str
    kind: str
    environment: str
    user: str
    user_id: str
    trusted: bool
    signed_in_at: datetime
    last_used_at: datetime
    expires_at: datetime | None
    signed_in_by: Mapping[str, str] = field(default_factory=dict)
    trusted_until: datetime | None = None
    code_sent_at: datetime | None = None

    def minutes_left(self, now: datetime) -> float | None:
        """Return the minutes until it ends if nobody uses it, 0 once it has; None if it does not end."""
        return None if self.expires_at is None else max(0.0, (self.expires_at - now).total_seconds() / 60)

    def days_of_trust(self, now: datetime) -> float | None:
        """Return the days for which BILL remembers the device; None if there is none."""
        return None if self.trusted_until is None else max(0.0, (self.trusted_until - now).total_seconds() / 86400)


@dataclass(frozen=True)
class KnownRefusal:
    """Sign-ins that are not tried now.

    :param key: of the note; whoever deletes it has them tried again
    :param connection: that met it; others with the same user or developer key are held up too
    :param organization_id: if it is about that one only
    :param limit: whether BILL's limit holds them up, and not a refusal of the credentials
    :param until: when they are tried again, UTC; None for when the connection has changed
    """

    key: str
    connection: str
    organization_id: str
    limit: bool
    code: str
    says: str
    at: datetime
    until: datetime | None


@dataclass(frozen=True)
class OpenWrite:
    """A write that was sent, and of whose outcome nothing is stored: it is on its way, or unknown.

    :param task: the dag, run, task and map index; empty for a write of an older version
    :param settled: what a person has said: that it was carried out, or not; None for nothing yet
    """

    id: str
    call: str
    name: str
    at: datetime
    task: tuple[str | int, ...]
    settled: bool | None


@dataclass(frozen=True)
class Overview:
    """What is known; ``unreadable`` names the entries that cannot be read."""

    sessions: list[KnownSession]
    refusals: list[KnownRefusal]
    writes: list[OpenWrite]
    unreadable: list[str]


def overview(entries: Iterable[Entry], now: datetime) -> Overview:
    """Return what stored entries say, sorted for people.

    :param entries: all whose keys begin with ``PREFIX``; others are passed over
    :param now: the present moment, UTC
    """
    found, unreadable = _Found(), []
    for entry in entries:
        try:
            found.take(entry, now)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            unreadable.append(entry.key)
    return Overview(
        sorted(found.all_sessions(), key=lambda row: (row.connection, row.organization_id, row.kind, row.key)),
        sorted(found.refusals, key=lambda row: (row.connection, row.organization_id, row.at)),
        sorted(found.open_writes(), key=lambda row: (row.at, row.id)),
        sorted(unreadable),
    )


class _Found:
    """What was read so far, by what connects it."""

    def __init__(self) -> None:
        self.refusals: list[KnownRefusal] = []
        #: Each with the key of the remembered devices of its user.
        self._sessions: list[tuple[KnownSession, str]] = []
        #: When devices end, by the key of their record and their organization.
        self._devices: dict[str, dict[str, datetime]] = {}
        #: When a code was sent that can still be entered, by connection, organization and team as keys have them.
        self._codes: dict[str, datetime] = {}
        self._intents: dict[tuple[Any, ...], OpenWrite] = {}
        self._outcomes: set[tuple[Any, ...]] = set()
        self._settled: dict[str, bool] = {}

    def take(self, entry: Entry, now: datetime) -> None:
        """Read one entry.

        :raises ValueError: it cannot be read; so can KeyError, TypeError, AttributeError and others say
        """
        key = entry.key
        if key.startswith("bill_session_token__") and not key.endswith("__trusted"):
            self._take_session(key, json.loads(entry.text))
        elif key.startswith("bill_device_token__"):
            rows = [row for row in json.loads(entry.text).get("devices", ()) if row["expires_at"]]
            self._devices[key] = {row["organization_id"]: _moment(row["expires_at"]) for row in rows}
        elif key.startswith("bill_mfa_challenge__"):
            note = json.loads(entry.text)
            sent_at = _moment(note["sent_at"])
            if not note["over"] and not note["answered"] and sent_at + CODE_LIFE > now:
                self._codes[key.removeprefix("bill_mfa_challenge__")] = sent_at
        elif key.startswith("bill_sign_in__") or key.startswith("bill_sign_in_block__"):
            self._take_note(key, json.loads(entry.text), now)
        elif key.startswith("bill_write_settled__"):
            self._settled[key.removeprefix("bill_write_settled__")] = json.loads(entry.text)["carried_out"] is True
        elif key.startswith("bill_write__"):
            self._take_write(entry)

    def all_sessions(self) -> list[KnownSession]:
        """Return the sessions, with what is known of trust and codes."""
        return [self._complete(session, devices) for session, devices in self._sessions]

    def open_writes(self) -> list[OpenWrite]:
        """Return the writes of which an intent is stored and no outcome."""
        found = [intent for write, intent in self._intents.items() if write not in self._outcomes]
        return [replace(intent, settled=self._settled.get(intent.id)) for intent in found]

    def _take_session(self, key: str, record: Mapping[str, Any]) -> None:
        # Records of older versions do not say whose they are, their keys do.
        _, connection, organization, kind, *_ = [*key.split("__"), "", "", ""]
        session = KnownSession(
            key=key,
            connection=str(record.get("connection") or connection),
            organization_id=str(record["organization_id"] or organization.removeprefix("any")),
            kind=str(record.get("kind") or kind),
            environment=str(record.get("environment", "")),
            user=str(record.get("user", "")),
            user_id=str(record["user_id"]),
            trusted=record["trusted"] is True,
            signed_in_at=_moment(record["signed_in_at"]),
            last_used_at=_moment(record["last_used_at"]),
            expires_at=_moment(record["expires_at"]) if record["expires_at"] else None,
            signed_in_by={str(name): str(value) for name, value in record["signed_in_by"].items()},
        )
        self._sessions.append((session, str(record.get("device_record", ""))))

    def _take_note(self, key: str, note: Mapping[str, Any], now: datetime) -> None:
        until = _moment(note["until"]) if note.get("until") else None
        if note["state"] not in ("refused", "blocked") or (until is not None and until <= now):
            return
        self.refusals.append(
            KnownRefusal(
                key=key,
                connection=str(note["connection"]),
                organization_id=str(note.get("organization_id", "")),
                limit=note["state"] == "blocked",
                code=str(note.get("code") or ""),
                says=str(note.get("says") or ""),
                at=_moment(note["at"]),
                until=until,
            )
        )

    def _take_write(self, entry: Entry) -> None:
        if entry.key.endswith("__claim") or entry.key == "bill_write_probe":
            return
        note = json.loads(entry.text)
        # The name of a write, which its intents and its outcome share, within its task.
        prefix = entry.key.rpartition("__")[0] if not entry.key.endswith("__sent") else entry.key.rsplit("__", 2)[0]
        write = (*entry.task, prefix, note["name"])
        if note["state"] != "sent":
            self._outcomes.add(write)
            return
        intent = OpenWrite(
            id=str(note["id"]),
            call=str(note["call"]),
            name=str(note["name"]),
            at=_moment(note["at"]),
            task=tuple(note.get("task") or entry.task),
            settled=None,
        )
        # Two processes may have stored one each: the task looks at that under the name of the write.
        if entry.key.endswith("__sent") or write not in self._intents:
            self._intents[write] = intent

    def _complete(self, session: KnownSession, devices: str) -> KnownSession:
        ends = self._devices.get(devices, {})
        own = ends.get(session.organization_id)
        code = self._codes.get(session.key.removeprefix("bill_session_token__").rpartition("__")[0])
        return replace(session, trusted_until=own or max(ends.values(), default=None), code_sent_at=code)


def _moment(text: str) -> datetime:
    """Return a stored moment, UTC.

    :raises ValueError: it is none
    """
    # Not with pendulum, which takes a hundred times as long: a page shows thousands.
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC)
