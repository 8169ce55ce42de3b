"""A DAG for the tests of the harness itself: prints a password, pushes values, runs side by side."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, BaseHook, Variable, get_current_context, task

with DAG("harness_plain", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False):

    @task
    def show() -> dict[str, int]:
        """Print what must be masked."""
        print("the password is", BaseHook.get_connection("harness_plain").password)
        Variable.set("harness_plain", "kept")
        return {"number": (get_current_context()["dag_run"].conf or {})["number"]}

    @task(retries=1, retry_delay=timedelta(0))
    def add(shown: dict[str, int], more: int) -> int:
        """Fail once where asked."""
        if more == 2 and get_current_context()["ti"].try_number == 1:
            raise ValueError("first try")
        return shown["number"] + more

    add.partial(shown=show()).expand(more=[1, 2, 3, 4])
