"""The virtual clock: the real time plus an offset that tests move forward, or a time that only tests move."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Tells the time; ``advance`` moves it and it never goes back, save by ``stop`` and ``reset``."""

    def __init__(self) -> None:
        self.offset = 0.0
        self._stopped_at: float | None = None

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return (time.time() if self._stopped_at is None else self._stopped_at) + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.offset += seconds

    def stop(self, at: float) -> None:
        """Stop the clock at a moment (seconds since the epoch); from now on only ``advance`` moves it."""
        self._stopped_at, self.offset = at, 0.0

    def reset(self) -> None:
        """Go back to the real, running time."""
        self._stopped_at, self.offset = None, 0.0


def iso(seconds: float) -> str:
    """Time as v3 writes it: ``2025-10-02T17:56:51.933+00:00``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def as_v2_time(text: str) -> str:
    """Time as v2 writes it: ``2024-07-31T23:32:48.000+0000``."""
    return text[:-6] + "+0000" if text.endswith("+00:00") else text


def today(seconds: float) -> str:
    """The day, ``YYYY-MM-DD``."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
