"""A DAG that runs whenever a new BILL session was opened, or trust is about to end; not when one was only found.

Connection ``bill_default``. ``bill_session_asset`` warms the session up. Its alias ``bill_session`` gets an event only
then; the event says which connection and organization, and why, and holds no secret. ``bill_session_changed`` runs on
it. (On Airflow 2, ``AssetAlias`` is ``DatasetAlias``.)
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, AssetAlias, get_current_context, task

from airflow_provider_bill.operators.bill import BillSessionWarmupOperator

SESSION = AssetAlias("bill_session")

with DAG(
    dag_id="bill_session_asset",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["bill"],
):
    BillSessionWarmupOperator(task_id="warm_up", outlets=[SESSION])

with DAG(
    dag_id="bill_session_changed",
    schedule=SESSION,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["bill"],
):

    @task
    def tell() -> list[dict[str, Any]]:
        """Return what has happened; a DAG of yours would tell somebody."""
        context = get_current_context()
        if "triggering_asset_events" in context:
            # Airflow has each event twice, by its asset and by its alias.
            return [dict(event.extra) for event in context["triggering_asset_events"][SESSION]]
        # Airflow 2
        return [dict(event.extra) for events in context["triggering_dataset_events"].values() for event in events]

    tell()
