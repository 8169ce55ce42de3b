"""Reports: the audit trail of a vendor."""

from __future__ import annotations

from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.rows import get_row
from airflow_provider_bill.sandbox.server.messages import Answer, Call, is_true, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import requires_session

routes = Routes("/connect/v3/reports")

_MOST = 100


@routes.route("GET", "/audit-trail/vendor/{}")
@requires_session
def list_changes(call: Call, vendor_id: str) -> Answer:
    """List what was changed of a vendor, newest first: a bare array in pages of ``start`` and ``max``."""
    vendor = get_row(call, "vendors", vendor_id)
    start, size = _read_number(call, "start", 0, 0, 10**9), _read_number(call, "max", 20, 1, _MOST)
    if vendor["archived"] and not is_true(call.query.get("includeArchived")):
        return reply(call, [])
    trail = call.state.ledger.changes_of.get(vendor_id, [])[::-1]
    return reply(call, trail[start : start + size])


def _read_number(call: Call, name: str, default: int, least: int, most: int) -> int:
    text = call.query.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise Refusal("BDC_1129", name, f"{text} (must be from {least} to {most})")
    return int(text)
