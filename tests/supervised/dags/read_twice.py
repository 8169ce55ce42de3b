"""A read with one connection, and then one with another that only Airflow's server knows; nothing is tried again."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_bill.hooks.bill import BillHook

with DAG(dag_id="read_twice", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")):

    @task(retries=0)
    def read() -> int:
        """Read vendors by both."""
        hooks = BillHook(), BillHook("bill_stored")
        return sum(len(hook.request("GET", "/v3/vendors", params={"max": 2})["results"]) for hook in hooks)

    read()
