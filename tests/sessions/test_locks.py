"""The turn of one caller at a time, in virtual time: no other host is needed to see what it would do."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from airflow_provider_bill.exceptions import BillStoreError, BillUnavailableError
from airflow_provider_bill.sessions.host import HostStore
from airflow_provider_bill.sessions.locks import (
    LEASE_SECONDS,
    LONGEST_LEASE_SECONDS,
    SETTLE_SECONDS,
    HostLock,
    LeaseLock,
    Lock,
    ProcessLock,
)
from airflow_provider_bill.sessions.stores import MemoryStore
from dev.processes import wait_until
from tests.sessions.present import present

KEY = "bill_sign_in_lease__test"


class Time:
    """A steady clock that sleeping moves, and what other hosts do at its moments."""

    def __init__(self) -> None:
        self.now = 0.0
        self._plans: list[tuple[float, Callable[[], object]]] = []

    def __call__(self) -> float:
        return self.now

    def at(self, moment: float, what: Callable[[], object]) -> None:
        self._plans.append((moment, what))

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        due = [what for moment, what in self._plans if moment <= self.now]
        self._plans = [plan for plan in self._plans if plan[0] > self.now]
        for what in due:
            what()


class SlowStore(MemoryStore):
    """A store whose writes take their time before they take effect."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self.time = time
        self.seconds = 0.0

    def write(self, key: str, text: str) -> None:
        self.time.sleep(self.seconds)
        super().write(key, text)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def store(time: Time) -> SlowStore:
    return SlowStore(time)


@pytest.fixture
def lock(store: SlowStore, time: Time) -> LeaseLock:
    return LeaseLock(store, sleep=time.sleep, monotonic=time)


def held_by(nonce: str, **facts: object) -> str:
    return json.dumps({"v": 1, "owner": "another host", "nonce": nonce, **facts})


def nothing() -> None:
    return None


def test_a_free_turn_is_taken_after_settling_and_given_back(lock: LeaseLock, store: SlowStore, time: Time) -> None:
    with lock.acquire(KEY, nothing) as found:
        assert found is None
        assert json.loads(present(store.read(KEY)))["nonce"]
        assert time.now == SETTLE_SECONDS
    assert store.read(KEY) is None


def test_what_is_found_at_once_needs_no_lease(lock: LeaseLock, store: SlowStore, time: Time) -> None:
    with lock.acquire(KEY, lambda: "session") as found:
        assert found == "session"
        assert store.read(KEY) is None
    assert time.now == 0


def test_who_waits_gets_what_the_holder_makes_and_leaves_the_lease_alone(
    lock: LeaseLock, store: SlowStore, time: Time
) -> None:
    made: list[str] = []
    store.write(KEY, held_by("theirs"))
    time.at(5, lambda: made.append("session"))
    with lock.acquire(KEY, lambda: made[0] if made else None) as found:
        assert found == "session"
    assert store.read(KEY) == held_by("theirs")


def test_what_is_made_between_the_last_look_and_the_free_lease_is_found(
    lock: LeaseLock, store: SlowStore, time: Time
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
def test_garbage_is_no_lease(lease: str, lock: LeaseLock, store: SlowStore, time: Time) -> None:
    store.write(KEY, lease)
    with lock.acquire(KEY, nothing) as found:
        assert found is None
    assert time.now == SETTLE_SECONDS


@pytest.mark.parametrize("lease", [held_by("theirs"), json.dumps({"v": 2, "holder": {"id": 7}})])
def test_a_lease_is_dead_once_it_has_been_watched_unchanged_for_its_life(
    lease: str, lock: LeaseLock, store: SlowStore, time: Time
) -> None:
    store.write(KEY, lease)
    with lock.acquire(KEY, nothing) as found:
        assert found is None
        assert LEASE_SECONDS <= time.now < LEASE_SECONDS + 2


def test_a_lease_that_changes_hands_is_watched_anew(lock: LeaseLock, store: SlowStore, time: Time) -> None:
    store.write(KEY, held_by("theirs"))
    time.at(60, lambda: store.write(KEY, held_by("a third one's")))
    with lock.acquire(KEY, nothing):
        assert 60 + LEASE_SECONDS <= time.now < 60 + LEASE_SECONDS + 2


def test_a_lease_that_says_how_long_it_lives_is_watched_for_so_long(
    lock: LeaseLock, store: SlowStore, time: Time
) -> None:
    store.write(KEY, held_by("theirs", seconds=610))
    with lock.acquire(KEY, nothing):
        assert 610 <= time.now < 612


@pytest.mark.parametrize("seconds", [1e9, "ages", None, True, -1, float("nan"), float("inf"), 10**400])
def test_a_lease_that_says_nonsense_of_its_life_ends_all_the_same(
    seconds: object, lock: LeaseLock, store: SlowStore, time: Time
) -> None:
    store.write(KEY, held_by("theirs", seconds=seconds))
    with lock.acquire(KEY, nothing):
        assert LEASE_SECONDS <= time.now < LONGEST_LEASE_SECONDS + 2


def test_a_lease_of_a_dead_process_of_this_host_is_taken_over_at_once(
    lock: LeaseLock, store: SlowStore, time: Time
) -> None:
    with lock.acquire(KEY, nothing):
        left_behind = present(store.read(KEY))
    store.write(KEY, left_behind)
    before = time.now
    with lock.acquire(KEY, nothing) as found:
        assert found is None
        assert time.now - before == SETTLE_SECONDS


def test_a_lease_of_this_host_is_waited_for_where_no_file_lock_tells_that_its_holder_is_dead(
    lock: LeaseLock, store: SlowStore, time: Time, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lock.acquire(KEY, nothing):
        left_behind = present(store.read(KEY))
    store.write(KEY, left_behind)
    monkeypatch.setattr("filelock.FileLock.acquire", out_of_locks)
    before = time.now
    with lock.acquire(KEY, nothing):
        assert time.now - before >= LEASE_SECONDS


def test_without_file_locks_nobody_takes_a_lease_for_a_dead_one_of_its_own_host(
    lock: LeaseLock, store: SlowStore, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filelock.FileLock.acquire", out_of_locks)
    store.write(KEY, held_by("theirs, without a file lock too", host=""))
    with lock.acquire(KEY, nothing):
        assert time.now >= LEASE_SECONDS


def out_of_locks(*args: object, **kwargs: object) -> None:
    raise OSError("no locks available")


@pytest.mark.parametrize("readable", [None, held_by("another team's")])
def test_a_store_that_loses_what_is_written_to_it_is_an_error_and_not_an_endless_loop(
    readable: str | None, lock: LeaseLock, store: SlowStore, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "read", lambda key: readable)
    with pytest.raises(BillStoreError, match="could not be read back"), lock.acquire(KEY, nothing):
        pass
    assert time.now < LEASE_SECONDS + 20


def test_a_lease_is_held_for_as_long_again_as_its_owner_says(lock: LeaseLock, store: SlowStore, time: Time) -> None:
    with lock.acquire(KEY, nothing):
        first = store.read(KEY)
        lock.prolong(KEY)
        assert store.read(KEY) == first  # nothing to say yet
        time.sleep(LEASE_SECONDS / 2)
        lock.prolong(KEY)
        assert store.read(KEY) not in (first, None)
        time.sleep(LEASE_SECONDS / 2)
        lock.prolong(KEY)
    assert store.read(KEY) is None


@pytest.mark.parametrize("first_call", [0.0, 5.0, 23.0, 65.0])
def test_a_lease_outlives_also_the_second_call_of_a_sign_in(
    first_call: float, lock: LeaseLock, store: SlowStore, time: Time
) -> None:
    longest_call = LEASE_SECONDS - 10  # as the hook sees to it
    with lock.acquire(KEY, nothing):
        written, lease = 0.0, store.read(KEY)
        time.sleep(first_call)
        lock.prolong(KEY)
        if store.read(KEY) != lease:
            written = time.now
        assert time.now + longest_call < written + LEASE_SECONDS


def test_who_has_lost_the_lease_learns_it_before_the_next_call(lock: LeaseLock, store: SlowStore, time: Time) -> None:
    with lock.acquire(KEY, nothing):
        time.sleep(LEASE_SECONDS + 1)
        store.write(KEY, held_by("taker"))
        with pytest.raises(BillUnavailableError, match="another task has begun"):
            lock.prolong(KEY)
    assert store.read(KEY) == held_by("taker")


def test_a_write_of_another_host_that_takes_long_to_land_leaves_one_winner(
    lock: LeaseLock, store: SlowStore, time: Time
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
    lock: LeaseLock, store: SlowStore, time: Time
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
    lock: LeaseLock, store: SlowStore, time: Time
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


def test_an_interrupt_while_the_lease_settles_leaves_none_behind(lock: LeaseLock, store: SlowStore, time: Time) -> None:
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


def test_different_keys_never_wait_for_one_another(lock: LeaseLock, time: Time) -> None:
    with lock.acquire("one", nothing), lock.acquire("two", nothing):
        assert time.now == 2 * SETTLE_SECONDS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the file lock would lie; not made yet."""
    return tmp_path / f"airflow-provider-bill-{os.getuid()}"


@pytest.fixture
def take(lock: LeaseLock, store: SlowStore, caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Take a turn, and return what was said of the file lock; the lease is taken in any case."""

    caplog.set_level(logging.INFO)

    def take() -> str:
        with lock.acquire(KEY, nothing):
            assert store.read(KEY)
        return caplog.text

    return take


@pytest.fixture
def file(folder: Path, take: Callable[[], str]) -> Path:
    """The file of the lock, made by an earlier turn."""
    take()
    (file,) = folder.glob("*.lock")
    return file


def test_the_lock_of_a_host_lies_where_no_other_user_can_reach_it(
    folder: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert caplog.text == ""


def test_without_a_folder_for_its_lock_the_lease_is_enough(folder: Path, take: Callable[[], str]) -> None:
    folder.write_text("")
    assert "No file lock" in take()


@pytest.mark.parametrize("make", [HostLock, lambda: LeaseLock(MemoryStore(), sleep=lambda seconds: None)])
def test_without_any_temporary_folder_a_sign_in_goes_on_without_a_file_lock(
    make: Callable[[], Lock], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a read-only or full disk, where Python finds none."""

    def none_found() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none_found)
    with make().acquire(KEY, nothing) as found:
        assert found is None
    assert "No file lock is possible (No usable temporary directory found)" in caplog.text


@pytest.mark.parametrize("broken", ["os.link", "pathlib.Path.replace"])
def test_what_a_disk_does_not_take_leaves_no_file_behind(
    broken: str, folder: Path, take: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broken, out_of_locks)
    assert take() == ""
    with contextlib.suppress(BillStoreError):
        HostStore().write(KEY, "{}")
    assert {file.suffix for file in folder.iterdir()} <= {"", ".lock", ".note"}


def test_a_folder_that_is_a_link_is_not_followed(folder: Path, take: Callable[[], str], tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)
    assert "No file lock" in take()
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o701])
def test_a_folder_that_others_can_reach_is_not_used(mode: int, folder: Path, take: Callable[[], str]) -> None:
    folder.mkdir()
    folder.chmod(mode)
    assert "No file lock" in take()
    assert list(folder.iterdir()) == []


def test_a_folder_of_another_user_is_not_used(
    folder: Path, take: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    squatter = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: squatter + 1)
    squatted = folder.with_name(f"airflow-provider-bill-{squatter + 1}")
    squatted.mkdir(mode=0o700)
    assert "No file lock" in take()
    assert list(squatted.iterdir()) == []


def test_a_lock_file_that_is_a_link_truncates_nothing(file: Path, take: Callable[[], str], tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    file.unlink()
    file.symlink_to(victim)
    assert "No file lock" in take()
    assert victim.read_text() == "precious"


def test_a_file_lock_of_another_process_is_waited_for_no_longer_than_a_lease_lives(
    file: Path, take: Callable[[], str], time: Time
) -> None:
    before = time.now
    with FileLock(file):
        assert "going on without it" in take()
    assert time.now - before == pytest.approx(LEASE_SECONDS + SETTLE_SECONDS, abs=0.2)


def test_a_file_lock_that_is_let_go_meanwhile_is_taken(file: Path, take: Callable[[], str], time: Time) -> None:
    held, before = FileLock(file), time.now
    held.acquire()
    time.at(before + 5, held.release)
    assert take() == ""
    assert time.now - before == pytest.approx(5 + SETTLE_SECONDS, abs=0.2)


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
