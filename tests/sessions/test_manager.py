from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_bill.client.answers import Answer
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillSessionExpiredError,
    BillSignInRefusedError,
    BillStoreError,
    BillUnavailableError,
)
from airflow_provider_bill.sessions.identity import XComLocation
from airflow_provider_bill.sessions.keys import session_key
from airflow_provider_bill.sessions.stores import MemoryStore, XComStore
from dev.clock import ManualClock
from dev.local_bill import LocalBill
from tests.client.calls import v3_call
from tests.sessions.present import present
from tests.sessions.recording_lock import RecordingLock

if TYPE_CHECKING:
    from tests.sessions.conftest import CountingStore, MakeShared, PassMfa, Vendors


def test_twenty_tasks_share_one_sign_in(make_shared: MakeShared, vendors: Vendors, bill: LocalBill) -> None:
    for _ in range(20):
        vendors(make_shared())
    stats = bill.stats()
    assert (stats["sign_ins"], stats["open_sessions"]) == (1, 1)


def test_use_moves_the_end_and_is_written_at_most_once_a_minute(
    make_shared: MakeShared, vendors: Vendors, store: CountingStore, clock: ManualClock, bill: LocalBill
) -> None:
    shared = make_shared()
    for _ in range(60):
        vendors(shared)
        clock.advance(seconds=10)
    # One write of the sign-in, then one for each of the minutes 1 to 9.
    assert store.writes == 10
    assert bill.stats()["sign_ins"] == 1


def test_many_tasks_in_a_minute_write_its_use_once(
    make_shared: MakeShared, vendors: Vendors, store: CountingStore, clock: ManualClock
) -> None:
    sessions = [make_shared() for _ in range(8)]
    for shared in sessions:
        vendors(shared)
    clock.advance(seconds=61)
    for shared in sessions:
        vendors(shared)
    assert store.writes == 2


def test_a_session_used_every_half_hour_lives_all_day(
    make_shared: MakeShared, vendors: Vendors, clock: ManualClock, bill: LocalBill
) -> None:
    for _ in range(48):
        vendors(make_shared())
        clock.advance(minutes=30)
    assert bill.stats()["sign_ins"] == 1


def test_a_session_idle_for_too_long_is_not_even_tried(
    make_shared: MakeShared, vendors: Vendors, clock: ManualClock, bill: LocalBill
) -> None:
    vendors(make_shared())
    clock.advance(minutes=34, seconds=30)
    vendors(make_shared())
    stats = bill.stats()
    assert stats["sign_ins"] == 2
    assert stats["requests"] == 4


def test_a_session_that_bill_ended_costs_one_sign_in_and_no_failure(
    make_shared: MakeShared, vendors: Vendors, bill: LocalBill
) -> None:
    first, second = make_shared(), make_shared()
    vendors(first)
    vendors(second)
    bill.expire_sessions()
    vendors(first)
    vendors(second)
    assert bill.stats()["sign_ins"] == 2


def test_a_refused_call_is_made_once_more_and_the_second_refusal_is_final(
    make_shared: MakeShared, bill: LocalBill
) -> None:
    shared = make_shared()
    calls = []

    def call(session: BillSession) -> Answer:
        calls.append(session.session_token)
        bill.expire_sessions()
        return v3_call(shared.client, session, "GET", "/v3/vendors")

    with pytest.raises(BillSessionExpiredError):
        shared.run(call)
    assert len(calls) == 2
    assert bill.stats()["sign_ins"] == 2


def test_the_handle_of_a_session_in_an_xcom_leads_to_its_login_task(make_shared: MakeShared) -> None:
    place = XComLocation("d", "r", "login", -1)
    shared = make_shared(location=place)
    assert shared.handle_of(shared.manager.acquire()).location == place


@pytest.mark.parametrize("kind", ["v3", "v2"])
def test_a_401_without_a_code_of_bill_does_not_mean_that_the_session_is_over(
    kind: str, make_shared: MakeShared, vendors: Vendors, clock: ManualClock, bill: LocalBill
) -> None:
    make_shared(kind).manager.acquire()
    clock.advance(minutes=5)
    bill.fault("/connect/v3/vendors", kind="html", status=401, times=100)
    for _ in range(20):
        with pytest.raises(BillApiError, match="though it knows the session") as caught:
            vendors(make_shared(kind))
        assert (type(caught.value), caught.value.status) == (BillApiError, 401)
    stats = bill.stats()
    assert (stats["sign_ins"], stats["by_path"]["/connect/v3/vendors"]) == (1, 20)


@pytest.mark.parametrize(("without_code", "asked"), [(False, {}), (True, {"/connect/v3/login/session": 1})])
def test_a_session_that_is_over_costs_one_sign_in_and_a_401_without_a_code_of_bill_one_question_more(
    without_code: bool,
    asked: dict[str, int],
    make_shared: MakeShared,
    vendors: Vendors,
    clock: ManualClock,
    bill: LocalBill,
) -> None:
    shared = make_shared()
    shared.manager.acquire()
    clock.advance(minutes=5)
    bill.expire_sessions()
    if without_code:
        bill.fault("/connect/v3/vendors", kind="html", status=401)
    assert vendors(shared)
    stats = bill.stats()
    assert stats["sign_ins"] == 2
    assert stats["by_path"] == {"/connect/v3/login": 2, "/connect/v3/vendors": 2, **asked}


def test_a_path_that_always_calls_the_session_invalid_costs_no_sign_in_while_it_is_young(
    make_shared: MakeShared, vendors: Vendors, bill: LocalBill
) -> None:
    bill.fault("/connect/v3/vendors", code="BDC_1109", times=100)
    for _ in range(20):
        with pytest.raises(BillApiError, match="though it knows the session"):
            vendors(make_shared())
    assert bill.stats()["sign_ins"] == 1


def test_of_sessions_that_bill_ends_at_once_one_is_replaced_and_no_more(
    make_shared: MakeShared, vendors: Vendors, clock: ManualClock, bill: LocalBill
) -> None:
    for number in range(20):
        make_shared().manager.acquire()
        bill.expire_sessions()
        if number == 0:
            assert vendors(make_shared())
            continue
        with pytest.raises(BillUnavailableError, match="and the one that took its place too"):
            vendors(make_shared())
    assert bill.stats()["sign_ins"] == 2
    clock.advance(seconds=61)
    assert vendors(make_shared())
    assert bill.stats()["sign_ins"] == 3


def test_an_old_session_that_is_over_does_not_count_against_the_young_one_in_its_place(
    make_shared: MakeShared, vendors: Vendors, clock: ManualClock, bill: LocalBill
) -> None:
    make_shared().manager.acquire()
    clock.advance(minutes=5)
    for sign_ins in (2, 3):
        bill.expire_sessions()
        assert vendors(make_shared())
        assert bill.stats()["sign_ins"] == sign_ins


def test_a_session_that_is_over_is_not_used_though_its_record_is_written_again(
    make_shared: MakeShared, vendors: Vendors, clock: ManualClock, store: CountingStore, bill: LocalBill
) -> None:
    """As by a task that notes its last use of it, between our forgetting and our sign-in."""
    lock = RecordingLock()
    shared = make_shared(lock=lock)
    shared.manager.acquire()
    clock.advance(minutes=5)
    bill.expire_sessions()
    key = session_key(shared.manager.identity)
    over = present(store.read(key))
    lock.before = lambda: store.write(key, over)
    assert vendors(shared)
    assert bill.stats()["sign_ins"] == 2


def test_forgetting_a_session_leaves_that_of_another_task(make_shared: MakeShared, store: CountingStore) -> None:
    mine = make_shared()
    session = mine.manager.acquire()
    mine.manager.sign_out()
    theirs = make_shared().manager.acquire()
    mine.manager.forget(session)
    assert present(make_shared().manager.peek()).session_token == theirs.session_token


def test_another_task_s_session_that_is_over_as_well_is_replaced_in_the_same_call(
    make_shared: MakeShared, vendors: Vendors, clock: ManualClock, bill: LocalBill
) -> None:
    slow, quick = make_shared(), make_shared()
    slow.manager.acquire()
    clock.advance(minutes=5)
    bill.expire_sessions()
    assert vendors(quick)  # has signed in anew
    clock.advance(minutes=5)
    bill.expire_sessions()
    assert vendors(slow)
    assert bill.stats()["sign_ins"] == 3


def test_another_task_s_session_that_has_run_out_meanwhile_does_not_replace_one(
    make_shared: MakeShared, clock: ManualClock, bill: LocalBill
) -> None:
    slow, quick = make_shared(), make_shared()
    dead = slow.manager.acquire()
    bill.expire_sessions()
    clock.advance(minutes=5)
    quick.manager.renew(quick.manager.acquire())
    clock.advance(minutes=36)
    assert slow.manager.is_live(slow.manager.renew(dead))
    assert bill.stats()["sign_ins"] == 3


def test_a_call_gives_up_after_two_sessions_of_others_that_were_over_too(
    make_shared: MakeShared, bill: LocalBill, clock: ManualClock
) -> None:
    shared, tokens = make_shared(), []

    def call(session: BillSession) -> Answer:
        tokens.append(session.session_token)
        bill.expire_sessions()
        clock.advance(minutes=2)
        other = make_shared()
        other.manager.renew(other.manager.acquire())
        return v3_call(shared.client, session, "GET", "/v3/vendors")

    with pytest.raises(BillSessionExpiredError):
        shared.run(call)
    assert len(set(tokens)) == len(tokens) == 3


def test_a_session_that_a_host_whose_clock_is_far_behind_has_opened_meanwhile_is_taken(
    make_shared: MakeShared, clock: ManualClock, bill: LocalBill
) -> None:
    lock = RecordingLock()
    lock.before = make_shared(clock=lambda: clock.now.subtract(minutes=40)).manager.acquire
    assert make_shared(lock=lock).manager.acquire()
    assert bill.stats()["sign_ins"] == 1


def test_a_newer_session_is_not_overwritten_by_the_use_of_an_older_one(
    make_shared: MakeShared, vendors: Vendors, store: CountingStore, clock: ManualClock
) -> None:
    old = make_shared()
    vendors(old)
    new = make_shared()
    new.manager.forget(new.manager.acquire())
    newest = new.manager.acquire()
    clock.advance(minutes=5)
    vendors(old)
    assert make_shared().manager.acquire().session_token == newest.session_token


def test_use_after_sign_out_does_not_bring_the_record_back(
    make_shared: MakeShared, vendors: Vendors, store: CountingStore, clock: ManualClock
) -> None:
    still_working, leaving = make_shared(), make_shared()
    vendors(still_working)
    leaving.manager.forget(leaving.manager.acquire())
    clock.advance(minutes=2)
    vendors(still_working)
    assert store.read(session_key(still_working.manager.identity)) is None


def test_a_changed_password_makes_the_stored_session_a_miss(
    make_shared: MakeShared, vendors: Vendors, bill: LocalBill
) -> None:
    vendors(make_shared())
    with pytest.raises(BillSignInRefusedError):
        vendors(make_shared(fields={"password": "another password"}))
    assert bill.stats()["refused_sign_ins"] == 1


def test_a_refused_sign_in_leaves_nothing_in_the_store(make_shared: MakeShared, store: CountingStore) -> None:
    with pytest.raises(BillSignInRefusedError) as caught:
        make_shared(fields={"password": "wrong password"}).manager.acquire()
    assert caught.value.code == "BDC_1101"
    assert "wrong password" not in str(caught.value)
    assert store.writes == 0


def test_garbage_in_the_store_costs_a_sign_in_and_no_error(
    make_shared: MakeShared, vendors: Vendors, store: CountingStore, bill: LocalBill
) -> None:
    shared = make_shared()
    store.write(session_key(shared.manager.identity), '{"v": 1, "sealed": "cut o')
    vendors(shared)
    assert bill.stats()["sign_ins"] == 1


def test_sessions_of_two_organizations_live_side_by_side(make_shared: MakeShared, bill: LocalBill) -> None:
    organizations = [row["id"] for row in bill.seed["organizations"]][:2]
    for _ in range(3):
        for organization_id in organizations:
            session = make_shared(fields={"organization_id": organization_id}).manager.acquire()
            assert session.organization_id == organization_id
    assert bill.stats()["sign_ins"] == 2


@pytest.mark.parametrize(
    ("kind", "calls"),
    # A partner signs in itself, and then as a user: two calls.
    [("v3", 1), ("v2", 1), ("console", 1), ("sync_token", 1), ("partner", 2), ("oauth", 1)],
)
def test_every_kind_of_sign_in_is_shared(kind: str, calls: int, make_shared: MakeShared, bill: LocalBill) -> None:
    first = make_shared(kind).manager.acquire()
    assert make_shared(kind).manager.acquire() == first
    assert bill.stats()["sign_ins"] == calls


def test_an_oauth_token_ends_at_its_end_however_much_it_is_used(
    make_shared: MakeShared, vendors: Vendors, store: CountingStore, clock: ManualClock, bill: LocalBill
) -> None:
    bill.settings(oauth_token_seconds=1200)
    shared = make_shared("oauth")
    for _ in range(25):
        vendors(shared)
        clock.advance(minutes=1)
    assert bill.stats()["sign_ins"] == 2
    assert store.writes == 2  # use moves nothing, so only the two tokens were written


def test_a_spend_token_is_neither_signed_in_nor_stored(
    make_shared: MakeShared, store: CountingStore, bill: LocalBill
) -> None:
    session = make_shared("spend_token").manager.acquire()
    assert session.expires_at is None
    assert store.writes == 0
    assert bill.stats()["requests"] == 0


def test_the_secret_of_a_stored_session_is_told_before_it_is_used(make_shared: MakeShared) -> None:
    token = make_shared().manager.acquire().session_token
    secrets: list[str] = []
    assert make_shared(secrets=secrets).manager.acquire().session_token == token
    assert token in secrets


def test_a_partners_two_sessions_are_shared_by_one_sign_in_and_both_are_masked_by_whoever_finds_them(
    bill: LocalBill, make_shared: MakeShared
) -> None:
    told: list[list[str]] = [[], []]
    first, second = (make_shared("partner", secrets=secrets) for secrets in told)
    opened = first.manager.acquire()
    found = second.manager.acquire()
    assert (found.session_token, found.partner_token) == (opened.session_token, opened.partner_token)
    assert opened.partner_token not in ("", opened.session_token)
    for secrets in told:
        assert {opened.session_token, opened.partner_token} <= set(secrets)
    for shared, path in ((second, "/v3/partner/users"), (first, "/v3/partner/roles"), (second, "/v3/vendors")):
        shared.send(shared.client.prepare("GET", path))
    assert bill.stats()["sign_ins"] == 2  # the partner's own, and the user's


class BrokenStore(MemoryStore):
    def __init__(self, breaks: str) -> None:
        super().__init__()
        self.breaks = breaks

    def read(self, key: str) -> str | None:
        if self.breaks == "read":
            raise BillStoreError("the record could not be read")
        return super().read(key)

    def write(self, key: str, text: str) -> None:
        if self.breaks == "write":
            raise BillStoreError("the record could not be written")
        super().write(key, text)


def test_a_store_that_cannot_be_read_does_not_mean_no_session(make_shared: MakeShared, bill: LocalBill) -> None:
    with pytest.raises(BillStoreError) as caught:
        make_shared(store=BrokenStore("read")).manager.acquire()
    assert caught.value.retryable
    assert bill.stats()["sign_ins"] == 0


def test_a_store_that_cannot_be_written_costs_a_warning_and_not_the_session(
    make_shared: MakeShared, vendors: Vendors, caplog: pytest.LogCaptureFixture, clock: ManualClock
) -> None:
    shared = make_shared(store=BrokenStore("write"))
    vendors(shared)
    clock.advance(minutes=2)
    vendors(shared)
    assert "other tasks cannot share the session" in caplog.text
    assert shared.manager.acquire().last_used_at == clock()


def test_being_signed_in_to_another_organization_is_an_error(make_shared: MakeShared, bill: LocalBill) -> None:
    shared = make_shared()
    other = make_shared(fields={"organization_id": bill.seed["organizations"][1]["id"]})
    # BILL answering for another organization than was asked for.
    shared.client.sign_in = other.client.sign_in  # type: ignore[method-assign]
    with pytest.raises(BillApiError, match="organization_id"):
        shared.manager.acquire()
    assert bill.stats()["open_sessions"] == 0


def test_a_session_that_is_forgotten_stays_open_at_bill_and_the_next_task_signs_in(
    make_shared: MakeShared, vendors: Vendors, store: CountingStore, bill: LocalBill
) -> None:
    shared = make_shared()
    vendors(shared)
    assert (shared.manager.discard(), make_shared().manager.discard()) == (True, False)
    assert shared.manager.peek() is None
    assert bill.stats()["open_sessions"] == 1
    vendors(shared)
    assert bill.stats()["sign_ins"] == 2


def test_a_record_that_cannot_be_opened_any_more_is_forgotten_too(
    make_shared: MakeShared, vendors: Vendors, store: CountingStore, bill: LocalBill
) -> None:
    vendors(make_shared())
    changed = make_shared(fields={"password": "changed meanwhile"}).manager
    assert changed.peek() is None
    assert changed.discard()
    assert store.read(session_key(changed.identity)) is None


@pytest.mark.parametrize(
    ("other", "ended"),
    [
        ({"task_id": "another task"}, True),
        ({"run_id": "another run"}, False),
        ({"dag_id": "another dag"}, False),
        ({"dag_id": "another dag", "run_id": "another run"}, False),
    ],
)
def test_a_run_ends_its_own_session_and_not_that_of_another_run(
    other: dict[str, str], ended: bool, make_shared: MakeShared, bill: LocalBill
) -> None:
    place = {"dag_id": "a dag", "run_id": "a run", "task_id": "a task"}
    make_shared(signed_in_by=place).manager.acquire()
    manager = make_shared(signed_in_by={**place, **other}).manager
    assert manager.sign_out(only_if_opened_by_this_run=True) is ended
    assert (manager.peek() is None) is ended
    assert bill.stats()["open_sessions"] == int(not ended)


def test_a_script_leaves_the_session_of_a_run_alone(make_shared: MakeShared, bill: LocalBill) -> None:
    make_shared(signed_in_by={"dag_id": "a dag", "run_id": "a run", "task_id": "a task"}).manager.acquire()
    assert make_shared().manager.sign_out(only_if_opened_by_this_run=True) is False
    assert bill.stats()["open_sessions"] == 1


def test_a_session_that_is_over_leaves_no_record_though_nobody_can_sign_in(
    make_shared: MakeShared, vendors: Vendors, clock: ManualClock, bill: LocalBill
) -> None:
    shared = make_shared()
    vendors(shared)
    clock.advance(minutes=5)
    bill.expire_sessions()
    bill.fault("/connect/v3/login", status=503)
    with pytest.raises(BillUnavailableError):
        vendors(shared)
    assert make_shared().manager.peek() is None
    assert vendors(make_shared())
    assert bill.count_calls("/connect/v3/vendors") == 3, "the next task does not try the dead session again"


def test_the_threads_of_a_task_sign_in_once_also_where_the_session_cannot_be_stored(
    make_shared: MakeShared, bill: LocalBill
) -> None:
    bill.settings(latency_seconds=0.2)
    manager = make_shared(store=WithoutWrites()).manager
    together = Barrier(4)

    def acquire() -> str:
        together.wait(30)
        return manager.acquire().session_token

    with ThreadPoolExecutor(4) as threads:
        tokens = {future.result() for future in [threads.submit(acquire) for _ in range(4)]}
    assert len(tokens) == 1
    assert bill.stats()["sign_ins"] == 1


class WithoutWrites(MemoryStore):
    """A store that takes nothing."""

    def write(self, key: str, text: str) -> None:
        raise BillStoreError("it cannot be stored")


def test_a_late_answer_does_not_move_the_last_use_backwards(
    make_shared: MakeShared, vendors: Vendors, clock: ManualClock
) -> None:
    shared = make_shared()
    began = clock.now
    vendors(shared)
    clock.advance(minutes=10)
    vendors(shared)
    shared.manager.touch(shared.manager.acquire(), began)  # a slow call of another thread, answered now
    assert shared.manager.acquire().last_used_at == clock.now
    assert present(make_shared().manager.peek()).last_used_at == clock.now


@pytest.mark.parametrize("trusted", [False, True])
def test_keeping_a_session_alive_asks_bill_whether_it_is_trusted_or_not(
    trusted: bool, make_shared: MakeShared, pass_mfa: PassMfa, vendors: Vendors, clock: ManualClock, bill: LocalBill
) -> None:
    shared = make_shared()
    shared.manager.acquire()
    if trusted:
        pass_mfa(shared)
    for _ in range(6):
        clock.advance(minutes=20)
        assert make_shared().keep_alive().trusted is trusted
    vendors(make_shared())
    stats = bill.stats()
    assert (stats["sign_ins"], stats["open_sessions"]) == (1, 1)


def test_a_session_in_an_xcom_that_cannot_be_read_is_not_taken_for_none(
    make_shared: MakeShared, bill: LocalBill, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.providers.common.compat.sdk import XCom

    def away(**where: Any) -> None:
        raise RuntimeError("the API server is away, and its words may hold anything")

    monkeypatch.setattr(XCom, "get_one", away)
    shared = make_shared(store=XComStore(XComLocation("a dag", "a run", "login")))
    with pytest.raises(BillStoreError, match=r"could not be read \(RuntimeError\)"):
        shared.manager.acquire()
    assert bill.stats()["requests"] == 0
