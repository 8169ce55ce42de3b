"""An accounting firm with many clients: list them, then sign in to each and read its bills.

Connection ``bill_console``. Each client organization has a session of its own, shared like any other. When the 200
sign-ins of an hour are used up, the remaining clients wait for the next full hour without holding a worker, and go
on. A mapped task group works through each client as soon as it is signed in; had all logins to be done first, the
first sessions would be over by then.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, task, task_group

from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators.bill import BillApiOperator, BillLoginOperator

with DAG(
    dag_id="bill_many_organizations",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["bill"],
):

    @task
    def clients() -> list[str]:
        """List the client organizations of the console."""
        organizations = BillHook("bill_console").organizations()
        return [organization["id"] for organization in organizations if organization["console_id"]]

    @task_group
    def client(organization_id: str) -> None:
        """Sign in to one client and read its bills."""
        login = BillLoginOperator(task_id="login", bill_conn_id="bill_console", organization_id=organization_id)
        BillApiOperator(task_id="bills", session=login.output, endpoint="/v3/bills", paginate=True, response_filter=len)

    client.expand(organization_id=clients())
