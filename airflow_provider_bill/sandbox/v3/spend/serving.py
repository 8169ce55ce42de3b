"""All routes of Spend & Expense: those of their own before those that all resources share."""

from __future__ import annotations

from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.spend import (
    cards,
    custom_fields,
    members,
    receipts,
    reimbursements,
    transactions,
    users,
    verbs,
)

routes = Routes()
for _module in (cards, custom_fields, members, receipts, reimbursements, transactions, users, verbs):
    routes.include(_module.routes)
