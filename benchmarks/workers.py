"""Starts worker processes that pretend to be on several hosts, and hears what became of their tasks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.worker import Orders, Outcome

ROOT = Path(__file__).resolve().parents[1]


class Worker:
    """One worker process; a context manager that leaves none behind.

    :param orders: what it is to do
    :param host: the temporary folder of its host: processes with another one share no file lock
    """

    def __init__(self, orders: Orders, host: Path) -> None:
        host.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(host), "NO_PROXY": "127.0.0.1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.order(orders)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def order(self, orders: Orders) -> None:
        """Tell it what to do next."""
        self._say(json.dumps(asdict(orders)))

    def await_ready(self) -> None:
        """Wait until it has read its orders and loaded all it needs."""
        if self._hear() != "ready":
            raise RuntimeError("a worker did not get ready")

    def go(self) -> None:
        """Let its tasks begin."""
        self._say("")

    def outcomes(self) -> list[Outcome]:
        """Give what became of its tasks, once all have ended."""
        return [Outcome(**row) for row in json.loads(self._hear())]

    def kill(self) -> None:
        """Kill it (SIGKILL), or do nothing if it is gone."""
        self._process.kill()
        self.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def wait(self, timeout: float = 30) -> int:
        """Wait for its end; gives how it ended, negative for a signal."""
        return self._process.wait(timeout)

    def _say(self, line: str) -> None:
        if self._process.stdin is None:
            raise RuntimeError("a worker has no input")
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        if self._process.stdout is None:
            raise RuntimeError("a worker has no output")
        return self._process.stdout.readline().strip()
