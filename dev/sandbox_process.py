"""Runs `bill-sandbox` as a process of its own and talks to its controls."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from dev.processes import Service, stop_services, wait_until

_READY = re.compile(r"ready at (http://127\.0\.0\.1:\d+)\s")


class SandboxProcess:
    """A local BILL on a free loopback port; use it as a context manager.

    :param port: port to listen on; 0 lets the system choose.
    :param options: further command line options of `bill-sandbox`.
    """

    def __init__(self, port: int = 0, options: tuple[str, ...] = ()) -> None:
        self._command = [sys.executable, "-m", "airflow_provider_bill.sandbox", "--port", str(port), *options]
        self._service: Service | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy from the environment has no business on loopback
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, timeout: float = 60) -> None:
        """Start the process and wait until it answers."""
        self._folder = tempfile.TemporaryDirectory(prefix="bill-sandbox-")
        log_file = Path(self._folder.name) / "sandbox.log"
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        try:
            self._service = Service("bill-sandbox", self._command, env, log_file)
            self.url = wait_until(self._announced_url, timeout, "bill-sandbox to print its address", 0.05)
            wait_until(self._healthy, timeout, "bill-sandbox to answer", 0.05)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the process; safe to call twice."""
        if self._service is not None:
            stop_services([self._service])
            self._service = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def log_text(self) -> str:
        """Everything the process has printed, access log included."""
        return self._running().log_file.read_text(errors="replace")

    def get(self, path: str) -> Any:
        """GET below `/_sandbox/`."""
        return self._send("GET", path)

    def post(self, path: str, json: Any = None) -> Any:
        """POST below `/_sandbox/`."""
        return self._send("POST", path, json)

    def put(self, path: str, json: Any = None) -> Any:
        """PUT below `/_sandbox/`."""
        return self._send("PUT", path, json)

    def stats(self) -> dict[str, Any]:
        """Counters since the last reset."""
        return dict(self.get("stats"))

    def seed(self) -> dict[str, Any]:
        """Seeded organizations, users, passwords, keys and tokens."""
        return dict(self.get("seed"))

    def reset(self) -> None:
        """Back to the seeded state: clock, settings, counters, sessions."""
        self.post("reset")

    def _running(self) -> Service:
        if self._service is None:
            raise RuntimeError("bill-sandbox is not running")
        return self._service

    def _announced_url(self) -> str | None:
        self._running().ensure_alive()
        found = _READY.search(self.log_text())
        return found.group(1) if found else None

    def _healthy(self) -> bool:
        self._running().ensure_alive()
        try:
            return self._http.get(f"{self.url}/_sandbox/health", timeout=5).ok
        except requests.ConnectionError:
            return False

    def _send(self, method: str, path: str, json: Any = None) -> Any:
        answer = self._http.request(method, f"{self.url}/_sandbox/{path.lstrip('/')}", json=json, timeout=30)
        if not answer.ok:
            raise RuntimeError(f"bill-sandbox {method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None
