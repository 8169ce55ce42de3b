"""Worker processes on pretended hosts, a store that all of them see, and the local BILL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dev.local_bill import LocalBill
from dev.worker import Job, Outcome
from dev.worker_process import WorkerProcess

StartWorker = Callable[..., WorkerProcess]
RunAll = Callable[..., list[Outcome]]


@pytest.fixture
def shared_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def start_worker(bill: LocalBill, shared_folder: Path, tmp_path: Path) -> Iterator[StartWorker]:
    """Start workers: `start_worker("host", tasks=3, password=..., kind=..., **more)` returns one that is ready."""
    with ExitStack() as stack:

        def start(
            host: str = "one", *, kind: str = "v3", tasks: int = 1, password: str = "", **changes: Any
        ) -> WorkerProcess:
            connection = json.loads(json.dumps(bill.connections[kind]))
            if password:
                connection["password"] = password
            given = {"folder": str(shared_folder), "organizations": [""] * tasks, **changes}
            worker = WorkerProcess(Job(url=bill.url, connection=connection, **given), tmp_path / host)
            stack.enter_context(worker)
            worker.await_ready()
            return worker

        yield start


@pytest.fixture
def run_all() -> RunAll:
    """Let workers begin together, and return how all their tasks ended."""

    def run(*workers: WorkerProcess) -> list[Outcome]:
        for worker in workers:
            worker.begin()
        return [outcome for worker in workers for outcome in worker.outcomes()]

    return run
