"""Reading and writing rows of the caller's organization."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.operations.access import get_organization
from airflow_provider_bill.sandbox.server.messages import Call


def get_rows(call: Call, path: str) -> dict[str, Row]:
    """Return the rows of a collection by id."""
    return call.state.ledger.get_rows(get_organization(call), path)


def get_row(call: Call, path: str, row_id: str) -> Row:
    """Return one row of a collection, or refuse with BDC_1120."""
    return call.state.ledger.get(get_organization(call), path, row_id)


def create_row(call: Call, path: str, fields: Row) -> Row:
    """Create a row and count the write."""
    call.state.stats.writes += 1
    return call.state.ledger.create(get_organization(call), path, fields, call.now)


def update_row(call: Call, row: Row, fields: Row) -> Row:
    """Change a row and count the write."""
    call.state.stats.writes += 1
    call.state.ledger.update(row, fields, call.now)
    return row


def mask_account_number(row: Row) -> Row:
    """Leave only the last four digits of a row's account number."""
    number = str(row.get("accountNumber", ""))
    row["accountNumber"] = "*****" + number[-4:]
    return row
