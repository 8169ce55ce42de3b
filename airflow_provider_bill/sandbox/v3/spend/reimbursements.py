"""What only reimbursements have: a decision."""

from __future__ import annotations

from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.fields import require_fields
from airflow_provider_bill.sandbox.server.messages import Answer, Call, get_text, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.state.clock import to_iso
from airflow_provider_bill.sandbox.v3.spend.access import get_live_row, note_change, requires_token
from airflow_provider_bill.sandbox.v3.spend.making import AWAITING
from airflow_provider_bill.sandbox.v3.spend.users import get_current_user

routes = Routes("/connect/v3/spend/reimbursements/{}")

_OUTCOMES = {"APPROVE": "APPROVED", "DENY": "DENIED"}


@routes.route("POST", "/action")
@requires_token
def decide(call: Call, name: str) -> Answer:
    """Approve or deny a reimbursement that waits for it."""
    row, body = get_live_row(call, "reimbursements", name), call.json_object()
    require_fields(body, "action")
    outcome = _OUTCOMES.get(str(body["action"]))
    if outcome is None:
        raise Refusal("BDC_1129", "action", f"{str(body['action'])[:40]} (must be APPROVE or DENY)")
    if row["status"] != AWAITING:
        raise Refusal("BDC_1129", "action", f"the reimbursement is {row['status']} already")
    step = {"actorId": get_current_user(call)["uuid"], "actorRole": "BUDGET_OWNER", "occurredTime": to_iso(call.now)}
    history = [*row["statusHistory"], {**step, "note": get_text(body, "note"), "status": outcome}]
    row |= {"status": outcome, "statusHistory": history}
    note_change(call, "reimbursements", "updated", row)
    return reply(call, row)
