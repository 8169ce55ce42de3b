"""Bills, recurring bills and bill approvals."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_user, require_trust
from airflow_provider_bill.sandbox.operations.fields import (
    is_list_of_objects,
    parse_amount,
    refuse_problems,
    require_fields,
)
from airflow_provider_bill.sandbox.operations.payables import complete_bill
from airflow_provider_bill.sandbox.operations.rows import create_row, get_row, get_rows, update_row
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json, is_true
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import require_full_access, requires_session

routes = Routes("/connect/v3")

_FIXED = ("amount", "dueAmount", "paidAmount", "paymentStatus", "archived", "vendorId", "vendorName")


@routes.route("POST", "/bills")
@requires_session
def create_bill(call: Call) -> Answer:
    """Create a bill."""
    return answer_json(create_row(call, "bills", _check_bill(call, call.json_object())), 201)


@routes.route("POST", "/bills/bulk")
@requires_session
def create_bills(call: Call) -> Answer:
    """Create several bills, all or none."""
    wanted = call.json_or_none
    if not is_list_of_objects(wanted):
        raise Refusal("BDC_1122")
    checked = [_check_bill(call, one) for one in wanted]
    return answer_json([create_row(call, "bills", fields) for fields in checked], 201)


def _check_bill(call: Call, body: Row) -> Row:
    problems = [f"{name}: must not be null" for name in ("vendorId", "dueDate") if not body.get(name)]
    if not is_list_of_objects(body.get("billLineItems")):
        problems.append("billLineItems: must not be empty")
    refuse_problems(problems)
    vendor = get_row(call, "vendors", str(body["vendorId"]))
    return complete_bill(body, vendor, body["billLineItems"], "billLineItems.amount")


@routes.route("PATCH", "/bills/{}")
@routes.route("PUT", "/bills/{}")
@requires_session
def update_bill(call: Call, bill_id: str) -> Answer:
    """Change a bill; its amounts follow from its lines."""
    row, body = get_row(call, "bills", bill_id), call.json_object()
    return answer_json(update_row(call, row, {name: value for name, value in body.items() if name not in _FIXED}))


@routes.route("PATCH", "/recurring-bills/{}")
@requires_session
def update_recurring_bill(call: Call, row_id: str) -> Answer:
    """Change a recurring bill; switching its automatic payment on needs a trusted session."""
    row, body = get_row(call, "recurring-bills", row_id), call.json_object()
    automatic = body.get("autoPayment")
    if isinstance(automatic, dict):
        require_full_access(call, "Payments")
        if is_true(automatic.get("enabled")):
            require_trust(call)
    return answer_json(update_row(call, row, body))


@routes.route("POST", "/recurring-bills")
@requires_session
def create_recurring_bill(call: Call) -> Answer:
    """Create a recurring bill."""
    body = call.json_object()
    require_fields(body, "vendorId", "amount")
    automatic = body.get("autoPayment")
    if isinstance(automatic, dict) and is_true(automatic.get("enabled")):
        require_full_access(call, "Payments")
        require_trust(call)
    vendor = get_row(call, "vendors", str(body["vendorId"]))
    fields: Row = {"frequency": "MONTHLY", **body, "vendorName": vendor["name"]}
    fields["amount"] = parse_amount(body["amount"], "amount")
    return answer_json(create_row(call, "recurring-bills", fields), 201)


@routes.route("GET", "/bill-approvals/pending-approvals")
@routes.route("GET", "/bill-approvals/pending-user-approvals")
@requires_session
def list_pending_approvals(call: Call) -> Answer:
    """List the bills that wait for the user; not a list in the usual form."""
    rows = [row for row in get_rows(call, "bills").values() if row["approvalStatus"] == "UNASSIGNED"]
    names = ("vendorId", "amount", "dueDate")
    waiting = [{"billId": row["id"], **{name: row[name] for name in names}} for row in rows[:5]]
    return answer_json({"bills": waiting})


@routes.route("GET", "/bill-approvals/policies")
@routes.route("GET", "/bill-approvals")
@requires_session
def list_policies(call: Call) -> Answer:
    """List the approval policies: a bare array."""
    user = get_user(call)
    rule = {"key": "BILL_AMOUNT", "op": "gte", "values": [{"value": "1000", "displayName": "1000"}]}
    approver = {"userId": user.id, "fullName": f"{user.first_name} {user.last_name}"}
    policy = {
        "id": f"{call.organization_id}-1",
        "policyName": "Bills of 1000 and more",
        "status": "ACTIVE",
        "rules": [rule],
        "approvers": {"users": [approver], "groups": []},
    }
    return answer_json([policy])


@routes.route("POST", "/bill-approvals/actions")
@requires_session
def decide_approval(call: Call) -> Answer:
    """Approve or deny a bill."""
    body = call.json_object()
    require_fields(body, "billId", "action")
    status = {"APPROVE": "APPROVED", "DENY": "DENIED"}.get(str(body["action"]))
    if status is None:
        raise Refusal("BDC_1129", "action", f"{body['action']} (must be APPROVE or DENY)")
    update_row(call, get_row(call, "bills", str(body["billId"])), {"approvalStatus": status})
    return answer_json({})
