"""The virtual clock: the real time plus an offset that tests move forward, or a time that only tests move."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Virtual time; it never goes back, except by ``stop`` and ``reset``."""

    def __init__(self) -> None:
        self.offset = 0.0
        self._stopped_at: float | None = None

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return (time.time() if self._stopped_at is None else self._stopped_at) + self.offset

    @property
    def is_stopped(self) -> bool:
        """Whether only ``advance`` moves it."""
        return self._stopped_at is not None

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.offset += seconds

    def stop(self, at: float) -> None:
        """Stop the clock at a moment (seconds since the epoch); from now on only ``advance`` moves it."""
        self._stopped_at, self.offset = at, 0.0

    def reset(self) -> None:
        """Go back to the real, running time."""
        self._stopped_at, self.offset = None, 0.0


def to_iso(seconds: float) -> str:
    """Return a time as v3 writes it: ``2025-10-02T17:56:51.933+00:00``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def to_day(seconds: float) -> str:
    """Return the day of a time: ``2025-10-02``."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
