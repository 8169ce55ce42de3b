"""Several people before several forms: a person is asked at most once, and what they enter is never in vain.

A form is an operator before the local BILL, its answer the event that Airflow would give it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Barrier, BrokenBarrierError
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pendulum
import pytest
import requests

from airflow_provider_bill.operators.mfa import BillMfaOperator, BillMfaValidateOperator

if BillMfaOperator.__name__ != "BillMfaOperator":
    pytest.skip("this Airflow has no Human-in-the-loop", allow_module_level=True)

from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.providers.standard.operators import hitl as standard_hitl
from airflow.providers.standard.triggers import hitl as standard_triggers
from airflow.sdk.bases.operator import TriggerFailureReason
from airflow.sdk.execution_time import hitl as sdk_hitl
from airflow.triggers.base import TriggerEvent

from airflow_provider_bill.exceptions import BillConfigurationError, BillMfaError, BillStoreError
from airflow_provider_bill.hooks import errors
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.hooks.mfa import HookMfa
from airflow_provider_bill.operators import base, mfa_hitl
from airflow_provider_bill.operators import mfa as mfa_operators
from airflow_provider_bill.operators.mfa_form import ENTER, FIELD, NEW_TEXT, SEND
from airflow_provider_bill.triggers import mfa as mfa_triggers
from airflow_provider_bill.triggers.mfa import BillMfaTrigger
from dev.clock import START, ManualClock
from dev.local_bill import LocalBill

if TYPE_CHECKING:
    from tests.operators.conftest import Connect, NewDag

PARKED: tuple[type[BaseException], ...] = (TaskDeferred,)
try:
    from airflow.sdk.exceptions import TaskAwaitingInput

    PARKED = (TaskDeferred, TaskAwaitingInput)
except ImportError:  # before Airflow 3.3
    pass

RESCHEDULED: type[Exception] = vars(errors)["AirflowRescheduleException"]
VALIDATE = "/connect/v3/mfa/challenge/validate"


class Form:
    """A task that asks a person: what it waits with, and how it ended."""

    def __init__(self, operator: Any, details: dict[Any, dict[str, Any]], map_index: int = -1) -> None:
        self.operator = operator
        ti = SimpleNamespace(id=uuid4(), dag_id=operator.dag_id, run_id="manual__1", task_id="mfa")
        ti.map_index = map_index
        self.context: Any = {"task_instance": ti}
        self.details = details
        self.kwargs: dict[str, Any] | None = None
        self.trigger: Any = None
        self.result: Any = None
        self.error: BaseException | None = None

    @property
    def detail(self) -> dict[str, Any]:
        """What Airflow stores of the form."""
        return self.details[self.context["task_instance"].id]

    def clear(self) -> Form:
        """Run the task anew as Airflow does once it is cleared: it has another id then, and the form goes with it."""
        form = self.details.pop(self.context["task_instance"].id)
        self.context["task_instance"].id = uuid4()
        self.details[self.context["task_instance"].id] = form
        return self.open()

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

    def resume(self, method: str, kwargs: dict[str, Any]) -> Form:
        """Let the task go on as Airflow does it."""
        self.kwargs = None
        return self._run(lambda: self.operator.resume_execution(method, kwargs, self.context))

    def event(self, within: float) -> dict[str, Any] | None:
        """Return the event of the trigger that the task waits with, None if there is none in so many seconds."""
        trigger = BillMfaTrigger(**{**self.trigger.serialize()[1], "trust_seconds": 0.05, "poke_interval": 0.05})

        async def first() -> Any:
            try:
                return (await asyncio.wait_for(anext(aiter(trigger.run())), within)).payload
            except TimeoutError:
                return None

        event: dict[str, Any] | None = asyncio.run(first())
        return event

    @property
    def waits_with(self) -> dict[str, Any]:
        """What the task waits with: all that its trigger and its later run will know."""
        return {**(self.kwargs or {}), **self.trigger.serialize()[1]}

    def _run(self, call: Callable[[], Any]) -> Form:
        self.error = None
        try:
            self.result = call()
        except PARKED as parked:
            self.kwargs, self.trigger = dict(parked.kwargs or {}), getattr(parked, "trigger", None)  # type: ignore[attr-defined]
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
NewHook = Callable[..., BillHook]
Counts = Callable[[], tuple[int, int, int]]


@pytest.fixture
def hook(connect: Connect, clock: ManualClock) -> NewHook:
    """Make hooks of one connection that share a session in this process."""
    connect("v3")

    def make(bill_conn_id: str = "bill_default", organization_id: str | None = None) -> BillHook:
        return BillHook(bill_conn_id, organization_id, store="memory", clock=clock)

    return make


@pytest.fixture
def form(hook: NewHook, new_dag: NewDag, monkeypatch: pytest.MonkeyPatch) -> NewForm:
    """Make a form of a connection; each run of its task has a hook of its own, as in a process of its own."""
    details: dict[Any, dict[str, Any]] = {}

    def upsert(ti_id: Any, **facts: Any) -> None:
        # As Airflow does it: of a form that is there it removes the answer, and changes nothing else.
        details.setdefault(ti_id, facts)["params_input"] = {}

    monkeypatch.setattr(sdk_hitl, "upsert_hitl_detail", upsert)
    monkeypatch.setattr(standard_hitl, "upsert_hitl_detail", upsert)
    for trigger in (standard_triggers, mfa_triggers):
        # The thread that asgiref begins here would hold up `dag.test()` on Airflow 3.1 later on.
        monkeypatch.setattr(trigger, "sync_to_async", at_once)
    for module in (mfa_hitl, mfa_operators, base):
        monkeypatch.setattr(module, "shared_hook", hook)

    def make(*, map_index: int = -1, **kwargs: Any) -> Form:
        with new_dag():
            return Form(BillMfaOperator(task_id="mfa", **kwargs), details, map_index)

    return make


@pytest.fixture
def counts(bill: LocalBill) -> Counts:
    """Give sign-ins, texts, and codes that BILL has seen."""

    def read() -> tuple[int, int, int]:
        stats = bill.stats()
        return stats["sign_ins"], stats["sms_sent"], stats["by_path"].get(VALIDATE, 0)

    return read


def at_once(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


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


def test_whoever_waits_goes_on_once_another_has_answered_at_the_latest_at_the_time_limit(
    form: NewForm, bill: LocalBill, counts: Counts
) -> None:
    forms = [form().open() for _ in range(3)]
    forms[0].answer(bill.codes()[0])
    forms[1].go_on({"trusted": True})  # as the trigger says that looks at trust
    forms[2].go_on({"error": "the time is over", "error_type": "timeout"})
    assert states(forms) == ["success"] * 3
    assert [one.result["entered_by"] for one in forms] == [{"id": "1"}, None, None]
    assert counts() == (1, 1, 1)


def test_a_time_limit_that_only_the_scheduler_has_seen_is_one_all_the_same(
    form: NewForm, bill: LocalBill, counts: Counts
) -> None:
    forms = [form().open() for _ in range(2)]
    gone_by = {"error": TriggerFailureReason.TRIGGER_TIMEOUT}
    assert forms[1].resume("__fail__", gone_by).state == "failed"
    assert "nobody entered the MFA code within 0:05:00" in str(forms[1].error)
    forms[0].answer(bill.codes()[0])
    assert forms[1].resume("__fail__", gone_by).state == "success"
    assert type(forms[1].resume("__fail__", {"error": "it failed"}).error).__name__ == "TaskDeferralError"
    assert counts() == (1, 1, 1)


def test_a_form_that_was_woken_for_nothing_waits_on_until_its_own_limit(form: NewForm, counts: Counts) -> None:
    one = form().open()
    asked_for = dict(one.waits_with)
    one.detail["params_input"] = {FIELD: "123456"}  # somebody answers at this very moment
    one.go_on({"trusted": True})
    assert one.state == "waits"
    assert one.waits_with == asked_for
    assert one.detail["params_input"] == {FIELD: "123456"}  # what the trigger finds next
    assert counts() == (1, 1, 0)


@pytest.mark.parametrize("remember", [True, False])
def test_the_trigger_of_a_waiting_form_sees_that_another_has_answered(
    remember: bool, form: NewForm, bill: LocalBill, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unanswered(ti_id: Any) -> Any:
        return SimpleNamespace(response_received=False, chosen_options=None, params_input=None, responded_at=None)

    monkeypatch.setattr(mfa_triggers, "get_hitl_detail_content_detail", unanswered)
    forms = [form(remember=remember).open() for _ in range(2)]
    assert forms[1].event(within=0.3) is None
    forms[0].answer(bill.codes()[0])
    event = forms[1].event(within=20)
    assert event == {"trusted": True}
    assert forms[1].go_on(event).state == "success"
    assert counts() == (1, 1, 1)


def test_a_form_that_cannot_be_looked_at_for_a_while_is_waited_for(
    form: NewForm, bill: LocalBill, counts: Counts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, looks = form().open(), []
    (code,) = bill.codes()
    person = SimpleNamespace(id="1", name="Jo")
    answered = {"chosen_options": [ENTER], "params_input": {FIELD: code}, "responded_at": START}

    def away_at_first(ti_id: Any) -> Any:
        looks.append(ti_id)
        if len(looks) in (1, 2, 4):
            raise RuntimeError(f"no answer; the last one was {answered}")
        return SimpleNamespace(response_received=len(looks) > 4, responded_by_user=person, **answered)

    monkeypatch.setattr(mfa_triggers, "FAILED_LOOKS", 2)
    for module in (mfa_triggers, standard_triggers):
        monkeypatch.setattr(module, "get_hitl_detail_content_detail", away_at_first)
    event = one.event(within=20)
    assert event is not None
    assert one.go_on(event).state == "success"
    assert counts() == (1, 1, 1)
    assert caplog.text.count("could not be looked at (RuntimeError)") == 3
    assert code not in caplog.text


def test_a_form_that_can_never_be_looked_at_ends_the_wait(form: NewForm, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Any] = []

    def away(ti_id: Any) -> Any:
        looks.append(ti_id)
        raise ConnectionError("no API server; the answer was 123456")

    monkeypatch.setattr(mfa_triggers, "FAILED_LOOKS", 2)
    monkeypatch.setattr(mfa_triggers, "get_hitl_detail_content_detail", away)
    one = form().open()
    with pytest.raises(BillStoreError, match=r"could not be looked at \(ConnectionError\)") as raised:
        one.event(within=20)
    assert "123456" not in "".join(traceback.format_exception(raised.value))
    assert looks == [one.context["task_instance"].id] * 3


def test_a_trigger_that_is_cancelled_does_not_cut_off_what_it_asks_airflow(
    form: NewForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, ended = form().open(), []

    async def cancelled() -> None:
        asked, answered = asyncio.Event(), asyncio.Event()

        def slow(function: Callable[..., Any]) -> Callable[..., Any]:
            async def call() -> Any:
                asked.set()
                await answered.wait()
                ended.append(True)
                return SimpleNamespace(response_received=False)

            return call

        monkeypatch.setattr(mfa_triggers, "sync_to_async", slow)
        waiting = asyncio.ensure_future(anext(aiter(one.trigger.run())))
        await asked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        answered.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(cancelled())
    assert ended == [True]


def test_where_trust_is_renewed_the_trigger_waits_for_a_new_device(
    form: NewForm, hook: NewHook, bill: LocalBill, clock: ManualClock, counts: Counts
) -> None:
    form().open().answer(bill.codes()[0])
    clock.advance(days=26)
    forms = [form(renew_within=timedelta(days=5)).open() for _ in range(2)]
    looks = hook().mfa.looks_trusted
    assert (looks(), looks(timedelta(days=5))) == (True, False)
    forms[0].answer(bill.codes()[1])
    assert looks(timedelta(days=5))
    assert forms[1].go_on({"trusted": True}).state == "success"
    assert counts() == (2, 2, 2)


def test_a_task_that_fetches_the_code_goes_on_once_another_has_answered_and_leaves_a_newer_code_to_others(
    form: NewForm, hook: NewHook, bill: LocalBill, counts: Counts, new_dag: NewDag
) -> None:
    challenge = hook().mfa.challenge().as_dict()
    taken: list[str] = []

    def code(context: Any) -> str | None:
        taken.append("looked")
        return None

    with new_dag():
        validate = BillMfaValidateOperator(task_id="validate", challenge=challenge, code_source=code)
    one = form().open()
    assert not validate.poke({})
    one.answer(option=NEW_TEXT)
    assert not validate.poke({})
    assert taken == ["looked"]  # what lies there now is of the newer text
    one.answer(bill.codes()[1])
    assert validate.poke({})
    assert (one.state, counts()) == ("success", (1, 2, 1))


def test_a_task_that_fetches_the_code_is_not_content_with_a_device_that_bill_honours_elsewhere_only(
    form: NewForm, hook: NewHook, bill: LocalBill, counts: Counts, new_dag: NewDag
) -> None:
    with new_dag():
        validate = BillMfaValidateOperator(
            task_id="validate", challenge=hook().mfa.challenge().as_dict(), code_source=lambda context: None
        )
    other = form(organization_id="00801SBX000200000000").open()
    other.answer(bill.codes()[1])
    assert not validate.poke({})
    assert counts() == (2, 2, 1)
    bill.settings(device_holds_for="user")
    assert not validate.poke({})  # it was refused here once, and is not tried again
    form().open().answer(bill.codes()[0])
    assert validate.poke({})
    assert counts() == (2, 2, 2)


def test_at_the_hourly_limit_a_form_and_a_task_that_fetches_the_code_wait_for_its_end(
    form: NewForm, hook: NewHook, bill: LocalBill, counts: Counts, new_dag: NewDag
) -> None:
    one = form().open()
    challenge = hook().mfa.challenge().as_dict()
    with new_dag():
        validate = BillMfaValidateOperator(
            task_id="validate", challenge=challenge, code_source=lambda context: bill.codes()[0]
        )
    bill.settings(calls_per_hour=0)
    one.answer(bill.codes()[0])
    assert isinstance(one.error, RESCHEDULED)
    with pytest.raises(RESCHEDULED):
        validate.poke({})
    bill.settings(calls_per_hour=20000)
    assert validate.poke({})
    assert one.open().state == "success"
    assert bill.stats()["sms_sent"] == 1


@pytest.mark.parametrize("label", ["x" * 101, "  "])
def test_a_label_that_bill_cannot_take_is_refused_before_a_text_is_sent(
    label: str, form: NewForm, new_dag: NewDag, counts: Counts
) -> None:
    with pytest.raises(BillConfigurationError, match="blank or longer than 100"):
        form(device=label)
    with new_dag(), pytest.raises(BillConfigurationError, match="blank or longer than 100"):
        BillMfaValidateOperator(task_id="validate", challenge={}, code_source="code", device=label)
    assert counts() == (0, 0, 0)


@pytest.mark.parametrize("mode", ["off", "bypass"])
@pytest.mark.parametrize("phone", [True, False])
def test_a_v2_connection_without_mfa_asks_nobody_day_after_day(
    mode: str, phone: bool, connect: Connect, form: NewForm, bill: LocalBill, clock: ManualClock, counts: Counts
) -> None:
    user = bill.user("has an MFA phone" if phone else "no MFA phone")
    connect("v2", login=user["username"], password=user["password"])
    bill.settings(mfa_mode=mode)
    for _ in range(3):
        one = form().open()
        assert (one.state, one.result["trusted_days"]) == ("success", None)
        clock.advance(days=1)
    assert counts() == (3, 0, 0)


LONG = {"response_timeout": timedelta(hours=24)}


def test_a_form_that_may_wait_long_has_no_text_sent_until_somebody_asks_for_it(
    form: NewForm, bill: LocalBill, clock: ManualClock, counts: Counts
) -> None:
    one = form(**LONG).open()
    assert one.detail["options"] == [SEND, ENTER]
    clock.advance(hours=3)
    assert counts() == (1, 0, 0)
    one.answer(option=SEND)
    assert (one.state, counts()) == ("waits", (2, 1, 0))
    one.answer(bill.codes()[0])
    assert (one.state, counts()) == ("success", (2, 1, 1))


def test_a_form_that_nobody_answers_for_five_days_has_no_text_sent(
    form: NewForm, clock: ManualClock, counts: Counts
) -> None:
    for _ in range(5):
        one = form(**LONG).open()
        clock.advance(days=1)
        one.go_on({"error": "the time is over", "error_type": "timeout"})
        assert "nobody entered the MFA code within 1 day" in str(one.error)
    assert counts()[1:] == (0, 0)


def test_in_a_form_that_may_wait_long_an_old_code_sends_no_text_by_itself(
    form: NewForm, bill: LocalBill, clock: ManualClock, counts: Counts
) -> None:
    one = form(**LONG).open()
    for number in range(5):  # more often than a form sends texts by itself
        assert one.answer("123456").state == "waits"
        assert counts()[1:] == (number, 0)
        one.answer(option=SEND)
        assert counts()[1:] == (number + 1, 0)
        clock.advance(minutes=6)
    one.answer(option=SEND).answer(bill.codes()[-1])
    assert (one.state, counts()[1:]) == ("success", (6, 1))


def test_two_who_have_the_code_sent_from_two_forms_get_one_text(form: NewForm, bill: LocalBill, counts: Counts) -> None:
    forms = [form(**LONG).open() for _ in range(2)]
    for one in forms:
        one.answer(option=SEND)
    assert (states(forms), counts()) == (["waits"] * 2, (1, 1, 0))
    for one in forms:
        one.answer(bill.codes()[0])
    assert (states(forms), counts()) == (["success"] * 2, (1, 1, 1))


def test_asking_again_does_not_prolong_a_form_that_may_wait_long(form: NewForm, counts: Counts) -> None:
    one = form(**LONG).open()
    until = one.waits_with["until"]
    assert one.answer(option=SEND).waits_with["until"] == until


def test_the_code_is_erased_when_the_connection_was_removed_meanwhile(
    form: NewForm, bill: LocalBill, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = form().open()
    monkeypatch.delenv("AIRFLOW_CONN_BILL_DEFAULT")
    one.answer(bill.codes()[0])
    assert (one.state, type(one.error).__name__) == ("failed", "AirflowNotFoundException")
    assert one.detail["params_input"] == {}


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt, ValueError])
def test_the_code_is_erased_before_bill_is_asked_and_once_more_however_the_task_ends(
    end: type[BaseException], form: NewForm, bill: LocalBill, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = form().open()
    seen = []

    def validate(self: Any, challenge: Any, code: str, **kwargs: Any) -> None:
        seen.append(dict(one.detail["params_input"]))
        one.detail["params_input"] = {FIELD: code}  # a second answer, of somebody else
        raise end

    monkeypatch.setattr(HookMfa, "validate", validate)
    one.answer(bill.codes()[0])
    assert isinstance(one.error, end)
    assert (seen, one.detail["params_input"]) == ([{}], {})


def test_an_answer_that_cannot_be_erased_is_not_taken_again_and_again(
    form: NewForm, bill: LocalBill, counts: Counts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = form().open()
    (code,) = bill.codes()

    def fail(**facts: Any) -> None:
        raise RuntimeError(f"the API server does not take {code}")

    monkeypatch.setattr(sdk_hitl, "upsert_hitl_detail", fail)
    one.answer(wrong(code))
    assert isinstance(one.error, BillMfaError)
    assert "could not be removed from the answered form (RuntimeError)" in str(one.error)
    assert code not in caplog.text
    assert counts() == (1, 1, 1)


def told(one: Form) -> dict[str, str]:
    """Return the rows of a form's words."""
    rows = [line.removeprefix("- **").partition("**: ") for line in one.detail["body"].splitlines() if "**: " in line]
    return {name: value for name, _, value in rows}


def test_a_form_tells_who_waits_whose_code_it_is_until_when_and_how_many_tries_are_left(
    form: NewForm, bill: LocalBill
) -> None:
    one = form().open()
    (text,) = bill.control("GET", "sms")
    digits = text["to"][-4:]
    assert one.detail["subject"] == f"BILL asks for the code that it has sent to the phone that ends in {digits}"
    assert told(one) == {
        "Waiting": f"DAG `{one.operator.dag_id}`, task `mfa`, run `manual__1`",
        "Connection": "`bill_default`",
        "Organization": "`00801SBX000100000000`",
        "BILL user": "`a***@harborbooks.example`",
        "Phone": f"ends in {digits}",
        "Text sent": "21 November 2026, 12:34:56 UTC",
        "Enter it before": "21 November 2026, 12:39:56 UTC",
        "Tries left": "3 of 3",
    }
    assert one.detail["body"].startswith("Enter the six digits from the newest text message, and press *Enter the")
    assert "the task's log says whether the code was wrong or too old, and how many tries" in one.detail["body"]
    assert 'says "No Response Received" later on, although the code was entered' in one.detail["body"]


def test_a_form_of_a_mapped_task_tells_its_index_and_its_own_organization(form: NewForm) -> None:
    one = form(map_index=4, organization_id="00801SBX000200000000").open()
    assert told(one)["Waiting"] == f"DAG `{one.operator.dag_id}`, task `mfa`, map index 4, run `manual__1`"
    assert told(one)["Organization"] == "`00801SBX000200000000`"
    assert "map index 0," in told(form(map_index=0).open())["Waiting"]


def test_after_a_wrong_code_the_form_of_the_next_task_says_so_and_how_many_tries_are_left(
    form: NewForm, bill: LocalBill, counts: Counts
) -> None:
    one = form().open()
    for left in ("2 tries", "1 try"):
        one.answer(wrong(bill.codes()[0]))
        one = form().open()
        assert one.detail["subject"].startswith(f"The code was wrong ({left} left): enter the one that BILL has sent")
        assert one.detail["body"].startswith("**The last code that was entered is wrong.** Enter the six digits")
        assert told(one)["Tries left"] == f"{left[0]} of 3"
    one.answer(bill.codes()[0])
    assert (one.state, counts()) == ("success", (1, 1, 3))


def test_a_new_text_has_all_its_tries_in_the_next_form(form: NewForm, bill: LocalBill) -> None:
    form().open().answer(wrong(bill.codes()[0])).answer(option=NEW_TEXT)
    one = form().open()
    assert told(one)["Tries left"] == "3 of 3"
    assert not one.detail["subject"].startswith("The code was wrong")


def test_who_is_notified_again_after_a_wrong_code_gets_to_see_that_it_was_wrong(form: NewForm, bill: LocalBill) -> None:
    seen: list[str] = []
    one: Form = form(notifiers=[lambda context: seen.append(one.operator.subject)])
    one.open().answer(wrong(bill.codes()[0]))
    asked, again = seen
    assert asked.startswith("BILL asks for the code")
    assert again.startswith("The code was wrong (2 tries left)")


def test_a_cleared_task_never_offers_a_code_that_bill_has_ended(form: NewForm, bill: LocalBill, counts: Counts) -> None:
    one = form().open()
    for _ in range(3):
        one.answer(wrong(bill.codes()[0]))
    assert isinstance(one.error, BillMfaError)
    assert one.error.code == "BDC_1358"
    assert (one.clear().state, counts()) == ("waits", (1, 2, 3))
    one.answer(bill.codes()[1])
    assert (one.state, counts()) == ("success", (1, 2, 4))


def test_while_bill_refuses_a_new_text_after_too_many_codes_the_task_fails_and_offers_no_code(
    form: NewForm, bill: LocalBill, counts: Counts
) -> None:
    one = form().open()
    for _ in range(3):
        one.answer(wrong(bill.codes()[0]))
    bill.fault("/connect/v3/mfa/challenge", code="BDC_1358")
    one.clear()
    assert isinstance(one.error, BillMfaError)
    assert "wait ten minutes" in str(one.error)
    assert (one.state, counts()) == ("failed", (1, 1, 3))
    one.clear().answer(bill.codes()[1])
    assert (one.state, counts()) == ("success", (1, 2, 4))


def test_a_task_that_fetches_the_code_takes_none_for_a_challenge_that_bill_has_ended(
    form: NewForm, hook: NewHook, bill: LocalBill, counts: Counts, new_dag: NewDag
) -> None:
    challenge = hook().mfa.challenge()
    for _ in range(3):
        with pytest.raises(BillMfaError):
            hook().mfa.validate(challenge, wrong(bill.codes()[0]))
    with new_dag():
        validate = BillMfaValidateOperator(
            task_id="validate", challenge=challenge.as_dict(), code_source=lambda context: pytest.fail("looked")
        )
    with pytest.raises(BillMfaError, match="clear the task that asked for the code too"):
        validate.poke({})
    assert counts() == (1, 1, 3)


def test_a_form_that_has_no_text_sent_yet_tells_which_phone_to_have_at_hand(form: NewForm, bill: LocalBill) -> None:
    one = form(**LONG).open()
    rows = told(one)
    digits = bill.user("has an MFA phone")["phone"][-4:]
    assert (
        one.detail["subject"]
        == f"BILL asks for a code: have it sent when you have the phone that ends in {digits} at hand"
    )
    assert one.detail["body"].startswith("Press *Send me the code*, and BILL sends six digits")
    assert list(rows) == ["Waiting", "Connection", "Organization", "BILL user", "Phone", "Form open until"]
    assert rows["Form open until"].endswith(" UTC")
    assert "Form open until" not in told(form(response_timeout=None).open())


def test_a_form_that_closes_before_the_code_is_too_old_tells_its_own_limit(form: NewForm, clock: ManualClock) -> None:
    clock.now = pendulum.now("UTC")  # the form's limit is told by Airflow's clock
    rows = told(form(response_timeout=timedelta(minutes=1)).open())
    sent, until = (
        pendulum.from_format(rows[name], "D MMMM YYYY, HH:mm:ss [UTC]") for name in ("Text sent", "Enter it before")
    )
    # A minute and what a busy machine takes, not the five minutes of the code.
    assert 59 <= (until - sent).total_seconds() < 240


def test_words_that_the_dag_brings_are_kept(form: NewForm, bill: LocalBill) -> None:
    one = form(subject="Ada, the code please", body="Call me").open()
    assert (one.detail["subject"], one.detail["body"]) == ("Ada, the code please", "Call me")
    one = form(subject="Ada, the code please").open()
    assert one.detail["subject"] == "Ada, the code please"
    assert told(one)["Tries left"] == "3 of 3"


def test_a_form_holds_nothing_secret_and_no_markup_of_others(
    form: NewForm, bill: LocalBill, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = connect("v3")
    one = form()
    one.context["task_instance"].run_id = "a`run` <b>"
    one.open().answer(wrong(bill.codes()[0]))
    assert "run `a'run' <b>`" in one.detail["body"]
    words = str(one.details)
    (text,) = bill.control("GET", "sms")
    unsaid = [*secrets, bill.codes()[0], wrong(bill.codes()[0]), text["to"], bill.username]
    assert [secret for secret in unsaid if secret in words] == []
    session = json.loads(json.dumps(one.waits_with["challenge"]))
    assert session["phone"] == text["to"][-4:]


def test_what_a_trigger_hands_on_shows_nothing_of_the_answer(
    form: NewForm, bill: LocalBill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow 3.1's triggerer logs each event."""
    one = form().open()
    (code,) = bill.codes()
    answer: dict[str, Any] = {"chosen_options": [ENTER], "params_input": {FIELD: code}, "responded_at": START}
    answer |= {"responded_by_user": SimpleNamespace(id="1", name="Jo"), "response_received": True}
    for module in (mfa_triggers, standard_triggers):
        monkeypatch.setattr(module, "get_hitl_detail_content_detail", lambda ti_id: SimpleNamespace(**answer))
    event = one.event(within=20)
    assert event is not None
    assert event["params_input"] == {FIELD: code}
    shown = TriggerEvent(event)  # type: ignore[no-untyped-call]  # Airflow names no types
    assert code not in f"{event} {event!r} {shown!r}"


class Stopped(Exception):
    """What Airflow raises into a task that has run for too long."""


def frames_of(call: Callable[[], object]) -> str:
    """Return all that a traceback with locals shows of the error that a call raises."""
    try:
        call()
    except Stopped as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    raise AssertionError("it was not stopped")


@pytest.mark.parametrize("by", ["form", "callable", "template"])
def test_a_task_that_is_stopped_while_it_enters_a_code_shows_it_in_no_frame(
    by: str, form: NewForm, hook: NewHook, bill: LocalBill, new_dag: NewDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = requests.Session.send

    def stop(session: requests.Session, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        if str(request.url).endswith("/validate"):
            raise Stopped
        return send(session, request, **more)

    if by == "form":
        one = form().open()
        (code,) = bill.codes()
        event = {"chosen_options": [ENTER], "params_input": {FIELD: code}, "responded_by_user": {"id": "1"}}
        call = partial(one.operator.execute_complete, one.context, event, **one.kwargs or {})
    else:
        challenge = hook().mfa.challenge().as_dict()
        (code,) = bill.codes()
        source: Any = {"callable": lambda _context: bill.codes()[0], "template": "{{ bill.codes()[0] }}"}[by]
        with new_dag():
            sensor = BillMfaValidateOperator(task_id="mfa", challenge=challenge, code_source=source)
        context: Any = {"bill": bill}
        call = partial(sensor.poke, context)
    monkeypatch.setattr("requests.Session.send", stop)
    text = frames_of(call)
    assert "validate" in text
    assert code not in text
