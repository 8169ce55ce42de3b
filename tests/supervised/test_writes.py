"""A worker killed between sending a write and hearing of it: nothing is sent twice."""

from __future__ import annotations

import os
import re
import signal

import pytest

from dev.airflow_harness import AirflowHarness
from dev.local_bill import LocalBill
from dev.processes import wait_until

DAG_ID, TASK_ID = "write_killed", "add_vendor"
PATH = "/connect/v3/vendors"


def settle(airflow: AirflowHarness, run_id: str, outcome: str, bill_id: str = "") -> None:
    """Fill in the form of the example DAG."""
    log = airflow.task_log(DAG_ID, run_id, TASK_ID, 2)
    (write_id,) = set(re.findall(r"\(write ([0-9a-f]{16})\)", log))
    conf = {"write_id": write_id, "outcome": outcome, "bill_id": bill_id}
    assert airflow.run("bill_settle_write", conf=conf)[1] == "success"


def kill(airflow: AirflowHarness, bill: LocalBill, dag_id: str) -> str:
    """Return a run whose worker was killed after BILL has made the vendor and before the worker heard of it."""
    bill.fault(PATH, method="POST", kind="stall", after_effect=True)
    run_id = airflow.trigger(dag_id)
    wait_until(bill.held_answers, 90, "BILL to make the vendor")
    (task,) = airflow.task_instances(dag_id, run_id)
    os.kill(task["pid"], signal.SIGKILL)
    assert airflow.wait(dag_id, run_id) == "failed"
    assert bill.stats()["writes"] == 1
    return run_id


@pytest.fixture
def killed_run(airflow: AirflowHarness, bill: LocalBill) -> str:
    """A run of the operator whose worker was killed."""
    return kill(airflow, bill, DAG_ID)


@pytest.mark.parametrize(("dag_id", "map_index"), [("write_killed_mapped", 0), ("write_killed_task", -1)])
def test_a_write_is_not_sent_again_after_its_worker_was_killed(
    dag_id: str, map_index: int, airflow: AirflowHarness, bill: LocalBill
) -> None:
    run_id = kill(airflow, bill, dag_id)
    (task,) = airflow.task_instances(dag_id, run_id)
    # The second try finds the note, and its error is not retried a second time.
    assert (task["state"], task["try_number"], task["map_index"]) == ("failed", 2, map_index)
    log = airflow.task_log(dag_id, run_id, TASK_ID, 2, map_index)
    assert "its outcome is unknown" in log
    assert "bill_settle_write" in log
    assert bill.stats()["writes"] == 1


def test_a_person_who_has_looked_can_have_it_sent_again(
    killed_run: str, airflow: AirflowHarness, bill: LocalBill
) -> None:
    settle(airflow, killed_run, "not carried out")
    airflow.rest("POST", f"dags/{DAG_ID}/clearTaskInstances", {"dag_run_id": killed_run, "dry_run": False})
    assert airflow.wait(DAG_ID, killed_run) == "success"
    assert bill.stats()["writes"] == 2


def test_a_person_who_has_looked_can_say_what_was_made(
    killed_run: str, airflow: AirflowHarness, bill: LocalBill
) -> None:
    settle(airflow, killed_run, "carried out", bill_id="00901MADE00000000000")
    airflow.rest("POST", f"dags/{DAG_ID}/clearTaskInstances", {"dag_run_id": killed_run, "dry_run": False})
    assert airflow.wait(DAG_ID, killed_run) == "success"
    assert airflow.xcom(DAG_ID, killed_run, TASK_ID) == {"id": "00901MADE00000000000"}
    assert bill.stats()["writes"] == 1


def test_a_write_that_was_answered_is_not_sent_again_when_the_task_is_cleared(
    airflow: AirflowHarness, bill: LocalBill
) -> None:
    run_id, state = airflow.run(DAG_ID)
    assert state == "success"
    made = airflow.xcom(DAG_ID, run_id, TASK_ID)
    airflow.rest(
        "POST",
        f"dags/{DAG_ID}/clearTaskInstances",
        {"dag_run_id": run_id, "dry_run": False, "only_failed": False},
    )
    assert airflow.wait(DAG_ID, run_id) == "success"
    assert airflow.xcom(DAG_ID, run_id, TASK_ID) == made
    assert bill.stats()["writes"] == 1


def test_a_write_that_bill_refused_may_be_sent_again(airflow: AirflowHarness, bill: LocalBill) -> None:
    bill.fault(PATH, method="POST", code="BDC_1152")
    run_id, state = airflow.run(DAG_ID)
    assert state == "failed"
    assert bill.stats()["writes"] == 0
    airflow.rest("POST", f"dags/{DAG_ID}/clearTaskInstances", {"dag_run_id": run_id, "dry_run": False})
    assert airflow.wait(DAG_ID, run_id) == "success"
    assert bill.stats()["writes"] == 1


def test_the_callback_of_a_dag_which_no_task_runs_pays_nothing(airflow: AirflowHarness, bill: LocalBill) -> None:
    bill.settings(mfa_mode="off")
    assert airflow.run("pay_in_dag_callback")[1] == "failed"
    wait_until(lambda: bill.count_calls("/connect/v3/vendors") == 2, 90, "the callback to end")
    assert bill.count_calls("/connect/v3/payments") == 0
