"""Compares an answer of the local BILL with the contract's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import requests

from airflow_provider_bill.sandbox.data.contract import Operation, Schema

_JSON_TYPES: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": int | float,
    "array": list,
    "object": dict,
}


@dataclass
class Result:
    """How an answer differs from the contract's.

    :param status: of the answer
    :param missing: documented fields that it leaves out
    :param extra: fields that are not documented
    :param wrong: fields whose type or value is not documented
    """

    status: int
    missing: set[str] = field(default_factory=set)
    extra: set[str] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)


def compare(operation: Operation, answer: requests.Response) -> Result:
    """Return how an answer differs from the contract's."""
    result = Result(answer.status_code)
    if operation.answer is None:
        if answer.content:
            result.extra.add("a body")
    elif answer.headers.get("content-type", "").startswith("application/json"):
        compare_value(operation.answer, answer.json(), "", result)
    else:
        result.wrong.add("not JSON")
    return result


def compare_value(schema: Schema, value: Any, name: str, result: Result) -> None:
    """Add to a result how a value differs from its schema.

    :param name: of the value within its answer
    """
    kind = schema.get("type")
    if kind is None:
        return
    if not isinstance(value, _JSON_TYPES[kind]) or (kind != "boolean" and isinstance(value, bool)):
        result.wrong.add(f"{name}: {type(value).__name__}, not {kind}")
    elif isinstance(value, dict) and "properties" in schema:
        properties = schema["properties"]
        result.missing |= {f"{name}.{key}".lstrip(".") for key in properties.keys() - value.keys()}
        result.extra |= {f"{name}.{key}".lstrip(".") for key in value.keys() - properties.keys()}
        for key in properties.keys() & value.keys():
            compare_value(properties[key], value[key], f"{name}.{key}".lstrip("."), result)
    elif isinstance(value, list):
        for one in value:
            compare_value(schema["items"], one, f"{name}[]", result)
    elif isinstance(value, str):
        result.wrong |= set(_wrong_text(schema, value, name))


def _wrong_text(schema: Schema, value: str, name: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{name}: {value}"
    elif "format" in schema:
        try:
            datetime.fromisoformat(value)
        except ValueError:
            yield f"{name}: no {schema['format']}"
