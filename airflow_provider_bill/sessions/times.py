"""Moments as ISO 8601 texts, as they stand in everything that is stored."""

from __future__ import annotations

import pendulum
from pendulum import DateTime


def to_text(moment: DateTime | None) -> str | None:
    """Return a moment as text, None for none."""
    return None if moment is None else moment.isoformat()


def from_text(text: object) -> DateTime:
    """Return the moment that a text names.

    :raises ValueError: if it names none
    """
    try:
        moment = pendulum.parse(str(text))
    except OverflowError as error:
        raise ValueError(str(error)) from None
    if not isinstance(moment, DateTime):
        raise ValueError("not a moment")
    return moment


def from_optional_text(text: object) -> DateTime | None:
    """Return the moment that a text names, None for an empty one."""
    return from_text(text) if text else None
