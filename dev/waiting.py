"""Tasks that wait for BILL's hour to turn, where the test's clock is BILL's alone and Airflow's is the machine's."""

from __future__ import annotations

from collections import Counter

from dev.airflow_harness import AirflowHarness


def states(airflow: AirflowHarness, dag_id: str, run_id: str, task_id: str) -> Counter[str]:
    """Return how many of a task's mapped instances are in which state."""
    tasks = airflow.task_instances(dag_id, run_id)
    return Counter(task["state"] for task in tasks if task["task_id"] == task_id)


def wake(airflow: AirflowHarness, dag_id: str, run_id: str) -> bool:
    """Make the guard forget until when it waits, and Airflow when it wanted to run the waiting tasks again.

    Return False if that is not yet possible.
    """
    # A task that goes to wait from here on is left alone until the next time.
    ((newest,),) = airflow.query("SELECT max(id) FROM task_reschedule")
    waiting = [task for task in airflow.task_instances(dag_id, run_id) if task["state"] == "up_for_reschedule"]
    if newest is None or not all(map(airflow.scheduler_knows, waiting)):
        return False
    for key in airflow.variables():
        if key.startswith("bill_sign_in_block"):
            airflow.rest("DELETE", f"variables/{key}")
    airflow.query(
        f"UPDATE task_reschedule SET reschedule_date = '2026-01-01 00:00:00.000000' WHERE id <= {int(newest)}"  # noqa: S608
    )
    return True
