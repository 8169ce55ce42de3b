"""The rows of Spend & Expense, the same at every start."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.seed_rows import make_day
from airflow_provider_bill.sandbox.ids import make_id

SPEND_ROWS: dict[str, list[Row]] = {
    "budgets": [
        {"id": make_id("bud", 1, n), "name": f"Budget {n}", "limit": 1000.0 * n, "retired": False} for n in range(1, 6)
    ],
    "cards": [
        {"id": make_id("crd", 1, n), "name": f"Card {n}", "lastFour": f"{4000 + n}", "status": "ACTIVATED"}
        for n in range(1, 6)
    ],
    "transactions": [
        {
            "id": make_id("trx", 1, n),
            "amount": 3.5 * n,
            "merchantName": f"Merchant {n}",
            "occurredTime": f"{make_day(n)}T12:00:00Z",
            "transactionType": "CLEAR",
        }
        for n in range(1, 61)
    ],
    "users": [
        {"id": make_id("sus", 1, n), "firstName": "Spender", "lastName": f"{n}", "email": f"spender{n}@spend.example"}
        for n in range(1, 6)
    ],
    "reimbursements": [{"id": make_id("rei", 1, n), "amount": 12.5 * n, "status": "APPROVED"} for n in range(1, 6)],
}
