"""``List/<entity>.json``: pages, filters and sorting."""

from __future__ import annotations

from typing import Any

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_organization
from airflow_provider_bill.sandbox.operations.filters import Predicate, apply_filters, make_predicate, sort_rows
from airflow_provider_bill.sandbox.operations.rows import get_rows
from airflow_provider_bill.sandbox.server.messages import Answer, Call, is_true
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v2.authentication import requires_session
from airflow_provider_bill.sandbox.v2.entities import find_collection, show_organization, to_v2
from airflow_provider_bill.sandbox.v2.envelope import read_data, succeed

routes = Routes("/api/v2")

MAX_ROWS = 999

_OPERATORS = {
    "=": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "lte",
    ">": "gt",
    ">=": "gte",
    "in": "in",
    "nin": "nin",
    "sw": "sw",
}


@routes.route("POST", "/List/{}")
@requires_session
def list_rows(call: Call, entity: str) -> Answer:
    """List the rows of an entity: a bare array."""
    data = read_data(call)
    start, size = _parse_number(data, "start", 0, 10**9), _parse_number(data, "max", 20, MAX_ROWS)
    if entity == "Organization":
        return succeed([show_organization(get_organization(call))][start : start + size])
    collection = find_collection(entity)
    rows = list(get_rows(call, collection.path).values())
    filters, sort = data.get("filters"), data.get("sort")
    if not filters and not sort:
        return succeed([to_v2(entity, row) for row in rows[start : start + size]])
    shown = apply_filters([to_v2(entity, row) for row in rows], _parse_filters(filters, collection.v2_fields))
    return succeed(sort_rows(shown, _parse_sort(sort, collection.v2_fields))[start : start + size])


def _parse_number(data: Row, name: str, default: int, most: int) -> int:
    value: Any = data.get(name, default)
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number <= most:
        raise Refusal("BDC_1129", name, str(value))
    return number


def _parse_filters(filters: object, fields: frozenset[str]) -> list[tuple[str, Predicate]]:
    tests = []
    for one in filters if isinstance(filters, list) else []:
        if not isinstance(one, dict):
            raise Refusal("BDC_1122")
        field, operator, value = str(one.get("field")), str(one.get("op")), one.get("value")
        if field not in fields:
            raise Refusal("BDC_1130", field)
        if operator not in _OPERATORS:
            raise Refusal("BDC_1131", operator)
        text = ",".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
        tests.append((field, make_predicate(_OPERATORS[operator], text)))
    return tests


def _parse_sort(sort: object, fields: frozenset[str]) -> list[tuple[str, bool]]:
    keys = []
    for one in sort if isinstance(sort, list) else []:
        if not isinstance(one, dict) or one.get("field") not in fields:
            raise Refusal("BDC_1129", "sort", str(one))
        keys.append((str(one["field"]), is_true(one.get("asc", True))))
    return keys
