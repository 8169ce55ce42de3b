"""Faults on order: how the next answers on a path go wrong, before or after the call took effect."""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from airflow_provider_bill.sandbox.codes import CODES
from airflow_provider_bill.sandbox.errors import error_object, v2_error
from airflow_provider_bill.sandbox.server.messages import Answer, answer_json
from airflow_provider_bill.sandbox.state.clock import iso

Kind = Literal["status", "reset", "stall", "malformed", "html", "empty", "error_object"]

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


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
    """An order and how much of it is left."""

    def __init__(self, number: int, order: FaultOrder) -> None:
        self.id = number
        self.order = order
        self.skip = order.skip
        self.left = order.times
        self.hits = 0
        self.held = 0
        self.released = asyncio.Event()

    def matches(self, method: str, path: str) -> bool:
        """Whether the order names this call; `/v3/...` and `/v2/...` short forms are understood too."""
        if self.order.method is not None and self.order.method.upper() != method:
            return False
        wanted = self.order.path
        if wanted == path or fnmatchcase(path, wanted):
            return True
        return fnmatchcase(path, "/connect" + wanted) or fnmatchcase(path, "/api" + wanted)

    def as_row(self) -> dict[str, object]:
        """What ``GET /_sandbox/faults`` shows."""
        return {
            "id": self.id,
            "left": self.left,
            "hits": self.hits,
            "held": self.held,
            **self.order.model_dump(),
        }

    def spoilt(self, now: float, v2: bool) -> Answer:
        """The bad answer of kinds that have one."""
        order = self.order
        known = CODES.get(order.code)
        message = order.message or (known.message if known else "System error occurred.")
        if order.kind == "malformed":
            return Answer(order.status or 200, b'{"results":[{"id":"0090', code="malformed")
        if order.kind == "html":
            return Answer(order.status or 502, _HTML, media="text/html", code="html")
        if order.kind == "empty":
            return Answer(order.status or 200, b"", code="empty")
        status = order.status or (known.status if known else 500)
        if order.kind == "error_object":
            body: object = {"timestamp": iso(now), "code": order.code, "status": status, "message": message}
            answer = answer_json(body, status)
        elif v2:
            answer = answer_json(v2_error(order.code, message), order.status or 200)
        else:
            answer = answer_json([error_object(now, order.code, message)] * order.repeat, status)
        answer.code = order.code
        return answer


class FaultBook:
    """All orders."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.holding: set[Fault] = set()
        self.number = 0
        self.served = 0

    def add(self, order: FaultOrder) -> Fault:
        """Take an order."""
        self.number += 1
        fault = Fault(self.number, order)
        self.faults.append(fault)
        return fault

    def take(self, method: str, path: str) -> Fault | None:
        """The first order that names this call; used up orders leave the list."""
        for fault in self.faults:
            if fault.matches(method, path):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.left -= 1
                fault.hits += 1
                self.served += 1
                if not fault.left:
                    self.faults.remove(fault)
                return fault
        return None

    def release(self) -> int:
        """Let every held answer go."""
        held = sum(fault.held for fault in self.holding)
        for fault in {*self.holding, *self.faults}:
            fault.released.set()
            fault.released = asyncio.Event()
        return held

    def remove(self, number: int) -> bool:
        """Forget one order."""
        for fault in self.faults:
            if fault.id == number:
                self.faults.remove(fault)
                return True
        return False

    def clear(self) -> None:
        """Forget all orders and let held answers go."""
        self.release()
        self.faults.clear()
        self.served = 0
