"""Who makes a Spend & Expense call, and the rows of its organization."""

from __future__ import annotations

from functools import wraps

from airflow_provider_bill.sandbox.data.accounts import Organization
from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal, SingleObjectRefusal
from airflow_provider_bill.sandbox.events.raising import raise_event
from airflow_provider_bill.sandbox.server.messages import Answer, Call
from airflow_provider_bill.sandbox.server.routing import Handler
from airflow_provider_bill.sandbox.v3.authentication import authenticate, read_bearer_token

_EVENTS = {"reimbursements": "spend.reimbursement", "transactions": "spend.transaction"}


def requires_token(handler: Handler) -> Handler:
    """Let only calls with a good token through, 60 a minute."""

    @wraps(handler)
    def checked(call: Call, *params: str) -> Answer:
        if read_bearer_token(call) is not None:
            token = authenticate(call).token
        else:
            token = call.headers.get("apitoken", "")
            row = call.state.seed.spend_tokens.get(token)
            if row is None:
                raise SingleObjectRefusal(401, "unauthorized", "The apiToken header is missing or not valid.")
            call.organization_id = row.organization_id
        call.state.limits.take_spend(token, call.now)
        return handler(call, *params)

    return checked


def get_organization(call: Call) -> Organization:
    """Return the organization of a call that `requires_token` let through."""
    return call.state.seed.organizations[call.organization_id]


def get_rows(call: Call, path: str) -> dict[str, Row]:
    """Return the rows of a path by UUID, those that are gone too."""
    return call.state.spend.get_rows(get_organization(call), path)


def find_row(call: Call, path: str, name: str) -> Row | None:
    """Return the row with a UUID, or with the older id that BILL still takes."""
    rows = get_rows(call, path)
    return rows.get(name) or next((row for row in rows.values() if row.get("id") == name), None)


def get_row(call: Call, path: str, name: str) -> Row:
    """Return the row with a UUID or an older id, also if it is gone, or refuse the call."""
    row = find_row(call, path, name)
    if row is None:
        raise Refusal("BDC_1205")
    return row


def get_live_row(call: Call, path: str, name: str) -> Row:
    """Return the row with a UUID or an older id, or refuse the call, also if the row is gone: nothing restores it."""
    row = get_row(call, path, name)
    if is_gone(row):
        raise Refusal("BDC_1205")
    return row


def get_named_row(call: Call, path: str, body: Row, field: str) -> Row:
    """Return the row that a field of a body names, or refuse the body."""
    row = find_row(call, path, str(body.get(field) or ""))
    if row is None or is_gone(row):
        raise Refusal("BDC_1129", field, str(body.get(field))[:80], status=400)
    return row


def is_gone(row: Row) -> bool:
    """Return whether a row was deleted."""
    return bool(row.get("retired") or row.get("deleted") or row.get("status") == "DELETED")


def note_change(call: Call, path: str, verb: str, row: Row) -> None:
    """Count a write, and raise the event that tells of it if there is one.

    :param verb: ``created``, ``updated`` or ``deleted``.
    """
    call.state.stats.writes += 1
    if path in _EVENTS:
        raise_event(call, f"{_EVENTS[path]}.{verb}", row)
