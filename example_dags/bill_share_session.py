"""One BILL session, shared by the tasks of a DAG, with operators.

Connection ``bill_default``: user name, password, extras ``developer_api_key`` and ``organization_id``.
However many tasks read from BILL here, there is one sign-in; the teardown signs out, even if a task fails. BILL takes
three calls at once for each developer key and organization, so the readers share a pool of three slots; make it once:
``airflow pools set bill_api 3 "BILL takes three calls at once"``.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, chain, task

from airflow_provider_bill.operators.bill import BillApiOperator, BillLoginOperator, BillLogoutOperator
from airflow_provider_bill.sensors.bill import BillSessionSensor

LISTS = ("vendors", "bills", "customers", "invoices")

with DAG(
    dag_id="bill_share_session",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["bill"],
):
    login = BillLoginOperator(task_id="login")
    live = BillSessionSensor(task_id="live", minutes_left=5, poke_interval=5, timeout=60)
    reads = [
        BillApiOperator(
            task_id=name,
            session=login.output,
            endpoint=f"/v3/{name}",
            paginate=True,
            response_filter=len,
            pool="bill_api",
        )
        for name in LISTS
    ]
    logout = BillLogoutOperator(task_id="logout", session=login.output)

    @task
    def report(counts: list[int]) -> dict[str, Any]:
        """Put the counts together."""
        return dict(zip(LISTS, counts, strict=True))

    chain(login, live, reads, report([read.output for read in reads]))
    reads >> logout.as_teardown(setups=login)
