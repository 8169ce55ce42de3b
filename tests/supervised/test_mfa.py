"""A person enters the code in Airflow's own form; here the REST API answers as the form would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_bill.operators.mfa_form import ENTER, FIELD, NEW_TEXT, SEND
from dev.airflow_harness import AirflowHarness
from dev.clock import START
from dev.local_bill import LocalBill
from dev.processes import wait_until

DAG_ID = "bill_mfa"
#: How a task waits for a person: since Airflow 3.3, and before.
WAITING = ("awaiting_input", "deferred")


@pytest.fixture
def payment(airflow: AirflowHarness, bill: LocalBill) -> dict[str, Any]:
    """An unpaid bill, as the conf of a run."""
    rows = bill.get("/bills", bill.sign_in()).json()["results"]
    unpaid = next(row for row in rows if row["paymentStatus"] == "UNPAID")
    bill.reset()
    bill.stop_clock(START)
    return {"vendor_id": unpaid["vendorId"], "bill_id": unpaid["id"], "amount": 1.5}


@pytest.fixture
def enter(airflow: AirflowHarness, bill: LocalBill) -> Callable[..., None]:
    """Wait until the form is there, then answer it."""

    def answer(run_id: str, code: str, option: str = ENTER, dag_id: str = DAG_ID) -> None:
        airflow.answer_hitl(dag_id, run_id, "mfa", {FIELD: code}, (option,))
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/mfa"

        def taken() -> bool:
            # Whatever comes of it, the operator removes the answer from the form.
            answered = airflow.rest("GET", f"{path}/-1/hitlDetails")["response_received"]
            return not answered and airflow.rest("GET", path)["state"] not in ("scheduled", "queued", "running")

        wait_until(taken, 90, "the answer to be taken")

    return answer


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def clear(airflow: AirflowHarness, run_id: str) -> None:
    """Have the task and those after it run anew."""
    how = {"dry_run": False, "only_failed": False, "include_downstream": True, "task_ids": ["mfa"]}
    airflow.rest("POST", f"dags/{DAG_ID}/clearTaskInstances", {"dag_run_id": run_id, **how})


def counts(bill: LocalBill) -> tuple[int, int, int]:
    stats = bill.stats()
    return stats["sign_ins"], stats["sms_sent"], stats["payments"]


def test_once_in_thirty_days_a_person_enters_a_code_and_every_dag_pays(
    airflow: AirflowHarness, bill: LocalBill, payment: dict[str, Any], enter: Callable[..., None]
) -> None:
    run_id = airflow.trigger(DAG_ID, payment)
    wait_until(bill.codes, 90, "BILL to send a code")
    (code,) = bill.codes()
    enter(run_id, "12 34")  # not six digits: BILL is not asked
    enter(run_id, wrong(code))
    enter(run_id, f"{code[:3]}-{code[3:]}")
    assert airflow.wait(DAG_ID, run_id) == "success"
    assert counts(bill) == (1, 1, 1)
    assert bill.stats()["by_path"]["/connect/v3/mfa/challenge/validate"] == 2
    result = airflow.xcom(DAG_ID, run_id, "mfa")
    assert result["trusted"] is True
    assert 29.9 < result["trusted_days"] <= 30
    assert result["entered_by"]

    everything = "\n".join(
        [
            airflow.task_logs_text(),
            airflow.all_logs_text(),
            airflow.database_dump_text(),
            str(airflow.xcoms(DAG_ID, run_id)),
            str(airflow.rendered_fields(DAG_ID, run_id, "mfa")),
            str(airflow.audit_log()),
        ]
    )
    for spelling in (code, f"{code[:3]}-{code[3:]}", wrong(code)):
        places = [line[:120] for line in everything.splitlines() if spelling in line]
        assert places == [], spelling

    bill.advance(86400)
    _, state = airflow.run(DAG_ID, payment)
    assert state == "success"
    assert counts(bill) == (2, 1, 2)

    bill.advance(30 * 86400)
    # For Airflow no minute has passed, and two sessions that are over within a minute are another matter.
    for key in airflow.variables():
        if key.startswith("bill_session_token__"):
            airflow.rest("DELETE", f"variables/{key}")
    warm_up = airflow.trigger("bill_warmup")
    enter_path = f"dags/bill_warmup/dagRuns/{warm_up}/taskInstances"
    wait_until(lambda: airflow.task_state("bill_warmup", warm_up, "mfa") in WAITING, 120, "the warm-up's form")
    assert len(bill.codes()) == 1  # nobody may have the phone at hand
    enter(warm_up, "", SEND, dag_id="bill_warmup")
    assert len(bill.codes()) == 2
    assert airflow.rest("GET", f"{enter_path}/warm_up")["state"] == "success"
    assert airflow.xcom("bill_warmup", warm_up, "warm_up")["trusted_days"] == 0
    enter(warm_up, bill.codes()[-1], dag_id="bill_warmup")
    assert airflow.wait("bill_warmup", warm_up) == "success"
    assert counts(bill)[1:] == (2, 2)


def test_of_three_tasks_that_wait_one_is_answered_and_all_go_on(
    airflow: AirflowHarness, bill: LocalBill, payment: dict[str, Any]
) -> None:
    run_ids = [airflow.trigger(DAG_ID, payment) for _ in range(3)]

    def all_wait() -> bool:
        return all(airflow.task_state(DAG_ID, run_id, "mfa") in WAITING for run_id in run_ids)

    wait_until(all_wait, 120, "the three forms")
    airflow.answer_hitl(DAG_ID, run_ids[1], "mfa", {FIELD: bill.codes()[0]}, (ENTER,))
    assert [airflow.wait(DAG_ID, run_id) for run_id in run_ids] == ["success"] * 3
    assert counts(bill) == (1, 1, 3)
    assert bill.stats()["by_path"]["/connect/v3/mfa/challenge/validate"] == 1
    answers = [airflow.xcom(DAG_ID, run_id, "mfa")["entered_by"] for run_id in run_ids]
    assert [answer is not None for answer in answers] == [False, True, False]


def test_a_cleared_task_sends_no_second_text_while_the_first_code_lives(
    airflow: AirflowHarness, bill: LocalBill, payment: dict[str, Any], enter: Callable[..., None]
) -> None:
    run_id = airflow.trigger(DAG_ID, payment)

    def parked() -> bool:
        task = next(task for task in airflow.task_instances(DAG_ID, run_id) if task["task_id"] == "mfa")
        return task["state"] in WAITING and airflow.scheduler_knows(task)

    wait_until(parked, 90, "the form")
    clear(airflow, run_id)
    wait_until(lambda: airflow.task_state(DAG_ID, run_id, "mfa") not in WAITING, 90, "the task to be cleared")
    enter(run_id, bill.codes()[0])
    assert airflow.wait(DAG_ID, run_id) == "success"
    assert counts(bill) == (1, 1, 1)


def test_a_code_that_is_too_old_brings_a_new_text_and_too_many_tries_an_end(
    airflow: AirflowHarness, bill: LocalBill, payment: dict[str, Any], enter: Callable[..., None]
) -> None:
    run_id = airflow.trigger(DAG_ID, payment)
    wait_until(lambda: len(bill.codes()) == 1, 90, "a code")
    bill.advance(400)
    enter(run_id, bill.codes()[0])
    assert len(bill.codes()) == 2
    enter(run_id, "", NEW_TEXT)
    assert len(bill.codes()) == 3
    for _ in range(3):
        enter(run_id, wrong(bill.codes()[2]))
    assert airflow.wait(DAG_ID, run_id) == "failed"
    assert counts(bill) == (1, 3, 0)
    log = airflow.task_log(DAG_ID, run_id, "mfa")
    assert "BDC_1358" in log
    assert "leaves 2 more tries" in log
    # Cleared, the task has a new text sent: BILL has ended the third.
    clear(airflow, run_id)
    wait_until(lambda: len(bill.codes()) == 4, 90, "a new text")
    enter(run_id, bill.codes()[3])
    assert airflow.wait(DAG_ID, run_id) == "success"
    assert counts(bill) == (1, 4, 1)


def test_a_task_that_is_cleared_while_it_enters_the_code_leaves_it_in_no_forms_history(
    airflow: AirflowHarness, bill: LocalBill, payment: dict[str, Any], enter: Callable[..., None]
) -> None:
    bill.fault("/connect/v3/mfa/challenge/validate", kind="stall")
    run_id = airflow.trigger(DAG_ID, payment)
    (code,) = wait_until(bill.codes, 90, "BILL to send a code")
    airflow.answer_hitl(DAG_ID, run_id, "mfa", {FIELD: code}, (ENTER,))
    wait_until(bill.held_answers, 90, "the code to reach BILL")
    clear(airflow, run_id)
    bill.control("POST", "faults/release")
    assert airflow.wait(DAG_ID, run_id) == "success"
    assert counts(bill) == (1, 1, 1)
    forms = [line for line in airflow.database_dump_text().splitlines() if line.startswith("hitl_detail")]
    assert [line[:60] for line in forms if code in line] == []
