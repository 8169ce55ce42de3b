"""Tasks that wait for the session in the triggerer, and a DAG that starts when there is a new one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from dev.airflow_harness import AirflowHarness, airflow_version
from dev.local_bill import LocalBill
from dev.processes import wait_until

CHANGED = "bill_session_changed"


def states(airflow: AirflowHarness, run_id: str) -> Counter[str]:
    return Counter(str(task["state"]) for task in airflow.task_instances("wait_for_session", run_id))


def runs(airflow: AirflowHarness) -> list[dict[str, Any]]:
    return airflow.rest_all(f"dags/{CHANGED}/dagRuns", "dag_runs")


@pytest.mark.skipif(airflow_version() < (3, 0), reason="with SQLite, Airflow 2 runs one task at a time")
def test_tasks_that_wait_in_the_triggerer_go_on_and_a_dag_starts_once_a_session_was_opened(
    airflow: AirflowHarness, bill: LocalBill
) -> None:
    airflow.wait_for_dag(CHANGED)
    airflow.rest("PATCH", f"dags/{CHANGED}", {"is_paused": False})
    waiting = airflow.trigger("wait_for_session")

    def all_wait() -> bool:
        tasks = airflow.task_instances("wait_for_session", waiting)
        deferred = states(airflow, waiting) == Counter(deferred=4)
        return deferred and all(airflow.scheduler_knows(task) for task in tasks)

    wait_until(all_wait, 200, "the four tasks to wait in the triggerer")
    assert bill.stats()["requests"] == 0

    run_id, state = airflow.run("bill_session_asset")
    assert state == "success", airflow.task_logs_text()[-3000:]
    assert airflow.wait("wait_for_session", waiting) == "success"
    assert bill.stats()["sign_ins"] == 1
    handles = [airflow.xcom("wait_for_session", waiting, "live", map_index=number) for number in range(4)]
    assert {handle["organization_id"] for handle in handles} == {bill.organization}

    wait_until(lambda: len(runs(airflow)) >= 1, 120, "the DAG to start")
    (changed,) = runs(airflow)
    assert airflow.wait(CHANGED, changed["dag_run_id"]) == "success"
    why = [event["why"] for event in airflow.xcom(CHANGED, changed["dag_run_id"], "tell")]
    assert why == ["signed in, trust ends"]

    page = airflow.rest("GET", f"dags/bill_session_asset/dagRuns/{run_id}/taskInstances/warm_up/links")
    assert page["extra_links"] == {
        "BILL's reference": "https://developer.bill.com/reference/getsessioninfo",
        "BILL: what the error means": None,
    }

    assert airflow.run("bill_session_asset")[1] == "success"
    assert bill.stats()["sign_ins"] == 1
    assert len(runs(airflow)) == 1, "a session that was only found is no event"
    everything = airflow.all_logs_text() + airflow.database_dump_text()
    assert [secret for secret in bill.secrets() if secret in everything] == []


def test_the_warm_up_of_many_signs_in_once_for_each_and_shows_whose_task_it_is(
    airflow: AirflowHarness, bill: LocalBill
) -> None:
    run_id, state = airflow.run("bill_warmup_many")
    assert state == "success", airflow.task_logs_text()[-3000:]
    tasks = [task for task in airflow.task_instances("bill_warmup_many", run_id) if task["task_id"] == "warm_up"]
    labels = {task["rendered_map_index"] for task in tasks}
    sign_ins = bill.stats()["sign_ins"]
    assert labels == {airflow.xcom("bill_warmup_many", run_id, "clients")[number] for number in range(len(tasks))}
    assert len(labels) >= 2
    airflow.run("bill_warmup_many")
    assert bill.stats()["sign_ins"] == sign_ins
