"""The audit trail: what was changed of a vendor, when and by whom.

What ``source`` and ``type`` may say in BILL's report of it is not documented.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.server.messages import Call
from airflow_provider_bill.sandbox.state.clock import to_iso

_AUDITED = "vendors"
#: What changes by itself with every change.
_TIMES = ("createdTime", "updatedTime")


def note_change(call: Call, path: str, row_id: str, before: Row, after: Row) -> None:
    """Note each field in which a row of an audited collection differs from what it was.

    :param before: the row as it was; empty when it is new.
    """
    if path != _AUDITED:
        return
    user = call.state.find_user(call.session)
    who = {"id": call.session.user_id, "name": f"{user.first_name} {user.last_name}" if user else ""}
    common = {
        "source": "API",
        "type": "UPDATED" if before else "CREATED",
        "createdTime": to_iso(call.now),
        "user": who,
    }
    have, had = flatten(after), flatten(before)
    trail = call.state.ledger.changes_of.setdefault(row_id, [])
    for name in [*have, *(name for name in had if name not in have)]:
        if name not in _TIMES and have.get(name) != had.get(name):
            value = {"previous": _to_text(had.get(name)), "current": _to_text(have.get(name))}
            trail.append({**common, "field": {"name": name, "value": value}})


def flatten(row: Row, prefix: str = "") -> Row:
    """Return a row without levels: ``address.city`` is the name of a field below another."""
    found: Row = {}
    for name, value in row.items():
        if isinstance(value, dict):
            found |= flatten(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _to_text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
