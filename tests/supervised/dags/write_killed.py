"""Writes whose worker is killed between sending and hearing; Airflow would try each twice more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators.bill import BillApiOperator

START = pendulum.datetime(2026, 1, 1, tz="UTC")
RETRIES: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=1)}


def vendor(name: str) -> dict[str, Any]:
    """Return a vendor to be made."""
    address = {"line1": "1 Main", "city": "San Jose", "zipOrPostalCode": "95002", "country": "US"}
    return {"name": name, "address": address}


with DAG(dag_id="write_killed", schedule=None, start_date=START):
    BillApiOperator(task_id="add_vendor", endpoint="/v3/vendors", method="POST", data=vendor("Made once"), **RETRIES)

with DAG(dag_id="write_killed_mapped", schedule=None, start_date=START):
    BillApiOperator.partial(task_id="add_vendor", endpoint="/v3/vendors", method="POST", **RETRIES).expand(
        data=[vendor("Made once")]
    )

with DAG(dag_id="write_killed_task", schedule=None, start_date=START):

    @task(retries=2, retry_delay=timedelta(seconds=1))
    def add_vendor() -> str:
        """Make it by the hook."""
        return str(BillHook().request("POST", "/v3/vendors", json=vendor("Made once"))["id"])

    add_vendor()
