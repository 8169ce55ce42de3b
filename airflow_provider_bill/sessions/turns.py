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
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from filelock import FileLock, Timeout

from airflow_provider_bill.exceptions import BillStoreError
from airflow_provider_bill.sessions.stores import Store

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Seconds that a lease lasts if its owner says nothing more: longer than the longest sign-in (5 s to connect and
#: 60 s to answer), so that only a dead owner loses it.
LEASE_SECONDS = 75.0
#: Seconds to wait at least between writing the lease and reading it back.
SETTLE_SECONDS = 0.25
#: Seconds between two looks while another holds the lease.
POLL_SECONDS = 0.5


class Turns(Protocol):
    """Gives one caller at a time the turn."""

    def take(self, key: str, look: Callable[[], T | None]) -> AbstractContextManager[T | None]:
        """Wait for the turn.

        :param key: whose turn it is about; different keys never wait for one another
        :param look: gives what the turn is wanted for, if another has made it meanwhile
        :return: what ``look`` found, and then there is no turn to wait for; else None, and it is the caller's turn
        """


class ProcessTurns:
    """Among the threads of this process; for the memory store."""

    _locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    @contextmanager
    def take(self, key: str, look: Callable[[], T | None]) -> Iterator[T | None]:
        """Wait for the turn."""
        with self._locks[key]:
            yield look()


class SharedTurns:
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
    def take(self, key: str, look: Callable[[], T | None]) -> Iterator[T | None]:
        """Wait for the turn."""
        with self._host_lock(key):
            found = look()
            if found is not None:
                yield found
                return
            mine = _text_of(uuid.uuid4().hex)
            try:
                yield self._lease(key, mine, look)
            finally:
                # Also after an interrupt while waiting: a lease left behind would hold up all others.
                self._release(key, mine)

    @contextmanager
    def _host_lock(self, key: str) -> Iterator[None]:
        lock = None
        try:
            folder = Path(tempfile.gettempdir()) / f"airflow-provider-bill-{os.getuid()}"
            folder.mkdir(mode=0o700, exist_ok=True)
            lock = FileLock(folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.lock", mode=0o600)
            lock.acquire(timeout=2 * self._lease_seconds, poll_interval=0.05)
        except Timeout:
            log.warning("Another process of this host has been signing in to BILL for too long; going on without it.")
        except (OSError, NotImplementedError) as error:
            # The lease alone is enough; the lock only spares the store.
            log.warning("No file lock can be had in %s (%s); going on without.", tempfile.gettempdir(), error)
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def _lease(self, key: str, mine: str, look: Callable[[], T | None]) -> T | None:
        """Wait for the lease; gives what ``look`` found meanwhile, or None once the lease is mine."""
        watched, since = "", self._monotonic()
        while True:
            current = self._store.read(key) or ""
            if _is_held(current) and current != watched:
                watched, since = current, self._monotonic()
            if not _is_held(current) or self._monotonic() - since >= self._lease_seconds:
                if self._claim(key, mine):
                    # The one before me may have made it since I looked last.
                    return look()
                continue
            self._sleep(POLL_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  # spreads load, guards nothing
            if (found := look()) is not None:
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


def _text_of(nonce: str) -> str:
    return json.dumps({"v": 1, "owner": f"{socket.gethostname()} {os.getpid()}", "nonce": nonce})


def _is_held(text: str) -> bool:
    """Tell a lease, also one of a later version, from nothing and garbage."""
    try:
        lease = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(lease, dict) and bool(lease.get("nonce") or lease.get("v", 1) != 1)
