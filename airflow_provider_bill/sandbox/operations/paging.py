"""v3's lists: ``max``, opaque cursors, ``filters`` and ``sort``."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal

_TIME = re.compile(r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?$")

Test = Callable[[Any], bool]


def page_of(rows: Iterable[Row], name: str, query: dict[str, str], fields: frozenset[str], default: int = 20) -> Row:
    """One page of a list as v3 answers it."""
    size, offset = _size(query, default), 0
    marks = f"{name}|{query.get('filters', '')}|{query.get('sort', '')}"
    cursor = query.get("page")
    if cursor:
        offset, kept = _read_cursor(cursor, marks)
        if "max" not in query:
            size = kept
    found = list(rows)
    if query.get("filters"):
        found = filtered(found, parse_filters(query["filters"], fields))
    if query.get("sort"):
        found = sorted_rows(found, parse_sort(query["sort"], fields))
    answer: Row = {"results": found[offset : offset + size]}
    if offset + size < len(found):
        answer["nextPage"] = _cursor(marks, offset + size, size)
    if offset > 0:
        answer["prevPage"] = _cursor(marks, max(0, offset - size), size)
    return answer


def _size(query: dict[str, str], default: int) -> int:
    text = query.get("max")
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100:
        raise Refusal("BDC_1129", "max", f"{text} (must be from 1 to 100)")
    return int(text)


def _cursor(marks: str, offset: int, size: int) -> str:
    text = f"{offset}.{size}.{zlib.crc32(marks.encode())}"
    sealed = f"{text}.{zlib.crc32(text.encode())}"
    return base64.urlsafe_b64encode(sealed.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, marks: str) -> tuple[int, int]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        offset, size, _, _ = text.split(".")
        if _cursor(marks, int(offset), int(size)) == cursor:
            return int(offset), int(size)
    except ValueError:
        pass
    raise Refusal("BDC_1129", "page", "not a cursor of this list")


def parse_filters(text: str, fields: frozenset[str]) -> list[tuple[str, Test]]:
    """``field:op:value,field:op:"value,with,commas"`` as tests."""
    tests = []
    for part in re.findall(r'(?:[^,"]|"[^"]*")+', text):
        field, _, rest = part.partition(":")
        op, colon, value = rest.partition(":")
        if not colon:
            raise Refusal("BDC_1131", part)
        if field not in fields:
            raise Refusal("BDC_1130", field)
        tests.append((field, make_test(op, value.strip('"'))))
    return tests


def make_test(op: str, value: str) -> Test:
    """A filter operator applied to a value."""
    wanted = comparable(value)
    many = [comparable(part.strip().strip('"')) for part in value.split(",")]
    tests: dict[str, Test] = {
        "eq": lambda have: same_value(have, wanted),
        "ne": lambda have: not same_value(have, wanted),
        "gt": lambda have: ordered(have, wanted) > 0,
        "gte": lambda have: ordered(have, wanted) >= 0,
        "lt": lambda have: ordered(have, wanted) < 0,
        "lte": lambda have: ordered(have, wanted) <= 0,
        "in": lambda have: any(same_value(have, one) for one in many),
        "nin": lambda have: not any(same_value(have, one) for one in many),
        "sw": lambda have: str(have).lower().startswith(value.lower()),
    }
    if op not in tests:
        raise Refusal("BDC_1131", op)
    return tests[op]


def filtered(rows: list[Row], tests: list[tuple[str, Test]]) -> list[Row]:
    """The rows that pass all tests; a field that is not set passes only the negative ones."""
    return [row for row in rows if all(test(value_of(row, field)) for field, test in tests)]


def value_of(row: Row, field: str) -> Any:
    """A field as filters see it; a bill's invoice number lies one level deeper."""
    if field in row:
        return row[field]
    invoice = row.get("invoice")
    return invoice.get(field) if isinstance(invoice, dict) else None


def comparable(value: Any) -> Any:
    """Texts that are times, numbers or flags as such, so that they compare by meaning."""
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


def same_value(have: Any, wanted: Any) -> bool:
    """Equality by meaning."""
    return bool(comparable(have) == wanted) or str(have) == str(wanted)


def ordered(have: Any, wanted: Any) -> float:
    """Negative, zero or positive; NaN (which is neither) when the two cannot be compared."""
    one, other = comparable(have), comparable(wanted)
    if one is None or other is None:
        return float("nan")
    try:
        return float((one > other) - (one < other))
    except TypeError:
        one, other = str(have), str(wanted)
        return float((one > other) - (one < other))


def parse_sort(text: str, fields: frozenset[str]) -> list[tuple[str, bool]]:
    """``createdTime:asc,name:desc`` as (field, ascending)."""
    keys = []
    for part in text.split(","):
        field, _, direction = part.strip().partition(":")
        if field not in fields:
            raise Refusal("BDC_1129", "sort", field)
        if direction not in ("", "asc", "desc"):
            raise Refusal("BDC_1129", "sort", part.strip())
        keys.append((field, direction != "desc"))
    return keys


def sort_key(value: Any) -> tuple[int, Any]:
    """A key that sorts numbers, times and texts each among their own kind."""
    meaning = comparable(value)
    if isinstance(meaning, int | float):
        return 0, meaning
    return (1, meaning) if isinstance(meaning, datetime) else (2, str(meaning))


def sorted_rows(rows: list[Row], keys: list[tuple[str, bool]]) -> list[Row]:
    """Sorted by several keys; rows without the field come last."""
    for field, ascending in reversed(keys):
        have = [row for row in rows if value_of(row, field) is not None]
        rest = [row for row in rows if value_of(row, field) is None]
        have.sort(key=lambda row, name=field: sort_key(value_of(row, name)), reverse=not ascending)  # type: ignore[misc]
        rows = have + rest
    return rows
