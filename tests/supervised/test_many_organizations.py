"""An accounting firm whose clients need more sign-ins than BILL allows in an hour."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter

from dev.processes import wait_until

DAG_ID = "many_organizations"
CLIENTS, ALLOWED = 12, 8


def states(airflow, run_id: str, task_id: str) -> Counter:
    tasks = airflow.task_instances(DAG_ID, run_id)
    return Counter(task["state"] for task in tasks if task["task_id"] == task_id)


def let_the_hour_turn(airflow, run_id: str, bill) -> None:
    """Move BILL's clock, and the times at which Airflow and the guard will look again."""
    waiting = [task for task in airflow.task_instances(DAG_ID, run_id) if task["state"] == "up_for_reschedule"]
    wait_until(lambda: all(map(airflow.scheduler_knows, waiting)), 60, "the scheduler to know of the waiting")
    bill.advance(3600)
    for key in airflow.variables():
        if key.startswith("bill_sign_in_block"):
            airflow.rest("DELETE", f"variables/{key}")
    with contextlib.closing(sqlite3.connect(airflow.home / "airflow.db", timeout=30)) as database, database:
        database.execute("UPDATE task_reschedule SET reschedule_date = '2026-01-01 00:00:00.000000'")


def test_the_run_waits_for_the_turn_of_the_hour_without_a_worker_and_goes_on(airflow, bill):
    bill.control("POST", "organizations", {"count": CLIENTS - 2})  # there are three, one of which lists the others
    bill.settings(sign_ins_per_hour=ALLOWED + 1)
    run_id = airflow.trigger(DAG_ID)
    waiting = Counter(success=ALLOWED, up_for_reschedule=CLIENTS - ALLOWED)
    wait_until(lambda: states(airflow, run_id, "client.login") == waiting, 120, "the logins to sign in or to wait")
    done = Counter(success=ALLOWED)
    wait_until(lambda: states(airflow, run_id, "client.vendors") >= done, 90, "those who are signed in to work")
    before = bill.stats()
    assert before["sign_ins"] == ALLOWED + 1
    # The first to be refused tells all others, also those of other organizations.
    assert before["refused_hourly"] <= 8

    let_the_hour_turn(airflow, run_id, bill)
    assert airflow.wait(DAG_ID, run_id) == "success"
    stats = bill.stats()
    assert stats["sign_ins"] == CLIENTS + 1
    assert stats["refused_hourly"] == before["refused_hourly"]
    assert {task["try_number"] for task in airflow.task_instances(DAG_ID, run_id)} == {1}
