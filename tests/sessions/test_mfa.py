"""Passing MFA with a person: one text however many ask, and nothing of a code is wasted."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_bill.client.results import Phone
from airflow_provider_bill.exceptions import (
    BillConfigurationError,
    BillMfaError,
    BillStoreError,
    BillUnavailableError,
)
from airflow_provider_bill.sessions.mfa import Challenge
from airflow_provider_bill.sessions.shared import SharedSession
from airflow_provider_bill.sessions.stores import MemoryStore
from dev.clock import ManualClock
from dev.local_bill import LocalBill
from tests.sessions.present import device_key_of, present
from tests.sessions.recording_lock import RecordingLock

if TYPE_CHECKING:
    from tests.sessions.conftest import Codes, MakeShared

VALIDATE = {"v3": "/connect/v3/mfa/challenge/validate", "v2": "/api/v2/MFAAuthenticate.json"}
KINDS = ["v3", "v2"]


class Person:
    """One who asks for a code and enters it, in a shared session."""

    def __init__(self, shared: SharedSession) -> None:
        self.shared = shared
        self.manager, self.trust, self.mfa = shared.manager, shared.trust, shared.mfa

    def ask(self, **kwargs: Any) -> Challenge:
        return present(self.mfa.challenge(self.manager.acquire(), **kwargs))

    def enter(self, challenge: Challenge, code: str, **kwargs: Any) -> None:
        self.mfa.validate(self.manager.acquire(), challenge, code, **{"device": "airflow-test", **kwargs})

    def refused(self, challenge: Challenge, code: str) -> BillMfaError:
        with pytest.raises(BillMfaError) as caught:
            self.enter(challenge, code)
        assert code not in str(caught.value)
        return caught.value


NewPerson = Callable[..., Person]
Attempts = Callable[..., int]


@pytest.fixture
def person(make_shared: MakeShared) -> NewPerson:
    def make(kind: str = "v3", **kwargs: Any) -> Person:
        return Person(make_shared(kind, **kwargs))

    return make


@pytest.fixture
def attempts(bill: LocalBill) -> Attempts:
    return lambda kind="v3": bill.stats()["by_path"].get(VALIDATE[kind], 0)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_code_makes_the_shared_session_trusted_and_the_device_remembered(
    kind: str, person: NewPerson, codes: Codes, clock: ManualClock, bill: LocalBill
) -> None:
    one = person(kind)
    challenge = one.ask()
    assert not present(one.manager.peek()).trusted
    clock.advance(seconds=30)
    one.enter(challenge, codes()[0])
    assert present(one.manager.peek()).trusted
    record = present(one.manager.devices.record())
    assert record.issued_at == clock.now
    assert record.remembered.device == "airflow-test"
    assert one.trust.days_left(one.manager.acquire()) == 30
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sms_sent"]) == (1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_one_text_is_sent_however_many_ask_at_once(kind: str, person: NewPerson, bill: LocalBill) -> None:
    people = [person(kind) for _ in range(8)]
    people[0].manager.acquire()
    with ThreadPoolExecutor(8) as threads:
        challenges = list(threads.map(lambda one: one.ask(), people))
    assert len(set(challenges)) == 1
    assert bill.stats()["sms_sent"] == 1


def test_a_code_on_its_way_is_used_for_five_minutes_and_then_a_new_one_is_sent(
    person: NewPerson, clock: ManualClock, bill: LocalBill
) -> None:
    first = person().ask()
    clock.advance(minutes=4, seconds=59)
    assert person().ask() == first
    clock.advance(seconds=1)
    assert person().mfa.pending(person().manager.acquire()) is None
    second = person().ask()
    assert second.challenge_id != first.challenge_id
    assert second.texts == 1
    assert bill.stats()["sms_sent"] == 2


def test_a_new_text_can_be_wanted_while_another_is_on_its_way(person: NewPerson, bill: LocalBill) -> None:
    first = person().ask()
    second = person().ask(anew=True)
    assert (first.texts, second.texts) == (1, 2)
    assert person().ask() == second
    assert bill.stats()["sms_sent"] == 2


def test_two_who_want_a_new_text_at_the_same_time_get_one(person: NewPerson, bill: LocalBill) -> None:
    people = [person() for _ in range(2)]
    first = people[0].ask()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda one: one.ask(instead_of=first), people))
    assert bill.stats()["sms_sent"] == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spelling", ["{0}-{1}", "{0} {1}", " {0}{1} ", "{0} - {1}\n"])
def test_dashes_and_spaces_in_a_code_are_forgiven(
    kind: str, spelling: str, person: NewPerson, codes: Codes, attempts: Attempts
) -> None:
    one = person(kind)
    challenge = one.ask()
    (code,) = codes()
    one.enter(challenge, spelling.format(code[:3], code[3:]))
    assert attempts(kind) == 1


@pytest.mark.parametrize("code", ["12345", "1234567", "12345a", "abcdef", "½23456"])
def test_what_is_no_code_costs_none_of_bills_tries(code: str, person: NewPerson, attempts: Attempts) -> None:
    one = person()
    error = one.refused(one.ask(), code)
    assert "six digits" in str(error)
    assert error.code is None
    assert attempts() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_code_says_how_many_tries_bill_leaves_also_to_another_task(
    kind: str, person: NewPerson, codes: Codes
) -> None:
    challenge = person(kind).ask()
    (code,) = codes()
    # Each with the challenge as a task returned it, which knows of no try.
    errors = [person(kind).refused(challenge, wrong(code)) for _ in range(2)]
    assert [error.code for error in errors] == ["BDC_1355", "BDC_1355"]
    assert "leaves 2 more tries" in str(errors[0])
    assert "leaves 1 more tries" in str(errors[1])
    one = person(kind)
    one.enter(challenge, code)
    assert present(one.manager.peek()).trusted


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_wrong_codes_end_the_challenge(kind: str, person: NewPerson, codes: Codes) -> None:
    one = person(kind)
    challenge = one.ask()
    (code,) = codes()
    refusals = [one.refused(challenge, wrong(code)).code for _ in range(3)]
    assert refusals == ["BDC_1355", "BDC_1355", "BDC_1358"]
    error = one.refused(challenge, code)
    assert error.code == "BDC_1358"
    assert "wait" in str(error)
    assert not present(one.manager.peek()).trusted


@pytest.mark.parametrize("kind", KINDS)
def test_a_challenge_that_bill_has_ended_is_not_offered_again_and_the_next_who_asks_gets_a_new_text(
    kind: str, person: NewPerson, codes: Codes, bill: LocalBill
) -> None:
    one = person(kind)
    challenge = one.ask()
    for _ in range(3):
        one.refused(challenge, wrong(codes()[0]))
    assert person(kind).mfa.outcome(challenge) == "over"
    assert person(kind).mfa.pending(one.manager.acquire()) is None
    again = person(kind).ask()
    assert again.challenge_id != challenge.challenge_id
    assert (again.tries_left, bill.stats()["sms_sent"]) == (3, 2)
    person(kind).enter(again, codes()[1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_of_a_challenge_is_noted_also_when_bills_first_answer_was_lost(
    kind: str, person: NewPerson, codes: Codes, bill: LocalBill
) -> None:
    one = person(kind)
    challenge = one.ask()
    for _ in range(2):
        one.refused(challenge, wrong(codes()[0]))
    bill.fault(VALIDATE[kind], kind="reset", after_effect=True)  # the third wrong code
    assert one.refused(challenge, wrong(codes()[0])).code == "BDC_1358"
    again = person(kind).ask()
    assert again.challenge_id != challenge.challenge_id
    person(kind).enter(again, codes()[1])
    assert bill.stats()["sms_sent"] == 2


def test_a_wrong_code_is_counted_also_when_bills_first_answer_was_lost(
    person: NewPerson, codes: Codes, bill: LocalBill
) -> None:
    one = person()
    challenge = one.ask()
    bill.fault(VALIDATE["v3"], kind="reset")
    assert "leaves 2 more tries" in str(one.refused(challenge, wrong(codes()[0])))
    assert present(one.mfa.pending(one.manager.acquire())).tries_left == 2


def test_a_code_for_which_no_try_is_left_is_not_offered_even_if_bill_has_not_ended_it(
    person: NewPerson, codes: Codes, bill: LocalBill
) -> None:
    bill.settings(mfa_tries=9)  # more than thought
    one = person()
    challenge = one.ask()
    for left in (2, 1, 0):
        assert f"leaves {left} more tries" in str(one.refused(challenge, wrong(codes()[0])))
    assert one.mfa.pending(one.manager.acquire()) is None
    assert one.mfa.outcome(challenge) == "over"


@pytest.mark.parametrize("kind", KINDS)
def test_a_challenge_tells_the_last_digits_of_the_phone_and_of_the_user_a_hint(
    kind: str, person: NewPerson, bill: LocalBill
) -> None:
    one = person(kind)
    challenge = one.ask()
    (text,) = bill.control("GET", "sms")
    assert challenge.phone == text["to"][-4:]
    assert one.mfa.user() == "a***@harborbooks.example"


@pytest.mark.parametrize("kind", ["status", "reset"])
def test_the_text_is_sent_also_if_bill_does_not_say_to_which_phone(
    kind: str, person: NewPerson, codes: Codes, bill: LocalBill
) -> None:
    bill.fault("/connect/v3/mfa/phones", kind=kind, times=9)
    one = person()
    challenge = one.ask()
    assert challenge.phone == ""
    one.enter(challenge, codes()[0])
    assert bill.stats()["sms_sent"] == 1


@pytest.mark.parametrize(("given", "told"), [("4155550101", "0101"), ("x-0101", ""), ("", ""), ("0101", "0101")])
def test_of_a_phone_at_most_four_digits_are_told(
    given: str, told: str, person: NewPerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    phones = [Phone("WORK", "7777", primary=False), Phone("MOBILE", given, primary=True)]
    one = person()
    monkeypatch.setattr(one.manager.client.mfa, "phones", lambda session: phones)
    assert one.ask().phone == told


def test_an_accepted_code_leaves_one_line_that_says_whose_and_for_how_long(
    person: NewPerson, codes: Codes, caplog: pytest.LogCaptureFixture
) -> None:
    one = person()
    challenge = one.ask()
    with caplog.at_level("INFO"):
        caplog.clear()
        one.enter(challenge, codes()[0])
    assert [(row.levelname, row.getMessage()) for row in caplog.records if "code" in row.getMessage()] == [
        (
            "INFO",
            "BILL has taken the code of its user a***@harborbooks.example: the session is trusted, and for 30 days "
            "every later one.",
        )
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_an_expired_code_is_told_apart_and_the_next_who_asks_gets_a_new_text(
    kind: str, person: NewPerson, codes: Codes, clock: ManualClock, bill: LocalBill
) -> None:
    bill.settings(mfa_code_seconds=60)  # shorter than thought
    one = person(kind)
    challenge = one.ask()
    clock.advance(seconds=61)
    assert one.refused(challenge, codes()[0]).code == "BDC_1356"
    again = person(kind).ask()
    assert again.challenge_id != challenge.challenge_id
    person(kind).enter(again, codes()[1])
    assert bill.stats()["sms_sent"] == 2


def test_a_code_is_entered_once(person: NewPerson, codes: Codes, attempts: Attempts) -> None:
    one = person()
    challenge = one.ask()
    one.enter(challenge, codes()[0])
    assert one.mfa.pending(one.manager.acquire()) is None
    late = person()
    late.enter(challenge, codes()[0])  # by another, a moment later: the session is trusted, so nothing is sent
    assert attempts() == 1
    assert late.manager.acquire().trusted


def test_a_used_code_in_a_session_that_has_lost_its_trust_is_too_old(person: NewPerson, codes: Codes) -> None:
    one = person()
    challenge = one.ask()
    one.enter(challenge, codes()[0])
    one.manager.save(replace(one.manager.acquire(), trusted=False))
    assert person().refused(challenge, codes()[0]).code == "BDC_1374"


def test_a_late_code_for_an_old_challenge_is_not_sent_and_does_not_hide_the_new_one(
    person: NewPerson, codes: Codes, attempts: Attempts
) -> None:
    old = person().ask()
    new = person().ask(anew=True)
    for code in (codes()[0], wrong(codes()[0])):
        assert "a newer text was sent" in str(person().refused(old, code))
    assert attempts() == 0
    assert person().ask() == new


def test_a_code_whose_challenge_could_not_be_noted_is_entered_all_the_same(person: NewPerson, codes: Codes) -> None:
    class Broken(MemoryStore):
        def write(self, key: str, text: str) -> None:
            raise BillStoreError("the record could not be written")

    one = person(notes=Broken())
    one.enter(one.ask(), codes()[0], remember=False)
    assert present(one.manager.peek()).trusted


def test_a_challenge_of_another_session_is_not_sent(
    person: NewPerson, clock: ManualClock, attempts: Attempts, codes: Codes
) -> None:
    challenge = person().ask()
    clock.advance(minutes=36)
    one = person()
    error = one.refused(challenge, codes()[0])
    assert "another session" in str(error)
    assert "new code" in str(error)
    assert attempts() == 0
    assert one.mfa.pending(one.manager.acquire()) is None


@pytest.mark.parametrize("field", ["mfaId", "rememberMeId", "both"])
def test_the_device_is_remembered_under_whichever_name_bill_gives_it(
    field: str, person: NewPerson, codes: Codes, clock: ManualClock, bill: LocalBill
) -> None:
    bill.settings(remember_field=field)
    one = person()
    one.enter(one.ask(), codes()[0])
    clock.advance(days=1)
    assert person().manager.acquire().trusted
    assert bill.stats()["sms_sent"] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_without_remembering_only_this_session_is_trusted(
    kind: str, person: NewPerson, codes: Codes, clock: ManualClock, notes: MemoryStore
) -> None:
    one = person(kind)
    one.enter(one.ask(), codes()[0], remember=False)
    assert present(one.manager.peek()).trusted
    assert notes.read(device_key_of(one.shared)) is None
    assert one.trust.days_left(one.manager.acquire()) == 0
    clock.advance(minutes=40)
    assert not person(kind).manager.acquire().trusted


def test_a_label_that_bill_cannot_take_uses_up_no_code(person: NewPerson, codes: Codes, attempts: Attempts) -> None:
    one = person()
    challenge = one.ask()
    with pytest.raises(BillConfigurationError, match="longer than 100"):
        one.enter(challenge, codes()[0], device="x" * 101)
    assert attempts() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_phone_the_error_says_where_to_register_one(kind: str, person: NewPerson, bill: LocalBill) -> None:
    user = next(user for user in bill.seed["users"] if user["username"].startswith("nora"))
    one = person(kind, fields={"login": user["username"], "password": user["password"]})
    with pytest.raises(BillMfaError, match="register the user's phone in BILL") as caught:
        one.ask()
    assert caught.value.code == "BDC_1354"
    assert one.mfa.pending(one.manager.acquire()) is None
    assert bill.stats()["sms_sent"] == 0


@pytest.mark.parametrize("kind", ["sync_token", "oauth"])
def test_a_kind_without_mfa_is_refused_before_bill_is_asked(kind: str, person: NewPerson, bill: LocalBill) -> None:
    one = person(kind)
    session = one.manager.acquire()
    before = bill.stats()["requests"]
    with pytest.raises(BillConfigurationError, match=f"{kind} cannot pass MFA"):
        one.mfa.challenge(session)
    assert one.trust.days_left(session) is None
    assert bill.stats()["requests"] == before


def test_what_is_noted_of_a_challenge_holds_no_secret(person: NewPerson, notes: MemoryStore) -> None:
    one = person()
    one.ask()
    key = "bill_mfa_challenge__bill__00801SBX000100000000"
    assert one.manager.acquire().session_token not in present(notes.read(key))


@pytest.mark.parametrize(
    "garbage", ["no JSON", "[]", '{"challenge_id": 1, "session": 2, "sent_at": "2026-01-01"}', "7"]
)
def test_garbage_in_place_of_the_noted_challenge_costs_a_text_and_no_error(
    garbage: str, person: NewPerson, notes: MemoryStore, bill: LocalBill
) -> None:
    notes.write("bill_mfa_challenge__bill__00801SBX000100000000", garbage)
    person().ask()
    assert bill.stats()["sms_sent"] == 1


def test_a_challenge_goes_through_xcom_unchanged(person: NewPerson) -> None:
    challenge = person().ask()
    assert Challenge.from_dict(challenge.as_dict()) == challenge


@pytest.mark.parametrize(
    "changes",
    [
        {"challenge_id": None},
        {"session": 5},
        {"sent_at": "yesterday"},
        {"sent_at": "9999-12-31T23:59:59+00:00"},
        {"sent_at": "2026-01-01/2026-01-02"},
        {"sent_at": None},
        {"wrong": "1"},
        {"texts": None},
        {"phone": 101},
        {"more": 1},
    ],
)
def test_a_malformed_challenge_says_what_to_pass(changes: dict[str, Any], person: NewPerson) -> None:
    with pytest.raises(BillMfaError, match="challenge=challenge"):
        Challenge.from_dict({**person().ask().as_dict(), **changes})


@pytest.mark.parametrize("value", [None, "text", [], 7])
def test_what_is_no_challenge_at_all_says_what_to_pass(value: Any) -> None:
    with pytest.raises(BillMfaError, match="challenge=challenge"):
        Challenge.from_dict(value)


@pytest.mark.parametrize("mode", ["off", "bypass"])
def test_where_mfa_is_off_trust_has_no_end(mode: str, person: NewPerson, bill: LocalBill) -> None:
    bill.settings(mfa_mode=mode)
    one = person()
    assert one.trust.days_left(one.trust.make(one.manager.acquire())) is None


def test_the_days_of_trust_run_down_and_a_device_of_the_connection_has_none(
    person: NewPerson, codes: Codes, clock: ManualClock, notes: MemoryStore
) -> None:
    one = person()
    assert one.trust.days_left(one.trust.make(one.manager.acquire())) == 0
    one.enter(one.ask(), codes()[0])
    known = present(one.manager.devices.usable())
    clock.advance(days=12)
    later = person()
    assert later.trust.days_left(later.manager.acquire()) == pytest.approx(18)
    notes.delete(device_key_of(one.shared))
    own = person(store=MemoryStore(), fields={"remembered_device_token": known.token, "device": known.device})
    assert own.trust.days_left(own.manager.acquire()) is None


def test_the_moment_of_the_text_is_the_clocks(person: NewPerson, clock: ManualClock) -> None:
    assert pendulum.parse(person().ask().sent_at) == clock.now


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_is_asked_for_in_a_new_session_if_bill_has_ended_the_old_one(
    kind: str, person: NewPerson, codes: Codes, bill: LocalBill
) -> None:
    one = person(kind)
    one.manager.acquire()
    bill.expire_sessions()
    one.enter(one.ask(), codes()[0])
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sms_sent"]) == (2, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_who_comes_into_another_tasks_session_while_it_has_its_turn_takes_the_code_that_is_on_its_way_there(
    kind: str, person: NewPerson, bill: LocalBill
) -> None:
    ada, ben = person(kind), person(kind)
    old = ada.manager.acquire()
    bill.expire_sessions()
    theirs = ben.ask()

    def needed() -> bool:
        # As looking at trust does, which finds out that BILL has ended the session.
        return not ada.trust.make(ada.manager.renew(old)).trusted

    assert ada.mfa.challenge_if(needed, old) == theirs
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sms_sent"]) == (2, 1)


def test_no_text_is_sent_where_none_is_needed_any_more_once_it_is_ones_turn(person: NewPerson, bill: LocalBill) -> None:
    one = person()
    assert one.mfa.challenge_if(lambda: False, one.manager.acquire()) is None
    assert bill.stats()["sms_sent"] == 0


def test_of_a_session_that_was_trusted_already_only_a_new_device_is_an_answer(
    person: NewPerson, codes: Codes, clock: ManualClock
) -> None:
    one = person()
    one.enter(one.ask(), codes()[0])
    clock.advance(seconds=1)
    again = one.ask(anew=True)
    assert (again.renewal, person().mfa.outcome(again)) == (True, "open")
    one.enter(again, codes()[1])
    assert person().mfa.outcome(again) == "answered"


def test_trust_of_a_session_that_is_over_is_no_answer(person: NewPerson, codes: Codes, clock: ManualClock) -> None:
    one = person()
    challenge = one.ask()
    one.enter(challenge, codes()[0], remember=False)
    assert person().mfa.outcome(challenge) == "answered"
    clock.advance(minutes=36)
    assert person().mfa.outcome(challenge) == "open"


def test_a_challenge_is_replaced_only_by_one_whose_code_can_still_be_entered(
    person: NewPerson, clock: ManualClock
) -> None:
    one = person()
    first = one.ask()
    one.ask(anew=True)
    assert one.mfa.outcome(first) == "replaced"
    clock.advance(minutes=5)
    assert one.mfa.outcome(first) == "open"


def test_the_answer_to_an_older_text_is_none_to_one_that_could_not_be_noted(
    person: NewPerson, codes: Codes, clock: ManualClock, attempts: Attempts, notes: MemoryStore
) -> None:
    class Losing(MemoryStore):
        loses = False

        def write(self, key: str, text: str) -> None:
            if self.loses and key.startswith("bill_mfa_challenge__"):
                raise BillStoreError("the record could not be written")
            super().write(key, text)

    notes = Losing()
    one = person(notes=notes)
    one.enter(one.ask(), codes()[0], remember=False)
    clock.advance(seconds=1)
    notes.loses = True
    again = one.ask(anew=True)
    assert (again.renewal, one.mfa.outcome(again)) == (True, "open")
    one.enter(again, codes()[1])
    assert attempts() == 2


def test_a_device_is_as_old_as_the_first_call_with_its_code(
    person: NewPerson, bill: LocalBill, codes: Codes, clock: ManualClock
) -> None:
    lock = RecordingLock()
    one = person(lock=lock)
    challenge = one.ask()
    entered_at = clock.now
    bill.fault(VALIDATE["v3"], kind="reset")
    lock.prolong = lambda key: clock.advance(seconds=20)  # type: ignore[method-assign]
    one.enter(challenge, codes()[0])
    assert clock.now > entered_at
    assert present(one.manager.devices.record()).issued_at == entered_at


@pytest.mark.parametrize("kind", KINDS)
def test_a_code_for_a_session_that_bill_has_ended_is_answered_with_a_new_one(
    kind: str, person: NewPerson, codes: Codes, bill: LocalBill
) -> None:
    one = person(kind)
    challenge = one.ask()
    bill.expire_sessions()
    assert one.refused(challenge, codes()[0]).code == "BDC_1356"
    one.enter(one.ask(), codes()[1])
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sms_sent"]) == (2, 2)


def test_the_turn_is_held_on_to_before_each_further_call(person: NewPerson, bill: LocalBill, codes: Codes) -> None:
    lock = RecordingLock()
    ada = person(lock=lock)
    ada.manager.acquire()
    lock.prolonged.clear()
    challenge = present(ada.mfa.challenge_if(lambda: True, ada.manager.acquire()))
    turn = lock.prolonged[0]
    assert turn.startswith("bill_mfa_turn__")
    assert lock.prolonged == [turn] * 2  # looking at trust and at the phone came first
    bill.fault(VALIDATE["v3"], kind="reset", after_effect=True)
    ada.enter(challenge, codes()[-1])
    # The code was entered once more, and then BILL was asked whether it had taken it.
    assert lock.prolonged == [turn] * 4


def test_who_has_lost_the_turn_enters_no_code_again(person: NewPerson, bill: LocalBill, codes: Codes) -> None:
    lock = RecordingLock()
    ada = person(lock=lock)
    challenge = ada.ask()
    lock.lost = True
    bill.fault(VALIDATE["v3"], kind="reset")
    with pytest.raises(BillUnavailableError, match="another task has begun"):
        ada.enter(challenge, codes()[-1])
    assert bill.count_calls(VALIDATE["v3"]) == 1
    with pytest.raises(BillUnavailableError, match="another task has begun"):
        ada.ask(anew=True)
    assert len(codes()) == 1
