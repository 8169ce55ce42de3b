"""Sessions that a sensor and its triggers can see, in a store that counts, and a loop whose time is not ours."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_bill.hooks import wiring
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators import base
from airflow_provider_bill.sensors import bill as sensors
from dev.task_instance import TroubledStore

if TYPE_CHECKING:
    from collections.abc import Coroutine

Connect = Callable[..., list[str]]
Run = Callable[["Coroutine[Any, Any, Any]"], Any]


@pytest.fixture
def store(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> TroubledStore:
    """Where the sessions of `bill_default` lie, in place of Airflow's Variables."""
    connect("v3")
    store = TroubledStore()
    monkeypatch.setattr(wiring, "PROCESS_MEMORY", store)
    for module in (base, sensors):
        monkeypatch.setattr(module, "shared_hook", lambda conn_id, organization: BillHook(conn_id, organization))
    return store


class _Selector(selectors.DefaultSelector):
    """Lets the time of its loop pass instead of waiting for it."""

    loop: PassingTime

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self.loop.threads:
            return super().select(1)  # of our own time, which a thread may take
        ready = super().select(0)
        if not ready:
            self.loop.now += timeout
        return ready


class PassingTime(asyncio.SelectorEventLoop):
    """A loop in which whoever sleeps wakes at once, in order; `now` are its seconds, which stand while threads work."""

    def __init__(self) -> None:
        selector = _Selector()
        self.now = 0.0
        self.threads = 0
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        """Return the seconds."""
        return self.now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Have a thread call a function."""
        self.threads += 1
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        future.add_done_callback(lambda _: setattr(self, "threads", self.threads - 1))
        return future


@pytest.fixture
def run() -> Run:
    """Run a coroutine in a loop of its own whose time passes by itself."""

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=PassingTime) as runner:
            return runner.run(coroutine)

    return run
