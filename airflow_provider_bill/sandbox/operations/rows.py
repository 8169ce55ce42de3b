"""Reading and writing rows of the caller's organization."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.events.raising import raise_row_event
from airflow_provider_bill.sandbox.operations.access import get_organization
from airflow_provider_bill.sandbox.operations.changes import note_change
from airflow_provider_bill.sandbox.server.messages import Call


def get_rows(call: Call, path: str) -> dict[str, Row]:
    """Return the rows of a collection by id."""
    return call.state.ledger.get_rows(get_organization(call), path)


def get_row(call: Call, path: str, row_id: str) -> Row:
    """Return one row of a collection, or refuse as the call's dialect refuses an unknown id."""
    row = get_rows(call, path).get(row_id)
    if row is None:
        raise Refusal("BDC_1120" if call.path.startswith("/api/v2") else "BDC_1205")
    return row


def create_row(call: Call, path: str, fields: Row) -> Row:
    """Create a row and count the write."""
    row = call.state.ledger.create(get_organization(call), path, fields, call.now)
    return _written(call, path, "created", {}, row)


def update_row(call: Call, path: str, row: Row, fields: Row) -> Row:
    """Change fields of a row of a collection and count the write; objects such as an address are merged."""
    before = dict(row)
    call.state.ledger.update(row, fields, call.now)
    verb = "archived" if fields.get("archived") else "restored" if "archived" in fields else "updated"
    return _written(call, path, verb, before, row)


def replace_row(call: Call, path: str, row: Row, fields: Row) -> Row:
    """Replace the fields of a row of a collection and count the write."""
    before = dict(row)
    call.state.ledger.replace(row, fields, call.now)
    return _written(call, path, "updated", before, row)


def _written(call: Call, path: str, verb: str, before: Row, row: Row) -> Row:
    call.state.stats.writes += 1
    note_change(call, path, row["id"], before, row)
    raise_row_event(call, path, verb, row)
    return row
