"""Say how a write ended whose outcome is unknown, after a look in BILL; then clear the task that wrote."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_bill.hooks.bill import BillHook

with DAG(
    dag_id="bill_settle_write",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={
        "write_id": Param("", type="string", description="The 16 characters that the error has named"),
        "outcome": Param(
            "carried out",
            enum=["carried out", "not carried out"],
            description="What BILL shows; a write that was not carried out is sent again when its task is cleared",
        ),
        "bill_id": Param("", type=["null", "string"], description="BILL's id of what was made, if it was carried out"),
    },
    doc_md=__doc__,
    tags=["bill"],
):

    @task
    def settle(params: dict | None = None) -> None:
        """Tell the task."""
        params = params or {}
        bill_id = params.get("bill_id")
        BillHook.settle_write(
            params["write_id"].strip(),
            carried_out=params["outcome"] == "carried out",
            result={"id": bill_id} if bill_id else None,
        )

    settle()
