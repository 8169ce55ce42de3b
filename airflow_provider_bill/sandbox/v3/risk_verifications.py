"""Risk verifications: an organization's check, and the phone of the user who may be called for it."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_organization
from airflow_provider_bill.sandbox.operations.fields import require_fields
from airflow_provider_bill.sandbox.operations.rows import get_rows
from airflow_provider_bill.sandbox.server.messages import Answer, Call, get_text, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import requires_session

routes = Routes("/connect/v3/risk-verifications")

PHONES = "risk-verifications/phone"
_CHECKS = "risk-verifications"


@routes.route("POST", "")
@requires_session
def start_check(call: Call) -> Answer:
    """Begin the check of the organization; it never ends here. A second call tells of the same check."""
    organization = get_organization(call)
    rows = get_rows(call, _CHECKS)
    if organization.id not in rows:
        call.state.stats.writes += 1
        reference = call.state.ledger.make_id("rsk", organization)
        rows[organization.id] = {"processingStatus": "IN_PROGRESS", "decision": "HOLD", "referenceId": reference}
    return reply(call, rows[organization.id])


@routes.route("GET", "")
@requires_session
def read_check(call: Call) -> Answer:
    """Read how far the check of the organization is."""
    row = get_rows(call, _CHECKS).get(get_organization(call).id)
    if row is None:
        raise Refusal("BDC_1205")
    return reply(call, row)


@routes.route("GET", "/phone")
@requires_session
def read_phone(call: Call) -> Answer:
    """Read whether the user has given a phone for checks."""
    return reply(call, {"hasPhone": call.session.user_id in get_rows(call, PHONES)})


@routes.route("POST", "/phone")
@requires_session
def add_phone(call: Call) -> Answer:
    """Store the user's phone for checks; it is not the phone of MFA."""
    save_phone(call, get_rows(call, PHONES), call.session.user_id)
    return reply(call, None)


def save_phone(call: Call, phones: dict[str, Row], user_id: str) -> None:
    """Keep the phone in a body as the one of a user."""
    body = call.json_object()
    require_fields(body, "phoneNumber", "phoneType")
    call.state.stats.writes += 1
    phones[user_id] = {"phoneNumber": get_text(body, "phoneNumber"), "phoneType": get_text(body, "phoneType")}
