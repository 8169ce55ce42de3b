"""Trusted sessions: made so without a person where that is possible, and else an error that names the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.exceptions import BillConfigurationError, BillError, BillMfaRequiredError, BillStoreError
from airflow_provider_bill.sessions.stores import MemoryStore
from dev.clock import ManualClock
from dev.local_bill import LocalBill
from tests.sessions.present import device_key_of, present

if TYPE_CHECKING:
    from tests.sessions.conftest import MakeShared, PassMfa, Pay, Vendors

Calls = Callable[[str], int]

STEP_UP = "/connect/v3/mfa/step-up"
PAYMENTS = "/connect/v3/payments"
OWN = {"remembered_device_token": "never-known-to-bill", "device": "laptop"}
WAY_OUT = "BillMfaOperator.*bill_mfa"


@pytest.fixture
def calls(bill: LocalBill) -> Calls:
    """Count what BILL has got on a path."""
    return lambda path: bill.stats()["by_path"].get(path, 0)


@pytest.fixture
def own_device(make_shared: MakeShared, pass_mfa: PassMfa, notes: MemoryStore, bill: LocalBill) -> dict[str, str]:
    """A device that BILL knows and only the connection brings."""
    shared = make_shared()
    pass_mfa(shared)
    known = present(shared.manager.devices.usable())
    shared.manager.forget(shared.manager.acquire())
    notes.delete(device_key_of(shared))
    return {"remembered_device_token": known.token, "device": known.device}


def test_a_payment_without_mfa_is_not_sent_and_the_error_names_the_way_out(
    make_shared: MakeShared, pay: Pay, calls: Calls, bill: LocalBill
) -> None:
    with pytest.raises(BillMfaRequiredError, match=WAY_OUT) as caught:
        pay(make_shared())
    assert caught.value.code == "BDC_1361"
    assert not caught.value.retryable
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sms_sent"], calls(PAYMENTS)) == (1, 0, 0)


def test_what_bill_itself_refuses_as_untrusted_is_not_answered_with_a_sign_in(
    make_shared: MakeShared, pay: Pay, calls: Calls, bill: LocalBill
) -> None:
    shared = make_shared()
    with pytest.raises(BillMfaRequiredError, match=WAY_OUT):
        pay(shared, trusted=False)
    assert (bill.stats()["sign_ins"], calls(PAYMENTS), calls(STEP_UP)) == (1, 1, 0)


@pytest.mark.parametrize("kind", ["v3", "v2", "console"])
def test_after_a_code_every_task_pays_with_the_same_session(
    kind: str, make_shared: MakeShared, pass_mfa: PassMfa, pay: Pay, bill: LocalBill
) -> None:
    pass_mfa(make_shared(kind))
    assert make_shared(kind).trust.acquire().trusted
    if kind != "console":
        for _ in range(3):
            pay(make_shared(kind))
        assert bill.stats()["payments"] == 3
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sms_sent"]) == (1, 1)


@pytest.mark.parametrize("kind", ["v3", "v2"])
def test_for_thirty_days_sessions_are_trusted_from_their_sign_in(
    kind: str, make_shared: MakeShared, pass_mfa: PassMfa, pay: Pay, clock: ManualClock, bill: LocalBill
) -> None:
    pass_mfa(make_shared(kind))
    for day in range(1, 30):
        clock.advance(days=1)
        shared = make_shared(kind)
        assert shared.trust.acquire().trusted, day
        pay(shared)
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sms_sent"], stats["payments"]) == (30, 1, 29)
    assert stats["by_path"].get(STEP_UP, 0) == 0
    clock.advance(days=1)
    with pytest.raises(BillMfaRequiredError, match=WAY_OUT):
        make_shared(kind).trust.acquire()
    assert bill.stats()["sign_ins"] == 31


def test_a_task_that_signed_in_before_finds_that_another_has_passed_mfa(
    make_shared: MakeShared, pass_mfa: PassMfa, pay: Pay, calls: Calls
) -> None:
    early = make_shared()
    early.manager.acquire()
    pass_mfa(make_shared())
    pay(early)
    assert calls(STEP_UP) == 0
    assert early.manager.acquire().trusted


def test_a_session_of_one_run_steps_up_with_the_device_that_all_runs_share(
    make_shared: MakeShared, pass_mfa: PassMfa, pay: Pay, calls: Calls
) -> None:
    run_store = MemoryStore()  # as the XCom of a login task: the device lies elsewhere
    in_run = make_shared(store=run_store)
    assert not in_run.manager.acquire().trusted
    pass_mfa(make_shared())
    pay(in_run)
    pay(make_shared(store=run_store))
    assert (calls("/connect/v3/login"), calls(STEP_UP), calls(PAYMENTS)) == (2, 1, 2)


def test_a_session_that_lost_its_trust_steps_up_once_and_the_payment_is_made_once(
    make_shared: MakeShared, pass_mfa: PassMfa, pay: Pay, calls: Calls, bill: LocalBill
) -> None:
    shared = make_shared()
    pass_mfa(shared)
    bill.fault(PAYMENTS, method="POST", code="BDC_1361")
    pay(shared)
    stats = bill.stats()
    assert (stats["sign_ins"], stats["payments"], calls(PAYMENTS), calls(STEP_UP)) == (1, 1, 2, 1)


def test_without_a_device_a_lost_trust_is_noted_for_all(
    make_shared: MakeShared, pass_mfa: PassMfa, pay: Pay, calls: Calls, bill: LocalBill
) -> None:
    shared = make_shared()
    pass_mfa(shared, remember=False)
    bill.fault(PAYMENTS, method="POST", code="BDC_1361")
    with pytest.raises(BillMfaRequiredError, match=WAY_OUT):
        pay(shared)
    assert calls(PAYMENTS) == 1
    assert not present(make_shared().manager.peek()).trusted


@pytest.mark.parametrize("refusal", ["untrusted", "refuse"])
def test_a_refused_device_is_tried_once_and_not_at_every_sign_in(
    refusal: str,
    make_shared: MakeShared,
    clock: ManualClock,
    bill: LocalBill,
    caplog: pytest.LogCaptureFixture,
    notes: MemoryStore,
) -> None:
    bill.settings(bad_remember_me=refusal)
    first = make_shared()
    first.manager.devices.remember(RememberedDevice(token="forgotten-by-bill", device="airflow-test"), clock.now)
    for _ in range(4):
        assert not make_shared().manager.acquire().trusted
        clock.advance(minutes=40)
    stats = bill.stats()
    assert stats["sign_ins"] == 4
    assert stats["refused_sign_ins"] == (1 if refusal == "refuse" else 0)
    assert caplog.text.count("no longer honours the remembered device") == 1
    assert present(first.manager.devices.record()).refused_at is not None


@pytest.mark.parametrize("kind", ["v3", "v2"])
def test_a_device_that_bill_calls_an_invalid_session_is_not_taken_for_a_wrong_password(
    kind: str, make_shared: MakeShared, bill: LocalBill
) -> None:
    bill.settings(bad_remember_me="refuse")
    for _ in range(3):
        assert not make_shared(kind, fields=OWN).manager.acquire().trusted
    stats = bill.stats()
    assert (stats["sign_ins"], stats["refused_sign_ins"]) == (1, 1)


@pytest.mark.parametrize("kind", ["v3", "v2"])
def test_the_connections_own_device_makes_the_first_session_trusted(
    kind: str, make_shared: MakeShared, own_device: dict[str, str], pay: Pay, bill: LocalBill
) -> None:
    before = bill.stats()["sms_sent"]
    shared = make_shared(kind, fields=own_device)
    assert shared.manager.acquire().trusted
    pay(shared)
    assert bill.stats()["sms_sent"] == before


def test_the_connections_own_device_comes_second(
    make_shared: MakeShared, own_device: dict[str, str], clock: ManualClock, calls: Calls
) -> None:
    shared = make_shared(fields=own_device)
    shared.manager.devices.remember(RememberedDevice(token="forgotten-by-bill", device="airflow-test"), clock.now)
    assert shared.trust.acquire().trusted
    assert calls(STEP_UP) == 1  # with the second, in the session that the first did not make trusted
    make_shared(fields=own_device).trust.acquire()
    assert calls(STEP_UP) == 1


def test_a_step_up_that_bill_answers_with_no_is_a_refusal(
    make_shared: MakeShared, clock: ManualClock, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    shared = make_shared()
    shared.manager.acquire()
    shared.manager.devices.remember(RememberedDevice(token="forgotten-by-bill", device="airflow-test"), clock.now)
    for _ in range(3):
        with pytest.raises(BillMfaRequiredError, match=WAY_OUT):
            make_shared().trust.acquire()
    assert calls(STEP_UP) == 1
    assert caplog.text.count("no longer honours the remembered device") == 1


@pytest.mark.parametrize("fault", ["empty", "malformed", "reset", "html"])
@pytest.mark.parametrize("after_effect", [False, True])
def test_a_step_up_whose_answer_says_nothing_is_no_refusal_and_the_next_try_needs_no_text(
    fault: str, after_effect: bool, make_shared: MakeShared, pass_mfa: PassMfa, calls: Calls, bill: LocalBill
) -> None:
    shared = make_shared(conn_id="other")
    make_shared().manager.acquire()
    pass_mfa(shared)
    bill.fault(STEP_UP, fault, after_effect=after_effect)
    with pytest.raises(BillError) as caught:
        make_shared().trust.acquire()
    assert not isinstance(caught.value, BillMfaRequiredError)
    assert make_shared().manager.devices.usable() is not None
    assert make_shared().trust.acquire().trusted
    assert (calls(STEP_UP), bill.stats()["sms_sent"]) == (2, 1)


@pytest.mark.parametrize("after_effect", [False, True])
def test_a_code_whose_answer_is_empty_does_not_count_as_taken_before_bill_has_taken_it(
    after_effect: bool, make_shared: MakeShared, pass_mfa: PassMfa, pay: Pay, bill: LocalBill
) -> None:
    bill.fault("*/challenge/validate", "empty", after_effect=after_effect)
    pass_mfa(make_shared())
    pay(make_shared())
    assert bill.stats()["sms_sent"] == 1


@pytest.mark.parametrize("fault", ["empty", "malformed", "reset", "html"])
def test_a_v2_sign_in_after_which_bill_does_not_tell_of_trust_is_no_refusal(
    fault: str, make_shared: MakeShared, pass_mfa: PassMfa, bill: LocalBill
) -> None:
    shared = make_shared("v2")
    pass_mfa(shared)
    shared.manager.sign_out()
    bill.fault("/api/v2/MFAStatus.json", fault, times=9)
    assert not make_shared("v2").manager.acquire().trusted
    assert make_shared("v2").manager.devices.usable() is not None
    bill.control("DELETE", "faults")
    assert make_shared("v2").trust.acquire().trusted
    assert bill.stats()["sms_sent"] == 1


@pytest.mark.parametrize("mode", ["off", "bypass"])
@pytest.mark.parametrize("told", [False, True])
def test_where_mfa_is_off_nobody_is_asked(
    mode: str, told: bool, make_shared: MakeShared, pay: Pay, bill: LocalBill
) -> None:
    bill.control("PUT", "settings", {"mfa_mode": mode, "trusted_when_mfa_off": told})
    for _ in range(2):
        shared = make_shared()
        pay(shared)
        assert shared.trust.acquire().trusted
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sms_sent"], stats["payments"]) == (1, 0, 2)
    assert stats["by_path"].get("/connect/v3/login/session", 0) == (0 if told else 1)


def test_an_oauth_token_needs_no_mfa(make_shared: MakeShared, pay: Pay, bill: LocalBill) -> None:
    shared = make_shared("oauth")
    assert shared.trust.acquire() == shared.manager.acquire()
    pay(shared)
    stats = bill.stats()
    assert (stats["requests"], stats["payments"]) == (2, 1)


def test_a_sync_token_does_not_get_to_send_a_payment(make_shared: MakeShared, pay: Pay, calls: Calls) -> None:
    with pytest.raises(BillConfigurationError, match="sync token"):
        pay(make_shared("sync_token"))
    assert calls(PAYMENTS) == 0


def test_a_dead_session_is_renewed_before_it_is_made_trusted(
    make_shared: MakeShared, pass_mfa: PassMfa, pay: Pay, clock: ManualClock, bill: LocalBill
) -> None:
    pass_mfa(make_shared())
    shared = make_shared()
    shared.manager.acquire()
    bill.expire_sessions()
    pay(shared)
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sms_sent"], stats["payments"]) == (2, 1, 1)


def test_an_untrusted_session_that_bill_ended_is_renewed_and_not_an_error(
    make_shared: MakeShared, pass_mfa: PassMfa, pay: Pay, bill: LocalBill
) -> None:
    untrusted = make_shared(store=MemoryStore())
    untrusted.manager.acquire()
    pass_mfa(make_shared())
    bill.expire_sessions()
    pay(untrusted)
    assert bill.stats()["payments"] == 1


def test_asking_for_trust_of_a_session_that_bill_ended_says_that_a_person_is_needed(
    make_shared: MakeShared, bill: LocalBill
) -> None:
    make_shared().manager.acquire()
    bill.expire_sessions()
    with pytest.raises(BillMfaRequiredError, match=WAY_OUT):
        make_shared().trust.acquire()
    assert bill.stats()["sign_ins"] == 2


def test_asking_bill_for_how_long_trust_lasts_keeps_the_session_alive(
    make_shared: MakeShared, clock: ManualClock, bill: LocalBill
) -> None:
    bill.settings(mfa_mode="off", trusted_when_mfa_off=True)
    for _ in range(4):
        shared = make_shared()
        assert shared.trust.days_left(shared.manager.acquire()) is None
        clock.advance(minutes=20)
    assert bill.stats()["sign_ins"] == 1


def test_where_bill_does_not_tell_of_trust_the_payment_is_sent_and_bill_decides(
    make_shared: MakeShared, pay: Pay, calls: Calls, bill: LocalBill
) -> None:
    # As if v3 took no v2 session, which nobody has documented.
    bill.fault("/connect/v3/login/session", code="BDC_1109", times=2)
    with pytest.raises(BillMfaRequiredError, match=WAY_OUT):
        pay(make_shared("v2"))
    assert (bill.stats()["sign_ins"], calls(PAYMENTS)) == (1, 1)
    bill.settings(mfa_mode="off")
    assert pay(make_shared("v2")).body


def test_a_v2_session_without_trust_does_not_get_to_send_a_payment(
    make_shared: MakeShared, pay: Pay, calls: Calls, bill: LocalBill
) -> None:
    with pytest.raises(BillMfaRequiredError, match=WAY_OUT):
        pay(make_shared("v2"))
    assert (bill.stats()["sign_ins"], calls(PAYMENTS)) == (1, 0)


class WithoutTrustNotes(MemoryStore):
    """A store that takes records and no notes of trust."""

    def write(self, key: str, text: str) -> None:
        if key.endswith("__trusted"):
            raise BillStoreError("it cannot be stored")
        super().write(key, text)


def test_noting_the_last_use_keeps_the_trust_of_the_record_also_without_a_note_of_it(
    make_shared: MakeShared, pass_mfa: PassMfa, vendors: Vendors, clock: ManualClock
) -> None:
    store = WithoutTrustNotes()
    first, second = make_shared(store=store), make_shared(store=store)
    vendors(first)
    pass_mfa(second)
    clock.advance(seconds=61)
    vendors(first)
    found = present(make_shared(store=store).manager.peek())
    assert (found.trusted, found.last_used_at) == (True, clock.now)


def test_noting_the_last_use_does_not_bring_trust_back_that_is_lost(
    make_shared: MakeShared, pass_mfa: PassMfa, vendors: Vendors, pay: Pay, clock: ManualClock, bill: LocalBill
) -> None:
    first, second = make_shared(), make_shared()
    pass_mfa(first, remember=False)
    second.manager.acquire()
    bill.fault(PAYMENTS, method="POST", code="BDC_1361")
    with pytest.raises(BillMfaRequiredError):
        pay(second)
    clock.advance(seconds=61)
    vendors(first)
    found = present(make_shared().manager.peek())
    assert (found.trusted, found.last_used_at) == (False, clock.now)
