"""Several people before several forms: a person is asked at most once, and what they enter is never in vain.

A form is an operator before the local BILL, its answer the event that Airflow would give it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, BrokenBarrierError
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from airflow_provider_bill.operators.mfa import BillMfaOperator, BillMfaValidateOperator

if BillMfaOperator.__name__ != "BillMfaOperator":
    pytest.skip("this Airflow has no Human-in-the-loop", allow_module_level=True)

from airflow.providers.standard.operators import hitl as standard_hitl
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.execution_time import hitl as sdk_hitl

from airflow_provider_bill.exceptions import BillConfigurationError, BillMfaError
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.hooks.mfa import HookMfa
from airflow_provider_bill.operators import mfa_hitl
from airflow_provider_bill.operators.mfa_form import ENTER, FIELD, NEW_TEXT
from dev.clock import ManualClock
from dev.local_bill import LocalBill

if TYPE_CHECKING:
    from tests.operators.conftest import Connect, NewDag, RunDag

PARKED: tuple[type[BaseException], ...] = (TaskDeferred,)
try:
    from airflow.sdk.exceptions import TaskAwaitingInput

    PARKED = (TaskDeferred, TaskAwaitingInput)
except ImportError:  # before Airflow 3.3
    pass

VALIDATE = "/connect/v3/mfa/challenge/validate"


class Form:
    """A task that asks a person: what it waits with, and how it ended."""

    def __init__(self, operator: Any, details: dict[Any, dict[str, Any]]) -> None:
        self.operator = operator
        self.context: Any = {"task_instance": SimpleNamespace(id=uuid4())}
        self.details = details
        self.kwargs: dict[str, Any] | None = None
        self.result: Any = None
        self.error: BaseException | None = None

    @property
    def detail(self) -> dict[str, Any]:
        """What Airflow stores of the form."""
        return self.details[self.context["task_instance"].id]

    def open(self) -> Form:
        """Run the task for the first time."""
        return self._run(lambda: self.operator.execute(self.context))

    def answer(self, code: str | None = None, option: str = ENTER) -> Form:
        """Answer the form, and let the task go on."""
        self.detail["params_input"] = {FIELD: code}
        event = {"chosen_options": [option], "params_input": {FIELD: code}, "responded_by_user": {"id": "1"}}
        return self.go_on(event)

    def go_on(self, event: dict[str, Any]) -> Form:
        """Let the task go on for whatever reason."""
        assert self.kwargs is not None, "it does not wait"
        kwargs, self.kwargs = self.kwargs, None
        return self._run(lambda: self.operator.execute_complete(self.context, event, **kwargs))

    def _run(self, call: Callable[[], Any]) -> Form:
        try:
            self.result = call()
        except PARKED as parked:
            self.kwargs = dict(parked.kwargs or {})  # type: ignore[attr-defined]
        except BaseException as error:
            self.error = error
        return self

    @property
    def state(self) -> str:
        """How the task stands, in a word."""
        if self.kwargs is not None:
            return "waits"
        return "failed" if self.error is not None else "success"


NewForm = Callable[..., Form]
Counts = Callable[[], tuple[int, int, int]]


@pytest.fixture
def form(connect: Connect, new_dag: NewDag, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> NewForm:
    """Make a form of a connection; each run of its task has a hook of its own, as in a process of its own."""
    connect("v3")
    details: dict[Any, dict[str, Any]] = {}

    def upsert(ti_id: Any, **facts: Any) -> None:
        details.setdefault(ti_id, facts)["params_input"] = {}

    def hook(bill_conn_id: str, organization_id: str | None) -> BillHook:
        return BillHook(bill_conn_id, organization_id, store="memory", clock=clock)

    monkeypatch.setattr(sdk_hitl, "upsert_hitl_detail", upsert)
    monkeypatch.setattr(standard_hitl, "upsert_hitl_detail", upsert)
    monkeypatch.setattr(mfa_hitl, "shared_hook", hook)

    def make(**kwargs: Any) -> Form:
        with new_dag():
            return Form(BillMfaOperator(task_id="mfa", **kwargs), details)

    return make


@pytest.fixture
def counts(bill: LocalBill) -> Counts:
    """Give sign-ins, texts, and codes that BILL has seen."""

    def read() -> tuple[int, int, int]:
        stats = bill.stats()
        return stats["sign_ins"], stats["sms_sent"], stats["by_path"].get(VALIDATE, 0)

    return read


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def states(forms: list[Form]) -> list[str]:
    return [one.state for one in forms]


def test_a_code_that_is_too_old_costs_one_new_text_however_many_forms_it_is_entered_in(
    form: NewForm, bill: LocalBill, clock: ManualClock, counts: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    forms = [form().open() for _ in range(5)]
    assert counts() == (1, 1, 0)
    clock.advance(minutes=6)
    for one in forms:
        one.answer(bill.codes()[0])
    assert states(forms) == ["waits"] * 5
    assert counts() == (1, 2, 0)
    assert caplog.text.count("was not sent to BILL") == 4
    for one in forms:
        one.answer(bill.codes()[1])
    assert states(forms) == ["success"] * 5
    assert counts() == (1, 2, 1)
    assert forms[0].result["entered_by"] == {"id": "1"}


def test_a_code_for_an_older_text_is_not_sent_and_the_newest_is_asked_for(
    form: NewForm, bill: LocalBill, counts: Counts
) -> None:
    first, second = form().open(), form().open()
    first.answer(option=NEW_TEXT)
    second.answer(wrong(bill.codes()[0]))
    assert (second.state, counts()) == ("waits", (1, 2, 0))
    second.answer(bill.codes()[1])
    assert (second.state, counts()) == ("success", (1, 2, 1))


def test_two_people_who_answer_at_the_same_moment_enter_one_code(
    form: NewForm, bill: LocalBill, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms = [form().open() for _ in range(2)]
    together, is_trusted = Barrier(2), HookMfa.is_trusted

    def looked(self: Any, *args: Any) -> bool:
        found = is_trusted(self, *args)
        if not found:
            with contextlib.suppress(BrokenBarrierError):
                together.wait(5)
        return found

    monkeypatch.setattr(HookMfa, "is_trusted", looked)
    (code,) = bill.codes()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda one: one.answer(code), forms))
    assert states(forms) == ["success", "success"]
    assert counts() == (1, 1, 1)


def test_a_challenge_with_too_many_wrong_codes_is_not_offered_to_the_next_task(
    form: NewForm, bill: LocalBill, counts: Counts
) -> None:
    first = form().open()
    for _ in range(3):
        first.answer(wrong(bill.codes()[0]))
    assert isinstance(first.error, BillMfaError)
    assert first.error.code == "BDC_1358"
    second = form().open()
    assert counts() == (1, 2, 3)
    second.answer(bill.codes()[1])
    assert (second.state, counts()) == ("success", (1, 2, 4))


def test_six_people_who_ask_for_a_new_text_get_one_and_nobody_fails_with_a_code_on_its_way(
    form: NewForm, bill: LocalBill, counts: Counts
) -> None:
    forms = [form().open() for _ in range(6)]
    for one in forms:
        one.answer(option=NEW_TEXT)
    assert (states(forms), counts()) == (["waits"] * 6, (1, 2, 0))
    for _ in range(2):
        for one in forms:
            one.answer(option=NEW_TEXT)
    # Three texts are the most that one form sends, and the third can still be entered.
    assert (states(forms), counts()) == (["waits"] * 6, (1, 3, 0))
    for one in forms:
        one.answer(bill.codes()[-1])
    assert (states(forms), counts()) == (["success"] * 6, (1, 3, 1))


def test_after_the_last_text_a_form_gives_up_only_once_its_code_is_too_old(
    form: NewForm, clock: ManualClock, counts: Counts
) -> None:
    one = form(max_texts=1).open()
    assert one.answer(option=NEW_TEXT).state == "waits"
    clock.advance(minutes=6)
    one.answer(option=NEW_TEXT)
    assert "1 texts were sent and no code was entered in time" in str(one.error)
    assert counts() == (1, 1, 0)


@pytest.mark.parametrize("label", ["x" * 101, "  "])
def test_a_label_that_bill_cannot_take_is_refused_before_a_text_is_sent(
    label: str, form: NewForm, new_dag: NewDag, counts: Counts
) -> None:
    with pytest.raises(BillConfigurationError, match="blank or longer than 100"):
        form(device=label)
    with new_dag(), pytest.raises(BillConfigurationError, match="blank or longer than 100"):
        BillMfaValidateOperator(task_id="validate", challenge={}, code_source="code", device=label)
    assert counts() == (0, 0, 0)


def test_where_nobody_can_answer_a_form_no_text_is_sent(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect("v3")
    errors: list[Exception] = []
    execute = BillMfaOperator.execute

    def noting(self: Any, context: Any) -> Any:
        try:
            return execute(self, context)
        except Exception as error:
            errors.append(error)
            raise

    monkeypatch.setattr(BillMfaOperator, "execute", noting)
    with new_dag() as dag:
        BillMfaOperator(task_id="mfa", retries=2, response_timeout=timedelta(seconds=1))
    assert run_dag(dag).state == "failed"
    (error,) = errors
    assert "airflow dags test" in str(error)
    assert counts() == (1, 0, 0)
