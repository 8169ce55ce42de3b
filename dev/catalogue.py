"""Reads BILL's own request collection, and writes what the client and the local BILL know of BILL's operations.

``python -m dev.catalogue COLLECTION.json`` writes two files of facts (names, types, enumerated values), with no text of
the collection's: the catalogue, from which the client decides, and the contract, which the local BILL is held to.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dev.catalogue_additions import ADDITIONS, ENUMS, IDEMPOTENT, PAGE_SIZES, PROTECTED, SECRETS
from dev.operations_page import PAGE, page
from dev.paths import ROOT
from dev.shapes import Shapes, request_schema, template

CATALOGUE = ROOT / "airflow_provider_bill" / "client" / "operations.json"
CONTRACT = ROOT / "airflow_provider_bill" / "sandbox" / "data" / "contract.json"
#: The header that proves who calls -> the word of the catalogue.
_CALLERS = {"apiToken": "spend", "appKey": "partner", "sessionId": "session"}


def main(collection: Path) -> None:
    """Write both files."""
    shapes = Shapes(ENUMS)
    operations = [read(item, shapes) for item in requests_of(json.loads(collection.read_text()))]
    operations += [{**row, "answer": shapes.add(row["answer"], row["group"])} for row in ADDITIONS]
    operations.sort(key=lambda operation: (operation["path"], operation["method"]))
    catalogue = [facts(operation, shapes) for operation in operations]
    CATALOGUE.write_text("[\n" + ",\n".join(json.dumps(row) for row in catalogue) + "\n]\n")
    PAGE.write_text(page(catalogue))
    contract = {"schemas": shapes.schemas(), "operations": [contract_of(operation, shapes) for operation in operations]}
    CONTRACT.write_text(json.dumps(contract, indent=1) + "\n")
    print(f"{len(operations)} operations, {len(contract['schemas'])} schemas")


def requests_of(collection: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each request, however deep its folder lies."""
    for item in collection["item"]:
        if "item" in item:
            yield from requests_of(item)
        else:
            yield item


def read(item: dict[str, Any], shapes: Shapes) -> dict[str, Any]:
    """Return what one request of the collection says."""
    request = item["request"]
    url = request["url"]
    raw = url["raw"].split("?")[0]
    path = re.sub(r":(\w+)", r"{\1}", raw.split("}}", 1)[1])
    group = path.split("/")[3 if path.startswith(("/v3/spend/", "/v3/classifications/")) else 2]
    headers = {header["key"] for header in request.get("header", [])}
    body = request.get("body") or {}
    answer = next(answer for answer in item["response"] if answer["code"] < 300)
    parsed = json.loads(answer["body"]) if (answer.get("body") or "").strip() else None
    given = _json(body["raw"]) if body.get("mode") == "raw" else None
    shapes.see(given, group)
    return {
        "method": request["method"],
        "path": path,
        "base": "events" if "webhook" in raw else "connect",
        "group": group,
        "caller": next((word for name, word in _CALLERS.items() if name in headers), "nobody"),
        "organization": "organizationId" in headers,
        "query": {part["key"]: _query_value(part) for part in url.get("query") or []},
        "required": [part["key"] for part in url.get("query") or [] if not part.get("disabled")],
        "body": {"raw": "json", "file": "file"}.get(body.get("mode", "")),
        "example": template(given),
        "status": answer["code"],
        "answer": None if parsed is None else shapes.add(parsed, group),
    }


def _query_value(part: dict[str, Any]) -> Any:
    """Return the value of a query parameter; what a list is sorted by is a name, not a text."""
    value = part.get("value") or ""
    return value if part["key"] == "sort" else template(value)


def _json(text: str) -> Any:
    """Return a body of the collection; four of them are not quite JSON."""
    text = re.sub(r",(\s*[}\]])", r"\1", text)
    text = re.sub(r'""(\w+)"', r'"\1"', text)
    return json.loads(re.sub(r"(:\s*)(\{\{\w+\}\})", r'\1"\2"', text))


def facts(operation: dict[str, Any], shapes: Shapes) -> dict[str, Any]:
    """Return the row of the catalogue; what is as usual is left out."""
    name = f"{operation['method']} {operation['path']}"
    paging = paging_of(operation)
    row = {
        "method": operation["method"],
        "path": operation["path"],
        "base": operation["base"],
        "caller": operation["caller"],
        "organization": operation.get("organization", False),
        "paging": paging,
        "page_size": PAGE_SIZES.get(operation["path"], 100) if "max" in operation["query"] else None,
        "rows": rows_of(operation, shapes, paging),
        "query": sorted(operation["query"]),
        "body": operation["body"],
        "protected": PROTECTED.get(name),
        "may_be_empty": operation["answer"] is None and operation["method"] != "GET",
        "idempotency_key": name in IDEMPOTENT,
        "secrets": SECRETS.get(name),
    }
    usual = {
        "base": "connect",
        "caller": "session",
        "organization": False,
        "query": [],
        "may_be_empty": False,
        "idempotency_key": False,
    }
    return {key: value for key, value in row.items() if value is not None and value != usual.get(key)}


def paging_of(operation: dict[str, Any]) -> str | None:
    """Return how a list pages: the name of the parameter that asks for the next page; None if it has one page only."""
    if operation["method"] != "GET":
        return None
    return next((name for name in ("nextPage", "start", "page") if name in operation["query"]), None)


def rows_of(operation: dict[str, Any], shapes: Shapes, paging: str | None) -> str | None:
    """Return the name under which a list keeps its rows, empty for a bare array; None if it is no list."""
    schema = operation["answer"] or {}
    if operation["method"] != "GET":
        return None
    if schema.get("type") == "array":
        return ""
    fields = shapes.properties(schema)
    lists = [name for name, field in fields.items() if field.get("type") == "array"]
    if paging or "results" in lists:
        return "results"
    return lists[0] if len(lists) == 1 and "id" not in fields else None


def contract_of(operation: dict[str, Any], shapes: Shapes) -> dict[str, Any]:
    """Return what the local BILL is to answer, and what to ask it with."""
    kept = ("method", "path", "base", "caller", "query", "required", "body", "example", "status")
    row = {key: operation[key] for key in kept if operation.get(key) not in (None, {}, [])}
    if operation["body"] == "json":
        row["request"] = request_schema(operation["example"])
    return {**row, "answer": shapes.schema(operation["answer"])}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
