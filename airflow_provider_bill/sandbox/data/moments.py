"""The moments at which the rows of the seed were made, the same at every start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_START = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


def make_time(number: int) -> str:
    """Return the time at which the row with this number was created."""
    return (_START + timedelta(hours=number)).isoformat(timespec="milliseconds")


def make_day(number: int) -> str:
    """Return the day that is this number of days after the first."""
    return (_START + timedelta(days=number)).date().isoformat()
