"""A store for many processes that behaves as Airflow's Variables do, without an Airflow."""

from __future__ import annotations

import hashlib
import os
import random
import time
import uuid
from pathlib import Path

from airflow_provider_bill.exceptions import BillStoreError


class SharedStore:
    """One text for each key in a folder: whole reads and writes, no compare-and-set, each its own transaction.

    :param folder: what the processes of all hosts see
    :param latency: least and most milliseconds of an operation; it takes effect somewhere in the middle of it
    :param failures: share of the operations that fail, from 0 to 1
    """

    name = "variable"
    exposed = False

    def __init__(self, folder: Path, *, latency: tuple[float, float] = (0, 0), failures: float = 0) -> None:
        self._folder = folder
        self._latency = latency
        self._failures = failures
        self._random = random.Random()  # noqa: S311 - spreads load, guards nothing

    def read(self, key: str) -> str | None:
        """Return the text, or None if there is none."""
        after = self._reach(key)
        try:
            text = self._file(key).read_text()
        except FileNotFoundError:
            text = None
        time.sleep(after)
        return text

    def write(self, key: str, text: str) -> None:
        """Keep the text in place of an older one."""
        after = self._reach(key)
        new = self._folder / f"{uuid.uuid4().hex}.new"
        new.write_text(text)
        os.replace(new, self._file(key))
        time.sleep(after)

    def delete(self, key: str) -> None:
        """Forget the text."""
        after = self._reach(key)
        self._file(key).unlink(missing_ok=True)
        time.sleep(after)

    def _reach(self, key: str) -> float:
        """Wait for the way there and return the seconds of the way back."""
        seconds = self._random.uniform(*self._latency) / 1000
        there = self._random.uniform(0, seconds)
        time.sleep(there)
        if self._random.random() < self._failures:
            raise BillStoreError(f"the record {key!r} could not be reached")
        return seconds - there

    def _file(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.text"
