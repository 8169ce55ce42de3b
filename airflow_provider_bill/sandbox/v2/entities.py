"""How v2 shows rows, and how it spells their fields."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.accounts import Organization
from airflow_provider_bill.sandbox.data.catalog import BY_ENTITY, Collection, Row
from airflow_provider_bill.sandbox.data.seed_rows import make_time
from airflow_provider_bill.sandbox.errors import Refusal

# v2 spells an address out in the vendor's own fields.
_ADDRESS = {
    "address1": "line1",
    "address2": "line2",
    "addressCity": "city",
    "addressState": "stateOrProvince",
    "addressZip": "zipOrPostalCode",
    "addressCountry": "country",
}


def to_v2(entity: str, row: Row) -> Row:
    """Return a v3 row as v2 shows it: flat, ``isActive`` as text, v2's form of time."""
    shown: Row = {"entity": entity, "id": row["id"], "isActive": "2" if row.get("archived") else "1"}
    shown["createdTime"] = to_v2_time(row["createdTime"])
    shown["updatedTime"] = to_v2_time(row["updatedTime"])
    for name, value in row.items():
        if name == "invoice" and isinstance(value, dict):
            shown.update(value)
        elif name not in shown and name != "archived" and not isinstance(value, dict | list):
            shown[name] = value
    if entity == "Vendor":
        address = row.get("address")
        lines = address if isinstance(address, dict) else {}
        shown.setdefault("email", None)
        shown.update({name: lines.get(v3) for name, v3 in _ADDRESS.items()})
    return shown


def from_v2(entity: str, fields: Row) -> Row:
    """Return a v2 object's fields as those of a v3 row."""
    row = {name: value for name, value in fields.items() if name not in ("entity", "id", "isActive")}
    if "isActive" in fields:
        row["archived"] = str(fields["isActive"]) == "2"
    if entity == "Vendor":
        lines = {v3: row.pop(name) for name, v3 in _ADDRESS.items() if name in row}
        if lines:
            row["address"] = lines
    if entity == "Bill":
        invoice = {name: row.pop(name) for name in ("invoiceNumber", "invoiceDate") if name in row}
        if invoice:
            row["invoice"] = invoice
    return row


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
