"""MFA for Airflow 2.11, and for teams that fetch the code themselves.

Connection ``bill_default``. ``challenge`` has BILL send the code; ``validate`` waits until it lies in the Variable
``bill_mfa_code_token`` (Airflow masks keys with "token"), enters it and deletes the Variable. ``code_source`` can as
well be a template, or a function that reads the code from wherever your texts arrive.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_bill.operators.bill import BillLoginOperator
from airflow_provider_bill.operators.mfa import BillMfaChallengeOperator, BillMfaValidateOperator

with DAG(
    dag_id="bill_mfa_without_hitl",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["bill"],
):
    challenge = BillMfaChallengeOperator(task_id="challenge")
    validate = BillMfaValidateOperator(
        task_id="validate",
        challenge=challenge.output,
        code_source="bill_mfa_code_token",
    )
    trusted = BillLoginOperator(task_id="trusted", require_trusted=True)
    challenge >> validate >> trusted
