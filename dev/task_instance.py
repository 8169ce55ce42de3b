"""Stands in for a task instance whose writes are durable: its store, its time, and as many tries as are wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from airflow_provider_bill.client.session import Clock
from airflow_provider_bill.exceptions import BillStoreError
from airflow_provider_bill.sessions.stores import MemoryStore, Store
from airflow_provider_bill.sessions.writes import DurableWrites, TaskTry

Operation = Literal["read", "write", "delete"]


class Killed(BaseException):
    """The end of a worker at this very place: nothing of our code runs after it, as nothing catches it."""


@dataclass
class Trouble:
    """What happens at an operation of a store.

    :param operation: which one
    :param part: what the key ends with
    :param skip: how many matching operations pass first
    :param times: how many go wrong then
    :param before: called before it takes effect; what it raises is what happens
    :param after: called after it has taken effect
    """

    operation: Operation
    part: str
    skip: int
    times: int
    before: Callable[[], None] | None
    after: Callable[[], None] | None


class TroubledStore(MemoryStore):
    """A store that counts its operations, and fails when and as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self._troubles: list[Trouble] = []

    def at(
        self,
        operation: Operation,
        part: str = "",
        *,
        skip: int = 0,
        times: int = 1,
        before: Callable[[], None] | None = None,
        after: Callable[[], None] | None = None,
    ) -> None:
        """Order something to happen at an operation."""
        self._troubles.append(Trouble(operation, part, skip, times, before, after))

    def fail(self, operation: Operation, part: str = "", *, skip: int = 0, times: int = 1, late: bool = False) -> None:
        """Order operations to fail.

        :param late: they take effect, and only the answer is lost
        """
        what = {"after" if late else "before": not_answering}
        self.at(operation, part, skip=skip, times=times, **what)

    def heal(self) -> None:
        """Forget all orders."""
        self._troubles.clear()

    def names(self, part: str = "") -> list[str]:
        """Return the keys that hold a text and end so."""
        return [key for key in self._texts if key.endswith(part)]

    def read(self, key: str) -> str | None:
        """Return the text, or None."""
        trouble = self._begin("read", key)
        text = super().read(key)
        self._end(trouble)
        return text

    def write(self, key: str, text: str) -> None:
        """Keep the text."""
        trouble = self._begin("write", key)
        super().write(key, text)
        self._end(trouble)

    def delete(self, key: str) -> None:
        """Forget the text."""
        trouble = self._begin("delete", key)
        super().delete(key)
        self._end(trouble)

    def _begin(self, operation: Operation, key: str) -> Trouble | None:
        self.calls[operation] += 1
        for trouble in self._troubles:
            if trouble.operation != operation or not key.endswith(trouble.part):
                continue
            if trouble.skip:
                trouble.skip -= 1
                continue
            trouble.times -= 1
            if not trouble.times:
                self._troubles.remove(trouble)
            if trouble.before is not None:
                trouble.before()
            return trouble
        return None

    def _end(self, trouble: Trouble | None) -> None:
        if trouble is not None and trouble.after is not None:
            trouble.after()


class Time:
    """A steady clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the seconds pass."""
        self.now += seconds


class TaskInstance:
    """A task instance: what Airflow keeps for it over all its tries.

    :param clock: gives the present moment in UTC
    :param store: where its notes lie
    :param place: dag, run, task and map index
    """

    def __init__(
        self, clock: Clock, store: Store | None = None, place: tuple[str | int, ...] = ("dag", "run", "task", -1)
    ) -> None:
        self.place = place
        self.store = store or TroubledStore()
        self.settlements = MemoryStore()
        self.time = Time()
        self._clock = clock

    def begin_try(self) -> DurableWrites:
        """Return what sends the writes of a new try, as in a process of its own."""
        return DurableWrites(
            self.store,
            "bill_write",
            settlements=self.settlements,
            task_try=TaskTry(),
            place=self.place,
            clock=self._clock,
            sleep=self.time.sleep,
            monotonic=self.time,
        )


def not_answering() -> None:
    """Fail as a store does."""
    raise BillStoreError("the store does not answer")
