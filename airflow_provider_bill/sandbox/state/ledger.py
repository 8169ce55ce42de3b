"""The business rows by organization and collection, and every payment that was created."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.accounts import Organization
from airflow_provider_bill.sandbox.data.catalog import COLLECTIONS, Row
from airflow_provider_bill.sandbox.data.seed import Seed
from airflow_provider_bill.sandbox.data.seed_rows import Rows, build_rows
from airflow_provider_bill.sandbox.ids import make_id
from airflow_provider_bill.sandbox.state.clock import to_iso

SETTLES_NO_MORE = frozenset({"CANCELLED", "VOID"})
"""The states of a payment whose bills are due again."""

_FIRST_NEW_NUMBER = 36**4


class Ledger:
    """All rows; an organization's are built when it is first asked for, so that many organizations cost nothing."""

    def __init__(self, seed: Seed) -> None:
        self.seed = seed
        self.organizations: dict[str, Rows] = {}
        self.payments: list[Row] = []
        #: The payments that each bill is in, by the bill's id.
        self.payments_of: dict[str, list[Row]] = {}
        #: The changes of each vendor, by its id; newest last.
        self.changes_of: dict[str, list[Row]] = {}
        self.last_number = _FIRST_NEW_NUMBER

    def get_rows(self, organization: Organization, path: str) -> dict[str, Row]:
        """Return the rows of an organization's collection by id."""
        rows = self.organizations.get(organization.id)
        if rows is None:
            rows = self.organizations[organization.id] = build_rows(self.seed, organization)
        return rows[path]

    def describe_payments(self) -> list[Row]:
        """Return every payment that was made, a row for each of its bills, with its state as it is now."""
        return [
            {**row, "status": self.organizations[row["organization"]]["payments"][row["id"]]["status"]}
            for row in self.payments
        ]

    def make_id(self, prefix: str, organization: Organization) -> str:
        """Return the next identifier."""
        self.last_number += 1
        return make_id(prefix, organization.number, self.last_number)

    def create(self, organization: Organization, path: str, fields: Row, now: float) -> Row:
        """Add a row to a collection."""
        row: Row = {
            "id": self.make_id(COLLECTIONS[path].prefix, organization),
            "archived": False,
            **{name: value for name, value in fields.items() if name not in ("id", "archived")},
            "createdTime": to_iso(now),
            "updatedTime": to_iso(now),
        }
        self.get_rows(organization, path)[row["id"]] = row
        return row

    def update(self, row: Row, changes: Row, now: float) -> None:
        """Change fields of a row; objects such as an address are merged."""
        for name, value in changes.items():
            if name in ("id", "createdTime", "updatedTime"):
                continue
            old = row.get(name)
            row[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        row["updatedTime"] = to_iso(now)

    def replace(self, row: Row, fields: Row, now: float) -> None:
        """Replace the fields of a row."""
        row.clear()  # others hold this very object
        row |= fields
        row["updatedTime"] = to_iso(now)
