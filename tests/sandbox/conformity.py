"""Whether an answer of the local BILL is what the contract has: its status, its names, types and enumerated values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import requests

from airflow_provider_bill.sandbox.data.contract import load

_TYPES = {"string": str, "boolean": bool, "number": (int, float), "integer": int, "object": dict, "array": list}
_FORMATS = {"date": date.fromisoformat, "date-time": datetime.fromisoformat}


def differences(answer: requests.Response, method: str, pattern: str) -> list[str]:
    """Return in what an answer differs from the contract.

    :param pattern: the path below `/connect`, with `{}` for identifiers
    """
    operation = load()[method, pattern]
    if answer.status_code != operation.status:
        return [f"status {answer.status_code}, must be {operation.status}: {answer.text[:300]}"]
    if operation.answer is None:
        return ["a body where none is documented"] if answer.content else []
    return list(_compare(operation.answer, answer.json(), "$"))


def _compare(schema: dict[str, Any], value: Any, where: str) -> Iterator[str]:
    kind = schema.get("type", "null")
    if kind == "null":
        return
    wanted = _TYPES[kind]
    if not isinstance(value, wanted) or (kind != "boolean" and isinstance(value, bool)):  # type: ignore[arg-type]
        yield f"{where}: {value!r} is no {kind}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value} is not one of {schema['enum']}"
    elif "format" in schema:
        try:
            _FORMATS[schema["format"]](value)
        except ValueError:
            yield f"{where}: {value} is no {schema['format']}"
    elif kind == "array":
        for index, one in enumerate(value):
            yield from _compare(schema["items"], one, f"{where}[{index}]")
    elif "properties" in schema:
        for name, one in value.items():
            inner = schema["properties"].get(name)
            if inner is None:
                yield f"{where}.{name} is not documented"
            else:
                yield from _compare(inner, one, f"{where}.{name}")
