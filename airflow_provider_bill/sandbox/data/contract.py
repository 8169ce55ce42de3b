"""What BILL's own request collection says of each operation, as data: the local BILL is held to it."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

Schema = dict[str, Any]


class Operation(NamedTuple):
    """One operation.

    ``pattern`` is its path with ``{}`` for identifiers; ``query`` holds an example of each parameter that it takes, and
    ``required`` those that it needs; ``body`` is ``json``, ``file`` or None; ``example`` is a body in which
    ``{name}`` stands for what differs from case to case.
    """

    method: str
    path: str
    pattern: str
    base: str
    caller: str
    query: dict[str, Any]
    required: list[str]
    body: str | None
    example: Any
    request: Schema
    status: int
    answer: Schema | None

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"


@cache
def load() -> dict[tuple[str, str], Operation]:
    """Return all operations by method and pattern."""
    text = files("airflow_provider_bill.sandbox.data").joinpath("contract.json").read_text()
    contract = json.loads(text)
    schemas: dict[str, Schema] = contract["schemas"]
    for schema in schemas.values():
        _resolve(schema, schemas)
    found = {}
    for row in contract["operations"]:
        pattern = re.sub(r"\{\w+\}", "{}", row["path"])
        operation = Operation(
            row["method"],
            row["path"],
            pattern,
            row["base"],
            row["caller"],
            row.get("query", {}),
            row.get("required", []),
            row.get("body"),
            row.get("example"),
            _resolve(row.get("request", {}), schemas),
            row["status"],
            row["answer"] and _resolve(row["answer"], schemas),
        )
        found[operation.method, pattern] = operation
    _SCHEMAS.update(schemas)
    return found


_SCHEMAS: dict[str, Schema] = {}


def get_schema(name: str) -> Schema:
    """Return the schema of a row, such as ``Bills``."""
    load()
    return _SCHEMAS[name]


def _resolve(node: Any, schemas: dict[str, Schema]) -> Any:
    """Put each named schema where it is named; they share one object."""
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return schemas[node["$ref"].rsplit("/", 1)[1]]
    for key, value in node.items():
        node[key] = _resolve(value, schemas)
    return node
