"""A warm-up whose credentials BILL refuses: told once, then quiet, then alive again by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_bill.exceptions import BillSignInRefusedError
from airflow_provider_bill.operators import bill as operators
from airflow_provider_bill.operators.bill import BillLoginOperator, BillSessionWarmupOperator
from dev.local_bill import LocalBill

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from tests.operators.conftest import Connect, NewDag, RunDag

WRONG = "the wrong password"


class Notifier:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def __call__(self, context: Context) -> None:
        self.told.append(context.get("exception"))


@pytest.fixture
def notifier() -> Notifier:
    return Notifier()


@pytest.fixture
def at_leisure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run comes later than a refusal is being told of by the one that met it."""
    monkeypatch.setattr(operators, "_BEING_TOLD_SECONDS", -1)


def warm_up(notifier: Notifier, **more: Any) -> BillSessionWarmupOperator:
    return BillSessionWarmupOperator(task_id="warm_up", renew_within=None, notifiers=[notifier], **more)


def test_ten_runs_with_a_wrong_password_cost_one_refusal_and_one_message_and_the_right_one_goes_on_by_itself(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill, notifier: Notifier, at_leisure: None
) -> None:
    connect("v3", password=WRONG)
    with new_dag() as dag:
        warm_up(notifier)
    states = [run_dag(dag).tasks["warm_up"] for _ in range(10)]
    assert states == ["failed"] + ["skipped"] * 9
    assert bill.stats()["refused_sign_ins"] == 1
    assert bill.stats()["requests"] == 1
    (told,) = notifier.told
    assert isinstance(told, BillSignInRefusedError)
    assert told.code == "BDC_1101"
    assert WRONG not in str(told)

    connect("v3")
    assert run_dag(dag).tasks == {"warm_up": "success"}
    assert bill.stats()["sign_ins"] == 1
    assert len(notifier.told) == 1

    # The same mistake, made again after that, is told again.
    bill.expire_sessions()
    connect("v3", password=WRONG)
    assert [run_dag(dag).tasks["warm_up"] for _ in range(2)] == ["failed", "skipped"]
    assert len(notifier.told) == 2


def test_who_was_told_is_not_told_again_because_another_could_not_be(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, notifier: Notifier, at_leisure: None
) -> None:
    def away(context: Any) -> None:
        raise ConnectionError("the chat does not answer")

    connect("v3", password=WRONG)
    with new_dag() as dag:
        BillSessionWarmupOperator(task_id="warm_up", renew_within=None, notifiers=[away, notifier])
    assert [run_dag(dag).tasks["warm_up"] for _ in range(2)] == ["failed", "skipped"]
    assert len(notifier.told) == 1


def test_another_wrong_password_is_told_of_too(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill, notifier: Notifier, at_leisure: None
) -> None:
    with new_dag() as dag:
        warm_up(notifier)
    for password in (WRONG, "another wrong password"):
        connect("v3", password=password)
        assert [run_dag(dag).tasks["warm_up"] for _ in range(2)] == ["failed", "skipped"]
    assert (len(notifier.told), bill.stats()["refused_sign_ins"]) == (2, 2)


def test_a_refusal_that_another_task_met_is_told_by_the_next_warm_up(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill, notifier: Notifier, at_leisure: None
) -> None:
    connect("v3", password=WRONG)
    with new_dag() as other:
        BillLoginOperator(task_id="login")
    run_dag(other)
    with new_dag() as dag:
        warm_up(notifier)
    assert [run_dag(dag).tasks["warm_up"] for _ in range(3)] == ["failed", "skipped", "skipped"]
    assert (len(notifier.told), bill.stats()["refused_sign_ins"]) == (1, 1)


def test_of_many_organizations_one_task_tells_and_the_others_are_skipped(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill, notifier: Notifier
) -> None:
    connect("v3", password=WRONG)
    organizations = [row["id"] for row in bill.seed["organizations"]]
    with new_dag() as dag:
        BillSessionWarmupOperator.partial(task_id="warm_up", renew_within=None, notifiers=[notifier]).expand(
            organization_id=organizations
        )
    states = sorted(run_dag(dag).tasks.values())
    assert states == ["failed"] + ["skipped"] * (len(organizations) - 1)
    assert (len(notifier.told), bill.stats()["refused_sign_ins"]) == (1, 1)


def test_a_refusal_of_this_very_moment_is_left_to_the_task_that_met_it(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, notifier: Notifier
) -> None:
    connect("v3", password=WRONG)
    with new_dag() as dag:
        BillLoginOperator(task_id="login") >> warm_up(notifier, trigger_rule="all_done")
    assert run_dag(dag).tasks == {"login": "failed", "warm_up": "skipped"}
    assert notifier.told == []


def test_without_the_pause_each_run_fails_and_bill_is_asked_once_all_the_same(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill, notifier: Notifier, at_leisure: None
) -> None:
    connect("v3", password=WRONG)
    with new_dag() as dag:
        warm_up(notifier, pause_when_refused=False)
    assert [run_dag(dag).tasks["warm_up"] for _ in range(3)] == ["failed"] * 3
    assert (notifier.told, bill.stats()["refused_sign_ins"]) == ([], 1)


def test_a_note_of_what_was_told_that_is_garbage_counts_for_nothing(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, notifier: Notifier, at_leisure: None, bill: LocalBill
) -> None:
    from airflow.models.variable import Variable

    connect("v3", password=WRONG)
    with new_dag() as dag:
        warm_up(notifier)
    for garbage in ("{", '{"a": 1}', "[1]", "7"):
        Variable.set("bill_told_refused__bill_default", garbage)
        assert run_dag(dag).tasks["warm_up"] == "failed"
    assert len(notifier.told) == 4
    assert bill.stats()["refused_sign_ins"] == 1


def test_a_user_that_is_locked_a_second_time_is_told_of_again_though_another_task_had_signed_in_between(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill, notifier: Notifier, at_leisure: None
) -> None:
    from airflow.models.variable import Variable

    connect("v3")
    with new_dag() as dag:
        warm_up(notifier)
    with new_dag() as other:
        BillLoginOperator(task_id="login")
    for times in (1, 2):
        bill.fault("/connect/v3/login", code="BDC_1110", times=1)
        assert [run_dag(dag).tasks["warm_up"] for _ in range(2)] == ["failed", "skipped"]
        assert len(notifier.told) == times
        # A person unlocks the user at BILL, and clears the refusal as its message says; then any task signs in.
        Variable.delete(notifier.told[-1].note_key)
        assert run_dag(other).tasks == {"login": "success"}
        assert run_dag(dag).tasks == {"warm_up": "success"}
        bill.expire_sessions()


def test_a_refusal_of_which_the_notifier_could_not_tell_is_told_by_the_next_run(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill, notifier: Notifier, at_leisure: None
) -> None:
    def away(context: Context) -> None:
        raise ConnectionError("https://hooks.example.com/services/T0/secret-of-the-webhook")

    connect("v3", password=WRONG)
    with new_dag() as dag:
        BillSessionWarmupOperator(task_id="warm_up", renew_within=None, notifiers=[away])
    assert run_dag(dag).tasks["warm_up"] == "failed"
    with new_dag() as dag:
        warm_up(notifier)
    assert [run_dag(dag).tasks["warm_up"] for _ in range(2)] == ["failed", "skipped"]
    assert (len(notifier.told), bill.stats()["refused_sign_ins"]) == (1, 1)


def test_a_developer_key_that_is_refused_in_a_live_session_is_told_of_once_a_day(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill, notifier: Notifier, monkeypatch: Any
) -> None:
    connect("v3")
    with new_dag() as dag:
        warm_up(notifier)
    assert run_dag(dag).tasks["warm_up"] == "success"
    for day, states in (("2098-12-31", ["failed", "skipped", "success"]), ("2099-01-01", ["failed", "skipped"])):
        monkeypatch.setattr(operators, "today", lambda day=day: day)
        bill.fault("/connect/v3/login/session", status=401, code="BDC_1103", times=2)
        assert [run_dag(dag).tasks["warm_up"] for _ in states] == states
    assert [error.code for error in notifier.told] == ["BDC_1103", "BDC_1103"]
    assert bill.stats()["sign_ins"] == 1
