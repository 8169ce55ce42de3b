"""Fills the rows of the seed: every documented field that a row of its kind would have is set."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_bill.sandbox.data.catalog import COLLECTIONS, Row
from airflow_provider_bill.sandbox.data.contract import Schema
from airflow_provider_bill.sandbox.data.moments import make_day, make_time
from airflow_provider_bill.sandbox.ids import make_id

#: Fields that only few rows have: what pays in another way, goes abroad, or lies below another row.
_RARE = frozenset(
    {
        *("virtualCard", "paymentPurpose", "cardFundingPurpose", "parentId", "rppsId", "voidInfo"),
        *("checkDisbursement", "rppsDisbursement", "internationalDisbursement", "vcardDisbursement"),
        *("walletDisbursement", "salesTaxItemId", "invoicePdfId", "requestCheckDeliveryType", "autoPay"),
        *("bankAccount", "payByType", "payBySubType", "lastPaymentDate"),
    }
)
#: Which value of an enumeration is the usual one; the first that it has.
_USUAL = (
    "ACH",
    "CHECKING",
    "BUSINESS",
    "APPROVED",
    "DONE",
    "OPEN",
    "EIN",
    "NOT_APPLIED",
    "INVENTORY",
    "EXPENSE",
    "PAID",
)
#: Where an identifier leads.
_REFERENCES = {
    "chartOfAccountId": "classifications/chart-of-accounts",
    "expenseChartOfAccountId": "classifications/chart-of-accounts",
    "payFromChartOfAccountId": "classifications/chart-of-accounts",
    "payToChartOfAccountId": "classifications/chart-of-accounts",
    "applyToChartOfAccountId": "classifications/chart-of-accounts",
    "accountingClassId": "classifications/accounting-classes",
    "departmentId": "classifications/departments",
    "employeeId": "classifications/employees",
    "jobId": "classifications/jobs",
    "locationId": "classifications/locations",
    "itemId": "classifications/items",
    "customerId": "customers",
    "bankAccountId": "funding-accounts/banks",
    "payToBankAccountId": "funding-accounts/banks",
    "applyToBankAccountId": "funding-accounts/banks",
}


def fill(schema: Schema, row: Row, organization: int, number: int) -> Row:
    """Return a row with what it lacks of its schema.

    :param organization: number of the organization, for the identifiers that the row names.
    :param number: of the row, for its texts and moments.
    """
    filled = dict(row)
    for name, inner in schema.get("properties", {}).items():
        known = filled.get(name)
        if isinstance(known, dict):
            filled[name] = fill(inner, known, organization, number)
        elif isinstance(known, list) and inner.get("items", {}).get("type") == "object":
            filled[name] = [fill(inner["items"], one, organization, number) for one in known]
        elif known is None and name not in _RARE and (value := _make(name, inner, organization, number)) is not None:
            filled[name] = value
    return filled


def _make(name: str, schema: Schema, organization: int, number: int) -> Any:
    kind = schema["type"]
    if kind == "object":
        return fill(schema, {}, organization, number) or None
    if kind == "string":
        return _make_text(name, schema, organization, number)
    return {"array": [], "number": 0, "integer": 1, "boolean": False}[kind]


def _make_text(name: str, schema: Schema, organization: int, number: int) -> str | None:
    if "enum" in schema:
        return next((value for value in _USUAL if value in schema["enum"]), schema["enum"][0])
    if "format" in schema:
        return make_day(number) if schema["format"] == "date" else make_time(number)
    if name.endswith("Id") or name == "id":
        path = _REFERENCES.get(name)
        return make_id(COLLECTIONS[path].prefix, organization, 1) if path else None
    words = re.sub(r"([A-Z])", r" \1", name).capitalize()
    texts = {
        "email": f"someone{number:03d}@post.example",
        "accountNumber": f"*****{1000 + number}",
        "routingNumber": "021000021",
        "country": "US",
        "paymentCurrency": "USD",
        "zipOrPostalCode": "95002",
        "stateOrProvince": "CA",
    }
    return texts.get(name, f"{words} {number}")
