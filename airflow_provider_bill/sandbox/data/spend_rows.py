"""The rows of Spend & Expense that an organization starts with, the same at every start."""

from __future__ import annotations

import uuid

from airflow_provider_bill.sandbox.data.accounts import Organization
from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.moments import make_day, make_time
from airflow_provider_bill.sandbox.ids import make_id

SpendRows = dict[str, dict[str, Row]]
"""The rows of an organization by path and UUID."""

PREFIXES = {
    "budgets": "bud",
    "cards": "crd",
    "custom-fields": "cfd",
    "custom-fields/values": "cfv",
    "members": "bum",
    "receipts": "rcp",
    "reimbursements": "rei",
    "transactions": "trx",
    "users": "sus",
}
TRANSACTIONS = 130
"""So many of them are parents, which is what the list shows."""

_ROLES = ("ADMIN", "MEMBER", "MEMBER", "BOOKKEEPER", "AUDITOR")
_INTERVALS = ("MONTHLY", "MONTHLY", "QUARTERLY", "YEARLY", "WEEKLY")
_MERCHANTS = ("Corner Cafe", "City Taxi", "Paper Point", "Cloud Desk", "Harbor Hotel", "Rail Lines", "Tool Shed")
_VALUES = {"Project": ("North", "South", "West"), "Purpose": ("Travel", "Food")}


def make_ids(path: str, organization: Organization, number: int) -> Row:
    """Return the two identifiers of a row: BILL's older ``id`` and its ``uuid``."""
    row_id = make_id(PREFIXES[path], organization.number, number)
    return {"id": row_id, "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"bill-sandbox:{row_id}"))}


def refer(name: str, row: Row) -> Row:
    """Return both identifiers of a row as another row names them, such as ``userId`` and ``userUuid``."""
    return {f"{name}Id": row["id"], f"{name}Uuid": row["uuid"]}


def build_spend_rows(organization: Organization) -> SpendRows:
    """Return all rows of one organization."""
    rows: SpendRows = {path: {} for path in PREFIXES}

    def add(path: str, number: int, **fields: object) -> Row:
        row = {**make_ids(path, organization, number), **fields}
        rows[path][row["uuid"]] = row
        return row

    users = [add("users", number, **_user(number)) for number in range(1, 6)]
    budgets = [add("budgets", number, **_budget(number)) for number in range(1, 6)]
    budgets[4] |= {"parentBudgetId": budgets[0]["id"], "parentBudgetUuid": budgets[0]["uuid"]}
    budgets[0]["budgetGroup"] = True
    for number, budget in enumerate(budgets):
        for place, role in enumerate(("OWNER", "MEMBER", "OBSERVER")):
            user = users[(number + place) % len(users)]
            member = make_member(budget, user, role, limit=50.0 * (place + 1))
            rows["members"][member["key"]] = member
        budget["currentPeriod"]["assigned"] = 300.0
    cards = [add("cards", number, **_card(number, users[number % 5], budgets[number % 5])) for number in range(1, 6)]
    gone = add("cards", 6, **_card(6, users[1], budgets[1]))
    gone |= {"status": "DELETED", "deletedReason": "STOLEN"}
    for number, (name, values) in enumerate(_VALUES.items(), 1):
        field = add("custom-fields", number, **_custom_field(number, name, budgets))
        for place, value in enumerate(values, 1):
            add("custom-fields/values", 10 * number + place, value=value, deleted=False, field=field["uuid"])
    applied = [_applied(rows, field) for field in rows["custom-fields"].values()]
    for number in range(1, 13):
        add("reimbursements", number, **_reimbursement(number, users[number % 5], budgets[number % 5], applied))
    for number in range(1, TRANSACTIONS + 1):
        card, budget, user = cards[number % 5], budgets[(number % 5 + 1) % 5], users[(number % 5 + 1) % 5]
        add("transactions", number, **_transaction(number, user, budget, card, applied))
    _add_special_transactions(rows, organization)
    return rows


def make_member(budget: Row, user: Row, role: str, **fields: object) -> Row:
    """Return a user's place in a budget."""
    name = f"{user['firstName']} {user['lastName']}"
    fixed = {"spent": 0, "recurring": budget["recurringInterval"] != "NONE", "retired": False}
    limits = {"limit": 0, "recurringLimit": 0, "shareBudgetFunds": False, **fields}
    key = f"{budget['uuid']} {user['uuid']}"
    refers = {**refer("user", user), "budgetUuid": budget["uuid"], "key": key}
    return {**refers, **fixed, **limits, "budgetRole": role, "name": name}


def make_receipt(organization: Organization, number: int, url: str, filename: str) -> Row:
    """Return a receipt of a transaction or reimbursement."""
    return {"filename": filename, "url": url, "uuid": make_ids("receipts", organization, number)["uuid"]}


def _user(number: int) -> Row:
    email = f"spender{number}@spend.example"
    return {
        "firstName": "Spender",
        "lastName": f"{number}",
        "email": email,
        "receiptEmail": email,
        "retired": False,
        "useCompanyMailingAddress": True,
        "smsOptIn": False,
        "hasDateOfBirth": True,
        "role": _ROLES[number - 1],
        "createdTime": make_time(number),
    }


def _budget(number: int) -> Row:
    limit = 1000.0 * number
    return {
        "name": f"Budget {number}",
        "description": f"What team {number} spends",
        "retired": False,
        "startDate": "2026-01-01",
        "expirationDate": "2029-12-31",
        "recurringInterval": _INTERVALS[number - 1],
        "timezone": "US/Pacific",
        "autoAddUsers": False,
        "receiptRequired": True,
        "maxTxSize": 500.0,
        "carryOver": False,
        "default": number == 1,
        "budgetGroup": False,
        "shareFunds": "SHARE_MANUALLY",
        "recurringLimit": limit,
        "limitlessOverspend": False,
        "limitlessGoal": 0,
        "currentPeriod": {
            "startDate": "2026-01-01",
            "endDate": "2026-01-31",
            "limit": limit,
            "overspendBuffer": 0,
            "assigned": 0,
            "spent": {"cleared": 100.0 * number, "pending": 10.0 * number, "total": 110.0 * number},
        },
    }


def _card(number: int, user: Row, budget: Row) -> Row:
    return {
        "name": f"Card {number}",
        **refer("user", user),
        **refer("budget", budget),
        "lastFour": f"{4000 + number}",
        "validThru": "12/29",
        "expirationDate": "2029-12-31",
        "status": "ACTIVATED",
        "type": "PHYSICAL" if number == 1 else "VIRTUAL",
        "shareBudgetFunds": False,
        "recurring": True,
        "recurringLimit": 100.0 * number,
        "currentPeriod": {"limit": 100.0 * number, "spent": 0},
        "createdTime": make_time(number),
        "updatedTime": make_time(number),
    }


def _custom_field(number: int, name: str, budgets: list[Row]) -> Row:
    return {
        "name": name,
        "description": f"{name} that was paid for",
        "type": "CUSTOM_SELECTOR",
        "multiSelect": number == 1,
        "allowCustomValues": number == 1,
        "minimumAmountForRequirement": 0,
        "required": False,
        "global": number == 1,
        "retired": False,
        "createdTime": make_time(number),
        "selectedBudgetIds": [budgets[0]["id"]],
        "selectedBudgetUuids": [budgets[0]["uuid"]],
        "requiredBudgetIds": [],
        "requiredBudgetUuids": [],
    }


def _applied(rows: SpendRows, field: Row) -> Row:
    value = next(row for row in rows["custom-fields/values"].values() if row["field"] == field["uuid"])
    return apply_field(field, [value], f"{field['name']} as usual")


def apply_field(field: Row, values: list[Row], note: str) -> Row:
    """Return a custom field as a transaction or reimbursement shows it."""
    return {
        **{name: field[name] for name in ("id", "uuid", "name")},
        "note": note,
        "isRequired": field["required"],
        "selectedValues": [{name: value[name] for name in ("id", "uuid", "value")} for value in values],
    }


def _reimbursement(number: int, user: Row, budget: Row, applied: list[Row]) -> Row:
    amount, is_paid = 12.5 * number, number % 3 == 0
    history = [{"actorId": user["uuid"], "actorRole": "SUBMITTER", "occurredTime": make_time(number), "note": ""}]
    history[0]["status"] = "AWAITING_TIER2_APPROVAL"
    row = {
        "amount": amount,
        "fulfillmentType": "ACH",
        "fundRequestAmount": amount,
        "fundRequestBudgetAmount": amount,
        "merchantName": _MERCHANTS[number % 7],
        "note": f"Expense {number}",
        "submittedTime": make_time(number),
        "occurredDate": make_day(number),
        "retired": False,
        "status": "READY_TO_PAY" if is_paid else "AWAITING_TIER2_APPROVAL",
        "type": "MILEAGE" if number % 5 == 0 else "PURCHASE",
        "statusHistory": history,
        **refer("budget", budget),
        **refer("user", user),
        "receipts": [],
        "customFields": applied[:1],
    }
    if is_paid:
        by = {"actorId": user["uuid"], "actorRole": "BUDGET_OWNER", "occurredTime": make_time(number + 1), "note": "ok"}
        history += [{**by, "status": "APPROVED"}, {**by, "status": "READY_TO_PAY"}]
        row |= {"batchId": f"batch-{number}", "batchAmount": amount}
    return row


def _transaction(number: int, user: Row, budget: Row, card: Row, applied: list[Row]) -> Row:
    amount, merchant, is_clear = 3.5 * number, _MERCHANTS[number % 7], number % 10 != 0
    return {
        "childTransactionIds": [],
        "childTransactionUuids": [],
        "isLocked": False,
        "isReconciled": False,
        "transactionType": "CLEAR" if is_clear else "AUTHORIZATION",
        **refer("user", user),
        "userName": f"{user['firstName']} {user['lastName']}",
        "rawMerchantName": f"{merchant.upper()} #{number}",
        "merchantName": merchant,
        **refer("budget", budget),
        "budgetName": budget["name"],
        "isCredit": False,
        "currencyData": {
            "exchangeRate": 1.0,
            "exponent": 2,
            "originalCurrencyAmount": f"{amount:.2f}",
            "originalCurrencyCode": "USD",
            "symbol": "$",
        },
        "receiptRequired": True,
        "reviewRequired": False,
        "occurredTime": make_time(24 * number),
        "updatedTime": make_time(24 * number + 2),
        "authorizedTime": make_time(24 * number),
        "complete": False,
        "pointsAwarded": number % 4,
        "customFields": applied,
        "receipts": [],
        "network": "VISA",
        "isParent": True,
        "reviews": [],
        "amount": amount,
        "transactedAmount": amount,
        "fees": 0,
        "foreignExchangeFee": 0,
        "receiptStatus": "MISSING",
        "accountingIntegrationTransactions": [],
        "reviewers": [],
        **refer("card", card),
        "cardLastFour": card["lastFour"],
        "cardType": "VIRTUAL",
        "receiptSyncStatus": "NO_ATTACHMENTS",
        "merchantCategoryCode": "5812",
        "cardPresent": False,
        "merchantLocation": {"city": "San Jose", "state": "CA", "postalCode": "95002", "country": "US"},
    }


def _add_special_transactions(rows: SpendRows, organization: Organization) -> None:
    """Make some transactions what few are: split, cleared later, declined, disputed, reviewed, synced, challenged."""
    found = list(rows["transactions"].values())
    challenged, authorized, declined, disputed, reviewed, parent = found[:6]
    child = {**parent, **make_ids("transactions", organization, TRANSACTIONS + 1)}
    child |= {"isParent": False, "parentTransactionId": parent["id"], "amount": 1.5, "transactedAmount": 1.5}
    rows["transactions"][child["uuid"]] = child
    parent |= {"childTransactionIds": [child["id"]], "childTransactionUuids": [child["uuid"]]}
    reviewed["isLocked"] = True
    authorized |= {"originalAuthTransactionId": parent["id"], "originalAuthTransactionUuid": parent["uuid"]}
    authorized |= {"matchedClearTransactionId": parent["id"], "matchedClearTransactionUuid": parent["uuid"]}
    declined |= {"transactionType": "DECLINE", "declineReason": "The card has no funds left", "complete": True}
    declined |= {"declineInternalReasonCode": "INSUFFICIENT_FUNDS", "receiptRequired": False}
    declined |= {"receiptStatus": "NOT_ATTACHED"}
    disputed["disputeStatus"] = "SUBMITTED"
    admin = next(iter(rows["users"].values()))
    reviewed["reviews"] = [
        {"id": "1", "isApproved": True, "note": "fine", "createdTime": make_time(200), "deletedTime": make_time(300)}
        | {"reviewerId": admin["id"], "reviewerUuid": admin["uuid"]}
    ]
    reviewed["reviewers"] = [
        {"approverType": "ADMIN", "reviewedTime": make_time(200), "status": "APPROVED", **refer("user", admin)}
        | {"userName": f"{admin['firstName']} {admin['lastName']}"}
    ]
    reviewed["accountingIntegrationTransactions"] = [
        {"id": "1", "billable": False, "integrationTxId": "1001", "syncStatus": "SYNCED", "syncMessage": "done"}
        | {"integrationType": "QUICKBOOKS", "integrationId": "1", "syncRequestId": "1"}
    ]
    challenged |= {"transactionType": "AUTHORIZATION", "challenge": "PENDING"}
