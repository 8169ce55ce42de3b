"""The turn of one caller at a time, in virtual time: no other host is needed to see what it would do."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_bill.exceptions import BillStoreError, BillUnavailableError
from airflow_provider_bill.sessions.locks import (
    LEASE_SECONDS,
    LONGEST_LEASE_SECONDS,
    LOST_CLAIMS,
    POLL_SECONDS,
    SETTLE_SECONDS,
    HostLock,
    LeaseLock,
    Lock,
    ProcessLock,
)
from airflow_provider_bill.sessions.stores import MemoryStore
from dev.processes import wait_until
from tests.sessions.locks.planned_time import KEY, PlannedTime, SlowStore, nothing, out_of_locks
from tests.sessions.present import present

#: Until a lease that is over is noticed and another one is claimed.
SLACK = SETTLE_SECONDS + 2 * 1.5 * POLL_SECONDS + 0.1


def held_by(nonce: str, **facts: object) -> str:
    return json.dumps({"v": 1, "owner": "another host", "nonce": nonce, **facts})


def test_a_free_turn_is_taken_after_settling_and_given_back(
    lock: LeaseLock, store: SlowStore, time: PlannedTime
) -> None:
    with lock.acquire(KEY, nothing) as found:
        assert found is None
        assert json.loads(present(store.read(KEY)))["nonce"]
        assert time.now == SETTLE_SECONDS
    assert store.read(KEY) is None


def test_who_waits_for_a_while_is_told_once_for_which_task_and_since_when(store: SlowStore, time: PlannedTime) -> None:
    told: list[tuple[str, ...]] = []
    place = {"dag_id": "d", "run_id": "r", "task_id": "t"}
    lock = LeaseLock(store, sleep=time.advance, monotonic=time, on_wait=lambda *facts: told.append(facts))
    store.write(KEY, held_by("theirs", task=place, at="2026-11-21 12:34:56 UTC"))
    with lock.acquire(KEY, nothing):
        pass
    assert told == [(KEY, "task t of DAG d (run r)", "2026-11-21 12:34:56 UTC")]


def test_who_waits_for_a_process_that_is_no_task_is_told_its_host_and_number(
    store: SlowStore, time: PlannedTime
) -> None:
    told: list[tuple[str, str, str]] = []
    with LeaseLock(store, sleep=time.advance, monotonic=time).acquire(KEY, nothing):
        lease = present(store.read(KEY))
    store.write(KEY, lease.replace(socket.gethostname(), "another-host", 1).replace('"host": "', '"host": "another'))
    with LeaseLock(store, sleep=time.advance, monotonic=time, on_wait=lambda *facts: told.append(facts)).acquire(
        KEY, nothing
    ):
        pass
    assert [by for _, by, _ in told] == [f"another process (another-host {os.getpid()})"]


def test_a_lease_names_its_task_for_who_waits(store: SlowStore, time: PlannedTime) -> None:
    place = {"dag_id": "d", "run_id": "r", "task_id": "t"}
    with LeaseLock(store, sleep=time.advance, monotonic=time, task=place).acquire(KEY, nothing):
        assert json.loads(present(store.read(KEY)))["task"] == place


def test_what_is_found_at_once_needs_no_lease(lock: LeaseLock, store: SlowStore, time: PlannedTime) -> None:
    with lock.acquire(KEY, lambda: "session") as found:
        assert found == "session"
        assert store.read(KEY) is None
    assert time.now == 0


def test_who_waits_gets_what_the_holder_makes_and_leaves_the_lease_alone(
    lock: LeaseLock, store: SlowStore, time: PlannedTime
) -> None:
    made: list[str] = []
    store.write(KEY, held_by("theirs"))
    time.at(5, lambda: made.append("session"))
    with lock.acquire(KEY, lambda: made[0] if made else None) as found:
        assert found == "session"
    assert store.read(KEY) == held_by("theirs")


def test_what_is_made_between_the_last_look_and_the_free_lease_is_found(
    lock: LeaseLock, store: SlowStore, time: PlannedTime
) -> None:
    """The holder stores the session and gives the lease back right after a look that found nothing."""
    made: list[str] = []
    store.write(KEY, held_by("theirs"))

    def look() -> str | None:
        found = made[0] if made else None
        if time.now > 0 and not made:
            made.append("session")
            store.delete(KEY)
        return found

    with lock.acquire(KEY, look) as found:
        assert found == "session"
    assert store.read(KEY) is None


@pytest.mark.parametrize("lease", ["", "{", '"text"', "[]", "{}", '{"v": 1}', "[" * 100_000, '{"v": 1, "nonce": ""}'])
def test_garbage_is_no_lease(lease: str, lock: LeaseLock, store: SlowStore, time: PlannedTime) -> None:
    store.write(KEY, lease)
    with lock.acquire(KEY, nothing) as found:
        assert found is None
    assert time.now == SETTLE_SECONDS


@pytest.mark.parametrize("seconds", [0.0, 0.5, 7.0])
def test_how_long_a_claim_settles_is_a_setting(seconds: float, store: SlowStore, time: PlannedTime) -> None:
    with LeaseLock(store, settle_seconds=seconds, sleep=time.advance, monotonic=time).acquire(KEY, nothing) as found:
        assert found is None
    assert time.now == seconds


@pytest.mark.parametrize("lease", [held_by("theirs"), json.dumps({"v": 2, "holder": {"id": 7}})])
def test_a_lease_is_dead_once_it_has_been_watched_unchanged_for_its_life(
    lease: str, lock: LeaseLock, store: SlowStore, time: PlannedTime
) -> None:
    store.write(KEY, lease)
    with lock.acquire(KEY, nothing) as found:
        assert found is None
        assert LEASE_SECONDS <= time.now < LEASE_SECONDS + SLACK


def test_a_lease_that_changes_hands_is_watched_anew(lock: LeaseLock, store: SlowStore, time: PlannedTime) -> None:
    store.write(KEY, held_by("theirs"))
    time.at(60, lambda: store.write(KEY, held_by("a third one's")))
    with lock.acquire(KEY, nothing):
        assert 60 + LEASE_SECONDS <= time.now < 60 + LEASE_SECONDS + SLACK


def test_a_lease_that_says_how_long_it_lives_is_watched_for_so_long(
    lock: LeaseLock, store: SlowStore, time: PlannedTime
) -> None:
    store.write(KEY, held_by("theirs", seconds=610))
    with lock.acquire(KEY, nothing):
        assert 610 <= time.now < 610 + SLACK


@pytest.mark.parametrize("seconds", [1e9, "ages", None, True, -1, float("nan"), float("inf"), 10**400])
def test_a_lease_that_says_nonsense_of_its_life_ends_all_the_same(
    seconds: object, lock: LeaseLock, store: SlowStore, time: PlannedTime
) -> None:
    store.write(KEY, held_by("theirs", seconds=seconds))
    with lock.acquire(KEY, nothing):
        assert LEASE_SECONDS <= time.now < LONGEST_LEASE_SECONDS + SLACK


def test_also_one_whose_own_leases_live_for_hours_waits_an_hour_at_most(store: SlowStore, time: PlannedTime) -> None:
    store.write(KEY, held_by("theirs"))
    with LeaseLock(store, lease_seconds=9e4, sleep=time.advance, monotonic=time).acquire(KEY, nothing):
        assert LONGEST_LEASE_SECONDS <= time.now < LONGEST_LEASE_SECONDS + SLACK


def test_who_loses_one_race_after_the_other_goes_on_waiting(
    lock: LeaseLock, store: SlowStore, time: PlannedTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time the lease is free, another host's write comes after this one's, and its holder is done at once."""
    winners = [f"winner {number}" for number in range(3 * LOST_CLAIMS)]
    write = store.write

    def overtaken(key: str, text: str) -> None:
        write(key, text)
        if winners and "another host" not in text:
            write(key, held_by(winners.pop()))
            time.at(time.now + SETTLE_SECONDS + 0.01, lambda: store.delete(key))

    monkeypatch.setattr(store, "write", overtaken)
    with lock.acquire(KEY, nothing) as found:
        assert found is None
    assert winners == []


def test_a_lease_of_a_dead_process_of_this_host_is_taken_over_at_once(
    lock: LeaseLock, store: SlowStore, time: PlannedTime
) -> None:
    with lock.acquire(KEY, nothing):
        left_behind = present(store.read(KEY))
    store.write(KEY, left_behind)
    before = time.now
    with lock.acquire(KEY, nothing) as found:
        assert found is None
        assert time.now - before == SETTLE_SECONDS


def test_a_lease_of_this_host_is_waited_for_where_no_file_lock_tells_that_its_holder_is_dead(
    lock: LeaseLock, store: SlowStore, time: PlannedTime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lock.acquire(KEY, nothing):
        left_behind = present(store.read(KEY))
    store.write(KEY, left_behind)
    monkeypatch.setattr("filelock.FileLock.acquire", out_of_locks)
    before = time.now
    with lock.acquire(KEY, nothing):
        assert time.now - before >= LEASE_SECONDS


def test_without_file_locks_nobody_takes_a_lease_for_a_dead_one_of_its_own_host(
    lock: LeaseLock, store: SlowStore, time: PlannedTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filelock.FileLock.acquire", out_of_locks)
    store.write(KEY, held_by("theirs, without a file lock too", host=""))
    with lock.acquire(KEY, nothing):
        assert time.now >= LEASE_SECONDS


@pytest.mark.parametrize("readable", [None, held_by("another team's")])
def test_a_store_that_loses_what_is_written_to_it_is_an_error_and_not_an_endless_loop(
    readable: str | None, lock: LeaseLock, store: SlowStore, time: PlannedTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "read", lambda key: readable)
    with pytest.raises(BillStoreError, match="could not be read back"), lock.acquire(KEY, nothing):
        pass
    assert time.now < LEASE_SECONDS + 20


def test_a_lease_is_held_for_as_long_again_as_its_owner_says(
    lock: LeaseLock, store: SlowStore, time: PlannedTime
) -> None:
    with lock.acquire(KEY, nothing):
        first = present(store.read(KEY))
        lock.prolong(KEY)
        assert store.read(KEY) == first  # nothing to say yet
        time.advance(LEASE_SECONDS / 2)
        lock.prolong(KEY)
        second = present(store.read(KEY))
        assert second != first
        # Still of this host: who dies later is overtaken at once, too.
        assert json.loads(second)["host"] == json.loads(first)["host"] != ""
        time.advance(LEASE_SECONDS / 2)
        lock.prolong(KEY)
    assert store.read(KEY) is None


@pytest.mark.parametrize("first_call", [0.0, 5.0, 23.0, 65.0])
def test_a_lease_outlives_also_the_second_call_of_a_sign_in(
    first_call: float, lock: LeaseLock, store: SlowStore, time: PlannedTime
) -> None:
    longest_call = LEASE_SECONDS - 10  # as the hook sees to it
    with lock.acquire(KEY, nothing):
        written, lease = 0.0, store.read(KEY)
        time.advance(first_call)
        lock.prolong(KEY)
        if store.read(KEY) != lease:
            written = time.now
        assert time.now + longest_call < written + LEASE_SECONDS


def test_who_has_lost_the_lease_learns_it_before_the_next_call(
    lock: LeaseLock, store: SlowStore, time: PlannedTime
) -> None:
    with lock.acquire(KEY, nothing):
        time.advance(LEASE_SECONDS + 1)
        store.write(KEY, held_by("taker"))
        with pytest.raises(BillUnavailableError, match="another task has begun"):
            lock.prolong(KEY)
    assert store.read(KEY) == held_by("taker")


def test_a_write_of_another_host_that_takes_long_to_land_leaves_one_winner(
    lock: LeaseLock, store: SlowStore, time: PlannedTime
) -> None:
    """It saw the lease free when this one did, and its write lands 0.6 s later."""
    made: list[str] = []

    def finish() -> None:
        made.append("session")
        store.delete(KEY)

    time.at(0.6, lambda: store.write(KEY, held_by("slow")))
    time.at(10, finish)
    with lock.acquire(KEY, lambda: made[0] if made else None) as found:
        assert found == "session"


def test_who_loses_the_race_for_a_free_lease_waits_for_the_winner(
    lock: LeaseLock, store: SlowStore, time: PlannedTime
) -> None:
    made: list[str] = []

    def win() -> None:
        store.write(KEY, held_by("winner"))
        time.at(3, finish)

    def finish() -> None:
        made.append("session")
        store.delete(KEY)

    time.at(SETTLE_SECONDS / 2, win)
    with lock.acquire(KEY, lambda: made[0] if made else None) as found:
        assert found == "session"


def test_a_slow_writer_that_ran_over_a_lease_in_use_finds_what_its_holder_made(
    lock: LeaseLock, store: SlowStore, time: PlannedTime
) -> None:
    """The other host saw the lease free too, wrote quickly, read its own nonce back and went on."""
    made: list[str] = []
    store.seconds = 0.5
    time.at(0.5 + 1.9, lambda: made.append("session"))
    with lock.acquire(KEY, lambda: made[0] if made else None) as found:
        assert found == "session"


def test_a_lease_taken_over_meanwhile_is_not_given_back(lock: LeaseLock, store: SlowStore) -> None:
    with lock.acquire(KEY, nothing):
        store.write(KEY, held_by("taker"))
    assert store.read(KEY) == held_by("taker")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_turn_is_given_back_whatever_happens_in_it(
    error: type[BaseException], lock: LeaseLock, store: SlowStore
) -> None:
    with pytest.raises(error), lock.acquire(KEY, nothing):
        raise error
    assert store.read(KEY) is None


def test_an_interrupt_while_the_lease_settles_leaves_none_behind(
    lock: LeaseLock, store: SlowStore, time: PlannedTime
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    time.at(SETTLE_SECONDS / 2, interrupt)
    with pytest.raises(KeyboardInterrupt), lock.acquire(KEY, nothing):
        pass
    assert store.read(KEY) is None


def test_a_store_that_fails_while_giving_back_does_not_hide_what_was_done(
    lock: LeaseLock, store: SlowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(key: str) -> None:
        raise BillStoreError("the record could not be deleted")

    monkeypatch.setattr(store, "delete", fail)
    with lock.acquire(KEY, nothing):
        done = True
    assert done


def test_different_keys_never_wait_for_one_another(lock: LeaseLock, time: PlannedTime) -> None:
    with lock.acquire("one", nothing), lock.acquire("two", nothing):
        assert time.now == 2 * SETTLE_SECONDS


@pytest.mark.parametrize(
    "make",
    [ProcessLock, HostLock, lambda: LeaseLock(MemoryStore(), sleep=lambda s: None)],
    ids=["process", "host", "lease"],
)
def test_threads_of_one_process_take_turns(make: Callable[[], Lock]) -> None:
    lock, inside, most, counting = make(), [0], [0], threading.Lock()

    def work() -> None:
        with lock.acquire(KEY, nothing):
            with counting:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            threading.Event().wait(0.01)
            with counting:
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: not any(thread.is_alive() for thread in threads), 20, "the threads to end", 0.01)
    assert most == [1]
