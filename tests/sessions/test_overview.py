"""What a person is told of all connections at once, made by real sign-ins at the local BILL."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest

from airflow_provider_bill.exceptions import BillError, BillOutcomeUnknownError
from airflow_provider_bill.sessions.overview import Entry, Overview, overview
from airflow_provider_bill.sessions.stores import MemoryStore
from airflow_provider_bill.sessions.writes import DurableWrites, TaskTry, settle
from dev.clock import START, ManualClock
from dev.local_bill import LocalBill
from tests.sessions.conftest import Codes, MakeShared, Notes, PassMfa, Vendors

ALL = "bill_"
PATH, BODY = "/v3/classifications/departments", {"name": "Sales"}


def known(store: Notes, clock: ManualClock, *more: Entry) -> Overview:
    entries = [Entry(key, store.read(key) or "") for key in store.keys(ALL)]
    return overview([*entries, *more], clock())


def test_a_session_is_shown_with_whose_it_is_and_how_long_it_still_lives(
    make_shared: MakeShared, notes: Notes, clock: ManualClock, vendors: Vendors
) -> None:
    opened_by = {"dag_id": "d", "run_id": "r", "task_id": "t"}
    shared = make_shared(store=notes, signed_in_by=opened_by)
    vendors(shared)
    clock.advance(minutes=5)
    (row,) = known(notes, clock).sessions
    session = shared.manager.peek()
    assert session is not None
    assert (row.connection, row.organization_id, row.kind) == ("bill", session.organization_id, "v3")
    assert (row.user_id, row.environment) == (session.user_id, shared.client.environment.v3_base)
    assert row.user == "a***@harborbooks.example"
    assert (row.trusted, row.trusted_until, row.code_sent_at, row.days_of_trust(clock())) == (False, None, None, None)
    assert (row.signed_in_at, row.last_used_at) == (session.signed_in_at, session.last_used_at)
    assert row.signed_in_by == opened_by
    assert row.minutes_left(clock()) == 30
    clock.advance(hours=1)
    assert known(notes, clock).sessions[0].minutes_left(clock()) == 0


def test_trust_is_shown_until_the_device_is_forgotten(
    make_shared: MakeShared, notes: Notes, clock: ManualClock, pass_mfa: PassMfa
) -> None:
    shared = make_shared(store=notes)
    pass_mfa(shared)
    clock.advance(days=10)
    (row,) = known(notes, clock).sessions
    assert (row.trusted, row.days_of_trust(clock())) == (True, 20)


def test_a_code_is_shown_while_it_can_be_entered(
    make_shared: MakeShared, notes: Notes, clock: ManualClock, pass_mfa: PassMfa
) -> None:
    shared = make_shared(store=notes)
    shared.mfa.challenge(shared.manager.acquire())
    sent_at = clock()
    assert known(notes, clock).sessions[0].code_sent_at == sent_at
    clock.advance(minutes=5)
    assert known(notes, clock).sessions[0].code_sent_at is None
    pass_mfa(shared)
    assert known(notes, clock).sessions[0].code_sent_at is None


def test_a_session_without_an_end_has_no_minutes_left(
    make_shared: MakeShared, notes: Notes, clock: ManualClock
) -> None:
    make_shared("oauth", store=notes).manager.acquire()
    record = json.loads(notes.read(notes.keys("bill_session_token__")[0]) or "")
    row = overview([Entry("bill_session_token__x", json.dumps(record | {"expires_at": None}))], clock()).sessions[0]
    assert (row.kind, row.minutes_left(clock())) == ("oauth", None)


def test_a_record_of_an_older_version_is_known_by_its_key(
    make_shared: MakeShared, notes: Notes, clock: ManualClock
) -> None:
    make_shared(store=notes).manager.acquire()
    record = json.loads(notes.read(notes.keys("bill_session_token__")[0]) or "")
    old = {
        name: value
        for name, value in record.items()
        if name not in ("connection", "kind", "environment", "user", "device_record")
    }
    entry = Entry("bill_session_token__clients__00801__v2__team_a", json.dumps(old))
    (row,) = overview([entry], clock()).sessions
    assert (row.connection, row.kind, row.user) == ("clients", "v2", "")


def test_a_refused_sign_in_is_shown_with_the_variable_that_holds_it_up(
    bill: LocalBill, make_shared: MakeShared, notes: Notes, clock: ManualClock
) -> None:
    shared = make_shared(store=notes, fields={"password": "Tr0ub4dor"})
    with suppress(BillError):
        shared.manager.acquire()
    (refusal,) = known(notes, clock).refusals
    assert (refusal.connection, refusal.organization_id, refusal.code) == ("bill", "", "BDC_1101")
    assert (refusal.limit, refusal.until, refusal.at) == (False, None, clock())
    assert notes.read(refusal.key) is not None
    assert "BDC_1101" in refusal.says
    assert "Tr0ub4dor" not in str(refusal)


def test_bills_limit_is_shown_until_it_is_over(
    bill: LocalBill, make_shared: MakeShared, notes: Notes, clock: ManualClock
) -> None:
    bill.settings(sign_ins_per_hour=0)
    shared = make_shared(store=notes)
    with suppress(BillError):
        shared.manager.acquire()
    (refusal,) = known(notes, clock).refusals
    assert (refusal.limit, refusal.code, refusal.until) == (True, "BDC_1144", START.add(hours=1).start_of("hour"))
    clock.advance(hours=1)
    assert known(notes, clock).refusals == []


def test_a_refusal_of_one_organization_names_it(
    bill: LocalBill, make_shared: MakeShared, notes: Notes, clock: ManualClock
) -> None:
    shared = make_shared(store=notes, fields={"organization_id": "00801UNKNOWN00000000"})
    with suppress(BillError):
        shared.manager.acquire()
    (refusal,) = known(notes, clock).refusals
    assert refusal.organization_id == "00801UNKNOWN00000000"


def test_an_unknown_write_is_shown_until_it_is_settled_and_sent_again(
    bill: LocalBill, make_shared: MakeShared, notes: Notes, clock: ManualClock
) -> None:
    task = ("pay_day", "run 1", "pay", 3)
    state = MemoryStore()

    def known_writes() -> Overview:
        entries = [Entry(key, text, task) for key, text in state._texts.items()]
        return known(notes, clock, *entries)

    writes = DurableWrites(state, "bill_write", settlements=notes, task_try=TaskTry(), place=task, clock=clock)
    shared = make_shared(store=notes, writes=lambda: writes)
    request = shared.client.prepare("POST", PATH, body=BODY)
    bill.fault(f"/connect{PATH}", "reset", after_effect=True)
    with suppress(BillOutcomeUnknownError):
        shared.send(request)
    (write,) = known_writes().writes
    assert (write.task, write.call, write.settled) == (task, f"POST {PATH}", None)
    assert (write.name, write.at) == ("write number 1", clock())
    settle(notes, write.id, carried_out=True, result={"id": "009"})
    assert [row.settled for row in known_writes().writes] == [True]
    assert shared.send(request).body == {"id": "009"}
    assert known_writes().writes == []


def test_a_write_that_was_answered_is_not_shown(make_shared: MakeShared, notes: Notes, clock: ManualClock) -> None:
    writes = DurableWrites(notes, "bill_write__0a", settlements=notes, task_try=TaskTry(), place=(), clock=clock)
    shared = make_shared(store=notes, writes=lambda: writes)
    shared.send(shared.client.prepare("POST", PATH, body=BODY))
    assert notes.keys("bill_write__")
    found = known(notes, clock)
    assert (found.writes, found.unreadable) == ([], [])


def test_only_true_is_shown_as_trusted(make_shared: MakeShared, notes: Notes, clock: ManualClock) -> None:
    make_shared(store=notes).manager.acquire()
    (session,) = known(notes, clock).sessions
    record = json.loads(notes.read(session.key) or "")
    for says, trusted in ((True, True), ("false", False), ("true", False), (1, False), (None, False)):
        entry = Entry(session.key, json.dumps({**record, "trusted": says}))
        assert [row.trusted for row in overview([entry], clock()).sessions] == [trusted]


def test_what_cannot_be_read_is_named_and_hides_nothing_else(
    make_shared: MakeShared, notes: Notes, clock: ManualClock, codes: Codes
) -> None:
    make_shared(store=notes).manager.acquire()
    garbage = [
        "",
        "null",
        "[]",
        "{",
        "[" * 100_000,
        '{"v": 1}',
        '{"organization_id": "008", "user_id": "006", "trusted": true, "signed_in_at": "yesterday"}',
        '{"v": 1, "id": "0", "state": "sent", "name": "n", "call": "c", "at": "yesterday", "task": []}',
    ]
    kinds = ("session_token", "device_token", "mfa_challenge", "sign_in", "sign_in_block", "write_settled", "write")
    entries = [Entry(f"bill_{kind}__{n}", text) for kind in kinds for n, text in enumerate(garbage)]
    found = known(notes, clock, *entries)
    assert len(found.sessions) == 1
    assert (found.refusals, found.writes) == ([], [])
    assert {f"bill_session_token__{n}" for n in range(len(garbage))} <= set(found.unreadable)


def test_a_write_that_is_only_half_a_note_is_named_and_hides_nothing_else(clock: ManualClock) -> None:
    good = {"v": 1, "id": "0123456789abcdef", "state": "sent", "name": "n", "call": "POST /v3/payments"}
    good |= {"at": START.isoformat(), "task": ["d", "r", "t", -1]}
    halves = [{name: value for name, value in good.items() if name != left_out} for left_out in ("id", "call", "at")]
    halves += [good | {"at": "yesterday"}, good | {"task": 7}, good | {"name": ["n"]}, good | {"at": None}]
    entries = [Entry(f"bill_write__{n}__half__sent", json.dumps(half)) for n, half in enumerate(halves)]
    found = overview([*entries, Entry("bill_write__0a__0b__sent", json.dumps(good))], clock())
    assert [write.call for write in found.writes] == ["POST /v3/payments"]
    assert found.unreadable == [entry.key for entry in entries]


def test_of_two_processes_that_have_stored_an_intent_that_one_is_shown_at_which_the_task_looks(
    bill: LocalBill, make_shared: MakeShared, notes: Notes, clock: ManualClock
) -> None:
    writes = DurableWrites(notes, "bill_write__0a", settlements=notes, task_try=TaskTry(), place=(), clock=clock)
    shared = make_shared(store=notes, writes=lambda: writes)
    bill.fault(f"/connect{PATH}", "reset", after_effect=True)
    with suppress(BillOutcomeUnknownError):
        shared.send(shared.client.prepare("POST", PATH, body=BODY))
    # A process that was overtaken has put its own intent, of the same write, where the last one of the task lies.
    key = "bill_write__0a__open"
    notes.write(key, json.dumps(json.loads(notes.read(key) or "") | {"id": "f" * 16}))
    with pytest.raises(BillOutcomeUnknownError) as refused:
        shared.send(shared.client.prepare("POST", PATH, body=BODY))
    entries = [Entry(key, notes.read(key) or "") for key in notes.keys(ALL)]
    for order in (entries, entries[::-1]):
        (write,) = overview(order, clock()).writes
        assert write.id in str(refused.value)


def test_a_code_of_an_airflow_with_teams_is_shown_too(
    make_shared: MakeShared, notes: Notes, clock: ManualClock
) -> None:
    shared = make_shared(store=notes, team="blue")
    shared.mfa.challenge(shared.manager.acquire())
    assert known(notes, clock).sessions[0].code_sent_at == clock()


def test_a_connection_with_the_longest_id_leaves_nothing_unreadable(
    make_shared: MakeShared, notes: Notes, clock: ManualClock, pass_mfa: PassMfa
) -> None:
    shared = make_shared(store=notes, conn_id="c" * 240)
    pass_mfa(shared)
    found = known(notes, clock)
    assert [(row.connection, row.trusted) for row in found.sessions] == [("c" * 240, True)]
    assert found.unreadable == []
