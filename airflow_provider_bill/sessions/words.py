"""Durations, moments and tasks as a person would write them, for log lines."""

from __future__ import annotations

from collections.abc import Mapping

from pendulum import DateTime

#: Seconds in a unit, and from how many of them on it is used: "47 hours", but "2 days".
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def duration(seconds: float) -> str:
    """Return a duration in the largest unit of which there are two, rounded down: nobody is promised too much."""
    for size, name in _UNITS:
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {name}s"
    whole = max(0, int(seconds))
    return f"{whole} second{'' if whole == 1 else 's'}"


def moment(at: DateTime) -> str:
    """Return a moment in UTC, to the second."""
    return at.in_timezone("UTC").strftime("%Y-%m-%d %H:%M:%S UTC")


def task(place: Mapping[str, str]) -> str:
    """Return which task did something.

    :param place: ``dag_id``, ``run_id`` and ``task_id``; or who else it was as ``person``; empty for others
    """
    if place.get("person"):
        return place["person"]
    if not place.get("task_id"):
        return "somebody outside of a task"
    return f"task {place['task_id']} of DAG {place.get('dag_id')} (run {place.get('run_id')})"


def size(count: int) -> str:
    """Return a number of bytes."""
    for unit, name in ((10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} bytes"


def count(number: int, name: str) -> str:
    """Return a number of things."""
    return f"{number} {name}{'' if number == 1 else 's'}"
