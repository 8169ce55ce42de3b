"""BILL's recommended kind since 2026: OAuth client credentials.

Connection ``bill_oauth``: client id as login, client secret as password, ``sign_in`` = ``oauth``; nothing else. The
access token is shared like a session; it has a fixed end, so there is nothing to sign out of.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_bill.operators.bill import BillApiOperator

with DAG(
    dag_id="bill_oauth",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["bill"],
):
    who = BillApiOperator(task_id="who", bill_conn_id="bill_oauth", endpoint="/v3/login/session")
    vendors = BillApiOperator(
        task_id="vendors",
        bill_conn_id="bill_oauth",
        endpoint="/v3/vendors",
        paginate=True,
        response_filter=len,
    )
    who >> vendors
