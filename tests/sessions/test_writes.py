"""Durable writes: whatever fails around a write, it is sent at most once, and is never said to be made if it is not."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_bill.client.answers import Answer
from airflow_provider_bill.client.request import BillRequest
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillConcurrencyError,
    BillConfigurationError,
    BillError,
    BillIdempotencyError,
    BillOutcomeUnknownError,
    BillStoreError,
)
from airflow_provider_bill.sessions.keys import settlement_key
from airflow_provider_bill.sessions.shared import SharedSession
from airflow_provider_bill.sessions.stores import MemoryStore
from airflow_provider_bill.sessions.writes import PERSISTENCE_SECONDS, RefusedWrites, TaskTry, settle
from dev.clock import ManualClock
from dev.local_bill import LocalBill
from dev.task_instance import Killed, TaskInstance, TroubledStore, not_answering
from tests.sessions.conftest import MakeShared

PATH = "/connect/v3/payments"
VENDOR = "00901SBX000100000001"
#: What the keys of the notes end with.
OPEN, SENT, CLAIM = "__open", "__sent", "__claim"

Pay = Callable[..., Any]


@pytest.fixture(autouse=True)
def _without_mfa(bill: LocalBill) -> None:
    bill.settings(mfa_mode="off")


@pytest.fixture
def notes_of_task(instance: TaskInstance) -> TroubledStore:
    """What Airflow keeps for the task instance."""
    assert isinstance(instance.store, TroubledStore)
    return instance.store


@pytest.fixture
def instance(clock: ManualClock) -> TaskInstance:
    return TaskInstance(clock)


@pytest.fixture
def begin_try(make_shared: MakeShared, instance: TaskInstance) -> Callable[..., SharedSession]:
    """Begin a new try of the task, as Airflow does in a new process."""

    def begin(**kwargs: Any) -> SharedSession:
        writes = instance.begin_try()
        return make_shared(writes=lambda: writes, **kwargs)

    return begin


BeginTry = Callable[..., SharedSession]


def pay(shared: SharedSession, name: str = "rent", *, amount: float = 1.5, key: str | None = None) -> Any:
    """Pay as a task would, and return BILL's answer."""
    body = {"vendorId": VENDOR, "amount": amount, "processDate": "2099-01-01", "description": name}
    return shared.send(shared.client.prepare("POST", "/v3/payments", body=body), idempotency_key=key).body


def paid(bill: LocalBill) -> list[str]:
    """Return what was paid, as BILL has it."""
    return [str(row["description"]) for row in bill.payments()]


def write_id(error: pytest.ExceptionInfo[BillOutcomeUnknownError]) -> str:
    return str(error.value).partition("(write ")[2][:16]


# -- what was answered ----------------------------------------------------------------------------------------


def test_a_later_try_returns_the_recorded_answer_and_sends_nothing(begin_try: BeginTry, bill: LocalBill) -> None:
    made = pay(begin_try())
    for _ in range(3):
        assert pay(begin_try()) == made
    assert paid(bill) == ["rent"]


def test_each_write_of_a_task_has_a_number_of_its_own(begin_try: BeginTry, bill: LocalBill) -> None:
    first = begin_try()
    made = [pay(first, "rent"), pay(first, "rent"), pay(first, "light")]
    second = begin_try()
    assert [pay(second, "rent"), pay(second, "rent"), pay(second, "light")] == made
    assert paid(bill) == ["rent", "rent", "light"]


def test_another_body_under_the_same_number_is_refused_and_both_are_named(begin_try: BeginTry, bill: LocalBill) -> None:
    pay(begin_try(), "bill 1")
    with pytest.raises(BillIdempotencyError) as caught:
        pay(begin_try(), "bill 2")
    assert str(caught.value).count("POST /v3/payments (") == 2
    assert "write number 1" in str(caught.value)
    assert not caught.value.retryable
    assert paid(bill) == ["bill 1"]


@pytest.mark.parametrize(
    ("method", "path", "params", "body"),
    [
        ("POST", "/v3/vendors", {"a": "1"}, {"name": "x"}),
        ("POST", "/v3/vendors", None, {"name": "y"}),
        ("PUT", "/v3/vendors", None, {"name": "x"}),
        ("POST", "/v3/customers", None, {"name": "x"}),
        ("POST", "Crud/Create/Vendor.json", None, {"name": "x"}),
        ("POST", "/v3/vendors", None, None),
    ],
)
def test_method_path_query_and_body_make_the_write(
    method: str, path: str, params: Any, body: Any, begin_try: BeginTry, bill: LocalBill
) -> None:
    address = {"line1": "1 Main", "city": "San Jose", "zipOrPostalCode": "95002", "country": "US"}
    first, second = begin_try(), begin_try()
    first.send(first.client.prepare("POST", "/v3/vendors", body={"name": "x", "address": address}))
    other = {**body, "address": address} if body else body
    with pytest.raises(BillIdempotencyError):
        second.send(second.client.prepare(method, path, params=params, body=other))
    assert bill.stats()["writes"] == 1


def test_the_organization_makes_the_write_too(begin_try: BeginTry, bill: LocalBill) -> None:
    pay(begin_try())
    other = next(row["id"] for row in bill.seed["organizations"] if row["id"] != bill.organization)
    with pytest.raises(BillIdempotencyError):
        pay(begin_try(fields={"organization_id": other}))
    assert paid(bill) == ["rent"]


def test_where_it_is_sent_makes_the_write_too(begin_try: BeginTry, bill: LocalBill) -> None:
    """What was made in BILL's sandbox is not the answer to a payment in production, nor the other way round."""
    pay(begin_try())
    with pytest.raises(BillIdempotencyError):
        pay(begin_try(host=bill.url.replace("127.0.0.1", "localhost")))
    assert paid(bill) == ["rent"]


def test_the_order_of_a_bodys_names_does_not_make_another_write(begin_try: BeginTry, bill: LocalBill) -> None:
    body = {"vendorId": VENDOR, "amount": 1.5, "processDate": "2099-01-01"}
    first, second = begin_try(), begin_try()
    made = first.send(first.client.prepare("POST", "/v3/payments", body=body))
    again = dict(reversed(body.items()))
    assert second.send(second.client.prepare("POST", "/v3/payments", body=again)).body == made.body
    assert bill.stats()["payments"] == 1


def test_with_keys_of_its_own_a_task_may_write_in_any_order(begin_try: BeginTry, bill: LocalBill) -> None:
    first = begin_try()
    made = {name: pay(first, name, key=name) for name in ("bill 1", "bill 3")}
    second = begin_try()
    for name in ("bill 3", "bill 2", "bill 1"):
        answer = pay(second, name, key=name)
        assert answer == made.setdefault(name, answer)
    assert paid(bill) == ["bill 1", "bill 3", "bill 2"]


def test_writes_with_keys_of_their_own_take_no_number(begin_try: BeginTry, bill: LocalBill) -> None:
    first = begin_try()
    pay(first, "bill 1", key="bill 1")
    made = pay(first, "rent")
    second = begin_try()
    assert pay(second, "rent") == made
    pay(second, "bill 1", key="bill 1")
    assert paid(bill) == ["bill 1", "rent"]


def test_a_process_that_was_forked_from_another_is_another_to_the_notes() -> None:
    parent = TaskTry()
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writes, parent.process.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writes)
    with os.fdopen(reads) as said:
        assert said.read() != parent.process
    assert parent.process == parent.process != TaskTry().process


def test_a_number_is_no_key_and_a_key_is_no_number(begin_try: BeginTry, bill: LocalBill) -> None:
    shared = begin_try()
    pay(shared, key="1")
    pay(shared)
    pay(shared, key="write number 2")
    pay(shared)
    assert paid(bill) == ["rent"] * 4


@pytest.mark.parametrize("key", ["ключ 支払い", "\ud800", "'", "x" * 10_000, "a\nb"])
def test_any_text_is_a_key(key: str, begin_try: BeginTry, bill: LocalBill, notes_of_task: TroubledStore) -> None:
    made = pay(begin_try(), key=key)
    assert pay(begin_try(), key=key) == made
    assert paid(bill) == ["rent"]
    assert max(len(name) for name in notes_of_task.names()) < 100


@pytest.mark.parametrize("key", ["", " ", 7])
def test_what_is_no_key_is_refused_before_anything_is_sent(key: Any, begin_try: BeginTry, bill: LocalBill) -> None:
    with pytest.raises(BillConfigurationError, match="idempotency_key"):
        pay(begin_try(), key=key)
    assert bill.stats()["requests"] == 0


def test_what_is_sent_is_what_was_prepared(begin_try: BeginTry, bill: LocalBill) -> None:
    body = {"vendorId": VENDOR, "amount": 1.5, "processDate": "2099-01-01", "description": "rent"}
    shared = begin_try()
    request = shared.client.prepare("POST", "/v3/payments", body=body)
    body["description"] = "something else"
    shared.send(request)
    assert paid(bill) == ["rent"]


def test_reads_leave_no_notes(begin_try: BeginTry, notes_of_task: TroubledStore) -> None:
    shared = begin_try()
    shared.send(shared.client.prepare("GET", "/v3/vendors", params={"max": 1}), idempotency_key="ignored")
    assert not notes_of_task.calls


# -- what was refused, or never sent --------------------------------------------------------------------------


def test_a_refused_write_leaves_no_intent_and_may_be_sent_again(
    begin_try: BeginTry, bill: LocalBill, notes_of_task: TroubledStore
) -> None:
    bill.fault(PATH, code="BDC_1152")
    with pytest.raises(BillApiError, match="BDC_1152"):
        pay(begin_try())
    assert notes_of_task.names(OPEN) == []
    pay(begin_try())
    assert paid(bill) == ["rent"]


def test_a_refused_write_takes_no_number(begin_try: BeginTry, bill: LocalBill) -> None:
    """The task catches the refusal and pays otherwise; at the next try the first way would not be refused."""
    bill.fault(PATH, code="BDC_1152")
    first = begin_try()
    with pytest.raises(BillApiError):
        pay(first, "on Sunday")
    pay(first, "on Monday")
    with pytest.raises(BillIdempotencyError):
        pay(begin_try(), "on Sunday")
    assert paid(bill) == ["on Monday"]


def test_a_write_that_never_left_is_no_unknown_one(
    begin_try: BeginTry, instance: TaskInstance, bill: LocalBill, notes_of_task: TroubledStore
) -> None:
    shared = begin_try()
    pay(shared, "rent")
    with pytest.raises(BillConfigurationError):
        shared.send(shared.client.prepare("POST", "/v3/payments", body={"amount": float("nan")}))
    assert notes_of_task.names(OPEN) == []
    assert paid(bill) == ["rent"]


def test_a_worker_killed_while_it_waits_for_a_free_call_has_sent_nothing(
    begin_try: BeginTry, bill: LocalBill, notes_of_task: TroubledStore
) -> None:
    bill.fault(PATH, code="BDC_1322")

    def killed(seconds: float) -> None:
        assert notes_of_task.names(OPEN) == []
        raise Killed

    with pytest.raises(Killed):
        pay(begin_try(sleep=killed))
    assert paid(bill) == []
    pay(begin_try())
    assert paid(bill) == ["rent"]


def test_a_write_that_had_to_wait_is_sent_once(begin_try: BeginTry, bill: LocalBill) -> None:
    bill.fault(PATH, code="BDC_1322", times=3)
    waits: list[float] = []
    made = pay(begin_try(sleep=waits.append))
    assert len(waits) == 3
    assert pay(begin_try()) == made
    assert (paid(bill), bill.count_calls(PATH)) == (["rent"], 4)


def test_a_write_refused_for_an_old_session_is_sent_once_in_a_new_one(begin_try: BeginTry, bill: LocalBill) -> None:
    shared = begin_try()
    pay(shared, "rent")
    bill.expire_sessions()
    pay(shared, "light")
    assert paid(bill) == ["rent", "light"]
    assert bill.stats()["sign_ins"] == 2


# -- what is unknown ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset"},
        {"kind": "reset", "after_effect": True},
        {"kind": "html", "after_effect": True},
        {"kind": "status", "status": 500, "after_effect": True},
        {"kind": "malformed", "after_effect": True},
        {"kind": "empty", "after_effect": True},
        {"kind": "empty"},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_without_a_clear_answer_the_outcome_is_unknown_until_a_person_has_looked(
    fault: dict[str, Any], begin_try: BeginTry, instance: TaskInstance, bill: LocalBill
) -> None:
    bill.fault(PATH, **fault)
    first = begin_try()
    with pytest.raises(BillOutcomeUnknownError) as caught:
        pay(first)
    assert not caught.value.retryable
    made = paid(bill)
    # Neither this try, nor a later one, nor under another key.
    for shared, key in ((first, None), (begin_try(), None), (begin_try(), "another")):
        with pytest.raises(BillOutcomeUnknownError) as again:
            pay(shared, key=key)
        assert write_id(again) == write_id(caught)
    assert paid(bill) == made
    settle(instance.settlements, write_id(caught), carried_out=bool(made), result={"id": "stp1"} if made else None)
    result = pay(begin_try())
    assert paid(bill) == ["rent"]
    assert result["id"] == ("stp1" if made else bill.payments()[0]["id"])
    assert pay(begin_try()) == result
    assert paid(bill) == ["rent"]
    assert instance.settlements._texts == {}


def test_a_worker_killed_before_it_has_an_intent_has_sent_nothing(begin_try: BeginTry, bill: LocalBill) -> None:
    shared = begin_try()

    def killed() -> None:
        raise Killed

    shared.manager.acquire = killed  # type: ignore[assignment,method-assign]
    with pytest.raises(Killed):
        pay(shared)
    pay(begin_try())
    assert paid(bill) == ["rent"]


@pytest.mark.parametrize("end", [Killed, KeyboardInterrupt, SystemExit, MemoryError])
def test_a_write_that_is_cut_short_is_unknown_and_the_log_says_how_to_settle_it(
    end: type[BaseException], begin_try: BeginTry, instance: TaskInstance, caplog: pytest.LogCaptureFixture
) -> None:
    writes, shared = instance.begin_try(), begin_try()
    request = shared.client.prepare("POST", "/v3/payments", body={})

    def cut_short() -> Answer:
        raise end

    def send(request: BillRequest, around: Any) -> Answer:
        answer: Answer = around(cut_short)
        return answer

    with pytest.raises(end):
        writes.send(request, shared.manager.identity, None, send)
    assert "bill_settle_write" in caplog.text
    with pytest.raises(BillOutcomeUnknownError):
        pay(begin_try())


def test_a_write_that_is_settled_under_another_body_is_not_mistaken_for_it(
    begin_try: BeginTry, instance: TaskInstance, bill: LocalBill
) -> None:
    bill.fault(PATH, kind="reset", after_effect=True)
    with pytest.raises(BillOutcomeUnknownError) as caught:
        pay(begin_try(), "bill 1")
    with pytest.raises(BillOutcomeUnknownError):
        pay(begin_try(), "bill 2")
    settle(instance.settlements, write_id(caught), carried_out=True, result={"id": "stp1"})
    with pytest.raises(BillIdempotencyError):
        pay(begin_try(), "bill 2")
    assert pay(begin_try(), "bill 1") == {"id": "stp1"}
    assert paid(bill) == ["bill 1"]


def test_of_two_intents_that_processes_have_stored_for_a_write_the_one_under_its_name_counts(
    begin_try: BeginTry, notes_of_task: TroubledStore, bill: LocalBill
) -> None:
    bill.fault(PATH, kind="reset", after_effect=True)
    with pytest.raises(BillOutcomeUnknownError):
        pay(begin_try(), key="rent")
    (sent,) = notes_of_task.names(SENT)
    intent = json.loads(str(notes_of_task.read(sent)))
    notes_of_task.write(sent, json.dumps({**intent, "id": "0123456789abcdef"}))
    with pytest.raises(BillOutcomeUnknownError, match=r"\(write 0123456789abcdef\)"):
        pay(begin_try(), "light", key="light")
    assert paid(bill) == ["rent"]


def test_settling_one_of_two_open_writes_leaves_the_other_in_the_way(
    begin_try: BeginTry, notes_of_task: TroubledStore, instance: TaskInstance, bill: LocalBill
) -> None:
    """Two processes ran the task at the same time, and both lost BILL's answer."""
    bill.fault(PATH, kind="reset", after_effect=True, times=2)
    with pytest.raises(BillOutcomeUnknownError) as rent:
        pay(begin_try(), "rent", key="rent")
    (sent,) = notes_of_task.names(SENT)
    kept = str(notes_of_task.read(sent))
    for name in (*notes_of_task.names(OPEN), sent):
        notes_of_task.delete(name)
    with pytest.raises(BillOutcomeUnknownError) as light:
        pay(begin_try(), "light", key="light")
    notes_of_task.write(sent, kept)
    settle(instance.settlements, write_id(rent), carried_out=True)
    for name in ("rent", "water"):
        with pytest.raises(BillOutcomeUnknownError) as still:
            pay(begin_try(), name, key=name)
        assert write_id(still) == write_id(light)
    assert paid(bill) == ["rent", "light"]


def test_a_settlement_of_another_write_settles_nothing(begin_try: BeginTry, instance: TaskInstance) -> None:
    settle(instance.settlements, "0" * 16, carried_out=False)
    shared = begin_try()
    with pytest.raises(BillOutcomeUnknownError, match=r"^the answer was lost; POST /v3/payments was sent at "):
        pay_unheard(shared)
    with pytest.raises(BillOutcomeUnknownError, match=r"^POST /v3/payments was sent at "):
        pay(begin_try())


def pay_unheard(shared: SharedSession) -> None:
    """Pay by a client whose answer is lost."""
    send = shared.client._requester._transport.send

    def lost(request: Any, *args: Any, **kwargs: Any) -> Any:
        answer = send(request, *args, **kwargs)
        if request.is_write:
            raise BillOutcomeUnknownError("the answer was lost")
        return answer

    shared.client._requester._transport.send = lost  # type: ignore[method-assign]
    pay(shared)


@pytest.mark.parametrize("write_id", ["", "1234", "g" * 16, "A" * 16, "0" * 17, "write 0123456789abcdef"])
def test_what_is_no_write_id_cannot_be_settled(write_id: str) -> None:
    with pytest.raises(BillConfigurationError, match="copy the 16 characters"):
        settle(MemoryStore(), write_id, carried_out=True)


def test_a_settlement_that_cannot_be_removed_does_no_harm(
    begin_try: BeginTry, instance: TaskInstance, bill: LocalBill, caplog: pytest.LogCaptureFixture
) -> None:
    instance.settlements = settlements = TroubledStore()
    with pytest.raises(BillOutcomeUnknownError) as caught:
        pay_unheard(begin_try())
    settle(settlements, write_id(caught), carried_out=True, result={"id": "stp1"})
    settlements.fail("delete")
    assert pay(begin_try()) == {"id": "stp1"}
    assert "could not be removed" in caplog.text
    assert paid(bill) == ["rent"]


# -- a store that fails ---------------------------------------------------------------------------------------


def test_an_answer_counts_though_it_could_not_be_stored_for_twenty_seconds(
    begin_try: BeginTry,
    instance: TaskInstance,
    bill: LocalBill,
    notes_of_task: TroubledStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")

    def fail_for_20_seconds() -> None:
        if instance.time.now < 20:
            notes_of_task.at("write", skip=0, before=fail_for_20_seconds)
            not_answering()

    notes_of_task.at("write", skip=3, before=fail_for_20_seconds)
    made = pay(begin_try())
    assert 20 <= instance.time.now < 40
    assert f"BILL carried out POST /v3/payments: {made['id']}" in caplog.text
    assert pay(begin_try()) == made
    assert paid(bill) == ["rent"]


def test_an_answer_that_cannot_be_stored_at_all_is_a_success_with_a_warning(
    begin_try: BeginTry,
    instance: TaskInstance,
    bill: LocalBill,
    notes_of_task: TroubledStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    notes_of_task.fail("write", skip=3, times=10_000)
    shared = begin_try()
    made = pay(shared)
    assert PERSISTENCE_SECONDS <= instance.time.now < 2 * PERSISTENCE_SECONDS
    assert made["id"] in caplog.text
    assert "Not stored: the answer to POST /v3/payments" in caplog.text
    # Before anything more is written, it is stored.
    with pytest.raises(BillStoreError):
        pay(shared, "light")
    notes_of_task.heal()
    pay(shared, "light")
    assert pay(begin_try()) == made
    assert paid(bill) == ["rent", "light"]


def test_a_task_that_succeeded_without_a_note_asks_when_it_runs_again(
    begin_try: BeginTry, bill: LocalBill, notes_of_task: TroubledStore
) -> None:
    notes_of_task.fail("write", skip=3, times=10_000)
    pay(begin_try())
    notes_of_task.heal()
    with pytest.raises(BillOutcomeUnknownError):
        pay(begin_try())
    assert paid(bill) == ["rent"]


def test_a_refusal_whose_intent_cannot_be_taken_back_stays_a_refusal(
    begin_try: BeginTry, bill: LocalBill, notes_of_task: TroubledStore
) -> None:
    bill.fault(PATH, code="BDC_1152")
    notes_of_task.fail("delete", OPEN, times=10_000)
    shared = begin_try()
    with pytest.raises(BillApiError, match="BDC_1152"):
        pay(shared)
    notes_of_task.heal()
    pay(shared)
    assert paid(bill) == ["rent"]


def test_taking_back_the_intent_of_a_refused_sending_does_not_take_back_the_next_one(
    begin_try: BeginTry, bill: LocalBill, notes_of_task: TroubledStore, instance: TaskInstance
) -> None:
    """The session was over, and the intent could not be taken back for minutes; the answer to the replay is lost."""

    def fail_for_minutes() -> None:
        if instance.time.now < PERSISTENCE_SECONDS:
            notes_of_task.at("delete", OPEN, before=fail_for_minutes)
            not_answering()
        if not failed:
            failed.append("at the last attempt too")
            not_answering()

    failed: list[str] = []
    shared = begin_try()
    pay(shared, "rent")
    bill.expire_sessions()
    bill.fault(PATH, kind="reset", skip=1, after_effect=True)
    notes_of_task.at("delete", OPEN, before=fail_for_minutes)
    with pytest.raises(BillOutcomeUnknownError) as caught:
        pay(shared, "light")
    assert failed
    for again in (shared, begin_try()):
        with pytest.raises(BillOutcomeUnknownError) as asked:
            pay(again, "heat", key="heat")
        assert write_id(asked) == write_id(caught)
    assert paid(bill) == ["rent", "light"]


@pytest.mark.parametrize(
    ("operation", "part", "skip", "late"),
    [
        ("write", CLAIM, 0, False),
        ("write", CLAIM, 0, True),
        ("read", OPEN, 0, False),
        ("read", "", 1, False),
        ("write", OPEN, 0, False),
        ("write", OPEN, 0, True),
        ("read", CLAIM, 0, False),
    ],
)
def test_a_store_that_fails_before_a_write_is_sent_keeps_it_from_being_sent_and_leaves_nothing_open(
    operation: Any,
    part: str,
    skip: int,
    late: bool,
    begin_try: BeginTry,
    bill: LocalBill,
    notes_of_task: TroubledStore,
) -> None:
    notes_of_task.fail(operation, part, skip=skip, late=late)
    with pytest.raises(BillStoreError) as caught:
        pay(begin_try())
    assert caught.value.retryable
    assert paid(bill) == []
    assert notes_of_task.names(OPEN) == []
    pay(begin_try())
    assert paid(bill) == ["rent"]


def test_an_intent_that_may_have_been_stored_and_cannot_be_taken_back_is_asked_about(
    begin_try: BeginTry, bill: LocalBill, notes_of_task: TroubledStore
) -> None:
    notes_of_task.fail("write", OPEN, late=True)
    notes_of_task.fail("delete", OPEN, times=10_000)
    with pytest.raises(BillStoreError):
        pay(begin_try())
    notes_of_task.heal()
    with pytest.raises(BillOutcomeUnknownError):
        pay(begin_try())
    assert paid(bill) == []


def test_a_store_that_loses_what_is_written_keeps_a_write_from_being_sent(
    begin_try: BeginTry, bill: LocalBill, notes_of_task: TroubledStore
) -> None:
    notes_of_task.at("write", CLAIM, after=notes_of_task._texts.clear)
    with pytest.raises(BillStoreError, match="nothing was sent"):
        pay(begin_try())
    assert paid(bill) == []


@pytest.mark.parametrize("text", ["{", "[]", '{"v": 2}', "null", '"sent"', '{"v": 1, "name": "n"}', "[" * 100_000])
@pytest.mark.parametrize("place", [OPEN, "outcome"])
def test_a_note_that_cannot_be_read_is_never_taken_for_nothing(
    text: str, place: str, begin_try: BeginTry, bill: LocalBill, notes_of_task: TroubledStore
) -> None:
    pay(begin_try())
    (outcome,) = [key for key in notes_of_task.names() if not key.endswith((OPEN, CLAIM))]
    notes_of_task.write(f"bill_write{OPEN}" if place == OPEN else outcome, text)
    with pytest.raises(BillStoreError, match="not readable"):
        pay(begin_try(), key="another" if place == OPEN else None)
    assert paid(bill) == ["rent"]


@pytest.mark.parametrize("says", [{}, {"carried_out": None}, {"carried_out": "no"}])
def test_a_settlement_that_cannot_be_read_sends_nothing(
    says: dict[str, object], begin_try: BeginTry, bill: LocalBill, instance: TaskInstance
) -> None:
    with pytest.raises(BillOutcomeUnknownError) as caught:
        pay_unheard(begin_try())
    instance.settlements.write(settlement_key(write_id(caught)), json.dumps({"v": 1, **says}))
    with pytest.raises(BillStoreError, match="not readable"):
        pay(begin_try())
    assert len(paid(bill)) == 1


# -- more than one at a time ----------------------------------------------------------------------------------


def test_of_a_tasks_threads_one_writes_at_a_time(begin_try: BeginTry, bill: LocalBill) -> None:
    shared = begin_try()
    threads = [threading.Thread(target=pay, args=(shared, f"bill {n}"), kwargs={"key": f"{n}"}) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = bill.stats()
    assert sorted(paid(bill)) == [f"bill {n}" for n in range(6)]
    assert (stats["peak_concurrency"], stats["refused_concurrency"]) == (1, 0)


@pytest.mark.parametrize("step", range(10))
@pytest.mark.parametrize("operation", ["read", "write", "delete"])
def test_a_second_process_that_comes_in_between_at_any_step_does_not_pay_again(
    operation: Any, step: int, begin_try: BeginTry, bill: LocalBill, notes_of_task: TroubledStore
) -> None:
    """The first process was taken for dead and lives: the second runs to its end before a step of the first."""
    ends: list[str] = []

    def run(shared: SharedSession) -> None:
        try:
            ends.append(str(pay(shared)["id"]))
        except BillError as error:
            ends.append(type(error).__name__)

    first, second = begin_try(), begin_try()
    notes_of_task.at(operation, skip=step, before=lambda: run(second))
    run(first)
    notes_of_task.heal()
    run(begin_try())
    made = [payment["id"] for payment in bill.payments()]
    assert len(made) <= 1
    assert set(ends) <= {*made, "BillStoreError", "BillOutcomeUnknownError"}
    if (operation, step) in (("write", 2), ("read", 3)):
        # The intent of the first was in the way of the second, whose claim was in the way of the first.
        assert ends == ["BillOutcomeUnknownError", "BillStoreError", "BillOutcomeUnknownError"]
    else:
        assert ends[-1] == made[0]


def test_a_second_process_that_dies_while_it_sends_is_not_forgotten_by_the_first(
    begin_try: BeginTry, instance: TaskInstance, bill: LocalBill, notes_of_task: TroubledStore
) -> None:
    first, second = begin_try(), begin_try()

    def second_is_killed() -> None:
        with pytest.raises(BillOutcomeUnknownError):
            pay_unheard(second)

    # The first has looked and found nothing open; its intent takes the place of the second's.
    notes_of_task.at("write", SENT, before=second_is_killed)
    with pytest.raises(BillStoreError, match="another process"):
        pay(first)
    with pytest.raises(BillOutcomeUnknownError):
        pay(begin_try())
    assert paid(bill) == ["rent"]


@pytest.mark.parametrize("keys", [("a", "b"), (None, None)])
@pytest.mark.parametrize(("operation", "part"), [("write", SENT), ("delete", OPEN)])
def test_a_process_that_was_overtaken_hides_no_other_write_of_the_second(
    operation: Any,
    part: str,
    keys: tuple[str | None, str | None],
    begin_try: BeginTry,
    bill: LocalBill,
    notes_of_task: TroubledStore,
) -> None:
    """The second makes the first payment and dies while it makes the next; then the first goes on for one more step."""

    def second_runs() -> None:
        second = begin_try()
        pay(second, "rent", key=keys[0])
        bill.fault(PATH, kind="reset", after_effect=True)
        with pytest.raises(BillOutcomeUnknownError):
            pay(second, "light", key=keys[1])

    def killed() -> None:
        raise Killed

    notes_of_task.at(operation, part, before=second_runs, after=killed)
    with pytest.raises(Killed):
        pay(begin_try(), "rent", key=keys[0])
    third = begin_try()
    with contextlib.suppress(BillOutcomeUnknownError):
        pay(third, "rent", key=keys[0])
    with pytest.raises(BillOutcomeUnknownError):
        pay(third, "light", key=keys[1])
    assert paid(bill) == ["rent", "light"]


def test_a_process_that_was_overtaken_while_it_took_an_intent_back_hides_no_write_of_the_second(
    begin_try: BeginTry, bill: LocalBill, notes_of_task: TroubledStore
) -> None:
    """The first could not store its intent, and takes it back as it might be there."""

    def second_is_killed() -> None:
        with pytest.raises(BillOutcomeUnknownError):
            pay_unheard(begin_try())

    notes_of_task.fail("write", SENT)
    notes_of_task.at("read", CLAIM, after=second_is_killed)
    with pytest.raises(BillStoreError):
        pay(begin_try())
    with pytest.raises(BillOutcomeUnknownError):
        pay(begin_try())
    assert paid(bill) == ["rent"]


@pytest.mark.parametrize("step", range(10))
@pytest.mark.parametrize("operation", ["read", "write", "delete"])
def test_of_two_processes_that_find_a_write_settled_one_sends_it(
    operation: Any,
    step: int,
    begin_try: BeginTry,
    instance: TaskInstance,
    bill: LocalBill,
    notes_of_task: TroubledStore,
) -> None:
    """The second comes before any step of the first, which dies after that step; both are about to send again."""
    bill.fault(PATH, kind="reset")
    with pytest.raises(BillOutcomeUnknownError) as caught:
        pay(begin_try())
    settle(instance.settlements, write_id(caught), carried_out=False)

    def second_is_killed() -> None:
        with contextlib.suppress(BillError):
            pay_unheard(begin_try())

    def killed() -> None:
        raise Killed

    notes_of_task.at(operation, skip=step, before=second_is_killed, after=killed)
    for _ in range(2):
        with contextlib.suppress(BillError, Killed):
            pay(begin_try())
        notes_of_task.heal()
    assert len(paid(bill)) <= 1


def test_outside_of_durability_a_write_is_refused_with_a_way_out(make_shared: MakeShared, bill: LocalBill) -> None:
    with pytest.raises(BillConfigurationError, match="unprotected_writes=True"):
        pay(make_shared(writes=RefusedWrites))
    assert bill.stats()["requests"] == 0


# -- what the notes hold --------------------------------------------------------------------------------------


def test_a_note_holds_the_answer_and_not_what_was_sent(begin_try: BeginTry, notes_of_task: TroubledStore) -> None:
    shared = begin_try()
    body = {"vendorId": VENDOR, "amount": 1.5, "processDate": "2099-01-01", "memo": "not for the notes"}
    shared.send(shared.client.prepare("POST", "/v3/payments", body=body))
    texts = {key: notes_of_task.read(key) or "" for key in notes_of_task.names()}
    assert "not for the notes" not in "".join(texts.values())
    (outcome,) = [json.loads(text) for key, text in texts.items() if not key.endswith(CLAIM)]
    assert outcome["state"] == "answered"


def test_a_write_costs_few_operations_of_the_store(begin_try: BeginTry, notes_of_task: TroubledStore) -> None:
    shared = begin_try()
    pay(shared)
    assert notes_of_task.calls == {"read": 5, "write": 4, "delete": 2}
    notes_of_task.calls.clear()
    pay(shared)
    assert notes_of_task.calls == {"read": 5, "write": 3, "delete": 2}
    notes_of_task.calls.clear()
    pay(begin_try())
    assert notes_of_task.calls == {"read": 3, "write": 1}


def test_a_v2_payment_is_durable_too(begin_try: BeginTry, bill: LocalBill) -> None:
    shared = begin_try(kind="v2")
    unpaid = shared.send(shared.client.prepare("POST", "List/Bill.json", body={"start": 0, "max": 1})).body[0]
    pays = [{"billId": unpaid["id"], "amount": 1.5}]
    body = {"vendorId": unpaid["vendorId"], "processDate": "2099-01-01", "billPays": pays}
    made = [shared.send(shared.client.prepare("POST", "PayBills.json", body=body)).body]
    for _ in range(2):
        shared = begin_try(kind="v2")
        made.append(shared.send(shared.client.prepare("POST", "PayBills.json", body=body)).body)
    assert made[0] == made[1] == made[2]
    assert [row["via"] for row in bill.payments()] == ["v2"]


def test_several_payments_at_once_are_one_write(begin_try: BeginTry, bill: LocalBill) -> None:
    shared = begin_try()
    bills = shared.send(shared.client.prepare("GET", "/v3/bills", params={"max": 3})).body["results"]
    body = {"processDate": "2099-01-01", "payments": [{"billId": row["id"], "amount": 1} for row in bills]}
    made = [shared.send(shared.client.prepare("POST", "/v3/payments/bulk", body=body)).body]
    for _ in range(2):
        shared = begin_try()
        made.append(shared.send(shared.client.prepare("POST", "/v3/payments/bulk", body=body)).body)
    assert made[0] == made[1] == made[2]
    assert len(bill.payments()) == 3


def test_concurrency_refusals_that_never_end_are_no_unknown_write(begin_try: BeginTry, bill: LocalBill) -> None:
    bill.fault(PATH, code="BDC_1322", times=6)
    with pytest.raises(BillConcurrencyError):
        pay(begin_try(sleep=lambda seconds: None))
    pay(begin_try())
    assert paid(bill) == ["rent"]
