"""The in-process runner gives the same answers on every supported Airflow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    BaseHook,
    PokeReturnValue,
    Variable,
    get_current_context,
    task,
)

from dev.dag_runner import DagResult


def _dag(dag_id: str) -> DAG:
    return DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC))


def test_variables_xcoms_and_mapped_tasks(run_dag: Callable[..., DagResult]) -> None:
    with _dag("harness_values") as dag:

        @task
        def keep(value: str) -> dict[str, str]:
            Variable.set("harness_key", value)
            return {"kept": value}

        @task
        def read(kept: dict[str, str], number: int) -> list[Any]:
            return [kept["kept"], Variable.get("harness_key"), number]

        read.partial(kept=keep("first")).expand(number=[7, 8])

    result = run_dag(dag)

    assert result.state == "success"
    assert result.tasks == {"keep": "success", "read[0]": "success", "read[1]": "success"}
    assert result.xcom("keep") == {"kept": "first"}
    assert result.xcom("read[1]") == ["first", "first", 8]


def test_variables_outlive_the_run_and_may_be_deleted(run_dag: Callable[..., DagResult]) -> None:
    with _dag("harness_writes") as writes:

        @task
        def write() -> None:
            Variable.set("harness_shared", "there")

        write()
    with _dag("harness_deletes") as deletes:

        @task
        def delete() -> str:
            value: str = Variable.get("harness_shared")
            Variable.delete("harness_shared")
            return value

        delete()

    assert run_dag(writes).state == "success"
    assert run_dag(deletes).xcom("delete") == "there"
    assert run_dag(deletes).state == "failed"


def test_connection_from_the_environment_and_run_conf(
    run_dag: Callable[..., DagResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = '{"conn_type": "bill", "login": "ann", "extra": {"a": 1}}'
    monkeypatch.setenv("AIRFLOW_CONN_BILL_HARNESS", connection)
    with _dag("harness_connection") as dag:

        @task
        def look() -> list[Any]:
            connection = BaseHook.get_connection("bill_harness")
            return [connection.login, connection.extra_dejson, get_current_context()["dag_run"].conf]

        look()

    assert run_dag(dag, {"asked": True}).xcom("look") == ["ann", {"a": 1}, {"asked": True}]


def test_retries_run_at_once_and_teardown_runs_after_failure(run_dag: Callable[..., DagResult]) -> None:
    with _dag("harness_retries") as dag:

        @task
        def begin() -> None:
            return None

        @task(retries=1, retry_delay=timedelta(0))
        def stumble() -> str:
            if get_current_context()["ti"].try_number == 1:
                raise ValueError("first try")
            return "second try"

        @task
        def fail() -> None:
            raise ValueError("always")

        @task
        def end() -> str:
            return "ended"

        first: Any = begin()  # Airflow takes it as a setup; its types know of operators only
        first >> stumble() >> fail() >> end().as_teardown(setups=first)

    result = run_dag(dag)

    assert result.state == "failed"
    assert result.tasks == {"begin": "success", "stumble": "success", "fail": "failed", "end": "success"}
    assert result.xcom("stumble") == "second try"


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_sensor(run_dag: Callable[..., DagResult], mode: str) -> None:
    with _dag(f"harness_sensor_{mode}") as dag:

        @task.sensor(poke_interval=0.1, timeout=30, mode=mode)
        def until_second_look() -> PokeReturnValue:
            looks = int(Variable.get(f"harness_looks_{mode}"))
            Variable.set(f"harness_looks_{mode}", str(looks + 1))
            return PokeReturnValue(is_done=looks >= 1, xcom_value=looks)

        @task
        def begin() -> None:
            Variable.set(f"harness_looks_{mode}", "0")

        begin() >> until_second_look()

    result = run_dag(dag)

    assert result.state == "success"
    assert result.xcom("until_second_look") == 1
