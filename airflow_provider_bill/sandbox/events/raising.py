"""Raising events: whoever changes a row says so, and each subscription that wants to know is told of it."""

from __future__ import annotations

import asyncio
import json

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.contract import Schema
from airflow_provider_bill.sandbox.events.catalog import VERSION, find_type, get_row_name
from airflow_provider_bill.sandbox.events.delivery import deliver
from airflow_provider_bill.sandbox.events.state import Event
from airflow_provider_bill.sandbox.operations.shape import row_schema, show
from airflow_provider_bill.sandbox.server.messages import Call

_SPEND = {"spend.transaction": "spend/transactions", "spend.reimbursement": "spend/reimbursements"}


def raise_row_event(call: Call, path: str, verb: str, row: Row) -> None:
    """Raise the event that tells of a change in a collection, if BILL has one."""
    if call.state.events.subscriptions and (event_type := find_type(path, verb)):
        raise_event(call, event_type, row, path)


def raise_event(call: Call, event_type: str, row: Row, path: str = "") -> None:
    """Notify the subscriptions of an event; what is sent is the row as it is when the call ends.

    :param path: of the row's collection; Spend & Expense's follows from the event.
    """
    path = path or _SPEND[event_type.rpartition(".")[0]]
    for subscription in call.state.events.subscriptions.values():
        if subscription.wants(call.organization_id, event_type):
            row_id = str(row.get("uuid") or row["id"])
            event = Event(subscription, event_type, row_id, call.state.clock.now())
            # The handler goes on with its row: the loop writes it into the notification when the handler is done.
            asyncio.get_running_loop().call_soon(_write_row, event, call.organization_id, row_schema(path), row)
            send(call, event)


def _write_row(event: Event, organization_id: str, schema: Schema, row: Row) -> None:
    write_payload(event, organization_id, show(schema, row))


def write_payload(event: Event, organization_id: str, row: Row) -> None:
    """Write what a notification says of an event: JSON without blanks, which is what its signature is of."""
    metadata = {
        "eventId": event.id,
        "subscriptionId": event.subscription.id,
        "organizationId": organization_id,
        "eventType": event.type,
        "version": VERSION,
    }
    event.payload = json.dumps({"metadata": metadata, get_row_name(event.type): row}, separators=(",", ":"))


def send(call: Call, event: Event) -> None:
    """Add an event to the history, and send it beside the calls."""
    call.state.events.add(event)
    call.state.events.start(deliver(call.state.events, event))
