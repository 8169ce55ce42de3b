"""Faults on order: how the next answers on a path go wrong, before or after the call takes effect."""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["status", "reset", "stall", "malformed", "html", "empty", "error_object"]


class FaultOrder(BaseModel):
    """The body of ``POST /_sandbox/faults``."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="Exact path or glob, e.g. `/connect/v3/payments` or `*/List/*.json`.")
    method: str | None = Field(default=None, description="Only this HTTP method.")
    kind: Kind = "status"
    times: int = Field(default=1, ge=1, description="How many answers go wrong.")
    skip: int = Field(default=0, ge=0, description="How many matching calls pass first.")
    after_effect: bool = Field(default=False, description="The call is carried out; only its answer is spoilt.")
    status: int | None = Field(default=None, ge=100, le=599, description="HTTP status; by default that of the code.")
    code: str = Field(default="BDC_1001", description="BDC code of kinds `status` and `error_object`.")
    message: str | None = Field(default=None, description="Message instead of the code's own.")
    repeat: int = Field(default=1, ge=1, description="How often v3's array repeats the error object.")
    seconds: float | None = Field(default=None, ge=0, description="Length of a stall; null: until released.")


class Fault:
    """An order, how much of it is left and how many answers it holds."""

    def __init__(self, number: int, order: FaultOrder) -> None:
        self.id = number
        self.order = order
        self.skip = order.skip
        self.left = order.times
        self.hits = 0
        self.held = 0
        self.released = asyncio.Event()

    def matches(self, method: str, path: str) -> bool:
        """Return whether the order names this call; the short forms `/v3/...` and `/v2/...` are understood too."""
        if self.order.method is not None and self.order.method.upper() != method:
            return False
        wanted = self.order.path
        if wanted == path or fnmatchcase(path, wanted):
            return True
        return fnmatchcase(path, "/connect" + wanted) or fnmatchcase(path, "/api" + wanted)

    def describe(self) -> dict[str, object]:
        """Return the fault as ``GET /_sandbox/faults`` shows it."""
        return {
            "id": self.id,
            "left": self.left,
            "hits": self.hits,
            "held": self.held,
            **self.order.model_dump(),
        }


class Faults:
    """All faults that are still to come."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.holding: set[Fault] = set()
        self.last_id = 0

    def add(self, order: FaultOrder) -> Fault:
        """Add the fault that was ordered."""
        self.last_id += 1
        fault = Fault(self.last_id, order)
        self.faults.append(fault)
        return fault

    def take(self, method: str, path: str) -> Fault | None:
        """Return the first fault for this call, and count it as used."""
        for fault in self.faults:
            if fault.matches(method, path):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.left -= 1
                fault.hits += 1
                if not fault.left:
                    self.faults.remove(fault)
                return fault
        return None

    async def hold(self, fault: Fault) -> None:
        """Hold an answer until it is released, or for the seconds that the order names."""
        fault.held += 1
        self.holding.add(fault)
        try:
            await asyncio.wait_for(fault.released.wait(), fault.order.seconds)
        except TimeoutError:
            pass
        finally:
            fault.held -= 1
            if not fault.held:
                self.holding.discard(fault)

    def release(self) -> int:
        """Let every held answer go, and return how many there were."""
        held = sum(fault.held for fault in self.holding)
        for fault in {*self.holding, *self.faults}:
            fault.released.set()
            fault.released = asyncio.Event()
        return held

    def describe(self) -> list[dict[str, object]]:
        """Return the faults that are still to come, and those that hold an answer."""
        return [fault.describe() for fault in (*self.faults, *(row for row in self.holding if row not in self.faults))]

    def remove(self, number: int) -> bool:
        """Forget one fault, and return whether it was there."""
        for fault in self.faults:
            if fault.id == number:
                self.faults.remove(fault)
                return True
        return False

    def remove_all(self) -> int:
        """Forget all faults, let held answers go, and return how many faults there were."""
        count = len(self.faults)
        self.release()
        self.faults.clear()
        return count
