"""Runs `bill-sandbox` as a process of its own."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from types import TracebackType

import requests

from dev.local_bill import LocalBill
from dev.processes import Service, stop_services, wait_until

_READY = re.compile(r"ready at (http://127\.0\.0\.1:\d+)\s")


class SandboxProcess:
    """A `bill-sandbox` on a loopback port: `with SandboxProcess() as bill`, where `bill` is a `LocalBill`.

    :param port: port to listen on; 0 lets the system choose.
    :param options: further command line options of `bill-sandbox`.
    """

    def __init__(self, port: int = 0, options: tuple[str, ...] = ()) -> None:
        self._command = [sys.executable, "-m", "airflow_provider_bill.sandbox", "--port", str(port), *options]
        self._service: Service | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._bill: LocalBill | None = None

    def __enter__(self) -> LocalBill:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, timeout: float = 60) -> LocalBill:
        """Start the process, wait until it answers and return what talks to it."""
        self._folder = tempfile.TemporaryDirectory(prefix="bill-sandbox-")
        log_file = Path(self._folder.name) / "sandbox.log"
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        try:
            service = self._service = Service("bill-sandbox", self._command, env, log_file)
            url = wait_until(lambda: _announced_url(service), timeout, "bill-sandbox to print its address", 0.05)
            bill = self._bill = LocalBill(url)
            wait_until(lambda: _is_healthy(service, bill), timeout, "bill-sandbox to answer", 0.05)
        except BaseException:
            self.stop()
            raise
        return bill

    def stop(self) -> None:
        """Stop the process; safe to call twice."""
        if self._bill is not None:
            self._bill.close()
            self._bill = None
        if self._service is not None:
            stop_services([self._service])
            self._service = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _announced_url(service: Service) -> str | None:
    service.ensure_alive()
    found = _READY.search(service.log_file.read_text(errors="replace"))
    return found.group(1) if found else None


def _is_healthy(service: Service, bill: LocalBill) -> bool:
    service.ensure_alive()
    try:
        return bool(bill.control("GET", "health"))
    except requests.ConnectionError:
        return False
