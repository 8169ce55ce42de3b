"""The same payment by an operator, a task and an external Python; Airflow would try each twice more."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators.bill import BillApiOperator

START = pendulum.datetime(2026, 1, 1, tz="UTC")
RETRIES: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=1)}
PAYMENT = {"vendorId": "00901SBX000100000001", "amount": 1.5, "processDate": "2099-01-01"}


def pay_elsewhere(payment: dict[str, Any], unprotected_writes: bool) -> str:
    """Pay in another process; it imports what it needs."""
    from airflow_provider_bill.hooks.bill import BillHook

    hook = BillHook(unprotected_writes=unprotected_writes)
    return str(hook.request("POST", "/v3/payments", json=payment)["id"])


with DAG(dag_id="pay_operator", schedule=None, start_date=START):
    BillApiOperator(
        task_id="pay",
        endpoint="/v3/payments",
        method="POST",
        data=PAYMENT,
        response_filter=lambda payment: payment["id"],
        **RETRIES,
    )

with DAG(dag_id="pay_task", schedule=None, start_date=START):

    @task(retries=2, retry_delay=timedelta(seconds=1))
    def pay() -> str:
        """Pay by the hook."""
        return str(BillHook().request("POST", "/v3/payments", json=PAYMENT)["id"])

    pay()

for dag_id, unprotected in (("pay_external_python", False), ("pay_external_python_unprotected", True)):
    with DAG(dag_id=dag_id, schedule=None, start_date=START):
        task.external_python(task_id="pay", python=sys.executable, **RETRIES)(pay_elsewhere)(PAYMENT, unprotected)

with DAG(dag_id="pay_external_python_clean", schedule=None, start_date=START):
    # Without the variables by which Airflow names its task; with those that lead to this package and Airflow's home.
    task.external_python(
        task_id="pay",
        python=sys.executable,
        inherit_env=False,
        env_vars={"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "AIRFLOW_HOME": os.environ["AIRFLOW_HOME"]},
        **RETRIES,
    )(pay_elsewhere)(PAYMENT, unprotected_writes=False)
