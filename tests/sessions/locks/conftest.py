"""A lease lock in virtual time, on a host of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_bill.sessions.locks import LeaseLock
from tests.sessions.locks.planned_time import PlannedTime, SlowStore


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def time() -> PlannedTime:
    return PlannedTime()


@pytest.fixture
def store(time: PlannedTime) -> SlowStore:
    return SlowStore(time)


@pytest.fixture
def lock(store: SlowStore, time: PlannedTime) -> LeaseLock:
    return LeaseLock(store, sleep=time.advance, monotonic=time)
