"""Writes in tasks that a real Airflow runs in this process: operators and tasks, mapped and not; and outside of any."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, task

from airflow_provider_bill.exceptions import (
    BillConfigurationError,
    BillIdempotencyError,
    BillOutcomeUnknownError,
)
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators.bill import BillApiOperator
from dev.airflow_harness import airflow_version
from dev.dag_runner import DagResult, forget_task_states
from dev.local_bill import LocalBill
from dev.paths import ROOT

PATH = "/connect/v3/payments"
VENDOR = "00901SBX000100000001"

Connect = Callable[..., list[str]]
RunDag = Callable[..., DagResult]


@pytest.fixture(autouse=True)
def _connected_without_mfa(connect: Connect, bill: LocalBill) -> None:
    connect("v3")
    bill.settings(mfa_mode="off")


def payment(name: str) -> dict[str, Any]:
    return {"vendorId": VENDOR, "amount": 1.5, "processDate": "2099-01-01", "description": name}


def paid(bill: LocalBill) -> list[str]:
    return [str(row["description"]) for row in bill.payments()]


def dag_of(request: pytest.FixtureRequest) -> DAG:
    name = re.sub(r"\W+", "_", request.node.name)
    return DAG(dag_id=name, schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC"))


def add_task(kind: str, names: list[str], *, fail_after: list[int] | None = None, **kwargs: Any) -> None:
    """Add a task that makes a payment, or a mapped one that makes several.

    :param fail_after: numbers of the payments after which the task fails once, though it has paid
    """
    left = list(fail_after or [])

    def fail_once(name: str) -> None:
        if left and name == names[left[0]]:
            left.pop(0)
            raise RuntimeError("the task failed after it had paid")

    if "operator" in kind:

        def checked(answer: dict[str, Any]) -> str:
            fail_once(answer["description"])
            return str(answer["id"])

        parts: dict[str, Any] = {"endpoint": "/v3/payments", "method": "POST", "response_filter": checked}
        if kind == "mapped operator":
            bodies = [payment(name) for name in names]
            BillApiOperator.partial(task_id="pay", retry_delay=0, **parts, **kwargs).expand(data=bodies)
        else:
            BillApiOperator(task_id="pay", retry_delay=0, data=payment(names[0]), **parts, **kwargs)
        return

    @task(task_id="pay", retry_delay=0, **kwargs)
    def pay(name: str) -> str:
        made = BillHook().request("POST", "/v3/payments", json=payment(name))
        fail_once(name)
        return str(made["id"])

    if kind == "mapped @task":
        pay.expand(name=names)
    else:
        pay(names[0])


KINDS = ["operator", "@task", "mapped operator", "mapped @task"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_fails_after_it_has_paid_is_retried_and_pays_once(
    kind: str, request: pytest.FixtureRequest, run_dag: RunDag, bill: LocalBill
) -> None:
    names = ["bill 1", "bill 2"] if "mapped" in kind else ["bill 1"]
    with dag_of(request) as dag:
        add_task(kind, names, fail_after=[0, len(names) - 1], retries=2)
    result = run_dag(dag)
    assert result.state == "success", result.tasks
    assert sorted(paid(bill)) == names
    found = [result.xcom(name) for name in result.tasks]
    assert sorted(found) == sorted(row["id"] for row in bill.payments())


@pytest.mark.parametrize("kind", ["mapped operator", "@task"])
def test_a_lost_answer_fails_the_task_at_once_and_nothing_is_sent_again(
    kind: str, request: pytest.FixtureRequest, run_dag: RunDag, bill: LocalBill
) -> None:
    bill.fault(PATH, kind="reset", after_effect=True)
    with dag_of(request) as dag:
        add_task(kind, ["bill 1"], retries=2)
    result = run_dag(dag)
    assert list(result.tasks.values()) == ["failed"]
    assert (paid(bill), bill.count_calls(PATH)) == (["bill 1"], 1)


def test_a_refused_payment_fails_the_task_and_is_not_retried(
    request: pytest.FixtureRequest, run_dag: RunDag, bill: LocalBill
) -> None:
    bill.fault(PATH, code="BDC_1152")
    with dag_of(request) as dag:
        add_task("@task", ["bill 1"], retries=2)
    assert list(run_dag(dag).tasks.values()) == ["failed"]
    assert (paid(bill), bill.count_calls(PATH)) == ([], 1)


def test_a_loop_that_fails_in_its_middle_goes_on_where_it_was(
    request: pytest.FixtureRequest, run_dag: RunDag, bill: LocalBill
) -> None:
    bill.fault(PATH, kind="status", code="BDC_1322", skip=1)
    failures = ["once"]
    with dag_of(request) as dag:

        @task(retries=1, retry_delay=0)
        def pay_all() -> list[str]:
            made = []
            # Two hooks of a task share its numbers.
            for hook, name in ((BillHook(), "bill 1"), (BillHook(), "bill 2"), (BillHook(), "bill 3")):
                made.append(hook.request("POST", "/v3/payments", json=payment(name))["id"])
                if name == "bill 2" and failures:
                    raise RuntimeError(failures.pop())
            return made

        pay_all()
    result = run_dag(dag)
    assert result.state == "success"
    assert paid(bill) == ["bill 1", "bill 2", "bill 3"]
    assert result.xcom("pay_all") == [row["id"] for row in bill.payments()]


def test_a_try_that_would_pay_something_else_is_stopped(
    request: pytest.FixtureRequest, run_dag: RunDag, bill: LocalBill
) -> None:
    errors: list[BaseException] = []
    names = iter(["bill 1", "bill 2"])
    with dag_of(request) as dag:

        @task(retries=3, retry_delay=0)
        def pay() -> None:
            try:
                BillHook().request("POST", "/v3/payments", json=payment(next(names)))
            except BillIdempotencyError as error:
                errors.append(error)
                raise
            raise RuntimeError("once")

        pay()
    assert run_dag(dag).tasks == {"pay": "failed"}
    assert paid(bill) == ["bill 1"]
    # It is not retried a second time.
    assert [isinstance(error, AirflowFailException) for error in errors] == [True]


def test_a_hook_that_was_used_while_the_file_was_parsed_is_durable_in_the_task(
    request: pytest.FixtureRequest, run_dag: RunDag, bill: LocalBill
) -> None:
    hook = BillHook()
    hook.request("GET", "/v3/vendors", params={"max": 1})
    failures = ["once"]
    with dag_of(request) as dag:

        @task(retries=1, retry_delay=0)
        def pay() -> None:
            hook.request("POST", "/v3/payments", json=payment("bill 1"))
            if failures:
                raise RuntimeError(failures.pop())

        @task
        def pay_another() -> None:
            hook.request("POST", "/v3/payments", json=payment("bill 2"))

        pay() >> pay_another()
    assert run_dag(dag).state == "success"
    assert paid(bill) == ["bill 1", "bill 2"]


def test_a_person_settles_an_unknown_payment_and_the_task_goes_on(
    request: pytest.FixtureRequest, run_dag: RunDag, bill: LocalBill
) -> None:
    bill.fault(PATH, kind="reset", after_effect=True)
    with dag_of(request) as dag:

        @task
        def pay() -> Any:
            hook = BillHook()
            with pytest.raises(BillOutcomeUnknownError) as caught:
                hook.request("POST", "/v3/payments", json=payment("bill 1"))
            write_id = str(caught.value).partition("(write ")[2][:16]
            BillHook.settle_write(write_id, carried_out=True, result={"id": bill.payments()[0]["id"]})
            return hook.request("POST", "/v3/payments", json=payment("bill 1"))["id"]

        pay()
    result = run_dag(dag)
    assert result.state == "success", result.tasks
    assert result.xcom("pay") == bill.payments()[0]["id"]
    assert paid(bill) == ["bill 1"]


PAGED_WRONGLY: dict[str, dict[str, Any]] = {
    "a_v2_payment": {"endpoint": "PayBills.json", "data": {"vendorId": VENDOR}},
    "a_v3_payment": {"endpoint": "/v3/payments", "method": "POST", "data": payment("bill 1")},
    "a_v3_post": {"endpoint": "/v3/payments", "method": "POST"},
    "data_for_v3": {"endpoint": "/v3/vendors", "data": {"a": 1}},
    "query_for_v2": {"endpoint": "List/Vendor.json", "query": {"max": 1}},
}


def test_paging_is_for_lists_and_anything_else_is_refused_before_it_is_sent(
    request: pytest.FixtureRequest, run_dag: RunDag, bill: LocalBill
) -> None:
    errors: list[str] = []

    class Overheard(BillApiOperator):
        def execute(self, context: Any) -> Any:
            try:
                return super().execute(context)
            except BillConfigurationError as error:
                errors.append(str(error))
                raise

    with dag_of(request) as dag:
        for name, arguments in PAGED_WRONGLY.items():
            Overheard(task_id=name, paginate=True, **arguments)
    assert set(run_dag(dag).tasks.values()) == {"failed"}
    assert len([error for error in errors if "no plain list" in error]) == 4, errors
    assert len([error for error in errors if "only lists have pages" in error]) == 1, errors
    assert bill.stats()["requests"] == 0


def test_the_hook_pages_through_lists_only(bill: LocalBill) -> None:
    with pytest.raises(BillConfigurationError, match="only lists have pages"):
        list(BillHook().paginate("PayBills.json", {"vendorId": VENDOR}))
    assert bill.stats()["requests"] == 0


# -- where no task is running, or none can be reached ----------------------------------------------------------


def test_a_script_writes_as_it_always_did(bill: LocalBill) -> None:
    BillHook().request("POST", "/v3/payments", json=payment("bill 1"))
    assert paid(bill) == ["bill 1"]


CHILD = """
import json, sys
from airflow_provider_bill.exceptions import BillConfigurationError
from airflow_provider_bill.hooks.bill import BillHook
hook = BillHook(unprotected_writes=json.loads(sys.argv[1]))
hook.request("GET", "/v3/vendors", params={"max": 1})
try:
    hook.request("POST", "/v3/payments", json=json.loads(sys.argv[2]))
except BillConfigurationError as error:
    sys.exit(f"refused: {error}")
"""


def test_a_write_in_a_child_process_of_a_task_is_refused_unless_the_author_insists(
    request: pytest.FixtureRequest, run_dag: RunDag, bill: LocalBill
) -> None:
    """As in a virtualenv or an external Python, where Airflow's stores are out of reach."""
    ends: list[tuple[int, str]] = []
    with dag_of(request) as dag:

        @task
        def pay() -> None:
            os.environ.setdefault("AIRFLOW_CTX_DAG_ID", dag.dag_id)
            for unprotected in (False, True):
                arguments = [json.dumps(unprotected), json.dumps(payment(f"insists: {unprotected}"))]
                command = [sys.executable, "-c", CHILD, *arguments]
                done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
                ends.append((done.returncode, done.stderr))

        pay()
    assert run_dag(dag).state == "success"
    assert [code for code, _ in ends] == [1, 0], ends
    assert "unprotected_writes=True" in ends[0][1]
    assert paid(bill) == ["insists: True"]


def test_a_write_in_a_callback_is_refused_unless_the_author_insists(
    request: pytest.FixtureRequest, run_dag: RunDag, bill: LocalBill
) -> None:
    errors: list[str] = []

    def pay_in_callback(context: Any) -> None:
        for unprotected in (False, True):
            hook = BillHook(unprotected_writes=unprotected)
            try:
                hook.request("POST", "/v3/payments", json=payment(f"insists: {unprotected}"))
            except BillConfigurationError as error:
                errors.append(str(error))

    with dag_of(request) as dag:

        @task(on_failure_callback=pay_in_callback)
        def fail() -> None:
            raise RuntimeError

        fail()
    assert run_dag(dag).tasks == {"fail": "failed"}
    assert len(errors) == 1
    assert "a callback" in errors[0]
    assert paid(bill) == ["insists: True"]


def test_a_write_in_the_process_in_which_airflow_2_runs_the_callback_of_a_dag_is_refused(bill: LocalBill) -> None:
    fork = multiprocessing.get_context("fork")
    said = fork.SimpleQueue()

    def pay() -> None:
        try:
            said.put(str(BillHook(store="memory").request("POST", "/v3/payments", json=payment("twice"))))
        except BillConfigurationError as error:
            said.put(str(error))

    process = fork.Process(target=pay, name="DagFileProcessor7-Process")
    process.start()
    process.join(60)
    assert "nothing was sent" in said.get()
    assert paid(bill) == []


@pytest.mark.skipif(airflow_version() < (3, 3), reason="before Airflow 3.3 there is no task state store")
@pytest.mark.parametrize(("forgets", "in_variables"), [("True", True), ("False", False)])
def test_what_was_paid_is_kept_where_it_outlives_the_success_of_the_task(
    forgets: str,
    in_variables: bool,
    request: pytest.FixtureRequest,
    run_dag: RunDag,
    bill: LocalBill,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.models.task_state_store import TaskStateStoreModel as State
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    forget_task_states()
    monkeypatch.setenv("AIRFLOW__STATE_STORE__CLEAR_ON_SUCCESS", forgets)
    with dag_of(request) as dag:
        add_task("operator", ["bill 1"])
    assert run_dag(dag).state == "success"
    assert paid(bill) == ["bill 1"]
    with create_session() as session:
        keys = list(session.scalars(select(Variable.key)))
        ends = set(session.scalars(select(State.expires_at).where(State.key.startswith("bill_write"))))
    assert any(key.startswith("bill_write__") for key in keys) is in_variables
    assert ends == (set() if in_variables else {None}), "no note is ever forgotten by itself"
