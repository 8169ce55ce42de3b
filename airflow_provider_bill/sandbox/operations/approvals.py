"""Approvals of bills: which policies catch a bill, who has to approve it, and what that makes of it.

Sources: https://developer.bill.com/docs/ap-bill-approvals,
https://developer.bill.com/changelog/2025-11-05-new-endpoints-bill-approvals.
"""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.seed_funding import make_policy
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_user
from airflow_provider_bill.sandbox.operations.fields import is_list_of_objects, parse_amount, refuse_problems
from airflow_provider_bill.sandbox.operations.filters import make_predicate
from airflow_provider_bill.sandbox.operations.rows import get_row, get_rows
from airflow_provider_bill.sandbox.server.messages import Call, get_text
from airflow_provider_bill.sandbox.state.clock import to_iso

POLICIES = "bill-approvals/policies"
"""The collection of approval policies."""

#: Where a rule looks: names of the bill, or of its lines' classifications, and the collection of their identifiers.
_RULES = {
    "BILL_AMOUNT": ("amount", ""),
    "VENDOR_ID": ("vendorId", "vendors"),
    "CHART_OF_ACCOUNT_ID": ("chartOfAccountId", "classifications/chart-of-accounts"),
    "JOB_ID": ("jobId", "classifications/jobs"),
    "LOCATION_ID": ("locationId", "classifications/locations"),
}
_OPERATORS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin")
_STATUS = {"APPROVE": "APPROVED", "DENY": "DENIED"}


def read_policy(call: Call, body: Row) -> Row:
    """Return the fields of an approval policy that a body describes."""
    rules, approvers = body.get("rules"), body.get("approvers")
    problems = [f"{name}: must not be null" for name in ("policyName", "rules", "approvers") if not body.get(name)]
    refuse_problems(problems)
    if not is_list_of_objects(rules) or not isinstance(approvers, list):
        raise Refusal("BDC_1122")
    users = [_read_approver(call, user_id) for user_id in approvers]
    found = [_read_rule(call, rule) for rule in rules]
    return make_policy(get_text(body, "policyName"), found, users)


def _read_rule(call: Call, rule: Row) -> Row:
    key, operator, values = get_text(rule, "key"), get_text(rule, "op"), rule.get("values")
    if key not in _RULES:
        raise Refusal("BDC_1129", "rules.key", key)
    if operator not in _OPERATORS:
        raise Refusal("BDC_1129", "rules.op", operator)
    if not isinstance(values, list) or not values:
        raise Refusal("BDC_1108", fields=("rules.values: must not be empty",))
    if key == "BILL_AMOUNT":
        parse_amount(values[0], "rules.values")
    return {"key": key, "op": operator, "values": [_show_value(call, key, str(value)) for value in values]}


def _show_value(call: Call, key: str, value: str) -> Row:
    path = _RULES[key][1]
    return {"value": value, "displayName": get_row(call, path, value)["name"] if path else value}


def _read_approver(call: Call, user_id: object) -> Row:
    user = get_row(call, "users", str(user_id))
    return {"userId": user["id"], "fullName": f"{user['firstName']} {user['lastName']}"}


def find_approvers(call: Call, bill: Row) -> Row:
    """Return who has to approve a bill by the policies that catch it, and the state of approval that follows."""
    caught = [policy for policy in get_rows(call, POLICIES).values() if _catches(policy, bill)]
    # One user may stand in several policies, and is asked once.
    users = {user["userId"]: None for policy in caught for user in policy["approvers"]["users"]}
    now = to_iso(call.now)
    approvers = [
        {"userId": user_id, "status": "WAITING", "approverOrder": order, "statusChangedTime": now}
        for order, user_id in enumerate(users)
    ]
    return {"approvers": approvers, "approvalStatus": "ASSIGNED" if approvers else "UNASSIGNED"}


def _catches(policy: Row, bill: Row) -> bool:
    return all(_fits(rule, bill) for rule in policy["rules"])


def _fits(rule: Row, bill: Row) -> bool:
    name = _RULES[rule["key"]][0]
    test = make_predicate(rule["op"], ",".join(one["value"] for one in rule["values"]))
    if name in bill:
        return test(bill[name])
    return any(test((line.get("classifications") or {}).get(name)) for line in bill["billLineItems"])


def is_approved(bill: Row) -> bool:
    """Return whether nobody has still to approve a bill, and nobody has denied it."""
    return bill["approvalStatus"] in ("APPROVED", "UNASSIGNED", "UNDEFINED")


def get_own_turn(call: Call, bill: Row) -> Row | None:
    """Return the entry with which the user is asked to approve a bill."""
    user_id = get_user(call).id
    if bill["archived"] or bill["approvalStatus"] == "DENIED":
        return None
    return next((one for one in bill["approvers"] if one["userId"] == user_id and one["status"] == "WAITING"), None)


def check_decision(call: Call, body: Row) -> tuple[Row, str]:
    """Return the bill that the user may decide on and what its entry becomes, or refuse; nothing is changed yet.

    With which code BILL refuses who is not asked is not documented.
    """
    problems = [f"{name}: must not be null" for name in ("billId", "action") if not body.get(name)]
    refuse_problems(problems)
    status = _STATUS.get(str(body["action"]))
    if status is None:
        raise Refusal("BDC_1129", "action", f"{body['action']} (must be APPROVE or DENY)")
    bill = get_row(call, "bills", str(body["billId"]))
    if get_own_turn(call, bill) is None:
        raise Refusal("BDC_1129", "billId", f"{bill['id']} (does not wait for this user's approval)", status=422)
    return bill, status


def decide(call: Call, bill: Row, status: str) -> None:
    """Note the user's decision on a bill, and what it makes of the bill."""
    own = get_own_turn(call, bill)
    if own is None:
        return  # decided already, further up in the same call
    call.state.stats.writes += 1
    own |= {"status": status, "statusChangedTime": to_iso(call.now)}
    states = {one["status"] for one in bill["approvers"]}
    if "DENIED" in states:
        bill["approvalStatus"] = "DENIED"
    else:
        bill["approvalStatus"] = "APPROVED" if states == {"APPROVED"} else "APPROVING"
    bill["updatedTime"] = to_iso(call.now)
