"""Child processes that never outlive their parent's block, and waiting for conditions with a limit."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TypeVar

import psutil

T = TypeVar("T")


#: How many times as long as on a quiet machine everything may take.
PATIENCE = float(os.environ.get("PATIENCE", "1"))


def wait_until(condition: Callable[[], T | None], timeout: float, what: str, interval: float = 0.2) -> T:
    """Poll until the condition is true and return its value; else `TimeoutError` names it."""
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while True:
        if result := condition():
            return result
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {timeout:g} s for {what}")
        time.sleep(interval)


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def interrupt_on_sigterm() -> None:
    """Let SIGTERM unwind the stack like Ctrl-C, so that `with` blocks stop what they started."""

    def raise_interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, raise_interrupt)


class Service:
    """One background process in a session of its own, writing to a log file."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], log_file: Path) -> None:
        self.name = name
        self.log_file = log_file
        with log_file.open("ab") as log:
            # A session, not only a group: Airflow puts every task into a process group of its own.
            self._process = subprocess.Popen(
                command,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Return the process id, which is the id of the session too."""
        return self._process.pid

    def ensure_alive(self) -> None:
        """Raise with the end of the log if the process has ended by itself."""
        if (code := self._process.poll()) is not None:
            raise RuntimeError(f"{self.name} ended with code {code}:\n{self.log_tail()}")

    def is_alive(self) -> bool:
        """Return whether the process has not ended."""
        return self._process.poll() is None

    def log_tail(self, lines: int = 30) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def terminate(self) -> None:
        """Ask the process to end."""
        if self._process.poll() is None:
            self._process.terminate()

    def members(self) -> list[int]:
        """Return the process ids in this service's session, also of those whose parent is gone."""
        found = []
        for pid in psutil.pids():
            with contextlib.suppress(OSError):
                if os.getsid(pid) == self.pid:
                    found.append(pid)
        return found

    def finish(self, grace: float) -> None:
        """Wait for the end, then kill whatever is left of the session."""
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.wait(timeout=grace)
        for pid in self.members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


def stop_services(services: Iterable[Service], grace: float = 10.0) -> None:
    """Stop services together; all are asked to end before any is waited for."""
    services = list(services)
    for service in services:
        service.terminate()
    deadline = time.monotonic() + grace
    for service in services:
        service.finish(max(0.0, deadline - time.monotonic()))
