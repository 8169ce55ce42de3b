"""Bill approvals: policies, what waits, and decisions."""

from __future__ import annotations

from airflow_provider_bill.sandbox.operations.approvals import (
    POLICIES,
    check_decision,
    decide,
    get_own_turn,
    read_policy,
)
from airflow_provider_bill.sandbox.operations.rows import create_row, get_row, get_rows, update_row
from airflow_provider_bill.sandbox.server.messages import Answer, Call, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import requires_session

routes = Routes("/connect/v3/bill-approvals")

#: Decisions that a call takes at most; how many BILL takes is not documented.
_DECISIONS = 100


@routes.route("GET", "/pending-user-approvals")
@requires_session
def list_pending_approvals(call: Call) -> Answer:
    """List the bills that wait for the user; not a list in the usual form."""
    rows = [row for row in get_rows(call, "bills").values() if get_own_turn(call, row) is not None]
    names = ("vendorId", "amount", "dueDate")
    return reply(call, {"bills": [{"billId": row["id"], **{name: row[name] for name in names}} for row in rows]})


@routes.route("GET", "/policies")
@requires_session
def list_policies(call: Call) -> Answer:
    """List the approval policies: a bare array."""
    return reply(call, list(get_rows(call, POLICIES).values()))


@routes.route("POST", "/policies")
@requires_session
def create_policy(call: Call) -> Answer:
    """Create a policy; it catches the bills that are created or changed from now on."""
    fields = read_policy(call, call.json_object())
    return reply(call, create_row(call, POLICIES, fields))


@routes.route("PUT", "/policies/{}")
@requires_session
def replace_policy(call: Call, policy_id: str) -> Answer:
    """Replace the name, the rules and the approvers of a policy."""
    row = get_row(call, POLICIES, policy_id)
    return reply(call, update_row(call, POLICIES, row, read_policy(call, call.json_object())))


@routes.route("DELETE", "/policies/{}")
@requires_session
def delete_policy(call: Call, policy_id: str) -> Answer:
    """Delete a policy; bills that it has caught keep their approvers."""
    get_row(call, POLICIES, policy_id)
    del get_rows(call, POLICIES)[policy_id]
    call.state.stats.writes += 1
    return reply(call, {"status": "SUCCESS"})


@routes.route("POST", "/actions")
@requires_session
def decide_approvals(call: Call) -> Answer:
    """Approve or deny bills, all or none."""
    for bill, status in [check_decision(call, body) for body in call.json_objects(_DECISIONS)]:
        decide(call, bill, status)
    return reply(call, {"status": "SUCCESS"})
