"""An accounting firm: one Accountant Console connection, one session for each client organization.

Connection ``bill_console``: console e-mail, console token as password, ``sign_in`` = ``console``.
``organization_id`` names the client; leave it out for the connection's own.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_bill.operators.bill import BillApiOperator, BillLoginOperator, BillLogoutOperator

with DAG(
    dag_id="bill_console",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["bill"],
):
    login = BillLoginOperator(task_id="login", bill_conn_id="bill_console")
    bills = BillApiOperator(
        task_id="bills",
        session=login.output,
        endpoint="/v3/bills",
        query={"sort": "createdTime:asc"},
        paginate=True,
        response_filter=len,
    )
    logout = BillLogoutOperator(task_id="logout", session=login.output)
    login >> bills >> logout.as_teardown(setups=login)
