"""A payment, and before it a person who enters BILL's code in Airflow's "Required actions" - once in 30 days.

Connection ``bill_default``. If the session is trusted, or a remembered device can make it so, ``mfa`` succeeds at once
and no text is sent. Needs Airflow 3.1 or newer; ``bill_mfa_without_hitl`` shows the way for older ones.

Run it with ``{"vendor_id": "009...", "bill_id": "00n...", "amount": 12.5}``.
"""

from __future__ import annotations

import json
import os

import pendulum
from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_bill.operators.bill import BillApiOperator
from airflow_provider_bill.operators.mfa import BillMfaOperator

#: What the form offers; `make ui` names the local BILL's vendors and bills here.
OFFERED = json.loads(os.environ.get("BILL_MFA_FORM", "{}"))

with DAG(
    dag_id="bill_mfa",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    params={
        "vendor_id": Param("", type="string", title="Vendor", **OFFERED.get("vendor_id", {})),
        "bill_id": Param("", type="string", title="Bill", **OFFERED.get("bill_id", {})),
        "amount": Param(1.0, type="number", exclusiveMinimum=0, title="Amount"),
    },
    render_template_as_native_obj=True,
    tags=["bill"],
):
    mfa = BillMfaOperator(task_id="mfa")
    pay = BillApiOperator(
        task_id="pay",
        endpoint="/v3/payments",
        method="POST",
        data={
            "vendorId": "{{ params.vendor_id }}",
            "billId": "{{ params.bill_id }}",
            "amount": "{{ params.amount }}",
            "processDate": "{{ macros.ds_add(dag_run.run_after.strftime('%Y-%m-%d'), 1) }}",
        },
        response_filter=lambda payment: payment["id"],
    )
    mfa >> pay
