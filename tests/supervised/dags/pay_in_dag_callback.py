"""A DAG that fails, and whose callback pays; Airflow runs that in the process that reads DAG files."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_bill.hooks.bill import BillHook


def pay(context: Any) -> None:
    """Read a page, pay, and read another page whatever came of it."""
    hook = BillHook()
    hook.request("GET", "/v3/vendors", params={"max": 1})
    try:
        hook.request("POST", "/v3/payments", json={"vendorId": "00901SBX000100000001", "amount": 1.5})
    finally:
        hook.request("GET", "/v3/vendors", params={"max": 2})


with DAG(
    dag_id="pay_in_dag_callback",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    on_failure_callback=pay,
):

    @task
    def fail() -> None:
        """Fail."""
        raise RuntimeError

    fail()
