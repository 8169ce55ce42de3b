"""How a row of Spend & Expense follows from a body: what is new has every field that BILL documents."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.spend_rows import make_member, refer
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.fields import parse_amount
from airflow_provider_bill.sandbox.server.messages import Call
from airflow_provider_bill.sandbox.state.clock import to_day, to_iso
from airflow_provider_bill.sandbox.v3.spend.access import get_named_row, get_rows
from airflow_provider_bill.sandbox.v3.spend.receipts import make_receipts

_MONTHS = {"MONTHLY": 1, "QUARTERLY": 3, "YEARLY": 12}
_DAYS = {"DAILY": 0, "WEEKLY": 6}
_ROLES = {"owners": "OWNER", "members": "MEMBER", "observers": "OBSERVER"}
#: Who waits for an approval that is not given yet.
AWAITING = "AWAITING_TIER2_APPROVAL"


def _is_new(old: Row) -> bool:
    return old.keys() == {"id", "uuid"}


def make_budget(call: Call, old: Row, given: Row) -> Row:
    """Return a budget; a new one has the members that the body names."""
    interval = str({**old, **given}["recurringInterval"])
    period = dict(old.get("currentPeriod") or _make_period(call, interval))
    for name in ("limit", "overspendBuffer"):
        period[name] = read_limit(given.pop(name, period[name]), name)
    named = {role: [_get_user(call, user, field) for user in given.pop(field, [])] for field, role in _ROLES.items()}
    fresh: Row = {
        "description": "",
        "retired": False,
        "startDate": to_day(call.now),
        "timezone": "US/Pacific",
        "autoAddUsers": False,
        "receiptRequired": True,
        "carryOver": False,
        "default": False,
        "budgetGroup": False,
        "shareFunds": "SHARE_MANUALLY",
        "recurringLimit": period["limit"],
        "limitlessOverspend": False,
    }
    if given.get("parentBudgetId"):
        parent = get_named_row(call, "budgets", given, "parentBudgetId")
        given |= {"parentBudgetId": parent["id"], "parentBudgetUuid": parent["uuid"]}
    row = {**fresh, **old, **given, "currentPeriod": period}
    rows = get_rows(call, "members")
    for role, users in named.items():
        for user in users:
            member = make_member(row, user, role)
            rows[member["key"]] = member
    return row


def _get_user(call: Call, user: str, field: str) -> Row:
    return get_named_row(call, "users", {field: user}, field)


def _make_period(call: Call, interval: str) -> Row:
    today = datetime.fromtimestamp(call.now, UTC).date()
    period: Row = {"limit": 0, "overspendBuffer": 0, "assigned": 0, "spent": {"cleared": 0, "pending": 0, "total": 0}}
    start = today - timedelta(days=today.weekday()) if interval == "WEEKLY" else today
    if interval in _MONTHS:
        start = today.replace(day=1)
        months = start.month - 1 + _MONTHS[interval]
        period["endDate"] = (date(start.year + months // 12, months % 12 + 1, 1) - timedelta(days=1)).isoformat()
    elif interval in _DAYS:
        period["endDate"] = (start + timedelta(days=_DAYS[interval])).isoformat()
    return {"startDate": start.isoformat(), **period}


def make_card(call: Call, old: Row, given: Row) -> Row:
    """Return a vendor card."""
    period = dict(old.get("currentPeriod") or {"limit": 0, "spent": 0})
    period["limit"] = read_limit(given.pop("limit", period["limit"]), "limit")
    if _is_new(old):
        given |= refer("user", get_named_row(call, "users", given, "userId"))
        given |= refer("budget", get_named_row(call, "budgets", given, "budgetId"))
    fresh: Row = {
        "lastFour": f"{call.state.spend.last_number % 10000:04d}",
        "validThru": datetime.fromtimestamp(call.now + 3 * 365 * 86400, UTC).strftime("%m/%y"),
        "status": "ACTIVATED",
        "type": "VIRTUAL",
        "shareBudgetFunds": False,
        "recurring": "recurringLimit" in given,
        "createdTime": to_iso(call.now),
    }
    return {**fresh, **old, **given, "currentPeriod": period, "updatedTime": to_iso(call.now)}


def make_custom_field(call: Call, old: Row, given: Row) -> Row:
    """Return a custom field; a new one has the values that the body names."""
    values = given.pop("values", [])
    for name in ("selectedBudget", "requiredBudget"):
        wanted = given.pop(f"{name}Uuids", None) or given.pop(f"{name}Ids", None)
        if wanted is not None:
            budgets = [get_named_row(call, "budgets", {f"{name}Ids": one}, f"{name}Ids") for one in wanted]
            given |= {f"{name}Ids": [row["id"] for row in budgets], f"{name}Uuids": [row["uuid"] for row in budgets]}
    fresh: Row = {
        "description": "",
        "type": "CUSTOM_SELECTOR",
        "multiSelect": False,
        "minimumAmountForRequirement": 0,
        "required": False,
        "retired": False,
        "createdTime": to_iso(call.now),
        "selectedBudgetIds": [],
        "selectedBudgetUuids": [],
        "requiredBudgetIds": [],
        "requiredBudgetUuids": [],
    }
    row = {**fresh, **old, **given}
    add_values(call, row, values)
    return row


def add_values(call: Call, field: Row, values: list[str]) -> list[Row]:
    """Add values to a custom field and return them."""
    if any(not value.strip() for value in values):
        raise Refusal("BDC_1108", fields=("values: must not be blank",))
    rows, organization = get_rows(call, "custom-fields/values"), call.state.seed.organizations[call.organization_id]
    added = []
    for value in values:
        ids = call.state.spend.make_ids(organization, "custom-fields/values")
        rows[ids["uuid"]] = row = {**ids, "value": value, "deleted": False, "field": field["uuid"]}
        added.append(row)
    return added


def make_reimbursement(call: Call, old: Row, given: Row) -> Row:
    """Return a reimbursement; a new one waits for its approval."""
    if "amount" in given:
        given["amount"] = parse_amount(given["amount"], "amount")
        given |= {"fundRequestAmount": given["amount"], "fundRequestBudgetAmount": given["amount"]}
    if given.get("budgetId"):
        given |= refer("budget", get_named_row(call, "budgets", given, "budgetId"))
    if not _is_new(old):
        return {**old, **given}
    user = get_named_row(call, "users", given, "userId")
    receipts = make_receipts(call, "reimbursements", given.pop("receipts", []))
    history = {"actorId": user["uuid"], "actorRole": "SUBMITTER", "occurredTime": to_iso(call.now)}
    fresh: Row = {
        "fulfillmentType": "ACH",
        "note": "",
        "submittedTime": to_iso(call.now),
        "retired": False,
        "status": AWAITING,
        "type": "PURCHASE",
        "statusHistory": [{**history, "note": given.get("note", ""), "status": AWAITING}],
        "customFields": [],
        "receipts": receipts,
    }
    return {**old, **fresh, **given, **refer("user", user)}


def make_user(call: Call, old: Row, given: Row) -> Row:
    """Return a user."""
    fresh: Row = {
        "receiptEmail": given.get("email"),
        "retired": False,
        "useCompanyMailingAddress": True,
        "smsOptIn": False,
        "hasDateOfBirth": "dateOfBirth" in given,
        "createdTime": to_iso(call.now),
    }
    if "dateOfBirth" in given:
        given["hasDateOfBirth"] = True
    return {**fresh, **old, **given}


def read_limit(value: float, name: str) -> float:
    """Return a limit, which must not be below zero."""
    if value < 0:
        raise Refusal("BDC_1129", name, str(value))
    return value
