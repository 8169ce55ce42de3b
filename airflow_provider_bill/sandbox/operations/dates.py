"""Days on which banks work."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

_SATURDAY = 5


def add_business_days(day: str, count: int) -> str:
    """Return the day that is a number of business days after another; holidays are not known here.

    :param day: as ``YYYY-MM-DD``.
    """
    found = date.fromisoformat(day)
    while count > 0:
        found += timedelta(days=1)
        count -= found.weekday() < _SATURDAY
    return found.isoformat()


def end_of_day(day: str) -> float:
    """Return the moment at which a day is past, in seconds since the epoch.

    :param day: as ``YYYY-MM-DD``; days end by UTC here.
    """
    return datetime.combine(date.fromisoformat(day) + timedelta(days=1), datetime.min.time(), UTC).timestamp()
