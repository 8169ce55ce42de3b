"""Between v3's rows and v2's entities."""

from __future__ import annotations

from typing import Any

from airflow_provider_bill.sandbox.data.accounts import Organization
from airflow_provider_bill.sandbox.data.catalog import BY_ENTITY, Collection, Row
from airflow_provider_bill.sandbox.data.moments import make_time
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.filters import get_value
from airflow_provider_bill.sandbox.v2.fields import NO_REFERENCE, SHAPES, Field, Lines

_EMPTY = {"@": NO_REFERENCE, "?": False, "%": 0, "#": "0", "": None}
"""What v2 shows of a field that is not set, by the field's mark."""


def to_v2(entity: str, row: Row) -> Row:
    """Return a row as v2 shows it."""
    shape = SHAPES[entity]
    shown: Row = {"entity": entity, "id": row["id"], "isActive": "2" if row.get("archived") else "1"}
    times: Row = {name: to_v2_time(row[name]) for name in ("createdTime", "updatedTime") if name in row}
    shown |= times
    shown |= {field.name: _show(field, row) for field in shape.fields}
    if shape.lines is not None:
        lines = shape.lines
        found = map(_complete, row.get(lines.v3_name) or [])
        shown[lines.name] = [
            {**_show_line(lines, line, row["id"]), "lineOrder": order, **times} for order, line in enumerate(found)
        ]
    return shown


def _show_line(lines: Lines, line: Row, parent_id: str) -> Row:
    shown: Row = {"entity": lines.entity, "id": line.get("id"), lines.parent: parent_id}
    return shown | {field.name: _show(field, line) for field in lines.fields}


def _complete(line: Row) -> Row:
    """Return a line with its amount, which v3 leaves to the reader where there are price and quantity."""
    if "amount" in line or "price" not in line:
        return line
    return {**line, "amount": round(line["price"] * line.get("quantity", 1), 2)}


def _show(field: Field, row: Row) -> Any:
    value = get_value(row, ".".join(field.path))
    if value is None or value == "":
        return _EMPTY[field.mark]
    return field.codes.get(value, "0") if field.mark == "#" else value


def from_v2(entity: str, given: Row) -> Row:
    """Return what a v2 object sets of a v3 row; names that v2 does not have are ignored."""
    shape, row = SHAPES[entity], _read(SHAPES[entity].fields, given)
    if "isActive" in given:
        row["archived"] = str(given["isActive"]) == "2"
    if shape.lines is not None and shape.lines.name in given:
        lines = given[shape.lines.name]
        if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
            raise Refusal("BDC_1122")
        kept = [{"id": line["id"]} if line.get("id") else {} for line in lines]
        row[shape.lines.v3_name] = [
            {**own, **_read(shape.lines.fields, line)} for own, line in zip(kept, lines, strict=True)
        ]
    return row


def _read(fields: tuple[Field, ...], given: Row) -> Row:
    row: Row = {}
    for field in fields:
        if field.name not in given:
            continue
        value = given[field.name]
        if field.mark == "#":
            words = {code: word for word, code in field.codes.items()}
            if str(value) not in words:
                raise Refusal("BDC_1129", field.name, str(value))
            value = words[str(value)]
        elif field.mark == "@" and value == NO_REFERENCE:
            value = None
        _put(row, field.path, value)
    return row


def _put(row: Row, path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        row = row.setdefault(name, {})
    row[path[-1]] = value


def show_organization(organization: Organization) -> Row:
    """Return an organization as v2 shows it."""
    stamp = to_v2_time(make_time(organization.number))
    return {
        "entity": "Organization",
        "id": organization.id,
        "isActive": "1",
        "createdTime": stamp,
        "updatedTime": stamp,
        "name": organization.name,
    }


def find_collection(entity: str) -> Collection:
    """Return the collection of an entity, or refuse with BDC_1128."""
    found = BY_ENTITY.get(entity)
    if found is None:
        raise Refusal("BDC_1128", entity)
    return found


def to_v2_time(text: str) -> str:
    """Return a time as v2 writes it: ``2024-07-31T23:32:48.000+0000``."""
    return text[:-6] + "+0000" if text.endswith("+00:00") else text
