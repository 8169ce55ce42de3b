"""What the processes of one user on one host share: a folder that nobody else can reach, its locks and notes."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from airflow_provider_bill.exceptions import BillStoreError
from airflow_provider_bill.sessions.host import HostStore, file_of, host_id
from airflow_provider_bill.sessions.locks import LEASE_SECONDS, SETTLE_SECONDS, HostLock, LeaseLock, Lock
from airflow_provider_bill.sessions.stores import MemoryStore
from tests.sessions.locks.planned_time import KEY, PlannedTime, SlowStore, nothing, out_of_locks


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
    file: Path, take: Callable[[], str], time: PlannedTime
) -> None:
    before = time.now
    with FileLock(file):
        assert "going on without it" in take()
    assert time.now - before == pytest.approx(LEASE_SECONDS + SETTLE_SECONDS, abs=0.2)


def test_who_waits_for_this_host_is_not_stopped_by_a_store_that_cannot_name_the_holder(
    file: Path, time: PlannedTime
) -> None:
    store, asked = SlowStore(time), []

    def away(key: str) -> str | None:
        asked.append(key)
        raise BillStoreError("Airflow's API server does not answer", advice="try again")

    held = FileLock(file)
    held.acquire()
    store.read = away  # type: ignore[method-assign]
    time.at(time.now + 4, held.release)
    time.at(time.now + 4, lambda: vars(store).pop("read"))
    with LeaseLock(store, sleep=time.advance, monotonic=time).acquire(KEY, nothing) as found:
        assert found is None
    assert asked == [KEY]


def test_a_file_lock_that_is_let_go_meanwhile_is_taken(file: Path, take: Callable[[], str], time: PlannedTime) -> None:
    held, before = FileLock(file), time.now
    held.acquire()
    time.at(before + 5, held.release)
    assert take() == ""
    assert time.now - before == pytest.approx(5 + SETTLE_SECONDS, abs=0.2)


def test_a_host_has_one_id_and_another_host_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = []
    for name in ("one", "one", "two"):
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name))
        ids.append(host_id())
    assert ids[0] == ids[1] != ids[2]
    assert all(ids)


def test_a_note_that_cannot_be_read_is_not_one_that_is_not_there() -> None:
    notes = HostStore()
    assert notes.read("never written") is None
    file_of("unreadable", "note").mkdir()
    attempts: dict[str, Callable[[], object]] = {
        "read": lambda: notes.read("unreadable"),
        "written": lambda: notes.write("unreadable", "{}"),
        "deleted": lambda: notes.delete("unreadable"),
    }
    for what, attempt in attempts.items():
        with pytest.raises(BillStoreError, match=f"the note 'unreadable' could not be {what} on this host"):
            attempt()
