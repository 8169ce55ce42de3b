"""The events that BILL documents, and which of them the local BILL raises.

Source: https://developer.bill.com/docs/notification-payloads-reference
"""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row

VERSION = "1"

_VERBS = {
    "vendor": "created updated archived restored",
    "autopay": "failed",
    "bill": "created updated archived restored",
    "payment": "updated failed",
    "bank-account": "created updated",
    "card-account": "created updated",
    "invoice": "created updated archived restored",
    "risk-verification": "updated",
    "spend.transaction": "updated",
    "spend.reimbursement": "created updated deleted",
    "spend.three-ds-challenge": "created",
}
TYPES = tuple(f"{subject}.{verb}" for subject, verbs in _VERBS.items() for verb in verbs.split())

#: Under which name a notification holds the row, where it is not the subject itself.
_ROW_NAMES = {
    "bank-account": "bankAccount",
    "card-account": "cardAccount",
    "risk-verification": "riskVerification",
    "spend.transaction": "transaction",
    "spend.reimbursement": "reimbursement",
    "spend.three-ds-challenge": "threeDsChallenge",
}
_SUBJECTS = {
    "vendors": "vendor",
    "bills": "bill",
    "invoices": "invoice",
    "payments": "payment",
    "funding-accounts/banks": "bank-account",
}
#: BILL tells of a new payment as of any change of its status.
_INSTEAD = {"payment.created": "payment.updated"}


def find_type(path: str, verb: str) -> str | None:
    """Return the event that tells of a change in a collection, if BILL has one.

    :param verb: ``created``, ``updated``, ``archived`` or ``restored``.
    """
    event_type = f"{_SUBJECTS.get(path)}.{verb}"
    event_type = _INSTEAD.get(event_type, event_type)
    return event_type if event_type in TYPES else None


def is_of_spend(event_type: str) -> bool:
    """Return whether an event is one of Spend & Expense."""
    return event_type.startswith("spend.")


def get_row_name(event_type: str) -> str:
    """Return the name under which a notification holds its row."""
    subject = event_type.rpartition(".")[0]
    return _ROW_NAMES.get(subject, subject)


def describe() -> list[Row]:
    """Return the catalog as BILL answers it."""
    return [{"type": event_type, "versions": [VERSION]} for event_type in TYPES]
