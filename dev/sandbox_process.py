"""Runs the local BILL as a process of its own."""

from __future__ import annotations

from types import TracebackType

from airflow_provider_bill.sandbox.testing.process import ServerProcess
from dev.local_bill import LocalBill


class SandboxProcess:
    """A local BILL on a free loopback port: `with SandboxProcess() as bill`, where `bill` is a `LocalBill`."""

    def __init__(self) -> None:
        self._server = ServerProcess()
        self._bill: LocalBill | None = None

    def __enter__(self) -> LocalBill:
        self._bill = LocalBill(self._server.start())
        return self._bill

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bill is not None:
            self._bill.close()
        self._server.stop()
