"""What Spend & Expense serves by the same few verbs: a row of a table for each.

Sources: https://developer.bill.com/hc/reference/ with budgets, listbudgetmembers, cards, listcustomfields,
listreimbursements, listtransactions, listusers, createbudget, createbudgetcard, createuser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.contract import Schema
from airflow_provider_bill.sandbox.server.messages import Call
from airflow_provider_bill.sandbox.v3.spend import making
from airflow_provider_bill.sandbox.v3.spend.lists import Listing, by, by_ids

_NUMBER: Schema = {"type": "number"}
_TEXTS: Schema = {"type": "array", "items": {"type": "string"}}
_RETIRED = {"retired": by("retired")}
_NAME = {"name": by("name", operators="eq sw")}
_MOMENT = "gte lte"


class Resource(NamedTuple):
    """One resource.

    ``needs`` are the fields that a new row must have; ``more`` is what a body may say beside the fields of a row;
    ``once`` are the fields that only a new row is given, ``fixed`` those that no body sets. ``make`` returns a row from
    the one that was there, which has only its identifiers if it is new, and what a body gives.
    """

    path: str
    listing: Listing
    make: Callable[[Call, Row, Row], Row] = lambda call, old, given: {**old, **given}
    needs: tuple[str, ...] = ()
    more: Schema = {}
    once: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()


RESOURCES = {
    row.path: row
    for row in (
        Resource(
            "budgets",
            Listing(
                {"isBudgetGroup": by("budgetGroup"), "budgetIds": by_ids(), "parentBudgetId": by_ids("parentBudget")}
                | _NAME
                | _RETIRED,
                {
                    "name": "name",
                    "assigned": "currentPeriod.assigned",
                    "limit": "currentPeriod.limit",
                    "spent": "currentPeriod.spent.total",
                },
            ),
            making.make_budget,
            needs=("name", "owners", "recurringInterval"),
            more={"limit": _NUMBER, "overspendBuffer": _NUMBER}
            | {"owners": _TEXTS, "members": _TEXTS, "observers": _TEXTS},
            once=("owners", "members", "observers"),
            fixed=("currentPeriod", "startDate", "default", "budgetGroup", "parentBudgetUuid"),
        ),
        Resource(
            "cards",
            Listing(
                {
                    "status": by("status"),
                    "budgetIds": by_ids("budget"),
                    "cardIds": by_ids(),
                    "userIds": by_ids("user"),
                    "types": by("type", operators="eq in"),
                },
                {"name": "name", "lastFour": "lastFour", "status": "status"},
                shows_gone="status",
            ),
            making.make_card,
            needs=("name", "userId", "budgetId"),
            more={"limit": _NUMBER},
            once=("userId", "budgetId"),
            fixed=(
                *("currentPeriod", "lastFour", "validThru", "status", "deletedReason", "type"),
                *("userUuid", "budgetUuid", "updatedTime"),
            ),
        ),
        Resource(
            "custom-fields",
            Listing(_NAME | _RETIRED, {"name": "name", "createdTime": "createdTime"}),
            making.make_custom_field,
            needs=("name", "allowCustomValues", "global"),
            more={"values": _TEXTS},
            once=("values", "type"),
        ),
        Resource(
            "reimbursements",
            Listing(
                {
                    "reimbursementIds": by_ids(),
                    "budgetIds": by_ids("budget"),
                    "userIds": by_ids("user"),
                    "customFieldValueIds": by(
                        "customFields.selectedValues.id", "customFields.selectedValues.uuid", operators="eq in"
                    ),
                    "type": by("type"),
                    "submittedTime": by("submittedTime", operators=_MOMENT),
                }
                | _RETIRED,
                {
                    **{name: name for name in ("submittedTime", "status", "amount", "fulfillmentType", "batchId")},
                    **{"batchAmount": "batchAmount", "receiptAddedTime": "receiptAddedTime"},
                },
            ),
            making.make_reimbursement,
            needs=("budgetId", "userId", "occurredDate", "merchantName", "amount"),
            once=("userId", "receipts", "type"),
            fixed=(
                *("userUuid", "budgetUuid", "fundRequestAmount", "fundRequestBudgetAmount", "submittedTime", "status"),
                *("statusHistory", "batchId", "batchAmount", "fulfillmentType", "customFields"),
            ),
        ),
        Resource(
            "transactions",
            Listing(
                {
                    "amount": by("amount", operators=_MOMENT),
                    "cardId": by_ids("card"),
                    "updatedTime": by("updatedTime", operators=_MOMENT),
                    "authorizedTime": by("authorizedTime", operators=_MOMENT),
                    "syncStatus": by(
                        "accountingIntegrationTransactions.syncStatus",
                        operators="eq ne in nin",
                        default="NOT_SYNCED",
                    ),
                },
                {name: name for name in ("amount", "merchantName", "occurredTime")},
                most=50,
            ),
        ),
        Resource(
            "users",
            Listing(_RETIRED),
            making.make_user,
            needs=("firstName", "lastName", "email", "role"),
            more={"dateOfBirth": {"type": "string", "format": "date"}, "phone": {"type": "string"}},
        ),
    )
}

MEMBERS = Listing(_RETIRED, {"name": "name", "spent": "spent"})
VALUES = Listing({"retired": by("deleted")})
SELECTED_VALUES = Listing()
