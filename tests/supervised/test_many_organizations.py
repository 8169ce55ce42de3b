"""An accounting firm whose clients need more sign-ins than BILL allows in an hour.

BILL's clock is the test's; the clock of the tasks is the machine's. When the machine's hour turns while this runs, the
waiting tasks ask BILL once more, are refused once more, and wait again: that is all that may differ.
"""

from __future__ import annotations

import time
from collections import Counter

from dev.airflow_harness import FINAL_RUN_STATES, AirflowHarness
from dev.local_bill import LocalBill
from dev.processes import wait_until
from dev.waiting import states, wake

DAG_ID = "many_organizations"
CLIENTS, ALLOWED, AT_ONCE = 14, 8, 3


def hours() -> int:
    """Count the hours of the clock that the tasks go by."""
    return int(time.time() // 3600)


def test_the_run_waits_for_the_turn_of_the_hour_without_a_worker_and_goes_on(
    airflow: AirflowHarness, bill: LocalBill
) -> None:
    bill.control("POST", "organizations", {"count": CLIENTS - 2})  # there are three, one of which lists the others
    bill.settings(sign_ins_per_hour=ALLOWED + 1)
    started = hours()
    run_id = airflow.trigger(DAG_ID)
    waiting = Counter(success=ALLOWED, up_for_reschedule=CLIENTS - ALLOWED)
    wait_until(
        lambda: states(airflow, DAG_ID, run_id, "client.login") == waiting, 120, "the logins to sign in or to wait"
    )
    done = Counter(success=ALLOWED)
    wait_until(lambda: states(airflow, DAG_ID, run_id, "client.vendors") >= done, 90, "the first to work")
    assert bill.stats()["sign_ins"] == ALLOWED + 1

    bill.advance(3600)
    refused = bill.stats()["refused_hourly"]
    # The first to be refused tells all others, but for those that were about to ask.
    assert 1 <= refused <= AT_ONCE * (1 + hours() - started)

    def ended() -> bool:
        wake(airflow, DAG_ID, run_id)
        return airflow.run_state(DAG_ID, run_id) in FINAL_RUN_STATES

    wait_until(ended, 180, "the run to end", 1)
    assert airflow.run_state(DAG_ID, run_id) == "success"
    stats = bill.stats()
    assert (stats["sign_ins"], stats["refused_hourly"]) == (CLIENTS + 1, refused)
    assert {task["try_number"] for task in airflow.task_instances(DAG_ID, run_id)} == {1}
