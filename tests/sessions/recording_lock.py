"""A lock that remembers what was locked, and what was held on to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from airflow_provider_bill.exceptions import BillUnavailableError
from airflow_provider_bill.sessions.locks import ProcessLock

T = TypeVar("T")


class RecordingLock:
    """Lets one thread through at a time."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.prolonged: list[str] = []
        #: Whether another has the lock by now.
        self.lost = False
        #: What happens before the lock is the caller's.
        self.before: Callable[[], object] = lambda: None
        self._lock = ProcessLock()

    def acquire(self, key: str, peek: Callable[[], T | None]) -> AbstractContextManager[T | None]:
        self.keys.append(key)
        self.before()
        return self._lock.acquire(key, peek)

    def prolong(self, key: str) -> None:
        self.prolonged.append(key)
        if self.lost:
            raise BillUnavailableError("another task has begun with it")
