"""Checks of the fields in a body."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal


def require_fields(body: Row, *names: str) -> None:
    """Refuse a body that lacks fields."""
    refuse_problems(f"{name}: must not be null" for name in names if body.get(name) in (None, ""))


def refuse_problems(problems: Iterable[str]) -> None:
    """Refuse a body with one error object for each problem, if there are any."""
    found = tuple(problems)
    if found:
        raise Refusal("BDC_1108", fields=found)


def parse_amount(value: object, name: str) -> float:
    """Return an amount of money, which must be above zero."""
    try:
        amount = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        amount = 0.0
    if not 0 < amount < 1e12:
        raise Refusal("BDC_1129", name, str(value))
    return round(amount, 2)


def is_list_of_objects(value: object) -> TypeGuard[list[Row]]:
    """Return whether a value is a list of JSON objects that is not empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def get_objects(value: object) -> list[Row]:
    """Return the JSON objects of a list, leaving out anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
