"""Batches of payments, which are made a moment after they are asked for; some may fail where others do not.

Sources: https://developer.bill.com/docs/ap-mass-payments,
https://developer.bill.com/docs/ap-mass-payment-notification-payloads.
"""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_organization
from airflow_provider_bill.sandbox.operations.payables import (
    check_funding,
    check_payments,
    get_author,
    make_payment,
    read_payment,
)
from airflow_provider_bill.sandbox.operations.rows import get_rows
from airflow_provider_bill.sandbox.server.messages import Call

#: Seconds that a batch takes.
_SECONDS = 1.0


def schedule_batch(call: Call, bodies: list[Row]) -> Row:
    """Store a batch, which is made when the clock has moved a little, and return it.

    Only what holds for all of its payments is refused at once.
    """
    check_funding(call, read_payment(bodies[0]))
    call.state.stats.writes += 1
    batch_id = call.state.ledger.make_id("bbq", get_organization(call))
    row: Row = {"id": batch_id, "scheduled": len(bodies), "failed": 0, "completed": 0}
    get_rows(call, "payments/mass")[batch_id] = row
    author = get_author(call, "v3 mass")

    def make_all(now: float) -> None:
        call.now = now
        for body in bodies:
            row["scheduled"] -= 1
            try:
                (planned,) = check_payments(call, [body])
                make_payment(call, planned, author)
            except Refusal:
                row["failed"] += 1
            else:
                row["completed"] += 1

    call.state.agenda.add(call.now + _SECONDS, make_all)
    return row


def describe_batch(row: Row) -> Row:
    """Return a batch as BILL tells of it."""
    count = {name: row[name] for name in ("scheduled", "failed", "completed")}
    status = "SCHEDULED" if row["scheduled"] else "COMPLETED"
    return {"paymentBatchId": row["id"], "batchStatus": status, "count": {**count, "total": sum(count.values())}}
