"""Worker processes on pretended hosts, a store that all of them see, and the local BILL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dev.worker import Job, Outcome
from dev.worker_process import WorkerProcess


@pytest.fixture
def shared_folder(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def start_worker(bill, shared_folder, tmp_path) -> Iterator[Callable[..., WorkerProcess]]:
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
def run_all() -> Callable[..., list[Outcome]]:
    """Let workers begin together, and return how all their tasks ended."""

    def run(*workers: WorkerProcess) -> list[Outcome]:
        for worker in workers:
            worker.begin()
        return [outcome for worker in workers for outcome in worker.outcomes()]

    return run
