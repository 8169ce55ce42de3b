"""A payment in a virtualenv of its own, made without a package index; Airflow 2 would need `virtualenv` for it."""

from __future__ import annotations

import os
import sys

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

with DAG(dag_id="pay_virtualenv", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")):

    @task.virtualenv(
        retries=0,
        # A virtualenv made from a virtualenv sees the packages of the Python below both, so it is shown ours.
        env_vars={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        pip_install_options=["--no-index"],
    )
    def pay() -> str:
        """Pay by the hook."""
        from airflow_provider_bill.hooks.bill import BillHook

        payment = {"vendorId": "00901SBX000100000001", "amount": 1.5, "processDate": "2099-01-01"}
        return str(BillHook().request("POST", "/v3/payments", json=payment)["id"])

    pay()
