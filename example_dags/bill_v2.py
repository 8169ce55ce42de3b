"""BILL's v2 dialect: the same operators and hook; ``sign_in`` of the connection is ``v2``.

Connection ``bill_v2``. The session stays inside this run (``store="xcom"``): nobody else finds it.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators.bill import BillApiOperator, BillLoginOperator, BillLogoutOperator

with DAG(
    dag_id="bill_v2",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["bill"],
):
    login = BillLoginOperator(task_id="login", bill_conn_id="bill_v2", store="xcom")
    vendors = BillApiOperator(
        task_id="vendors",
        session=login.output,
        endpoint="List/Vendor.json",
        data={"filters": [{"field": "isActive", "op": "=", "value": "1"}]},
        paginate=True,
        response_filter=lambda rows: [row["id"] for row in rows],
    )
    add_vendor = BillApiOperator(
        task_id="add_vendor",
        session=login.output,
        endpoint="Crud/Create/Vendor.json",
        data={"obj": {"entity": "Vendor", "name": "Made on {{ run_id }}", "isActive": "1"}},
    )

    @task
    def read_back(session: dict[str, Any], vendor: dict[str, Any]) -> str:
        """Read the vendor that was just made."""
        found = BillHook.from_handle(session).call("Crud/Read/Vendor.json", {"id": vendor["id"]})
        return str(found["name"])

    logout = BillLogoutOperator(task_id="logout", session=login.output)
    vendors >> add_vendor
    read_back(login.output, add_vendor.output) >> logout.as_teardown(setups=login)
