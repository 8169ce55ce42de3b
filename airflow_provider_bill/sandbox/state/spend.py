"""What Spend & Expense remembers: its rows by organization, and the images that were uploaded."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_bill.sandbox.data.accounts import Organization
from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.spend_rows import SpendRows, build_spend_rows, make_ids
from airflow_provider_bill.sandbox.ids import make_upload_token

_FIRST_NEW_NUMBER = 36**4


@dataclass(slots=True)
class Upload:
    """A place for an image; ``image`` is None until it is put there."""

    organization_id: str
    path: str
    media: str = ""
    image: bytes | None = None


class Spend:
    """All rows; an organization's are built when it is first asked for."""

    def __init__(self) -> None:
        self.organizations: dict[str, SpendRows] = {}
        self.uploads: dict[str, Upload] = {}
        self.last_number = _FIRST_NEW_NUMBER

    def get_rows(self, organization: Organization, path: str) -> dict[str, Row]:
        """Return the rows of a path by UUID."""
        rows = self.organizations.get(organization.id)
        if rows is None:
            rows = self.organizations[organization.id] = build_spend_rows(organization)
        return rows[path]

    def make_ids(self, organization: Organization, path: str) -> Row:
        """Return the identifiers of a new row."""
        self.last_number += 1
        return make_ids(path, organization, self.last_number)

    def open_upload(self, organization: Organization, path: str) -> str:
        """Return the unguessable token of a new place for an image."""
        token = make_upload_token()
        self.uploads[token] = Upload(organization.id, path)
        return token
