"""Twenty tasks that share the session of one login task, in each store."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators.bill import BillApiOperator, BillLoginOperator, BillLogoutOperator

for store in ("variable", "xcom"):
    with DAG(
        dag_id=f"twenty_tasks_{store}",
        schedule=None,
        start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
        max_active_tasks=8,
    ):
        login = BillLoginOperator(task_id="login", store=store)
        session: Any = login.output
        calls: list[Any] = [
            BillApiOperator(task_id=f"operator_{number}", session=session, endpoint="/v3/vendors", query={"max": 1})
            for number in range(10)
        ]

        @task
        def by_hook(session: dict[str, Any]) -> int:
            """Count the rows of a list."""
            return len(list(BillHook.from_handle(session).paginate("/v3/bills")))

        calls += [by_hook.override(task_id=f"hook_{number}")(session) for number in range(10)]
        logout = BillLogoutOperator(task_id="logout", session=session)
        calls >> logout.as_teardown(setups=login)
