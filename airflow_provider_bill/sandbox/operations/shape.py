"""Between the contract's schemas and rows: what a body may say, and what an answer shows."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Any

from airflow_provider_bill.sandbox.data.contract import Schema, load
from airflow_provider_bill.sandbox.errors import Refusal

_LENGTH = 4000


def row_schema(path: str) -> Schema:
    """Return the schema of a collection's rows: what reading one of them answers."""
    answer = load()["GET", f"/v3/{path}/{{}}"].answer
    return answer or {}


def show(schema: Schema | None, value: Any) -> Any:
    """Return what of a value the contract documents; what is not set is left out, as BILL leaves it out."""
    if schema is None:
        return None
    if isinstance(value, dict) and "properties" in schema:
        shown = {}
        for name, inner in schema["properties"].items():
            one = value.get(name)
            if one is not None:
                shown[name] = show(inner, one) if isinstance(one, dict | list) else one
        return shown
    if isinstance(value, list) and "items" in schema:
        items = schema["items"]
        return [show(items, one) for one in value]
    return value


def read_fields(schema: Schema, value: Any, name: str = "") -> Any:
    """Return what a body says, each value as the type that the schema gives it; names that it lacks are ignored.

    :param name: where in the body the value stands, for refusals.
    """
    if value is None or "type" not in schema:
        return value
    kind = schema["type"]
    if kind == "object":
        if not isinstance(value, dict):
            raise Refusal("BDC_1122")
        inner = schema.get("properties")
        if inner is None:
            return value
        return {
            key: read_fields(inner[key], one, f"{name}.{key}".lstrip(".")) for key, one in value.items() if key in inner
        }
    if kind == "array":
        if not isinstance(value, list):
            raise Refusal("BDC_1122")
        return [read_fields(schema["items"], one, f"{name}[{index}]") for index, one in enumerate(value)]
    if kind == "boolean":
        return _read_flag(value)
    return _read_text(schema, value, name) if kind == "string" else _read_number(kind, value, name)


def join(*schemas: Schema) -> Schema:
    """Return a schema of objects that have the names of all; the first that has a name decides its type."""
    properties: dict[str, Schema] = {}
    for schema in schemas:
        for name, inner in schema.get("properties", {}).items():
            known = properties.get(name)
            properties[name] = inner if known is None else _joined(known, inner)
    return {"type": "object", "properties": properties}


def _joined(known: Schema, other: Schema) -> Schema:
    if known.get("type") == other.get("type") == "object" and "properties" in known:
        return join(known, other)
    if known.get("type") == other.get("type") == "array" and known["items"].get("type") == "object":
        return {"type": "array", "items": join(known["items"], other["items"])}
    return known


def _read_flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise Refusal("BDC_1122")


def _read_text(schema: Schema, value: Any, name: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Refusal("BDC_1122")
    text = str(value)
    if len(text) > _LENGTH:
        raise Refusal("BDC_1129", name, f"{len(text)} characters (at most {_LENGTH})")
    if "enum" in schema and text not in schema["enum"]:
        raise Refusal("BDC_1129", name, f"{text[:40]} (the local BILL knows {', '.join(schema['enum'])})")
    if schema.get("format") == "date":
        _check(date.fromisoformat, text, name, "YYYY-MM-DD")
    elif schema.get("format") == "date-time":
        _check(datetime.fromisoformat, text, name, "an ISO 8601 time")
    return text


def _check(read: Any, text: str, name: str, what: str) -> None:
    try:
        read(text)
        return
    except ValueError:
        pass
    raise Refusal("BDC_1129", name, f"{text[:40]} (must be {what})")


def _read_number(kind: str, value: Any, name: str) -> float | int:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or abs(number) >= 1e15 or (kind == "integer" and number != int(number)):
        raise Refusal("BDC_1129", name, str(value)[:40])
    return int(number) if kind == "integer" or (isinstance(value, int) and number == int(number)) else number
