"""The business data: rows by organization and collection, and every payment that was created."""

from __future__ import annotations

from typing import Any

from airflow_provider_bill.sandbox.data.accounts import Organization
from airflow_provider_bill.sandbox.data.catalog import COLLECTIONS, Row
from airflow_provider_bill.sandbox.data.seed import Seed
from airflow_provider_bill.sandbox.data.seed_rows import Rows, build_rows
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.ids import make_id
from airflow_provider_bill.sandbox.state.clock import iso

_FIRST_NEW = 36**4


class Ledger:
    """Rows are built when an organization is first asked for, so that many organizations cost nothing."""

    def __init__(self) -> None:
        self.organizations: dict[str, Rows] = {}
        self.payments: list[dict[str, Any]] = []
        self.next_number = _FIRST_NEW

    def rows(self, seed: Seed, organization: Organization) -> Rows:
        """All collections of an organization."""
        rows = self.organizations.get(organization.id)
        if rows is None:
            rows = self.organizations[organization.id] = build_rows(seed, organization)
        return rows

    def new_id(self, prefix: str, organization: Organization) -> str:
        """The next identifier."""
        self.next_number += 1
        return make_id(prefix, organization.number, self.next_number)

    def insert(self, seed: Seed, organization: Organization, path: str, fields: Row, now: float) -> Row:
        """A new row in a collection."""
        stamp = iso(now)
        row: Row = {
            "id": self.new_id(COLLECTIONS[path].prefix, organization),
            "archived": False,
            **{name: value for name, value in fields.items() if name not in ("id", "archived")},
            "createdTime": stamp,
            "updatedTime": stamp,
        }
        self.rows(seed, organization)[path][row["id"]] = row
        return row

    def find(self, seed: Seed, organization: Organization, path: str, row_id: str) -> Row:
        """One row, or BDC_1120."""
        row = self.rows(seed, organization)[path].get(row_id)
        if row is None:
            raise Refusal("BDC_1120")
        return row

    def update(self, row: Row, changes: Row, now: float) -> None:
        """Change fields; objects such as an address are merged."""
        for name, value in changes.items():
            if name in ("id", "createdTime", "updatedTime"):
                continue
            old = row.get(name)
            row[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        row["updatedTime"] = iso(now)
