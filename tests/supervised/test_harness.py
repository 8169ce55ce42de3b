"""The harness runs a real Airflow, shows what happened in it and masks secrets."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from dev.airflow_harness import AirflowHarness

# Not one of BILL's: the scheduler's own output repeats what tasks print, and Airflow 3.3 does not mask it there.
PASSWORD = "printed-by-the-harness-dag"

Change = tuple[str, int, str, int]
FinishedRun = tuple[AirflowHarness, str, list[Change]]


@pytest.fixture(scope="module")
def finished_run(supervised_airflow: AirflowHarness) -> FinishedRun:
    """One run of the plain DAG, and the state changes seen on the way."""
    connection = {"conn_type": "bill", "login": "ann", "password": PASSWORD, "extra": {"a": 1}}
    supervised_airflow.add_connection("harness_plain", connection)
    changes: list[Change] = []
    run_id, state = supervised_airflow.run(
        "harness_plain", {"number": 40}, on_change=lambda *change: changes.append(change)
    )
    assert state == "success"
    return supervised_airflow, run_id, changes


def test_no_trigger_gets_the_id_of_one_that_was_deleted(supervised_airflow: AirflowHarness) -> None:
    path = f"file:{supervised_airflow.home}/airflow.db?mode=ro"
    with contextlib.closing(sqlite3.connect(path, uri=True)) as database:
        # SQLite counts on only in such a table.
        assert database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone() == (1,)
        (sql,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'trigger'").fetchone()
    assert "id INTEGER PRIMARY KEY AUTOINCREMENT" in sql


def test_states_and_progress(finished_run: FinishedRun) -> None:
    airflow, run_id, changes = finished_run
    rows = airflow.task_instances("harness_plain", run_id)
    states = {(row["task_id"], row["map_index"]): row["state"] for row in rows}
    assert states == {("show", -1): "success", **{("add", index): "success" for index in range(4)}}
    assert ("show", -1, "success", 1) in changes
    assert ("add", 1, "success", 2) in changes


def test_password_is_masked_in_the_task_log_and_sealed_in_the_database(finished_run: FinishedRun) -> None:
    airflow, run_id, _ = finished_run
    assert "the password is ***" in airflow.task_log("harness_plain", run_id, "show")
    assert PASSWORD not in airflow.task_logs_text()
    assert PASSWORD not in airflow.database_dump_text()
    assert airflow.rest("GET", "connections/harness_plain")["login"] == "ann"


def test_log_of_a_failed_try_of_a_mapped_task(finished_run: FinishedRun) -> None:
    airflow, run_id, _ = finished_run
    assert "first try" in airflow.task_log("harness_plain", run_id, "add", 1, map_index=1)
    assert "first try" not in airflow.task_log("harness_plain", run_id, "add", 2, map_index=1)


def test_values(finished_run: FinishedRun) -> None:
    airflow, run_id, _ = finished_run
    assert airflow.xcom("harness_plain", run_id, "show") == {"number": 40}
    returned = {
        (row["task_id"], row["map_index"]): row["value"]
        for row in airflow.xcoms("harness_plain", run_id)
        if row["key"] == "return_value"
    }
    assert returned == {("show", -1): {"number": 40}, **{("add", index): 41 + index for index in range(4)}}
    assert airflow.rendered_fields("harness_plain", run_id, "add", 2)["op_kwargs"]["more"] == 3
    assert airflow.variables()["harness_plain"] == "kept"
    assert "harness_plain" in airflow.database_dump_text()
    assert any(row["dag_id"] == "harness_plain" for row in airflow.audit_log())


def test_no_import_errors_and_all_examples_are_parsed(supervised_airflow: AirflowHarness) -> None:
    supervised_airflow.wait_for_dag("bill_share_session")
    assert supervised_airflow.import_errors() == []
