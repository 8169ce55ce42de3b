"""One at a time: on a host by a file lock, across hosts by a lease in the shared store.

Airflow's Variables have no compare-and-set, so the lease is Fischer's: write a nonce, wait longer than a write
takes, read back, go on only if it is still mine. If it ever fails, the price is one sign-in too many.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import random
import socket
import stat
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from airflow_provider_bill.exceptions import BillStoreError
from airflow_provider_bill.sessions.stores import Store

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Seconds that a lease lasts if its owner says nothing more: longer than the longest sign-in (5 s to connect and
#: 60 s to answer), so that only a dead owner loses it.
LEASE_SECONDS = 75.0
#: Seconds to wait at least between writing the lease and reading it back.
SETTLE_SECONDS = 0.25
#: Seconds between two reads while another holds the lease.
POLL_SECONDS = 0.5
#: Seconds between two looks at the file lock while another process of this host holds it.
HOST_POLL_SECONDS = 0.05


class Lock(Protocol):
    """Lets one caller through at a time."""

    def acquire(self, key: str, peek: Callable[[], T | None]) -> AbstractContextManager[T | None]:
        """Wait for the lock.

        :param key: what is locked; callers of different keys never wait for one another
        :param peek: returns what the lock is wanted for, if another has made it meanwhile
        :return: what ``peek`` has found, and then there is nothing to wait for; None once the lock is the caller's
        """


class ProcessLock:
    """Among the threads of this process; for the memory store."""

    _locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    @contextmanager
    def acquire(self, key: str, peek: Callable[[], T | None]) -> Iterator[T | None]:
        """Wait for the lock."""
        with self._locks[key]:
            yield peek()


class LeaseLock:
    """Among all processes of all hosts that use the same store.

    :param store: where the leases lie; all hosts must see the same
    :param lease_seconds: how long a lease lives whose owner has died
    :param sleep: waits for so many seconds
    :param monotonic: this host's steady clock in seconds; no other host's clock is trusted
    """

    def __init__(
        self,
        store: Store,
        *,
        lease_seconds: float = LEASE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._lease_seconds = lease_seconds
        self._sleep = sleep
        self._monotonic = monotonic

    @contextmanager
    def acquire(self, key: str, peek: Callable[[], T | None]) -> Iterator[T | None]:
        """Wait for the lock."""
        with self._host_lock(key):
            found = peek()
            if found is not None:
                yield found
                return
            mine = _new_lease()
            try:
                yield self._wait_for_lease(key, mine, peek)
            finally:
                # Also after an interrupt while waiting: a lease left behind would hold up all others.
                self._release(key, mine)

    @contextmanager
    def _host_lock(self, key: str) -> Iterator[None]:
        # Slow to import, and a task that finds a warm session does not need it.
        from filelock import FileLock, Timeout

        lock = None
        try:
            lock = FileLock(_own_folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.lock", mode=0o600)
            since = self._monotonic()
            while not lock.is_locked:
                try:
                    lock.acquire(blocking=False)
                except Timeout:
                    if self._monotonic() - since >= self._lease_seconds:
                        raise
                    self._sleep(HOST_POLL_SECONDS)
        except Timeout:
            log.warning(
                "Another process of this host has been signing in to BILL for too long; not waiting for it any longer."
            )
        except (OSError, NotImplementedError) as error:
            # The lease alone is enough; the lock only spares the store.
            log.warning("No file lock is possible in %s (%s); going on without one.", tempfile.gettempdir(), error)
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def _wait_for_lease(self, key: str, mine: str, peek: Callable[[], T | None]) -> T | None:
        """Return what ``peek`` has found meanwhile, or None once the lease is mine."""
        watched, since = "", self._monotonic()
        while True:
            current = self._store.read(key) or ""
            if _is_held(current) and current != watched:
                watched, since = current, self._monotonic()
            if not _is_held(current) or self._monotonic() - since >= self._lease_seconds:
                if self._claim(key, mine):
                    # The one before me may have made it since I looked last.
                    return peek()
                continue
            self._sleep(POLL_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  # spreads load, guards nothing
            if (found := peek()) is not None:
                return found

    def _claim(self, key: str, mine: str) -> bool:
        started = self._monotonic()
        self._store.write(key, mine)
        # Whoever saw the lease free when I did must have written by the time I read back. How long a write takes
        # now, mine tells best; and if it was slow, the quick ones that I may have overwritten are done by then.
        self._sleep(max(SETTLE_SECONDS, 4 * (self._monotonic() - started)))
        return self._store.read(key) == mine

    def _release(self, key: str, mine: str) -> None:
        with contextlib.suppress(BillStoreError):  # Then it runs out by itself.
            if self._store.read(key) == mine:
                self._store.delete(key)


def _own_folder() -> Path:
    """Return the folder of this user's file locks, made if need be.

    Its name is no secret and the temporary directory is everybody's, so another user may have been there first.

    :raises OSError: it is not a folder that only this user can reach
    """
    folder = Path(tempfile.gettempdir()) / f"airflow-provider-bill-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(f"{folder.name} is a link, another user's, or open to others: remove it")
    return folder


def _new_lease() -> str:
    owner = f"{socket.gethostname()} {os.getpid()}"
    return json.dumps({"v": 1, "owner": owner, "nonce": uuid.uuid4().hex})


def _is_held(text: str) -> bool:
    """Return whether a text is a lease, also one of a later version, and not garbage."""
    try:
        lease = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(lease, dict) and bool(lease.get("nonce") or lease.get("v", 1) != 1)
