"""Filters and sorting of rows, by the meaning of their values."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal

_TIME = re.compile(r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?$")

Predicate = Callable[[Any], bool]


def make_predicate(op: str, value: str) -> Predicate:
    """Return the test that a filter operator makes with a value."""
    wanted = to_comparable(value)
    many = [to_comparable(part.strip().strip('"')) for part in value.split(",")]
    tests: dict[str, Predicate] = {
        "eq": lambda have: is_same_value(have, wanted),
        "ne": lambda have: not is_same_value(have, wanted),
        "gt": lambda have: compare(have, wanted) > 0,
        "gte": lambda have: compare(have, wanted) >= 0,
        "lt": lambda have: compare(have, wanted) < 0,
        "lte": lambda have: compare(have, wanted) <= 0,
        "in": lambda have: any(is_same_value(have, one) for one in many),
        "nin": lambda have: not any(is_same_value(have, one) for one in many),
        "sw": lambda have: str(have).lower().startswith(value.lower()),
    }
    if op not in tests:
        raise Refusal("BDC_1131", op)
    return tests[op]


def apply_filters(rows: list[Row], tests: list[tuple[str, Predicate]]) -> list[Row]:
    """Return the rows that pass all tests; a field that is not set passes only the negative ones."""
    return [row for row in rows if all(test(get_value(row, field)) for field, test in tests)]


def get_value(row: Row, field: str) -> Any:
    """Return a field as filters see it; ``address.country`` lies one level deeper."""
    value: Any = row
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def to_comparable(value: Any) -> Any:
    """Return the time, number or flag that a text stands for, so that values compare by meaning."""
    if not isinstance(value, str):
        return value
    if value in ("true", "false"):
        return value == "true"
    if _TIME.match(value):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return float(value)
    except ValueError:
        return value


def is_same_value(have: Any, wanted: Any) -> bool:
    """Return whether two values are equal in meaning."""
    return bool(to_comparable(have) == wanted) or str(have) == str(wanted)


def compare(have: Any, wanted: Any) -> float:
    """Return a negative number, zero or a positive number; NaN when the two cannot be compared."""
    one, other = to_comparable(have), to_comparable(wanted)
    if one is None or other is None:
        return float("nan")
    try:
        return float((one > other) - (one < other))
    except TypeError:
        one, other = str(have), str(wanted)
        return float((one > other) - (one < other))


def make_sort_key(value: Any) -> tuple[int, Any]:
    """Return a key that sorts numbers, times and texts each among their own kind."""
    meaning = to_comparable(value)
    if isinstance(meaning, int | float):
        return 0, meaning
    return (1, meaning) if isinstance(meaning, datetime) else (2, str(meaning))


def sort_rows(rows: list[Row], keys: list[tuple[str, bool]]) -> list[Row]:
    """Return the rows sorted by (field, ascending); rows without the field come last."""
    for field, ascending in reversed(keys):
        have = [row for row in rows if get_value(row, field) is not None]
        rest = [row for row in rows if get_value(row, field) is None]
        have.sort(key=lambda row, name=field: make_sort_key(get_value(row, name)), reverse=not ascending)  # type: ignore[misc]
        rows = have + rest
    return rows
