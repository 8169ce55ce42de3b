from __future__ import annotations

import pytest

from airflow_provider_bill.exceptions import (
    BillApiError,
    BillSessionExpiredError,
    BillSignInRefusedError,
    BillStoreError,
)
from airflow_provider_bill.sessions.stores import MemoryStore


def test_twenty_tasks_share_one_sign_in(make_manager, vendors, bill):
    for _ in range(20):
        vendors(make_manager())
    stats = bill.stats()
    assert (stats["sign_ins"], stats["open_sessions"]) == (1, 1)


def test_use_moves_the_end_and_is_written_at_most_once_a_minute(make_manager, vendors, store, clock, bill):
    manager = make_manager()
    for _ in range(60):
        vendors(manager)
        clock.advance(seconds=10)
    # One write of the sign-in, then one for each of the minutes 1 to 9.
    assert store.writes == 10
    assert bill.stats()["sign_ins"] == 1


def test_many_tasks_in_a_minute_write_its_use_once(make_manager, vendors, store, clock):
    managers = [make_manager() for _ in range(8)]
    for manager in managers:
        vendors(manager)
    clock.advance(seconds=61)
    for manager in managers:
        vendors(manager)
    assert store.writes == 2


def test_a_session_used_every_half_hour_lives_all_day(make_manager, vendors, clock, bill):
    for _ in range(48):
        vendors(make_manager())
        clock.advance(minutes=30)
    assert bill.stats()["sign_ins"] == 1


def test_a_session_idle_for_too_long_is_not_even_tried(make_manager, vendors, clock, bill):
    vendors(make_manager())
    clock.advance(minutes=34, seconds=30)
    vendors(make_manager())
    stats = bill.stats()
    assert stats["sign_ins"] == 2
    assert stats["requests"] == 4


def test_a_session_that_bill_ended_costs_one_sign_in_and_no_failure(make_manager, vendors, bill):
    first, second = make_manager(), make_manager()
    vendors(first)
    vendors(second)
    bill.expire_sessions()
    vendors(first)
    vendors(second)
    assert bill.stats()["sign_ins"] == 2


def test_a_refused_call_is_made_once_more_and_the_second_refusal_is_final(make_manager, bill):
    manager = make_manager()
    calls = []

    def call(session):
        calls.append(session.session_token)
        bill.expire_sessions()
        return manager.client.request(session, "GET", "/v3/vendors")

    with pytest.raises(BillSessionExpiredError):
        manager.run(call)
    assert len(calls) == 2
    assert bill.stats()["sign_ins"] == 2


def test_a_newer_session_is_not_overwritten_by_the_use_of_an_older_one(make_manager, vendors, store, clock):
    old = make_manager()
    vendors(old)
    new = make_manager()
    new.forget(new.acquire())
    newest = new.acquire()
    clock.advance(minutes=5)
    vendors(old)
    assert make_manager().acquire().session_token == newest.session_token


def test_use_after_sign_out_does_not_bring_the_record_back(make_manager, vendors, store, clock):
    still_working, leaving = make_manager(), make_manager()
    vendors(still_working)
    leaving.forget(leaving.acquire())
    clock.advance(minutes=2)
    vendors(still_working)
    assert store.read(still_working.identity.session_key) is None


def test_a_changed_password_makes_the_stored_session_a_miss(make_manager, vendors, bill):
    vendors(make_manager())
    with pytest.raises(BillSignInRefusedError):
        vendors(make_manager(fields={"password": "another password"}))
    assert bill.stats()["refused_sign_ins"] == 1


def test_a_refused_sign_in_leaves_nothing_in_the_store(make_manager, store):
    with pytest.raises(BillSignInRefusedError) as caught:
        make_manager(fields={"password": "wrong password"}).acquire()
    assert caught.value.code == "BDC_1101"
    assert "wrong password" not in str(caught.value)
    assert store.writes == 0


def test_garbage_in_the_store_costs_a_sign_in_and_no_error(make_manager, vendors, store, bill):
    manager = make_manager()
    store.write(manager.identity.session_key, '{"v": 1, "sealed": "cut o')
    vendors(manager)
    assert bill.stats()["sign_ins"] == 1


def test_sessions_of_two_organizations_live_side_by_side(make_manager, bill):
    organizations = [row["id"] for row in bill.seed["organizations"]][:2]
    for _ in range(3):
        for organization_id in organizations:
            session = make_manager(fields={"organization_id": organization_id}).acquire()
            assert session.organization_id == organization_id
    assert bill.stats()["sign_ins"] == 2


@pytest.mark.parametrize(
    ("kind", "calls"),
    # A partner signs in itself, and then as a user: two calls.
    [("v3", 1), ("v2", 1), ("console", 1), ("sync_token", 1), ("partner", 2), ("oauth", 1)],
)
def test_every_kind_of_sign_in_is_shared(kind, calls, make_manager, bill):
    first = make_manager(kind).acquire()
    assert make_manager(kind).acquire() == first
    assert bill.stats()["sign_ins"] == calls


def test_an_oauth_token_ends_at_its_end_however_much_it_is_used(make_manager, vendors, store, clock, bill):
    bill.settings(oauth_token_seconds=1200)
    manager = make_manager("oauth")
    for _ in range(25):
        vendors(manager)
        clock.advance(minutes=1)
    assert bill.stats()["sign_ins"] == 2
    assert store.writes == 2  # use moves nothing, so only the two tokens were written


def test_a_spend_token_is_neither_signed_in_nor_stored(make_manager, store, bill):
    session = make_manager("spend_token").acquire()
    assert session.expires_at is None
    assert store.writes == 0
    assert bill.stats()["requests"] == 0


def test_the_secret_of_a_stored_session_is_told_before_it_is_used(make_manager):
    token = make_manager().acquire().session_token
    secrets: list[str] = []
    assert make_manager(secrets=secrets).acquire().session_token == token
    assert token in secrets


class BrokenStore(MemoryStore):
    def __init__(self, breaks: str) -> None:
        super().__init__()
        self.breaks = breaks

    def read(self, key):
        if self.breaks == "read":
            raise BillStoreError("the record could not be read")
        return super().read(key)

    def write(self, key, text):
        if self.breaks == "write":
            raise BillStoreError("the record could not be written")
        super().write(key, text)


def test_a_store_that_cannot_be_read_does_not_mean_no_session(make_manager, bill):
    with pytest.raises(BillStoreError) as caught:
        make_manager(store=BrokenStore("read")).acquire()
    assert caught.value.retryable
    assert bill.stats()["sign_ins"] == 0


def test_a_store_that_cannot_be_written_costs_a_warning_and_not_the_session(make_manager, vendors, caplog, clock):
    manager = make_manager(store=BrokenStore("write"))
    vendors(manager)
    clock.advance(minutes=2)
    vendors(manager)
    assert "other tasks cannot share the session" in caplog.text
    assert manager.acquire().last_used_at == clock()


def test_being_signed_in_to_another_organization_is_an_error(make_manager, bill):
    manager = make_manager()
    other = make_manager(fields={"organization_id": bill.seed["organizations"][1]["id"]})
    manager.client.sign_in = other.client.sign_in  # BILL answering for another organization than was asked for
    with pytest.raises(BillApiError, match="organization_id"):
        manager.acquire()
