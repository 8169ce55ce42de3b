"""Worker processes on pretended hosts, a store that all of them see, and the local BILL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from benchmarks.worker import Orders, Outcome
from benchmarks.workers import Worker


@pytest.fixture
def shared_folder(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def hire(bill_sandbox, shared_folder, tmp_path) -> Iterator[Callable[..., Worker]]:
    """Start workers: `hire("host", tasks=3, password=..., kind=..., **orders) -> Worker`, ready and not yet begun."""
    connections = bill_sandbox.seed()["connections"]

    with ExitStack() as stack:

        def start(host: str = "one", *, kind: str = "v3", tasks: int = 1, password: str = "", **changes: Any) -> Worker:
            connection = json.loads(json.dumps(connections[kind]))
            if password:
                connection["password"] = password
            orders = {"folder": str(shared_folder), "organizations": [""] * tasks, **changes}
            worker = Worker(Orders(url=bill_sandbox.url, connection=connection, **orders), tmp_path / host)
            stack.enter_context(worker)
            worker.await_ready()
            return worker

        yield start


@pytest.fixture
def run_all() -> Callable[..., list[Outcome]]:
    """Let workers begin together, and give what became of all their tasks."""

    def run(*workers: Worker) -> list[Outcome]:
        for worker in workers:
            worker.go()
        return [outcome for worker in workers for outcome in worker.outcomes()]

    return run
