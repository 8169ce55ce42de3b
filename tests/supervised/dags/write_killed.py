"""A write whose worker is killed between sending and hearing; Airflow would try it twice more."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_bill.operators.bill import BillApiOperator

with DAG(dag_id="write_killed", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")):
    BillApiOperator(
        task_id="add_vendor",
        endpoint="/v3/vendors",
        method="POST",
        data={
            "name": "Made once",
            "address": {"line1": "1 Main", "city": "San Jose", "zipOrPostalCode": "95002", "country": "US"},
        },
        retries=2,
        retry_delay=timedelta(seconds=1),
    )
