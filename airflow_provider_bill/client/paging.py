"""Walks through BILL's lists, page by page; pure: the given function makes the calls.

Sources: https://developer.bill.com/docs/search-op-with-lists (v3),
https://developer.bill.com/v2/docs/search-ops-with-lists (v2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airflow_provider_bill.client.operations import SPEND_PATHS, Operation, find
from airflow_provider_bill.exceptions import BillApiError, BillConfigurationError

#: v3 takes a ``max`` of 1 to 100 (where the catalogue says no other), v2 one of up to 999.
V3_PAGE_SIZE = 100
V2_PAGE_SIZE = 999
#: Query parameters that ask for a page, of one list or another.
_CURSORS = frozenset({"page", "nextPage", "start"})
#: Where v3 keeps the rows of a list that is not in the catalogue.
_ROW_KEYS = ("results", "bills")

Fetch = Callable[[dict[str, Any]], Any]


def v3_list(
    fetch: Fetch, path: str, params: Mapping[str, Any] | None = None, *, page_size: int | None = None
) -> Iterator[Any]:
    """Return the rows of a v3 list; the catalogue says how it pages.

    :param fetch: makes one call with the given query parameters and gives the parsed body
    :param path: checked path
    :param params: query parameters; a ``max`` or cursor of the caller's own is kept
    :param page_size: rows asked for at once; None for as many as the list takes
    :raises BillConfigurationError: it is no list, or takes no such page size or cursor
    :raises BillApiError: see :func:`v3_rows`
    """
    operation = find("GET", path)
    if operation is None:
        paging: str | None = "nextPage" if path.startswith(SPEND_PATHS) else "page"
        most: int | None = V3_PAGE_SIZE
    else:
        paging, most = operation.paging, operation.page_size
    _check(operation, path, paging, most, params or {}, page_size)
    size = page_size or most
    key = None if operation is None else operation.rows
    if paging == "start" and size is not None and most is not None:
        what = f"GET {path}"
        return offset_rows(lambda query: _rows(fetch(query), key), params, page_size=size, most=most, what=what)
    return v3_rows(fetch, params, page_size=size, cursor=paging, key=key)


def v3_rows(
    fetch: Fetch,
    params: Mapping[str, Any] | None,
    *,
    page_size: int | None = V3_PAGE_SIZE,
    cursor: str | None = "page",
    key: str | None = None,
) -> Iterator[Any]:
    """Return the rows of a v3 list, following ``nextPage``.

    ``max`` is always sent where the list takes it, as BILL's default is described in two ways; a page without rows is
    not the end.

    :param fetch: makes one call with the given query parameters and gives the parsed body
    :param params: query parameters; a ``max`` or cursor of the caller's own is kept
    :param page_size: rows asked for at once; None where the list takes no ``max``
    :param cursor: parameter that asks for the next page; None where there is one page only
    :param key: where the rows are, empty for a bare array; None to look for them
    :raises BillApiError: if a cursor comes again (after the rows so far), or a body holds no list
    """
    query = {**({} if page_size is None else {"max": page_size}), **(params or {})}
    seen = {query[cursor]} if cursor and query.get(cursor) else set()
    while True:
        body = fetch(dict(query))
        yield from _rows(body, key)
        following = body.get("nextPage") if isinstance(body, Mapping) else None
        if not following:
            return
        if not isinstance(following, str):
            raise BillApiError("nextPage of a BILL list is not text", advice="the list ends here, and may be cut short")
        if cursor is None:
            raise BillApiError(
                "a BILL list that has one page only names a next one",
                advice="the rows so far may not be all; ask for the rest with a call of its own",
            )
        if following in seen:
            raise BillApiError(
                f"BILL gave the page cursor {following[:40]!r} twice, so the list would never end",
                advice="the rows so far may not be all; ask again, and tell BILL's support if it stays",
            )
        seen.add(following)
        query[cursor] = following


def v2_rows(fetch: Fetch, data: Mapping[str, Any] | None, *, page_size: int = V2_PAGE_SIZE) -> Iterator[Any]:
    """Return the rows of a v2 list.

    :param fetch: makes one call with the given ``data`` and gives ``response_data``
    :param data: filters and the like; a ``start`` or ``max`` of the caller's own is kept
    :param page_size: rows asked for at once, 1 to 999
    :raises BillConfigurationError: if the list takes no such page size
    :raises BillApiError: see :func:`offset_rows`
    """
    _check_size("page_size", page_size, V2_PAGE_SIZE, "a v2 list")

    def rows(query: dict[str, Any]) -> list[Any]:
        found = fetch(query)
        if not isinstance(found, list):
            raise BillApiError("BILL's answer holds no list", advice="paginate only /List/... paths")
        return found

    return offset_rows(rows, data, page_size=page_size, most=V2_PAGE_SIZE, what="a v2 list")


def offset_rows(
    fetch: Callable[[dict[str, Any]], list[Any]],
    query: Mapping[str, Any] | None,
    *,
    page_size: int,
    most: int,
    what: str,
) -> Iterator[Any]:
    """Return the rows of a list, raising ``start`` until a page is short.

    :param fetch: makes one call with the given parameters and gives its rows
    :param query: parameters; a ``start`` or ``max`` of the caller's own is kept
    :param page_size: rows asked for at once
    :param most: rows that a page has at most: one that is shorter than what was asked for ends the list
    :param what: the list, for messages
    :raises BillConfigurationError: if ``max`` or ``start`` is no number that it takes
    :raises BillApiError: if a full page comes twice, as ``start`` is ignored then
    """
    query = {"start": 0, "max": page_size, **(query or {})}
    size, start = _check_size("max", query["max"], most, what), _number(query["start"])
    if start is None:
        raise BillConfigurationError(f"start is {query['start']!r}", advice="give a number of rows to leave out, or 0")
    before: Any = None
    while True:
        rows = fetch(dict(query))
        if rows and rows == before:
            raise BillApiError(
                f"BILL gave the same page of {len(rows)} rows twice, so the list would never end",
                advice="this call takes no start; ask for it with one call and a max that is large enough",
            )
        yield from rows
        if len(rows) < size:
            return
        before, start = rows, start + len(rows)
        query["start"] = start


def _check(
    operation: Operation | None,
    path: str,
    paging: str | None,
    most: int | None,
    params: Mapping[str, Any],
    page_size: int | None,
) -> None:
    """Refuse what BILL would ignore, so that the first page came for ever, or refuse after the first page."""
    if operation is not None and operation.rows is None:
        raise BillConfigurationError(f"GET {path} is no list", advice="read it with one call that does not paginate")
    wrong = next((name for name in params if name in _CURSORS and name != paging), None)
    if wrong is not None:
        advice = "leave it out: the list has one page" if paging is None else f"it pages by {paging}; leave it out"
        raise BillConfigurationError(f"the query names {wrong!r}, which GET {path} ignores", advice=advice)
    cursor = params.get(paging) if paging is not None and paging != "start" else None
    if cursor is not None and not isinstance(cursor, str):
        raise BillConfigurationError(
            f"the query gives GET {path} a {paging!r} that is not text", advice="give what nextPage of an answer held"
        )
    if most is None:
        if page_size is not None or "max" in params:
            raise BillConfigurationError(
                f"GET {path} takes no number of rows for a page", advice="leave page_size and max out"
            )
        return
    if page_size is not None:
        _check_size("page_size", page_size, most, f"GET {path}")
    if (asked := params.get("max")) is not None:
        _check_size("max of the query", asked, most, f"GET {path}")


def _check_size(name: str, size: Any, most: int, what: str) -> int:
    """Return a number of rows a page; refuse one that would end the list too soon, or never."""
    number = _number(size)
    if number is None or not 1 <= number <= most:
        raise BillConfigurationError(
            f"{name} is {size!r}, and {what} gives 1 to {most} rows a page", advice=f"give {most} or fewer"
        )
    return number


def _number(value: Any) -> int | None:
    """Return a whole number that is not negative, also one given as text; None for all else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _rows(body: Any, key: str | None = None) -> list[Any]:
    """Find the rows in a v3 body.

    :param key: where the catalogue says that they are; elsewhere they are looked for all the same
    """
    if isinstance(body, list):
        return body
    if isinstance(body, Mapping):
        for name in (key, *_ROW_KEYS):
            if name and name in body and (body[name] is None or isinstance(body[name], list)):
                return body[name] or []
    raise BillApiError("BILL's answer holds no list", advice="paginate only paths that answer with one")
