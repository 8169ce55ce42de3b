"""Airflow's server goes away while BILL answers, and comes back: nothing is lost, and nothing is paid twice."""

from __future__ import annotations

import json

from dev.airflow_harness import AirflowHarness
from dev.local_bill import LocalBill
from dev.processes import wait_until


def test_payments_that_were_answered_while_airflows_server_was_away_are_successes(
    airflow: AirflowHarness, bill: LocalBill
) -> None:
    bill.settings(mfa_mode="off")
    bill.fault("/connect/v3/payments", method="POST", kind="stall", after_effect=True, times=2)
    runs = {dag_id: airflow.trigger(dag_id) for dag_id in ("pay_operator", "pay_task")}
    wait_until(lambda: bill.held_answers() == 2, 90, "BILL to pay")
    failed_before = airflow.failed_requests_of_tasks()
    with airflow.without_server():
        assert bill.release_answers() == 2
        wait_until(lambda: airflow.failed_requests_of_tasks() > failed_before + 1, 90, "the answers not to be stored")
    made = []
    for dag_id, run_id in runs.items():
        assert airflow.wait(dag_id, run_id) == "success"
        (task,) = airflow.task_instances(dag_id, run_id)
        assert (dag_id, task["state"], task["try_number"]) == (dag_id, "success", 1)
        made.append(airflow.xcom(dag_id, run_id, "pay"))
        log = airflow.task_log(dag_id, run_id, "pay")
        assert f"BILL carried out POST /v3/payments: {made[-1]}" in log
        # It was stored after all, so there is nothing to warn of.
        assert "Not stored" not in log
    assert sorted(made) == sorted(payment["id"] for payment in bill.payments())
    assert (bill.stats()["writes"], bill.count_calls("/connect/v3/payments")) == (2, 2)


def test_a_connection_that_cannot_be_read_while_airflows_server_is_away_is_waited_for(
    airflow: AirflowHarness, bill: LocalBill
) -> None:
    connection = json.loads(json.dumps(bill.connections["v3"]))
    connection |= {"connection_id": "bill_stored", "extra": json.dumps(connection["extra"])}
    airflow.rest("POST", "connections", connection)
    bill.fault("/connect/v3/vendors", kind="stall")
    run_id = airflow.trigger("read_twice")
    wait_until(bill.held_answers, 90, "the first read")
    failed_before = airflow.failed_requests_of_tasks()
    with airflow.without_server():
        assert bill.release_answers() == 1
        wait_until(lambda: airflow.failed_requests_of_tasks() > failed_before, 90, "the connection not to be read")
    assert airflow.wait("read_twice", run_id) == "success"
    (task,) = airflow.task_instances("read_twice", run_id)
    assert (task["state"], task["try_number"]) == ("success", 1)
    assert bill.count_calls("/connect/v3/vendors") == 2
    airflow.rest("DELETE", "connections/bill_stored")
