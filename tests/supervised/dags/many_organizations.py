"""More client organizations than an hour has sign-ins."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, BaseHook, task, task_group

from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators.bill import BillApiOperator, BillLoginOperator

with DAG(
    dag_id="many_organizations",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    max_active_tasks=64,
    default_args={"pool": "bill_api"},
):

    @task
    def clients() -> list[str]:
        """List the clients, but for the one whose session listed them."""
        own = BaseHook.get_connection("bill_console").extra_dejson["organization_id"]
        organizations = BillHook("bill_console").organizations()
        return [row["id"] for row in organizations if row["console_id"] and row["id"] != own]

    @task_group
    def client(organization_id: str) -> None:
        """Sign in to one client and make one call."""
        login = BillLoginOperator(task_id="login", bill_conn_id="bill_console", organization_id=organization_id)
        BillApiOperator(task_id="vendors", session=login.output, endpoint="/v3/vendors", query={"max": 1})

    client.expand(organization_id=clients())
