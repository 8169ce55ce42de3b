"""The same read by an external Python with and without its environment; Airflow would try each twice more."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

START = pendulum.datetime(2026, 1, 1, tz="UTC")
PLACES = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "AIRFLOW_HOME": os.environ["AIRFLOW_HOME"]}
ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "read_external_python": {},
    "read_external_python_clean": {"inherit_env": False, "env_vars": PLACES},
}


def read() -> int:
    """Read in another process; it imports what it needs."""
    from airflow_provider_bill.hooks.bill import BillHook

    return len(BillHook().request("GET", "/v3/vendors", params={"max": 2})["results"])


for dag_id, environment in ENVIRONMENTS.items():
    with DAG(dag_id=dag_id, schedule=None, start_date=START):
        task.external_python(
            task_id="read", python=sys.executable, retries=2, retry_delay=timedelta(seconds=1), **environment
        )(read)()
