"""Walks through BILL's lists, page by page; pure: the given function makes the calls.

Sources: https://developer.bill.com/docs/search-op-with-lists (v3),
https://developer.bill.com/v2/docs/search-ops-with-lists (v2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airflow_provider_bill.exceptions import BillApiError

#: v3 takes a ``max`` of 1 to 100, v2 one of up to 999.
V3_PAGE_SIZE = 100
V2_PAGE_SIZE = 999
#: Where v3 keeps the rows; ``bills`` in the approval lists.
_ROW_KEYS = ("results", "bills")


def v3_rows(
    fetch: Callable[[dict[str, Any]], Any],
    params: Mapping[str, Any] | None,
    *,
    page_size: int | None = V3_PAGE_SIZE,
) -> Iterator[Any]:
    """Return the rows of a v3 list, following ``nextPage``.

    ``max`` is always sent, as BILL's default is described in two ways; a page without rows is not the end.

    :param fetch: makes one call with the given query parameters and gives the parsed body
    :param params: query parameters; a ``max`` or ``page`` of the caller's own is kept
    :param page_size: rows asked for at once, 1 to 100; None where the list takes no ``max``
    :raises BillApiError: if a cursor comes again (after the rows so far), or a body holds no list
    """
    query = {**({} if page_size is None else {"max": page_size}), **(params or {})}
    seen = {query["page"]} if query.get("page") else set()
    while True:
        body = fetch(dict(query))
        yield from _rows(body)
        cursor = body.get("nextPage") if isinstance(body, Mapping) else None
        if not cursor:
            return
        if not isinstance(cursor, str):
            raise BillApiError("nextPage of a BILL list is not text", advice="the list ends here, and may be cut short")
        if cursor in seen:
            raise BillApiError(
                f"BILL gave the page cursor {cursor[:40]!r} twice, so the list would never end",
                advice="the rows so far may not be all; ask again, and tell BILL's support if it stays",
            )
        seen.add(cursor)
        query["page"] = cursor


def v2_rows(
    fetch: Callable[[dict[str, Any]], Any],
    data: Mapping[str, Any] | None,
    *,
    page_size: int = V2_PAGE_SIZE,
) -> Iterator[Any]:
    """Return the rows of a v2 list, raising ``start`` until a page is short.

    :param fetch: makes one call with the given ``data`` and gives ``response_data``
    :param data: filters and the like; a ``start`` or ``max`` of the caller's own is kept
    :param page_size: rows asked for at once, 1 to 999
    :raises BillApiError: if a full page comes twice, as ``start`` is ignored then, or a body is no list
    """
    query = {"start": 0, "max": page_size, **(data or {})}
    before: Any = None
    while True:
        rows = fetch(dict(query))
        if not isinstance(rows, list):
            raise BillApiError("BILL's answer holds no list", advice="paginate only /List/... paths")
        if rows and rows == before:
            raise BillApiError(
                f"BILL gave the same page of {len(rows)} rows twice, so the list would never end",
                advice="this call takes no start; ask for it with one call and a max that is large enough",
            )
        yield from rows
        if len(rows) < int(query["max"]):
            return
        before = rows
        query["start"] = int(query["start"]) + len(rows)


def _rows(body: Any) -> list[Any]:
    """Find the rows in a v3 body: ``results``, an approval list's ``bills``, or a bare array."""
    if isinstance(body, list):
        return body
    if isinstance(body, Mapping):
        for key in _ROW_KEYS:
            if key in body and (body[key] is None or isinstance(body[key], list)):
                return body[key] or []
    raise BillApiError("BILL's answer holds no list", advice="paginate only paths that answer with one")
