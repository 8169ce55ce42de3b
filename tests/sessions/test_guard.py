"""What stands before a sign-in: notes of refusals and blocks, whatever else lies in the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from airflow_provider_bill.exceptions import BillRateLimitError, BillSignInRefusedError, BillStoreError
from airflow_provider_bill.sessions.identity import XComLocation
from airflow_provider_bill.sessions.keys import session_key
from airflow_provider_bill.sessions.locks import ProcessLock
from airflow_provider_bill.sessions.stores import MemoryStore
from dev.clock import ManualClock
from dev.local_bill import LocalBill
from tests.sessions.present import present

if TYPE_CHECKING:
    from tests.sessions.conftest import MakeShared

T = TypeVar("T")

LOGIN_NOTE = "bill_sign_in__bill__v3"
WRONG = {"password": "wrong password"}


@pytest.fixture
def organizations(bill: LocalBill) -> list[str]:
    return [row["id"] for row in bill.seed["organizations"]][:2]


def note_of(notes: MemoryStore, key: str) -> Any:
    return json.loads(notes.read(key) or "{}")


def test_a_hundred_tasks_of_three_tries_with_a_wrong_password_ask_bill_once(
    make_shared: MakeShared, bill: LocalBill
) -> None:
    said = set()
    for _ in range(300):
        with pytest.raises(BillSignInRefusedError) as caught:
            make_shared(fields=WRONG).manager.acquire()
        assert caught.value.code == "BDC_1101"
        assert not caught.value.retryable
        said.add(str(caught.value))
    stats = bill.stats()
    assert (stats["refused_sign_ins"], stats["requests"]) == (1, 1)
    # What BILL said at first, and the same with the remark that it is not asked again.
    assert len(said) == 2
    first, again = sorted(said, key=len)
    assert first in again
    assert LOGIN_NOTE in again


def test_a_corrected_password_signs_in_without_a_manual_step(make_shared: MakeShared, bill: LocalBill) -> None:
    with pytest.raises(BillSignInRefusedError):
        make_shared(fields=WRONG).manager.acquire()
    assert make_shared().manager.acquire()
    stats = bill.stats()
    assert (stats["sign_ins"], stats["refused_sign_ins"]) == (1, 1)


def test_after_a_person_has_cleared_the_note_the_same_password_is_sent_again(
    make_shared: MakeShared, notes: MemoryStore, bill: LocalBill
) -> None:
    for _ in range(2):
        with pytest.raises(BillSignInRefusedError):
            make_shared(fields=WRONG).manager.acquire()
        notes.delete(LOGIN_NOTE)
    assert bill.stats()["refused_sign_ins"] == 2


def test_a_wrong_password_is_wrong_for_every_organization(
    make_shared: MakeShared, organizations: list[str], bill: LocalBill
) -> None:
    for organization_id in organizations * 2:
        with pytest.raises(BillSignInRefusedError):
            make_shared(fields={**WRONG, "organization_id": organization_id}).manager.acquire()
    assert bill.stats()["refused_sign_ins"] == 1


def test_an_organization_without_access_holds_up_no_other(
    make_shared: MakeShared, organizations: list[str], bill: LocalBill
) -> None:
    no_access = next(row["id"] for row in bill.seed["organizations"] if "BDC_1105" in row["note"])
    for _ in range(3):
        with pytest.raises(BillSignInRefusedError) as caught:
            make_shared(fields={"organization_id": no_access}).manager.acquire()
        assert caught.value.code == "BDC_1105"
    assert make_shared(fields={"organization_id": organizations[1]}).manager.acquire()
    stats = bill.stats()
    assert (stats["sign_ins"], stats["refused_sign_ins"]) == (1, 1)


def test_a_refusal_note_does_not_tell_the_password(make_shared: MakeShared, notes: MemoryStore) -> None:
    with pytest.raises(BillSignInRefusedError):
        make_shared(fields=WRONG).manager.acquire()
    assert "wrong password" not in present(notes.read(LOGIN_NOTE))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '"refused"',
        "[" * 100_000,
        '{"v": 2, "state": "refused", "code": "BDC_1101"}',
        '{"v": 1, "state": "refused"}',
        '{"v": 1, "state": "refused", "salt": 7, "fingerprint": null}',
        '{"v": 1, "state": "blocked", "until": "P1D"}',
        '{"v": 1, "state": "blocked", "until": "soon"}',
        '{"v": 1, "state": "proven", "at": {"year": 2026}}',
    ],
)
def test_notes_that_make_no_sense_are_no_notes(
    text: str, make_shared: MakeShared, notes: MemoryStore, bill: LocalBill
) -> None:
    shared = make_shared()
    organization_id = shared.manager.identity.organization_id
    notes.write(LOGIN_NOTE, text)
    notes.write(f"bill_sign_in__bill__{organization_id}__v3", text)
    assert shared.manager.acquire()
    assert bill.stats()["sign_ins"] == 1


def test_a_note_of_another_identity_is_not_about_this_one(
    make_shared: MakeShared, notes: MemoryStore, bill: LocalBill
) -> None:
    with pytest.raises(BillSignInRefusedError):
        make_shared(conn_id="other", fields=WRONG).manager.acquire()
    notes.write(LOGIN_NOTE, present(notes.read("bill_sign_in__other__v3")))
    assert make_shared().manager.acquire()
    assert bill.stats()["sign_ins"] == 1


def test_used_up_sign_ins_block_until_the_hour_turns_without_a_call_in_between(
    make_shared: MakeShared, organizations: list[str], clock: ManualClock, bill: LocalBill
) -> None:
    bill.settings(sign_ins_per_hour=1)
    assert make_shared(fields={"organization_id": organizations[0]}).manager.acquire()
    other = {"organization_id": organizations[1]}
    retry_at = clock.now.start_of("hour").add(hours=1)
    calls = []
    for _ in range(10):
        with pytest.raises(BillRateLimitError) as caught:
            make_shared(fields=other).manager.acquire()
        assert caught.value.retry_at == retry_at
        calls.append(bill.stats()["requests"])
    # The first was refused by BILL itself; the others did not ask.
    assert calls == [2] * 10
    with pytest.raises(BillRateLimitError):
        make_shared("v2", conn_id="another connection with that developer key", fields=other).manager.acquire()
    assert bill.stats()["requests"] == 2
    clock.advance(seconds=(retry_at - clock.now).total_seconds() + 1)
    assert make_shared(fields=other).manager.acquire()
    assert bill.stats()["sign_ins"] == 2


def test_a_locked_organization_blocks_only_itself(
    make_shared: MakeShared, organizations: list[str], clock: ManualClock, bill: LocalBill
) -> None:
    bill.control("POST", "organizations/lock", {"organization_id": organizations[1]})
    for _ in range(3):
        with pytest.raises(BillRateLimitError) as caught:
            make_shared(fields={"organization_id": organizations[1]}).manager.acquire()
        assert caught.value.code == "BDC_1107"
    assert bill.stats()["requests"] == 1
    assert make_shared().manager.acquire()
    bill.control("POST", "organizations/lock", {"organization_id": organizations[1], "locked": False})
    clock.advance(minutes=15, seconds=1)
    assert make_shared(fields={"organization_id": organizations[1]}).manager.acquire()


def test_credentials_count_as_proven_for_a_while_only(
    make_shared: MakeShared, organizations: list[str], notes: MemoryStore, clock: ManualClock
) -> None:
    make_shared().manager.acquire()
    proven_at = note_of(notes, LOGIN_NOTE)["at"]
    make_shared(fields={"organization_id": organizations[1]}).manager.acquire()
    assert note_of(notes, LOGIN_NOTE)["at"] == proven_at
    clock.advance(minutes=36)
    make_shared().manager.acquire()
    assert note_of(notes, LOGIN_NOTE)["at"] == clock().isoformat()


def test_how_a_sign_in_ended_is_told_also_if_it_cannot_be_noted(
    make_shared: MakeShared, notes: MemoryStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(key: str, text: str) -> None:
        raise BillStoreError("the record could not be written")

    monkeypatch.setattr(notes, "write", fail)
    with pytest.raises(BillSignInRefusedError):
        make_shared(fields=WRONG).manager.acquire()
    assert "could not be noted" in caplog.text


@pytest.mark.parametrize("text", ["{", '{"v": 2, "sealed": "AAAA"}', '{"v": 1, "sealed": "AAAA"}', "[]", "null", "7"])
def test_a_record_that_cannot_be_opened_costs_one_sign_in(
    text: str, make_shared: MakeShared, store: MemoryStore, bill: LocalBill
) -> None:
    store.write(session_key(make_shared().manager.identity), text)
    for _ in range(3):
        make_shared().manager.acquire()
    assert bill.stats()["sign_ins"] == 1


def test_the_record_of_another_identity_costs_one_sign_in(
    make_shared: MakeShared, organizations: list[str], store: MemoryStore, bill: LocalBill
) -> None:
    first = make_shared()
    second = make_shared(fields={"organization_id": organizations[1]})
    second.manager.acquire()
    store.write(session_key(first.manager.identity), present(store.read(session_key(second.manager.identity))))
    assert first.manager.acquire().organization_id == organizations[0]
    assert bill.stats()["sign_ins"] == 2


class RecordingLock:
    """A lock that remembers what was locked."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self._lock = ProcessLock()

    def acquire(self, key: str, peek: Callable[[], T | None]) -> AbstractContextManager[T | None]:
        self.keys.append(key)
        return self._lock.acquire(key, peek)


def test_only_who_waits_for_the_same_session_waits(make_shared: MakeShared, organizations: list[str]) -> None:
    def locked_by(organization_id: str, run_id: str = "") -> list[str]:
        """Sign in, in a run with a session of its own if one is named, and return what was locked for it."""
        lock = RecordingLock()
        location = XComLocation("dag", run_id, "login") if run_id else None
        shared = make_shared(
            fields={"organization_id": organization_id}, lock=lock, store=MemoryStore(), location=location
        )
        shared.manager.acquire()
        return lock.keys

    # One finds out for all whether the credentials are good; after that sessions have nothing to do with one another.
    assert locked_by(organizations[0]) == ["bill_sign_in_lease__bill__v3"]
    later = [(organizations[0], ""), (organizations[1], ""), (organizations[0], "run 1"), (organizations[0], "run 2")]
    keys = [key for organization_id, run_id in later for key in locked_by(organization_id, run_id)]
    assert len(set(keys)) == len(keys) == 4
    assert locked_by(*later[3]) == keys[3:]
