"""The BILL network: who can be found there, and how vendors and customers become connected."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.seed_organization import make_address
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.ids import make_id
from airflow_provider_bill.sandbox.operations.rows import get_row, get_rows, update_row
from airflow_provider_bill.sandbox.server.messages import Call

PATHS = {"VENDOR": "vendors", "CUSTOMER": "customers"}
"""The collection of each kind of partner in the network."""

_NAMES = ("Bright Bindery", "Coastal Courier", "Harvest Catering", "Northern Print", "Summit Software")

DIRECTORY: list[Row] = [
    {
        "id": make_id("0rv", 0, number),
        "name": name,
        "type": "CUSTOMER",
        "addresses": [make_address(number)],
        "managedBy": {
            "name": name,
            "email": f"billing@network{number}.example",
            "emailDomain": f"network{number}.example",
        },
        "accountNumber": f"N{number:06d}",
    }
    for number, name in enumerate(_NAMES, start=1)
]
"""The companies that can be found in the network."""


def find_invitation(call: Call, kind: str, row_id: str) -> Row:
    """Return a partner's place in the network: its state, and who it is there."""
    row = get_row(call, PATHS[kind], row_id)
    known = get_rows(call, "network/invitations").get(row_id)
    return {"id": row_id, "status": row.get("networkStatus") or "NOT_CONNECTED", **(known or {})}


def invite(call: Call, kind: str, row_id: str, network_id: str | None = None) -> None:
    """Invite a vendor or a customer; a partner that is connected is not invited again."""
    if network_id is not None and all(one["id"] != network_id for one in DIRECTORY):
        raise Refusal("BDC_1205")
    status = find_invitation(call, kind, row_id)["status"]
    if status in ("CONNECTED", "CONNECTED_RPPS"):
        raise Refusal("BDC_1129", f"{kind.lower()}Id", f"{row_id} (is connected already)", status=422)
    set_status(call, kind, row_id, "PENDING", network_id)


def set_status(call: Call, kind: str, row_id: str, status: str, network_id: str | None = None) -> None:
    """Set a partner's state in the network."""
    invitations = get_rows(call, "network/invitations")
    if status == "NOT_CONNECTED":
        invitations.pop(row_id, None)
    else:
        invitations[row_id] = {"status": status, **({"networkId": network_id} if network_id else {})}
    update_row(call, PATHS[kind], get_row(call, PATHS[kind], row_id), {"networkStatus": status})
