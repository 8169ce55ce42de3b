"""One payment on the shared session, by another DAG than the one that passes MFA."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_bill.operators.bill import BillApiOperator

with DAG(dag_id="pay_once", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")):
    BillApiOperator(
        task_id="pay",
        endpoint="/v3/payments",
        method="POST",
        data={"vendorId": "00901SBX000100000001", "amount": 1.5, "processDate": "2099-01-01"},
        response_filter=lambda payment: payment["id"],
    )
