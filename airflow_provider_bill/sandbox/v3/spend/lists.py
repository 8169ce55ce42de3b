"""Spend & Expense's lists: ``nextPage``, ``prevPage``, ``max``, one ``sort`` field and ``filters``.

A parameter that is not known is ignored, so ``page`` gives the first page again and again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.filters import Predicate, sort_rows
from airflow_provider_bill.sandbox.server.messages import Call
from airflow_provider_bill.sandbox.v3.paging import make_page, parse_filters, parse_sort
from airflow_provider_bill.sandbox.v3.spend.access import is_gone


class Filter(NamedTuple):
    """A name to filter by: where its values lie in a row, what they are if there is none, and its operators."""

    fields: tuple[str, ...]
    operators: frozenset[str]
    default: str | None = None


def by(*fields: str, operators: str = "eq", default: str | None = None) -> Filter:
    """Return a filter by the value of one of some fields; a dot leads into an object or list."""
    return Filter(fields, frozenset(operators.split()), default)


def by_ids(name: str = "") -> Filter:
    """Return a filter by identifiers, old and new: a row's own, or those of the row that it names."""
    return by(f"{name}Id", f"{name}Uuid", operators="eq in") if name else by("id", "uuid", operators="eq in")


class Listing(NamedTuple):
    """How a list is filtered and sorted, and what filter shows the rows that are gone.

    ``sorts`` holds the field that each name sorts by; ``most`` is the number of rows that a page holds at most.
    """

    filters: Mapping[str, Filter] = {}
    sorts: Mapping[str, str] = {}
    shows_gone: str = "retired"
    most: int = 100


def make_list(call: Call, listing: Listing, rows: Iterable[Row]) -> Row:
    """Return one page of a list."""
    query = call.query
    tests = _read_filters(query.get("filters", ""), listing)
    found = [row for row in rows if all(_passes(row, listing.filters[name], test) for name, test in tests)]
    if listing.shows_gone not in [name for name, _ in tests]:
        found = [row for row in found if not is_gone(row)]
    if query.get("sort"):
        keys = parse_sort(query["sort"], listing.sorts)
        if len(keys) > 1:
            raise Refusal("BDC_1129", "sort", f"{query['sort'][:80]} (one field only)")
        found = sort_rows(found, [(listing.sorts[field], ascending) for field, ascending in keys])
    name = f"{call.path}|{query.get('filters', '')}|{query.get('sort', '')}"
    paging: dict[str, str] = {key: query[key] for key in ("max", "nextPage", "prevPage") if key in query}
    return make_page(found, name, paging, most=listing.most, cursors=("nextPage", "prevPage"))


def _read_filters(text: str, listing: Listing) -> list[tuple[str, Predicate]]:
    return parse_filters(text, {name: row.operators for name, row in listing.filters.items()})


def _passes(row: Row, filter_by: Filter, test: Predicate) -> bool:
    values = [value for field in filter_by.fields for value in _get_values(row, field.split("."))]
    return any(test(value) for value in values or [filter_by.default])


def _get_values(value: Any, names: list[str]) -> list[Any]:
    if isinstance(value, list):
        return [found for one in value for found in _get_values(one, names)]
    if not names:
        return [] if value is None else [value]
    return _get_values(value.get(names[0]), names[1:]) if isinstance(value, dict) else []
