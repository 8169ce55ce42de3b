"""Waits in the triggerer, once for each of a few tasks."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_bill.sensors.bill import BillSessionSensor

with DAG(dag_id="wait_for_session", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")):
    BillSessionSensor.partial(task_id="live", deferrable=True, poke_interval=1, timeout=500).expand(
        minutes_left=[0, 1, 2, 3]
    )
