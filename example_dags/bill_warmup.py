"""Keeps the shared session alive around the clock, and has trust renewed days before it runs out.

Connection ``bill_default``. Every 20 minutes BILL is asked about the session, which keeps it alive: one sign-in lasts
for weeks. When the remembered device is trusted for less than 5 days, a form waits for a person, a new one each day, so
that payments do not stop on day 31; BILL sends the code once somebody presses "Send me the code" there. Put a notifier
of yours (Slack, e-mail, ...) into ``notifiers``.

Where BILL refuses the credentials, one run fails and tells; the next ones are skipped and send nothing, until the
connection is corrected. Before Airflow 3.1 there are no forms: have a notifier tell somebody to start
``bill_mfa_without_hitl``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, get_current_context, task

from airflow_provider_bill.exceptions import BillConfigurationError
from airflow_provider_bill.operators.bill import BillSessionWarmupOperator
from airflow_provider_bill.operators.mfa import BillMfaOperator

RENEW_WITHIN = timedelta(days=5)

with DAG(
    dag_id="bill_warmup",
    schedule="*/20 * * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    # A run in which a person is asked must not hold up those that keep the session alive.
    max_active_runs=80,
    doc_md=__doc__,
    tags=["bill"],
):
    warm_up = BillSessionWarmupOperator(task_id="warm_up", renew_within=RENEW_WITHIN)

    @task.short_circuit
    def needs_mfa(found: dict[str, Any]) -> bool:
        """Go on only if a person is needed and has not been asked already."""
        ti = get_current_context()["ti"]
        asked = ti.get_ti_count(dag_id="bill_warmup", task_ids=["mfa"], states=["awaiting_input", "deferred"])
        return bool(found["needs_mfa"]) and not asked

    try:
        mfa = BillMfaOperator(
            task_id="mfa", renew_within=RENEW_WITHIN, response_timeout=timedelta(hours=24), notifiers=[]
        )
    except BillConfigurationError:  # before Airflow 3.1
        pass
    else:
        needs_mfa(warm_up.output) >> mfa
