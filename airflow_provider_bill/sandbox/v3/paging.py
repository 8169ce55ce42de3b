"""v3's lists: ``max``, opaque cursors, ``filters`` and ``sort``."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Collection, Iterable

from airflow_provider_bill.sandbox.data.catalog import Filters, Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.filters import Predicate, apply_filters, make_predicate, sort_rows


def make_page(
    rows: Iterable[Row],
    name: str,
    query: dict[str, str],
    filters: Filters | None = None,
    sorts: Collection[str] = (),
    *,
    default: int = 20,
    most: int = 100,
    cursors: tuple[str, ...] = ("page",),
) -> Row:
    """Return one page of a list as v3 answers it.

    :param name: of the list, which its cursors belong to.
    :param filters: the operators of each field that the list may be filtered by.
    :param sorts: the fields that it may be sorted by.
    :param default: rows of a page that asks for no number of them.
    :param most: rows that a page holds at most.
    :param cursors: the parameters that a cursor may come in.
    """
    size, offset = _parse_size(query, default, most), 0
    list_key = f"{name}|{query.get('filters', '')}|{query.get('sort', '')}"
    given = next((parameter for parameter in cursors if query.get(parameter)), None)
    if given:
        offset, cursor_size = _read_cursor(given, query[given], list_key)
        if "max" not in query:
            size = cursor_size
    found = list(rows)
    if query.get("filters"):
        found = apply_filters(found, parse_filters(query["filters"], filters or {}))
    if query.get("sort"):
        found = sort_rows(found, parse_sort(query["sort"], sorts))
    answer: Row = {"results": found[offset : offset + size]}
    if offset + size < len(found):
        answer["nextPage"] = _make_cursor(list_key, offset + size, size)
    if offset > 0:
        answer["prevPage"] = _make_cursor(list_key, max(0, offset - size), size)
    return answer


def _parse_size(query: dict[str, str], default: int, most: int) -> int:
    text = query.get("max")
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise Refusal("BDC_1129", "max", f"{text} (must be from 1 to {most})")
    return int(text)


def _make_cursor(list_key: str, offset: int, size: int) -> str:
    text = f"{offset}.{size}.{zlib.crc32(list_key.encode())}"
    sealed = f"{text}.{zlib.crc32(text.encode())}"
    return base64.urlsafe_b64encode(sealed.encode()).decode().rstrip("=")


def _read_cursor(parameter: str, cursor: str, list_key: str) -> tuple[int, int]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        offset, size, _, _ = text.split(".")
        if _make_cursor(list_key, int(offset), int(size)) == cursor:
            return int(offset), int(size)
    except ValueError:
        pass
    raise Refusal("BDC_1129", parameter, "not a cursor of this list")


def parse_filters(text: str, fields: Filters) -> list[tuple[str, Predicate]]:
    """Return the tests that ``field:op:value,field:op:"value,with,commas"`` stands for."""
    tests = []
    for part in re.findall(r'(?:[^,"]|"[^"]*")+', text):
        field, _, rest = part.partition(":")
        op, colon, value = rest.partition(":")
        if not colon:
            raise Refusal("BDC_1131", part)
        if field not in fields:
            raise Refusal("BDC_1130", field)
        if op not in fields[field]:
            raise Refusal("BDC_1131", op)
        tests.append((field, make_predicate(op, value.strip('"'))))
    return tests


def parse_sort(text: str, fields: Collection[str]) -> list[tuple[str, bool]]:
    """Return ``createdTime:asc,name:desc`` as (field, ascending)."""
    keys = []
    for part in text.split(","):
        field, _, direction = part.strip().partition(":")
        if field not in fields:
            raise Refusal("BDC_1129", "sort", field)
        if direction not in ("", "asc", "desc"):
            raise Refusal("BDC_1129", "sort", part.strip())
        keys.append((field, direction != "desc"))
    return keys
