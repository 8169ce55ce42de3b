"""A steady clock that a test moves, and what other hosts do at its moments."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_bill.sessions.stores import MemoryStore
from dev.task_instance import Time

KEY = "bill_sign_in_lease__test"


class PlannedTime(Time):
    """A steady clock, with plans for its moments."""

    def __init__(self) -> None:
        super().__init__()
        self._plans: list[tuple[float, Callable[[], object]]] = []

    def at(self, moment: float, what: Callable[[], object]) -> None:
        """Plan something for a moment."""
        self._plans.append((moment, what))

    def advance(self, seconds: float) -> None:
        """Let the seconds pass, and do what is planned for them."""
        self.now += seconds
        due = [what for moment, what in self._plans if moment <= self.now]
        self._plans = [plan for plan in self._plans if plan[0] > self.now]
        for what in due:
            what()

    #: What the locks call to wait.
    sleep = advance


class SlowStore(MemoryStore):
    """A store whose writes take their time before they take effect."""

    def __init__(self, time: PlannedTime) -> None:
        super().__init__()
        self.time = time
        self.seconds = 0.0

    def write(self, key: str, text: str) -> None:
        """Keep the text."""
        self.time.advance(self.seconds)
        super().write(key, text)


def nothing() -> None:
    """Find nothing that another has made."""


def out_of_locks(*args: object, **kwargs: object) -> None:
    """Stand in for something that this system cannot do."""
    raise OSError("no locks available")
