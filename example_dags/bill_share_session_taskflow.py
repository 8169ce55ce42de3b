"""One BILL session, shared by TaskFlow tasks with nothing but ``BillHook``.

No login task, no handle: each hook of the same connection finds the session that the first one opened, in this DAG
and in all others. Connection ``bill_default``.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_bill.hooks.bill import BillHook

with DAG(
    dag_id="bill_share_session_taskflow",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["bill"],
):

    @task
    def unpaid_bills() -> list[dict[str, Any]]:
        """Read the bills that wait for payment."""
        bills = BillHook().paginate("/v3/bills")
        return [
            {"vendor": bill["vendorId"], "amount": bill["amount"]}
            for bill in bills
            if bill.get("paymentStatus") == "UNPAID"
        ]

    @task
    def vendor_names() -> dict[str, str]:
        """Read the names of all vendors."""
        return {vendor["id"]: vendor["name"] for vendor in BillHook().paginate("/v3/vendors")}

    @task
    def owed(bills: list[dict[str, Any]], names: dict[str, str]) -> dict[str, float]:
        """Add up what is owed to each vendor."""
        sums: dict[str, float] = {}
        for bill in bills:
            name = names.get(bill["vendor"], bill["vendor"])
            sums[name] = round(sums.get(name, 0) + bill["amount"], 2)
        return sums

    # One after the other, so that BILL's three calls at once are left to the rest of the company.
    names = vendor_names()
    bills = unpaid_bills()
    names >> bills
    owed(bills, names)
