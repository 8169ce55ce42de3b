"""Airflow's server goes away while BILL answers, and comes back: the payment counts, and stays the only one."""

from __future__ import annotations

import pytest

from dev.airflow_harness import AirflowHarness
from dev.local_bill import LocalBill
from dev.processes import wait_until


@pytest.mark.parametrize("dag_id", ["pay_operator", "pay_task"])
def test_a_payment_that_was_answered_while_airflows_server_was_away_is_a_success(
    dag_id: str, airflow: AirflowHarness, bill: LocalBill
) -> None:
    bill.settings(mfa_mode="off")
    bill.fault("/connect/v3/payments", method="POST", kind="stall", after_effect=True)
    run_id = airflow.trigger(dag_id)
    wait_until(bill.holds_an_answer, 90, "BILL to pay")
    failed_before = airflow.failed_requests_of_tasks()
    with airflow.without_server():
        assert bill.release_answers() == 1
        wait_until(lambda: airflow.failed_requests_of_tasks() > failed_before, 90, "the answer not to be stored")
    assert airflow.wait(dag_id, run_id) == "success"
    (task,) = airflow.task_instances(dag_id, run_id)
    assert (task["state"], task["try_number"]) == ("success", 1)
    (payment,) = bill.payments()
    assert airflow.xcom(dag_id, run_id, "pay") == payment["id"]
    log = airflow.task_log(dag_id, run_id, "pay")
    assert f"BILL carried out POST /v3/payments: {payment['id']}" in log
    # It was stored after all, so there is nothing to warn of.
    assert "Not stored" not in log
    assert (bill.stats()["writes"], bill.count_calls("/connect/v3/payments")) == (1, 1)
