"""Starts worker processes that pretend to be on several hosts, and reads how their tasks ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from dev.paths import ROOT
from dev.worker import Job, Outcome


class WorkerProcess:
    """One worker process; a context manager that leaves none behind.

    :param job: what it is to do
    :param host: the temporary folder of its host: processes with another one share no file lock
    """

    def __init__(self, job: Job, host: Path) -> None:
        host.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dev.worker"],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(host), "NO_PROXY": "127.0.0.1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.assign(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def assign(self, job: Job) -> None:
        """Send it the next job."""
        self._write_line(json.dumps(asdict(job)))

    def await_ready(self) -> None:
        """Wait until it has read its job and loaded all it needs."""
        if self._read_line() != "ready":
            raise RuntimeError("a worker did not get ready")

    def begin(self) -> None:
        """Let its tasks begin."""
        self._write_line("")

    def outcomes(self) -> list[Outcome]:
        """Return how its tasks ended, once all have."""
        return [Outcome(**row) for row in json.loads(self._read_line())]

    def kill(self) -> None:
        """Kill it (SIGKILL), or do nothing if it is gone."""
        self._process.kill()
        self.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def wait(self, timeout: float = 30) -> int:
        """Wait for its end and return its exit code, negative for a signal."""
        return self._process.wait(timeout)

    def _write_line(self, line: str) -> None:
        if self._process.stdin is None:
            raise RuntimeError("a worker has no input")
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _read_line(self) -> str:
        if self._process.stdout is None:
            raise RuntimeError("a worker has no output")
        return self._process.stdout.readline().strip()
