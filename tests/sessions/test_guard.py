"""What stands before a sign-in: notes of refusals and blocks, whatever else lies in the store."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import pytest

from airflow_provider_bill.client.codes import is_final_refusal
from airflow_provider_bill.exceptions import (
    BillRateLimitError,
    BillSignInRefusedError,
    BillStoreError,
    BillUnavailableError,
)
from airflow_provider_bill.sessions.keys import session_key
from airflow_provider_bill.sessions.shared import SharedSession
from airflow_provider_bill.sessions.stores import MemoryStore
from dev.clock import ManualClock
from dev.local_bill import LocalBill
from tests.sessions.conftest import Notes
from tests.sessions.present import present
from tests.sessions.recording_lock import RecordingLock

if TYPE_CHECKING:
    from tests.sessions.conftest import MakeShared, Vendors

T = TypeVar("T")

WRONG = {"password": "wrong password"}


@pytest.fixture
def organizations(bill: LocalBill) -> list[str]:
    return [row["id"] for row in bill.seed["organizations"]][:2]


def only_note(notes: Notes) -> Any:
    """Return the one note about credentials or organizations."""
    (key,) = notes.keys("bill_sign_in__")
    return json.loads(present(notes.read(key)))


def test_a_hundred_tasks_of_three_tries_with_a_wrong_password_ask_bill_once(
    make_shared: MakeShared, notes: Notes, bill: LocalBill
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
    assert notes.keys("bill_sign_in__")[0] in again


def test_an_error_made_of_a_note_has_a_code_only_if_the_note_has_one(make_shared: MakeShared, notes: Notes) -> None:
    with pytest.raises(BillSignInRefusedError):
        make_shared(fields=WRONG).manager.acquire()
    (key,) = notes.keys("bill_sign_in__")
    notes.write(key, json.dumps({**only_note(notes), "code": ["BDC_1101"]}))
    with pytest.raises(BillSignInRefusedError, match="are not sent again") as caught:
        make_shared(fields=WRONG).manager.acquire()
    assert caught.value.code is None


def test_a_corrected_password_signs_in_without_a_manual_step(make_shared: MakeShared, bill: LocalBill) -> None:
    with pytest.raises(BillSignInRefusedError):
        make_shared(fields=WRONG).manager.acquire()
    assert make_shared().manager.acquire()
    stats = bill.stats()
    assert (stats["sign_ins"], stats["refused_sign_ins"]) == (1, 1)


def test_after_a_person_has_cleared_the_note_the_same_password_is_sent_again(
    make_shared: MakeShared, notes: Notes, bill: LocalBill
) -> None:
    for _ in range(2):
        with pytest.raises(BillSignInRefusedError):
            make_shared(fields=WRONG).manager.acquire()
        (key,) = notes.keys("bill_sign_in__")
        notes.delete(key)
    assert bill.stats()["refused_sign_ins"] == 2


def test_a_wrong_password_is_wrong_for_every_organization(
    make_shared: MakeShared, organizations: list[str], bill: LocalBill
) -> None:
    for organization_id in organizations * 2:
        with pytest.raises(BillSignInRefusedError):
            make_shared(fields={**WRONG, "organization_id": organization_id}).manager.acquire()
    assert bill.stats()["refused_sign_ins"] == 1


def test_a_wrong_password_is_wrong_whatever_developer_key_an_organization_has(
    make_shared: MakeShared, organizations: list[str], bill: LocalBill
) -> None:
    keys = [row["key"] for row in bill.seed["developer_keys"] if row["state"] == "active"]
    for organization_id, key in zip(organizations * 2, keys[:4], strict=True):
        fields = {**WRONG, "organization_id": organization_id, "developer_api_key": key}
        with pytest.raises(BillSignInRefusedError, match="BDC_1101"):
            make_shared(fields=fields).manager.acquire()
    assert bill.stats()["refused_sign_ins"] == 1


@pytest.mark.parametrize("code", ["BDC_1101", "BDC_1109", "BDC_1110", "BDC_1111", "BDC_1113", "BDC_9999", ""])
def test_a_refusal_that_need_not_be_the_developer_keys_fault_holds_up_every_key(
    code: str, make_shared: MakeShared, bill: LocalBill, organizations: list[str]
) -> None:
    keys = [row["key"] for row in bill.seed["developer_keys"] if row["state"] == "active"]
    bill.fault("/connect/v3/login", status=401, code=code, times=4)
    for organization_id, key in zip(organizations * 2, keys[:4], strict=True):
        fields = {"developer_api_key": key, "organization_id": organization_id}
        with pytest.raises(BillSignInRefusedError):
            make_shared(fields=fields).manager.acquire()
    assert bill.count_calls("/connect/v3/login") == 1, "it may be the password, and ten refusals lock the user"


def test_a_wrong_developer_key_holds_up_no_organization_that_has_another(
    make_shared: MakeShared, organizations: list[str], bill: LocalBill
) -> None:
    wrong = {"developer_api_key": "no-such-key", "organization_id": organizations[1]}
    for _ in range(3):
        with pytest.raises(BillSignInRefusedError, match="BDC_1102"):
            make_shared(fields=wrong).manager.acquire()
    assert make_shared().manager.acquire()
    stats = bill.stats()
    assert (stats["sign_ins"], stats["refused_sign_ins"]) == (1, 1)


def test_an_organization_that_one_key_may_not_enter_is_entered_with_another(
    make_shared: MakeShared, bill: LocalBill
) -> None:
    bill.fault("/connect/v3/login", code="BDC_1123")
    for _ in range(2):
        with pytest.raises(BillSignInRefusedError, match="BDC_1123"):
            make_shared().manager.acquire()
    key = next(row["key"] for row in bill.seed["developer_keys"] if "second key" in row["note"])
    assert make_shared(fields={"developer_api_key": key}).manager.acquire()
    assert bill.count_calls("/connect/v3/login") == 2


def test_a_password_that_bill_refuses_to_one_key_is_not_sent_with_another_that_was_good(
    make_shared: MakeShared, organizations: list[str], clock: ManualClock, bill: LocalBill
) -> None:
    key = next(row["key"] for row in bill.seed["developer_keys"] if "second key" in row["note"])
    assert make_shared().manager.acquire()
    clock.advance(seconds=1)
    bill.fault("/connect/v3/login", code="BDC_1101", status=401)
    with pytest.raises(BillSignInRefusedError):
        make_shared(fields={"developer_api_key": key}).manager.acquire()
    with pytest.raises(BillSignInRefusedError, match="are not sent again"):
        make_shared(fields={"organization_id": organizations[1]}).manager.acquire()
    assert bill.count_calls("/connect/v3/login") == 2


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


def test_a_refusal_note_does_not_tell_the_password(make_shared: MakeShared, notes: Notes) -> None:
    with pytest.raises(BillSignInRefusedError):
        make_shared(fields=WRONG).manager.acquire()
    assert "wrong password" not in json.dumps(only_note(notes))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '"refused"',
        "[" * 100_000,
        '{"v": 1, "state": "refused", "code": "BDC_1101"}',
        '{"v": 3, "state": "refused", "code": "BDC_1101"}',
        '{"v": 2, "state": "refused", "until": "soon"}',
        '{"v": 2, "state": "refused", "until": 7}',
        '{"v": 2, "state": "blocked", "until": "P1D"}',
        '{"v": 2, "state": "blocked", "until": "soon"}',
        '{"v": 2, "state": "proven", "at": {"year": 2026}}',
    ],
)
def test_notes_that_make_no_sense_are_no_notes(
    text: str, make_shared: MakeShared, notes: Notes, bill: LocalBill
) -> None:
    shared = make_shared()
    shared.manager.sign_out()
    shared.manager.acquire()
    shared.manager.sign_out()
    (key,) = notes.keys("bill_sign_in__")
    notes.write(key, text)
    notes.write(f"{key}__{shared.manager.identity.organization_id}", text)
    assert shared.manager.acquire()
    assert bill.stats()["sign_ins"] == 2


@pytest.mark.parametrize("other", [{"conn_id": f"bill_{number}"} for number in range(9)] + [{"kind": "v2"}])
def test_a_wrong_password_is_wrong_in_every_connection_of_that_user(
    other: dict[str, str], make_shared: MakeShared, bill: LocalBill
) -> None:
    with pytest.raises(BillSignInRefusedError):
        make_shared(fields=WRONG).manager.acquire()
    with pytest.raises(BillSignInRefusedError, match="are not sent again"):
        make_shared(**other, fields=WRONG).manager.acquire()
    assert bill.stats()["refused_sign_ins"] == 1


def test_a_wrong_password_is_wrong_whatever_address_gives_out_tokens(make_shared: MakeShared, bill: LocalBill) -> None:
    for oauth_url in ("", "https://tokens.example.com/token"):
        with pytest.raises(BillSignInRefusedError):
            make_shared(oauth_url=oauth_url, fields=WRONG).manager.acquire()
    assert bill.stats()["refused_sign_ins"] == 1


def test_a_corrected_address_for_tokens_is_not_held_up_by_the_refusal_of_another(
    make_shared: MakeShared, bill: LocalBill
) -> None:
    bill.fault("/connect/authx/token", code="invalid_client", status=401)
    elsewhere = bill.url.replace("127.0.0.1", "localhost") + "/connect/authx/token"
    with pytest.raises(BillSignInRefusedError):
        make_shared("oauth", oauth_url=elsewhere).manager.acquire()
    assert make_shared("oauth").manager.acquire()


def test_a_refusal_at_another_address_does_not_hold_up_a_corrected_connection(
    make_shared: MakeShared, bill: LocalBill
) -> None:
    bill.fault("/connect/v3/login", code="BDC_1102")
    with pytest.raises(BillSignInRefusedError):
        make_shared(host=bill.url.replace("127.0.0.1", "localhost")).manager.acquire()
    assert make_shared().manager.acquire()
    assert bill.stats()["sign_ins"] == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_without_a_code_of_bill_is_forgotten_after_a_quarter_of_an_hour(
    status: int, make_shared: MakeShared, clock: ManualClock, bill: LocalBill
) -> None:
    bill.fault("/connect/v3/login", kind="html", status=status)
    for _ in range(3):
        with pytest.raises(BillSignInRefusedError):
            make_shared().manager.acquire()
    clock.advance(minutes=14, seconds=59)
    with pytest.raises(BillSignInRefusedError, match="are not sent again before"):
        make_shared().manager.acquire()
    assert bill.stats()["requests"] == 1
    clock.advance(seconds=1)
    assert make_shared().manager.acquire()


def test_a_refusal_that_bill_documents_as_final_is_remembered_without_an_end(
    make_shared: MakeShared, clock: ManualClock, bill: LocalBill
) -> None:
    with pytest.raises(BillSignInRefusedError):
        make_shared(fields=WRONG).manager.acquire()
    clock.advance(days=400)
    with pytest.raises(BillSignInRefusedError, match="are not sent again"):
        make_shared(fields=WRONG).manager.acquire()
    assert bill.stats()["refused_sign_ins"] == 1


@pytest.mark.parametrize(("status", "minutes"), [(429, 1), (423, 15)])
def test_a_limit_without_a_code_of_bill_holds_up_one_organization_for_minutes(
    status: int, minutes: int, make_shared: MakeShared, organizations: list[str], clock: ManualClock, bill: LocalBill
) -> None:
    bill.fault("/connect/v3/login", kind="html", status=status)
    for _ in range(3):
        with pytest.raises(BillRateLimitError) as caught:
            make_shared().manager.acquire()
        assert caught.value.retry_at == clock.now.add(minutes=minutes)
    assert bill.stats()["requests"] == 1
    assert make_shared(fields={"organization_id": organizations[1]}).manager.acquire()
    clock.advance(minutes=minutes, seconds=1)
    assert make_shared().manager.acquire()


def in_threads(works: list[Callable[[], object]]) -> list[BaseException | None]:
    """Do all works at once, and return how each ended."""

    def end(work: Callable[[], object]) -> BaseException | None:
        try:
            work()
        except Exception as error:
            return error
        return None

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(end, works))


def test_a_password_that_was_changed_at_bill_a_moment_ago_is_refused_twice_at_most(
    make_shared: MakeShared, bill: LocalBill
) -> None:
    make_shared().manager.acquire()
    bill.fault("/connect/v3/login", code="BDC_1101", times=100)
    bill.settings(latency_seconds=0.1)
    ids = [f"008RESET{number:02}" for number in range(16)]
    ends = in_threads([make_shared(fields={"organization_id": name}).manager.acquire for name in ids])
    assert all(isinstance(end, BillSignInRefusedError) for end in ends)
    assert len(ends) == 16
    stats = bill.stats()
    assert 1 <= stats["by_path"]["/connect/v3/login"] - 1 <= 2
    assert stats["peak_concurrency"] <= 2


@pytest.mark.parametrize("code", ["BDC_1101", "BDC_1102"])  # of the user, of the key
def test_a_sign_in_without_an_answer_does_not_hide_the_refusal_of_one_beside_it(
    code: str, make_shared: MakeShared, organizations: list[str]
) -> None:
    make_shared().manager.acquire()
    one, other = (make_shared(fields={"organization_id": name}).guard for name in organizations)

    def sign_in_beside() -> None:
        with pytest.raises(BillSignInRefusedError), other.admit(lambda: None):
            raise BillSignInRefusedError("what was good is so no more", code=code)
        raise BillUnavailableError("no answer")

    with pytest.raises(BillUnavailableError), one.admit(lambda: None):
        sign_in_beside()
    with pytest.raises(BillSignInRefusedError, match="are not sent again"), make_shared().guard.admit(lambda: None):
        pass


def test_a_success_does_not_hide_that_bill_refused_the_password_to_another_key_meanwhile(
    make_shared: MakeShared, organizations: list[str], bill: LocalBill
) -> None:
    second = next(row["key"] for row in bill.seed["developer_keys"] if "second key" in row["note"])
    of_second = {"developer_api_key": second, "organization_id": organizations[1]}
    with make_shared(fields=of_second).guard.admit(lambda: None):
        pass  # its password is good
    with (
        make_shared().guard.admit(lambda: None),
        pytest.raises(BillSignInRefusedError),
        make_shared(fields=of_second).guard.admit(lambda: None),
    ):
        raise BillSignInRefusedError("the password was changed", code="BDC_1101")
    with pytest.raises(BillSignInRefusedError, match="are not sent again"), make_shared().guard.admit(lambda: None):
        pass


def test_a_sign_in_without_an_answer_is_noted_in_place_of_a_refusal_that_is_over(
    make_shared: MakeShared, notes: Notes, clock: ManualClock
) -> None:
    guard = make_shared().guard
    with pytest.raises(BillSignInRefusedError), guard.admit(lambda: None):
        raise BillSignInRefusedError("no reason", status=403)
    clock.advance(minutes=16)
    with pytest.raises(BillUnavailableError), guard.admit(lambda: None):
        raise BillUnavailableError("no answer")
    texts = [str(notes.read(key)) for key in notes.keys("bill_sign_in__")]
    assert sorted(json.loads(text)["state"] for text in texts) == ["refused", "unanswered"], (
        "of the user, and of the key"
    )


def test_whoever_waits_while_bill_does_not_answer_learns_it_from_the_one_who_asked(
    make_shared: MakeShared, bill: LocalBill
) -> None:
    bill.fault("/connect/v3/login", kind="stall", times=100)
    ends = in_threads([make_shared(timeout=(0.5, 0.5)).manager.acquire for _ in range(8)])
    assert len(ends) == 8
    assert all(isinstance(end, BillUnavailableError) and end.retryable for end in ends)
    assert bill.count_calls("/connect/v3/login") == 1


def test_whoever_comes_after_bill_did_not_answer_asks_anew(make_shared: MakeShared, bill: LocalBill) -> None:
    bill.fault("/connect/v3/login", kind="stall")
    with pytest.raises(BillUnavailableError):
        make_shared(timeout=(0.5, 0.5)).manager.acquire()
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
    with pytest.raises(BillRateLimitError):
        make_shared(fields={"organization_id": bill.seed["organizations"][2]["id"]}).manager.acquire()
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
    make_shared: MakeShared, organizations: list[str], notes: Notes, clock: ManualClock
) -> None:
    make_shared().manager.acquire()
    proven_at = only_note(notes)["at"]
    clock.advance(seconds=1)
    make_shared(fields={"organization_id": organizations[1]}).manager.acquire()
    assert only_note(notes)["at"] == proven_at
    clock.advance(minutes=36)
    make_shared().manager.acquire()
    assert only_note(notes)["at"] == clock().isoformat()


def test_how_a_sign_in_ended_is_told_also_if_it_cannot_be_noted(
    make_shared: MakeShared, notes: MemoryStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(key: str, text: str) -> None:
        raise BillStoreError("the record could not be written")

    monkeypatch.setattr(notes, "write", fail)
    with pytest.raises(BillSignInRefusedError):
        make_shared(fields=WRONG).manager.acquire()
    assert "could not be noted" in caplog.text


class Refusing(Notes):
    """A store that can be read, and for a while takes nothing."""

    takes_nothing = True

    def write(self, key: str, text: str) -> None:
        if self.takes_nothing:
            raise BillStoreError("the record could not be written")
        super().write(key, text)


def test_a_refusal_that_cannot_be_noted_is_remembered_by_this_host_and_noted_once_that_is_possible(
    make_shared: MakeShared, clock: ManualClock, bill: LocalBill
) -> None:
    notes, fallback = Refusing(), Notes()

    def ask() -> None:
        with pytest.raises(BillSignInRefusedError):
            make_shared(fields=WRONG, notes=notes, fallback=fallback).manager.acquire()

    for _ in range(4):
        ask()
    assert len(fallback.keys("bill_sign_in__")) == 1
    notes.takes_nothing = False
    ask()
    assert (len(notes.keys("bill_sign_in__")), fallback.keys("bill_sign_in__")) == (1, [])
    assert bill.stats()["refused_sign_ins"] == 1


def test_a_refusal_that_this_host_remembers_does_not_outlive_a_newer_success(
    make_shared: MakeShared, clock: ManualClock, bill: LocalBill
) -> None:
    notes, fallback = Refusing(), Notes()
    bill.fault("/connect/v3/login", code="BDC_1110")
    with pytest.raises(BillSignInRefusedError):
        make_shared(notes=notes, fallback=fallback).manager.acquire()
    notes.takes_nothing = False
    clock.advance(seconds=1)
    assert make_shared(notes=notes).manager.acquire()  # of another host
    assert make_shared(notes=notes, fallback=fallback, store=MemoryStore()).manager.acquire()
    assert fallback.keys("bill_sign_in__") == []
    assert only_note(notes)["state"] == "proven"


@pytest.mark.parametrize("facts", ["proven", "unanswered", "blocked"])
def test_only_refusals_are_kept_elsewhere(facts: str, make_shared: MakeShared, bill: LocalBill) -> None:
    notes, fallback = Refusing(), Notes()
    if facts == "unanswered":
        bill.fault("/connect/v3/login", kind="reset")
    if facts == "blocked":
        bill.settings(sign_ins_per_hour=0)
    with contextlib.suppress(BillUnavailableError, BillRateLimitError):
        make_shared(notes=notes, fallback=fallback).manager.acquire()
    assert fallback.keys("") == []


def test_credentials_that_a_host_whose_clock_is_far_ahead_calls_proven_are_not_for_long(
    make_shared: MakeShared, organizations: list[str], notes: Notes, clock: ManualClock
) -> None:
    ahead = clock.now.add(minutes=16)
    make_shared(clock=lambda: ahead).manager.acquire()
    assert only_note(notes)["at"] == ahead.isoformat()
    make_shared(fields={"organization_id": organizations[1]}).manager.acquire()
    assert only_note(notes)["at"] == clock().isoformat()


def test_a_success_after_a_refusal_that_ends_counts_also_for_a_host_whose_clock_is_behind(
    make_shared: MakeShared, organizations: list[str], clock: ManualClock, bill: LocalBill
) -> None:
    bill.fault("/connect/v3/login", kind="html", status=403)
    with pytest.raises(BillSignInRefusedError):
        make_shared().manager.acquire()
    clock.advance(minutes=16)
    make_shared().manager.acquire()
    behind = make_shared(fields={"organization_id": organizations[1]}, clock=lambda: clock.now.subtract(minutes=10))
    assert behind.manager.acquire()


def test_a_proof_that_has_aged_while_a_sign_in_waited_its_turn_is_renewed_by_its_success(
    make_shared: MakeShared, organizations: list[str], notes: Notes, clock: ManualClock
) -> None:
    make_shared().manager.acquire()
    lock = RecordingLock()
    lock.before = lambda: clock.advance(minutes=16)
    make_shared(fields={"organization_id": organizations[1]}, lock=lock).manager.acquire()
    assert only_note(notes)["at"] == clock.now.isoformat()


def test_who_waits_for_another_sign_in_of_a_proven_login_hears_at_once_that_it_was_refused(
    make_shared: MakeShared, organizations: list[str], bill: LocalBill
) -> None:
    make_shared().manager.acquire()

    class NeverFree(RecordingLock):
        def acquire(self, key: str, peek: Callable[[], T | None]) -> NoReturn:
            assert peek() is None
            bill.fault("/connect/v3/login", code="BDC_1101")
            with pytest.raises(BillSignInRefusedError):
                make_shared(fields={"organization_id": bill.seed["organizations"][2]["id"]}).manager.acquire()
            peek()
            pytest.fail("it waits on")

    waits = make_shared(fields={"organization_id": organizations[1]}, lock=NeverFree())
    with pytest.raises(BillSignInRefusedError, match="are not sent again"):
        waits.manager.acquire()


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


def test_two_sign_ins_of_a_login_are_in_flight_at_most(make_shared: MakeShared, organizations: list[str]) -> None:
    def locked_by(organization_id: str, kind: str = "v3", conn_id: str = "bill") -> list[str]:
        """Sign in and return what was locked for it."""
        lock, fields = RecordingLock(), {"organization_id": organization_id}
        make_shared(kind, conn_id=conn_id, fields=fields, lock=lock, store=MemoryStore()).manager.acquire()
        return lock.keys

    # One finds out for all whether the credentials are good; then each organization has one of two places.
    assert locked_by(organizations[1]) == locked_by(organizations[0])
    places = [locked_by(name) for name in organizations]
    assert [len(keys) for keys in places] == [1, 1]
    assert places[0] != places[1]
    # Whatever the connection, one organization has one place.
    assert [locked_by(name, "v2", "another") for name in organizations] == places


@pytest.mark.parametrize(("kind", "calls"), [("v3", 1), ("v2", 1), ("partner", 2)])
def test_a_lock_is_held_on_to_before_each_call_of_a_sign_in(kind: str, calls: int, make_shared: MakeShared) -> None:
    lock = RecordingLock()
    make_shared(kind, lock=lock).manager.acquire()
    assert lock.prolonged == lock.keys * calls


def test_the_lock_that_is_held_on_to_is_the_one_that_is_held(make_shared: MakeShared, organizations: list[str]) -> None:
    for name in organizations:
        lock = RecordingLock()
        make_shared(fields={"organization_id": name}, lock=lock, notes=Notes(), store=Notes()).manager.acquire()
        assert lock.prolonged == lock.keys


def test_who_has_lost_the_lock_sends_no_further_call_of_a_sign_in(
    make_shared: MakeShared, notes: Notes, bill: LocalBill
) -> None:
    lock = RecordingLock()

    def lose(key: str) -> None:
        lock.prolonged.append(key)
        if len(lock.prolonged) == 2:
            raise BillUnavailableError("another task has begun to")

    lock.prolong = lose  # type: ignore[method-assign]
    with pytest.raises(BillUnavailableError):
        make_shared("partner", lock=lock).manager.acquire()
    assert bill.stats()["requests"] == 1
    # How it ends is for that other one to say: who waits for it is told nothing yet.
    assert notes.keys("bill_sign_in__") == []


def test_a_lock_is_held_on_to_before_a_sign_in_without_the_device_that_bill_has_refused(
    make_shared: MakeShared, bill: LocalBill
) -> None:
    lock = RecordingLock()
    bill.fault("/connect/v3/login", code="BDC_1109")
    own = {"remembered_device_token": "not-known-to-bill-any-more", "device": "laptop"}
    assert make_shared(fields=own, lock=lock).manager.acquire()
    assert lock.prolonged == lock.keys * 2
    assert bill.count_calls("/connect/v3/login") == 2


def test_only_a_sign_in_holds_on_to_the_lock(make_shared: MakeShared, vendors: Vendors) -> None:
    lock = RecordingLock()
    shared = make_shared(lock=lock)
    for _ in range(3):
        vendors(shared)
    assert len(lock.prolonged) == 1


@pytest.mark.parametrize(
    ("code", "final"),
    [
        *(
            (code, True)
            for code in ("BDC_1101", "BDC_1102", "BDC_1103", "BDC_1104", "BDC_1105", "BDC_1110", "BDC_1111")
        ),
        *((code, True) for code in ("BDC_1123", "BDC_1129", "BDC_1178", "invalid_client", "unauthorized_client")),
        *((code, False) for code in ("BDC_1109", "BDC_1001", "BDC_9999", "", None)),
    ],
)
def test_which_refusals_of_a_sign_in_are_final(code: str | None, final: bool) -> None:
    assert is_final_refusal(code) is final


def admits(shared: SharedSession) -> bool:
    """Return whether a sign-in may begin; it leaves nothing behind."""
    try:
        with shared.guard.admit(lambda: None):
            raise InterruptedError
    except InterruptedError:
        return True
    except BillSignInRefusedError:
        return False


@pytest.mark.parametrize(
    ("code", "other_key", "other_organization"),
    [
        *((code, True, True) for code in ("BDC_1105", "BDC_1106", "BDC_1123", "BDC_1129")),
        *((code, True, False) for code in ("BDC_1102", "BDC_1103", "BDC_1104", "BDC_1178")),
        *((code, False, False) for code in ("BDC_1101", "BDC_1110", "BDC_1111", "BDC_1113", "BDC_1109", "BDC_9999")),
        ("", False, False),
    ],
)
def test_a_refusal_holds_up_what_it_speaks_of(
    code: str, other_key: bool, other_organization: bool, make_shared: MakeShared, organizations: list[str]
) -> None:
    with pytest.raises(BillSignInRefusedError), make_shared().guard.admit(lambda: None):
        raise BillSignInRefusedError("no", code=code)
    assert not admits(make_shared())
    assert not admits(make_shared("v2"))
    assert admits(make_shared(fields={"developer_api_key": "01ANOTHERKEY0"})) is other_key
    assert admits(make_shared(fields={"organization_id": organizations[1]})) is other_organization
    assert admits(make_shared(fields={"login": "another@example.com"}))


def test_a_refusal_that_comes_while_a_proven_login_waits_its_turn_keeps_it_from_being_sent(
    make_shared: MakeShared, organizations: list[str], bill: LocalBill
) -> None:
    make_shared().manager.acquire()
    lock = RecordingLock()
    waits = make_shared(fields={"organization_id": organizations[1]}, lock=lock)

    def refused() -> None:
        lock.before = lambda: None
        bill.fault("/connect/v3/login", code="BDC_1101")
        with pytest.raises(BillSignInRefusedError):
            make_shared(fields={"organization_id": bill.seed["organizations"][2]["id"]}).manager.acquire()

    lock.before = refused
    with pytest.raises(BillSignInRefusedError, match="are not sent again"):
        waits.manager.acquire()
    assert bill.count_calls("/connect/v3/login") == 2
