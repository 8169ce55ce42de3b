"""One sign-in for all tasks, in a real Airflow whose scheduler starts each task in a process of its own."""

from __future__ import annotations

import pytest

from dev.airflow_harness import AirflowHarness
from dev.local_bill import LocalBill


@pytest.mark.parametrize("store", ["variable", "xcom"])
def test_twenty_tasks_make_one_sign_in(store: str, airflow: AirflowHarness, bill: LocalBill) -> None:
    run_id, state = airflow.run(f"twenty_tasks_{store}")
    assert state == "success"
    tasks = airflow.task_instances(f"twenty_tasks_{store}", run_id)
    assert {task["state"] for task in tasks} == {"success"}
    assert len(tasks) == 22
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sign_outs"], stats["open_sessions"]) == (1, 1, 0)


@pytest.mark.parametrize("store", ["variable", "xcom"])
def test_a_session_that_bill_ends_midway_costs_one_sign_in_more_and_no_failed_task(
    store: str, airflow: AirflowHarness, bill: LocalBill
) -> None:
    run_id, state = airflow.run(f"expires_midway_{store}")
    assert state == "success"
    assert {task["try_number"] for task in airflow.task_instances(f"expires_midway_{store}", run_id)} == {1}
    assert bill.stats()["sign_ins"] == 2


@pytest.mark.parametrize(
    ("dag_id", "sign_ins"),
    [
        ("bill_share_session", 1),
        ("bill_share_session_taskflow", 1),
        ("bill_v2", 1),
        ("bill_console", 1),
        ("bill_oauth", 1),
    ],
)
def test_every_example_runs_with_one_sign_in(
    dag_id: str, sign_ins: int, airflow: AirflowHarness, bill: LocalBill
) -> None:
    _, state = airflow.run(dag_id)
    assert state == "success", airflow.task_logs_text()[-3000:]
    assert bill.stats()["sign_ins"] == sign_ins


def test_no_secret_stands_in_logs_xcoms_rendered_fields_or_the_database(
    airflow: AirflowHarness, bill: LocalBill
) -> None:
    for store in ("variable", "xcom"):
        run_id, state = airflow.run(f"expires_midway_{store}")
        assert state == "success"
        assert airflow.xcoms(f"expires_midway_{store}", run_id)
    everything = airflow.all_logs_text() + airflow.database_dump_text()
    assert len(everything) > 10_000
    assert [secret for secret in bill.secrets() if secret in everything] == []
    assert bill.stats()["credentials_in_urls"] == 0


def test_a_wrong_password_reaches_bill_once_and_the_task_is_not_retried(
    airflow: AirflowHarness, bill: LocalBill
) -> None:
    connection = bill.connections["v3"]
    bill.control("POST", "users/password", {"username": connection["login"], "password": "changed at BILL"})
    run_id, state = airflow.run("expires_midway_variable")
    assert state == "failed"
    login = next(t for t in airflow.task_instances("expires_midway_variable", run_id) if t["task_id"] == "login")
    assert (login["state"], login["try_number"]) == ("failed", 1)
    assert "BDC_1101" in airflow.task_log("expires_midway_variable", run_id, "login")
    airflow.run("expires_midway_variable")
    assert bill.stats()["refused_sign_ins"] == 1
