"""One at a time: on a host by a file lock, across hosts by a lease in the shared store.

Airflow's Variables have no compare-and-set, so the lease is Fischer's: write a nonce, wait longer than a write
takes, read back, go on only if it is still mine. If it ever fails, the price is one sign-in too many.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import socket
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

from airflow_provider_bill.client.session import Clock, utc_now
from airflow_provider_bill.exceptions import BillStoreError, BillUnavailableError
from airflow_provider_bill.sessions import words
from airflow_provider_bill.sessions.host import file_of, host_id
from airflow_provider_bill.sessions.stores import Store

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Seconds that a lease lasts if its owner says nothing more: longer than the longest call (5 s to connect and 60 s to
#: answer), so that only a dead owner loses it.
LEASE_SECONDS = 75.0
#: Before a further call, a lease is written anew if it is older than so many seconds: it must still live after the
#: longest call.
PROLONG_SECONDS = 5.0
#: Seconds to wait at least between writing the lease and reading it back: longer than a write takes on a bad day.
SETTLE_SECONDS = 1.0
#: Seconds between two reads while another holds the lease.
POLL_SECONDS = 0.5
#: Seconds between two looks at the file lock while another process of this host holds it.
HOST_POLL_SECONDS = 0.05
#: How often a lease is claimed by one who reads back something that nobody has claimed.
LOST_CLAIMS = 5
#: Who waits for so many seconds says so, and for whom.
TELL_SECONDS = 2.0
#: No lease is waited for any longer, whatever it says.
LONGEST_LEASE_SECONDS = 3600.0


#: Is told the key of a lock, who has it, and since when.
OnWait = Callable[[str, str, str], None]


class Lock(Protocol):
    """Lets one caller through at a time."""

    def acquire(self, key: str, peek: Callable[[], T | None]) -> AbstractContextManager[T | None]:
        """Wait for the lock.

        :param key: what is locked; callers of different keys never wait for one another
        :param peek: returns what the lock is wanted for, if another has made it meanwhile
        :return: what ``peek`` has found, and then there is nothing to wait for; None once the lock is the caller's
        """

    def prolong(self, key: str) -> None:
        """Hold a lock that is the caller's for as long again.

        :raises BillUnavailableError: another has it by now
        """


class ProcessLock:
    """Among the threads of this process; for the memory store."""

    _locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    @contextmanager
    def acquire(self, key: str, peek: Callable[[], T | None]) -> Iterator[T | None]:
        """Wait for the lock."""
        with self._locks[key]:
            yield peek()

    def prolong(self, key: str) -> None:
        """Do nothing: it lasts."""


class HostLock:
    """Among all processes of this user on this host; for where no store is shared with others.

    :param seconds: how long another process is waited for at most
    :param sleep: waits for so many seconds
    :param monotonic: this host's steady clock in seconds
    """

    def __init__(
        self,
        *,
        seconds: float = LEASE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self._monotonic = monotonic

    @contextmanager
    def acquire(self, key: str, peek: Callable[[], T | None]) -> Iterator[T | None]:
        """Wait for the lock."""
        with self.hold(key):
            yield peek()

    def prolong(self, key: str) -> None:
        """Do nothing: it lasts for as long as its process."""

    @contextmanager
    def hold(self, key: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[bool]:
        """Wait for the file lock.

        :param on_wait: called once, if it takes a while

        :return: whether it is the caller's; if not, it has been waited for in vain, or none is possible
        """
        # Slow to import, and a task that finds a warm session does not need it.
        from filelock import FileLock, Timeout

        lock, told = None, False
        try:
            lock = FileLock(file_of(key, "lock"), mode=0o600)
            since = self._monotonic()
            while not lock.is_locked:
                try:
                    lock.acquire(blocking=False)
                except Timeout:
                    if self._monotonic() - since >= self._seconds:
                        raise
                    if not told and self._monotonic() - since >= TELL_SECONDS:
                        told = True
                        on_wait()
                    self._sleep(HOST_POLL_SECONDS)
        except Timeout:
            log.info("Other processes of this host have had the lock for %.0f s; going on without it.", self._seconds)
        except (OSError, NotImplementedError) as error:
            log.warning("No file lock is possible (%s); going on without one.", error)
        try:
            yield lock is not None and lock.is_locked
        finally:
            if lock is not None:
                lock.release()


class LeaseLock:
    """Among all processes of all hosts that use the same store.

    :param store: where the leases lie; all hosts must see the same
    :param lease_seconds: how long a lease lives whose owner has died; it says so itself, for whoever waits for it
    :param settle_seconds: how long a write of the store may take, after which all hosts see the same
    :param sleep: waits for so many seconds
    :param monotonic: this host's steady clock in seconds; no other host's clock is trusted
    :param clock: gives the present moment in UTC, noted in a lease for people
    :param task: dag, run and task, noted in a lease for people
    :param on_wait: told once for whom this one waits, if it takes a while
    """

    def __init__(
        self,
        store: Store,
        *,
        lease_seconds: float = LEASE_SECONDS,
        settle_seconds: float = SETTLE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Clock = utc_now,
        task: Mapping[str, str] | None = None,
        on_wait: OnWait = lambda key, task, at: None,
    ) -> None:
        self._store = store
        self._lease_seconds = lease_seconds
        self._settle_seconds = settle_seconds
        self._sleep = sleep
        self._monotonic = monotonic
        # The lease alone is enough; the file lock spares the store, and tells that a holder of this host is dead.
        self._host = HostLock(seconds=lease_seconds, sleep=sleep, monotonic=monotonic)
        self._clock = clock
        self._task = dict(task or {})
        self._on_wait = on_wait
        #: Key -> my lease, and when I wrote it.
        self._mine: dict[str, tuple[str, float]] = {}

    @contextmanager
    def acquire(self, key: str, peek: Callable[[], T | None]) -> Iterator[T | None]:
        """Wait for the lock."""
        told = threading.Event()
        with self._host.hold(key, lambda: self._tell_of_holder(key, told)) as host_is_mine:
            found = peek()
            if found is not None:
                yield found
                return
            host = _host_id() if host_is_mine else ""
            try:
                yield self._wait_for_lease(key, host, peek, told)
            finally:
                # Also after an interrupt while waiting: a lease left behind would hold up all others.
                self._release(key)

    def prolong(self, key: str) -> None:
        """Hold the lease for as long again, unless it is nearly new."""
        mine, since = self._mine[key]
        if self._monotonic() - since < min(PROLONG_SECONDS, self._lease_seconds / 3):
            return
        if self._store.read(key) != mine:
            raise BillUnavailableError(
                "this took so long that another task has begun with it", advice="run the task again"
            )
        self._write(key, self._lease(json.loads(mine)["host"]))

    def _wait_for_lease(self, key: str, host: str, peek: Callable[[], T | None], told: threading.Event) -> T | None:
        """Return what ``peek`` has found meanwhile, or None once the lease is mine.

        :param host: this host, if its file lock is mine; empty if not
        :param told: set once it was told for whom this one waits
        """
        watched, since, lost = "", self._monotonic(), 0
        began = since
        while True:
            looked_at = self._monotonic()
            current = self._store.read(key) or ""
            lease = _read_lease(current)
            if lease is not None and current != watched:
                watched, since = current, self._monotonic()
            # Who held the lease had the file lock too: one of this host has died without giving either back.
            is_dead = lease is not None and bool(host) and lease.get("host") == host
            if lease is None or is_dead or self._monotonic() - since >= self._life(lease):
                if self._claim(key, self._lease(host), looked_at):
                    # The one before me may have made it since I looked last.
                    return peek()
                lost += self._store.read(key) in (None, current)
                if lost >= LOST_CLAIMS:
                    raise BillStoreError(
                        f"the record {key!r} was written {lost} times and could not be read back",
                        advice="see whether an environment variable or a secrets backend has a Variable of that name",
                    )
                continue
            if self._monotonic() - began >= TELL_SECONDS:
                self._tell(key, current, told)
            self._sleep(POLL_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  # spreads load, guards nothing
            if (found := peek()) is not None:
                return found

    def _lease(self, host: str) -> str:
        return _lease(host, self._lease_seconds, self._task, words.moment(self._clock()))

    def _tell_of_holder(self, key: str, told: threading.Event) -> None:
        # For a mere line of the log: a store that does not answer now fails nobody who need not read it yet.
        with contextlib.suppress(BillStoreError):
            self._tell(key, self._store.read(key), told)

    def _tell(self, key: str, text: str | None, told: threading.Event) -> None:
        if told.is_set():
            return
        told.set()
        lease = _read_lease(text or "") or {}
        task = lease.get("task")
        by = (
            words.task(task)
            if isinstance(task, dict) and task
            else f"another process ({lease.get('owner') or 'of this host'})"
        )
        self._on_wait(key, by, str(lease.get("at") or "a moment ago"))

    def _life(self, lease: dict[str, Any]) -> float:
        says = lease.get("seconds")
        seconds = min(says, LONGEST_LEASE_SECONDS) if isinstance(says, int | float) else 0.0
        # In this order, as JSON may say NaN: nothing is greater than that, nor less.
        return min(max(self._lease_seconds, seconds), LONGEST_LEASE_SECONDS)

    def _claim(self, key: str, mine: str, looked_at: float) -> bool:
        self._write(key, mine)
        # Whoever saw the lease free when I did must have written by the time I read back. How long that takes now,
        # my own look and write tell best; and if they were slow, the quick ones that I may have overwritten are done
        # by then.
        self._sleep(max(self._settle_seconds, 4 * (self._monotonic() - looked_at)))
        return self._store.read(key) == mine

    def _write(self, key: str, mine: str) -> None:
        self._mine[key] = mine, self._monotonic()
        self._store.write(key, mine)

    def _release(self, key: str) -> None:
        mine, _ = self._mine.pop(key, ("", 0))
        with contextlib.suppress(BillStoreError):  # Then it runs out by itself.
            if mine and self._store.read(key) == mine:
                self._store.delete(key)


def _host_id() -> str:
    try:
        return host_id()
    except OSError:
        return ""


def _lease(host: str, seconds: float, task: Mapping[str, str], at: str) -> str:
    owner = f"{socket.gethostname()} {os.getpid()}"
    facts = {"v": 1, "owner": owner, "host": host, "seconds": seconds, "task": dict(task), "at": at}
    return json.dumps({**facts, "nonce": uuid.uuid4().hex})


def _read_lease(text: str) -> dict[str, Any] | None:
    """Return a lease, also one of a later version, or None for none and for garbage."""
    try:
        lease = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return lease if isinstance(lease, dict) and (lease.get("nonce") or lease.get("v", 1) != 1) else None
