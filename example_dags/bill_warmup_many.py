"""Keeps the session of every client organization of an accounting firm alive, around the clock.

Connection ``bill_console``. One mapped task for each client, labelled by its organization. The pool ``bill_api`` (3
slots; make it once) keeps to BILL's calls at once. With 600 clients a round takes some minutes, so it comes every half
hour: a session is over after 35 minutes without a call. Where more clients are new than BILL allows sign-ins in an
hour, the rest waits for the next full hour without a worker. A wrong password reaches BILL once: one task tells, the
others are skipped until the connection is corrected.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators.bill import BillSessionWarmupOperator

CONNECTION = "bill_console"

with DAG(
    dag_id="bill_warmup_many",
    schedule="*/30 * * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["bill"],
):

    @task
    def clients() -> list[str]:
        """List the client organizations of the console."""
        organizations = BillHook(CONNECTION).organizations()
        return [organization["id"] for organization in organizations if organization["console_id"]]

    BillSessionWarmupOperator.partial(
        task_id="warm_up", bill_conn_id=CONNECTION, renew_within=None, pool="bill_api", notifiers=[]
    ).expand(organization_id=clients())
