"""BILL's operations as the local BILL answers them, in OpenAPI's form; made of the contract."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

from airflow_provider_bill.sandbox.data.contract import Operation, load

#: The statuses of refusals: bad request, not signed in, not allowed, unknown, wrong method, locked, refused, too many,
#: not served.
REFUSALS = (400, 401, 403, 404, 405, 409, 422, 423, 429, 501)

_PREFIXES = {"connect": "/connect", "events": "/connect-events"}
_ERROR = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("timestamp", "code", "severity", "category", "message")},
    "required": ["code", "message"],
}
_GATEWAY_ERROR = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("timestamp", "error", "message")},
    "required": ["error", "message"],
}


def describe() -> dict[str, Any]:
    """Return the document."""
    text = files("airflow_provider_bill.sandbox.data").joinpath("contract.json").read_text()
    contract = json.loads(text.replace('"#/schemas/', '"#/components/schemas/'))
    paths: dict[str, dict[str, Any]] = {}
    for row, operation in zip(contract["operations"], load().values(), strict=True):
        path = paths.setdefault(_PREFIXES[operation.base] + operation.path, {})
        path[operation.method.lower()] = _describe(operation, row.get("request"), row["answer"])
    return {
        "openapi": "3.1.0",
        "info": {"title": "BILL, as bill-sandbox answers it", "version": "3"},
        "paths": paths,
        "components": {
            "schemas": {
                **contract["schemas"],
                "Refusal": {"anyOf": [{"type": "array", "items": _ERROR, "minItems": 1}, _GATEWAY_ERROR]},
            }
        },
    }


def _describe(operation: Operation, request: Any, answer: Any) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]
    parameters += [
        {"name": name, "in": "query", "required": name in operation.required, "schema": {"type": "string"}}
        for name in operation.query
    ]
    success: dict[str, Any] = {"description": "What BILL answers."}
    if answer is not None:
        success["content"] = {"application/json": {"schema": answer}}
    refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    described: dict[str, Any] = {
        "parameters": parameters,
        "responses": {
            str(operation.status): success,
            **{str(status): {"description": "A refusal.", "content": refusal} for status in REFUSALS},
        },
    }
    if operation.body == "json":
        described["requestBody"] = {"content": {"application/json": {"schema": request}}}
    elif operation.body == "file":
        described["requestBody"] = {"content": {"application/octet-stream": {}}}
    return described
