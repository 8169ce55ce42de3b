"""BILL ends the session between two tasks of a DAG."""

from __future__ import annotations

import pendulum
import requests
from airflow.providers.common.compat.sdk import DAG, BaseHook, task

from airflow_provider_bill.operators.bill import BillApiOperator, BillLoginOperator

for store in ("variable", "xcom"):
    with DAG(dag_id=f"expires_midway_{store}", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")):

        @task
        def expire() -> None:
            """Have the local BILL end all sessions."""
            host = BaseHook.get_connection("bill_default").host
            requests.post(f"{host}/_sandbox/sessions/expire", timeout=10).raise_for_status()

        login = BillLoginOperator(task_id="login", store=store)
        before, *after = (
            BillApiOperator(task_id=name, session=login.output, endpoint="/v3/vendors", query={"max": 1}, retries=0)
            for name in ("before", "after_1", "after_2", "after_3")
        )
        login >> before >> expire() >> after
