"""Writes and sign-ins in an external Python and in a virtualenv, where no task context is."""

from __future__ import annotations

import pytest

from dev.airflow_harness import AirflowHarness
from dev.local_bill import LocalBill

PATH = "/connect/v3/payments"


@pytest.fixture(autouse=True)
def _without_mfa(bill: LocalBill) -> None:
    bill.settings(mfa_mode="off")


def test_a_write_from_another_python_is_refused_in_each_try_before_it_is_sent(
    airflow: AirflowHarness, bill: LocalBill
) -> None:
    tries = {"pay_external_python": 3, "pay_external_python_clean": 3, "pay_virtualenv": 1}
    # As it would be without protection: each try would pay, and none would hear of it.
    bill.fault(PATH, method="POST", kind="reset", after_effect=True, times=sum(tries.values()))
    runs = {dag_id: airflow.trigger(dag_id) for dag_id in tries}
    for dag_id, run_id in runs.items():
        assert airflow.wait(dag_id, run_id) == "failed"
        (task,) = airflow.task_instances(dag_id, run_id)
        # Airflow learns only that a process has failed, and tries again.
        assert (dag_id, task["state"], task["try_number"]) == (dag_id, "failed", tries[dag_id])
        for number in range(1, tries[dag_id] + 1):
            log = airflow.task_log(dag_id, run_id, "pay", number)
            assert "POST /v3/payments is a write, and from here" in log
            assert "pass unprotected_writes=True to BillHook" in log
    assert (bill.payments(), bill.count_calls(PATH)) == ([], 0)


def test_a_write_from_another_python_is_sent_where_the_author_says_so(airflow: AirflowHarness, bill: LocalBill) -> None:
    run_id, state = airflow.run("pay_external_python_unprotected")
    assert state == "success"
    (payment,) = bill.payments()
    assert airflow.xcom("pay_external_python_unprotected", run_id, "pay") == payment["id"]
    assert bill.count_calls(PATH) == 1


def test_a_wrong_password_reaches_bill_once_from_the_tries_of_all_other_pythons(
    airflow: AirflowHarness, bill: LocalBill
) -> None:
    bill.fault("/connect/v3/login", code="BDC_1101", times=100)
    runs = {dag_id: airflow.trigger(dag_id) for dag_id in ("read_external_python", "read_external_python_clean")}
    told = []
    for dag_id, run_id in runs.items():
        assert airflow.wait(dag_id, run_id) == "failed"
        (task,) = airflow.task_instances(dag_id, run_id)
        assert task["try_number"] == 3
        told += ["are not sent again" in airflow.task_log(dag_id, run_id, "read", number) for number in (1, 2, 3)]
    assert bill.count_calls("/connect/v3/login") == 1
    assert [key for key in airflow.variables() if key.startswith("bill_sign_in__")]
    # All but the one that BILL refused.
    assert sorted(told) == [False, *[True] * 5]


def test_another_python_uses_the_session_that_tasks_share(airflow: AirflowHarness, bill: LocalBill) -> None:
    for dag_id in ("read_external_python", "read_external_python_clean"):
        run_id, state = airflow.run(dag_id)
        assert state == "success"
        assert airflow.xcom(dag_id, run_id, "read") == 2
    assert bill.stats()["sign_ins"] == 1
