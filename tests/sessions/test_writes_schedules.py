"""Drawn schedules of what can happen to a task that pays: BILL's own ledger tells whether anything was paid twice.

A schedule is run in this process against a local BILL over HTTP; every try of the task is a process of its own as far
as the notes can tell. Nothing waits: the store's time moves when our code sleeps.
"""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import pytest
from airflow.providers.common.compat import sdk
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.environments import resolve_environment
from airflow_provider_bill.client.request import BillRequest
from airflow_provider_bill.client.transport import HttpResponse, Transport
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillIdempotencyError,
    BillOutcomeUnknownError,
    BillStoreError,
)
from airflow_provider_bill.sandbox.app import SandboxApp
from airflow_provider_bill.sandbox.server.http_server import make_server
from airflow_provider_bill.sandbox.state.faults import FaultOrder
from airflow_provider_bill.sessions.locks import ProcessLock
from airflow_provider_bill.sessions.shared import SharedSession
from airflow_provider_bill.sessions.stores import CertainVariableStore, MemoryStore, Store
from airflow_provider_bill.sessions.writes import DurableWrites, TaskTry, settle
from dev.clock import ManualClock
from dev.local_bill import LocalBill
from dev.task_instance import Killed, Time

#: How many schedules are drawn for each kind of store, in each of two tests of equal size.
SCHEDULES = 500
PATH = "/connect/v3/payments"
VENDOR = "00901SBX000100000001"

T = TypeVar("T")

# -- what is drawn --------------------------------------------------------------------------------------------

#: What BILL does with a payment.
FAULTS: dict[str, dict[str, Any] | None] = {
    "pays": None,
    "pays, answer lost": {"kind": "reset", "after_effect": True},
    "pays, 502": {"kind": "html", "after_effect": True},
    "pays, empty answer": {"kind": "empty", "after_effect": True},
    "not paid, connection reset": {"kind": "reset"},
    "not paid, 500": {"kind": "status", "status": 500},
    "refuses the payment": {"code": "BDC_1152"},
    "refuses a fourth call": {"code": "BDC_1322"},
    "refuses the session": {"code": "BDC_1109"},
}
Where = Literal["before a step of the store", "after a step of the store", "before it sends", "after it has sent"]
KILLS: tuple[Where, ...] = (
    "before a step of the store",
    "after a step of the store",
    "before it sends",
    "after it has sent",
)


@dataclass(frozen=True)
class Outage:
    """The store fails for some operations.

    :param first: number of the operation it begins with
    :param length: in operations
    :param late: what changes something takes effect, and only the answer is lost
    """

    first: int
    length: int
    late: bool


@dataclass(frozen=True)
class Try:
    """One try of a task instance.

    :param faults: what BILL does with the next payments
    :param killed: where, and at which of these steps
    :param outage: of the store
    :param second: number of the operation before which another process runs the whole task
    :param changed: the payment that has another amount this time
    :param settled: whether a person has looked after a write that was reported as unknown before
    """

    faults: list[str]
    killed: tuple[Where, int] | None
    outage: Outage | None
    second: int | None
    changed: int | None
    settled: bool


@dataclass(frozen=True)
class Schedule:
    """The life of a task that is mapped over instances.

    :param payments: how many each instance makes
    :param keyed: whether each has an idempotency key of its own
    :param careless: whether the task goes on after a refusal, and fails at the end
    :param tries: each with the number of its instance
    """

    payments: int
    keyed: bool
    careless: bool
    tries: list[tuple[int, Try]]


steps = st.integers(0, 14)
tries = st.builds(
    Try,
    faults=st.lists(st.sampled_from(sorted(FAULTS)), max_size=4),
    killed=st.none() | st.tuples(st.sampled_from(KILLS), st.integers(0, 2) | steps),
    outage=st.none() | st.builds(Outage, first=steps, length=st.sampled_from([1, 2, 3, 4, 8, 200]), late=st.booleans()),
    second=st.none() | steps,
    changed=st.none() | st.integers(0, 2),
    settled=st.booleans(),
)
schedules = st.builds(
    Schedule,
    payments=st.integers(1, 3),
    keyed=st.booleans(),
    careless=st.booleans(),
    tries=st.lists(st.tuples(st.integers(0, 1), tries), min_size=1, max_size=5),
)
CLEAN = Try(faults=[], killed=None, outage=None, second=None, changed=None, settled=True)

# -- where it is run ------------------------------------------------------------------------------------------


class StoreDown(Exception):
    """The store does not answer."""


class Place:
    """What Airflow keeps for one task instance, and what happens to those who come to it."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.begin(CLEAN)

    def begin(self, one: Try, second: Callable[[], None] | None = None) -> None:
        """Begin a try."""
        self.number = 0
        self.killed = one.killed
        self.outage = one.outage
        self.second = one.second
        self.run_second = second

    def operate(self, effect: Callable[[], T], *, changes: bool = True) -> T:
        """Do one operation."""
        number, self.number = self.number, self.number + 1
        if self.killed == ("before a step of the store", number):
            raise Killed
        if self.second == number and self.run_second is not None:
            killed, self.killed, self.second = self.killed, None, None
            self.run_second()
            self.killed, self.number = killed, number + 1
        down = self.outage is not None and self.outage.first <= number < self.outage.first + self.outage.length
        late = self.outage is not None and self.outage.late and changes
        if down and not late:
            raise StoreDown
        result = effect()
        if self.killed == ("after a step of the store", number):
            raise Killed
        if down:
            raise StoreDown
        return result

    def sends(self, where: Where) -> None:
        """Pass a place around a sending."""
        if self.killed is not None and self.killed[0] == where:
            left = self.killed[1]
            self.killed = (where, left - 1)
            if not left:
                raise Killed


class StateStore:
    """As Airflow's task state store (3.3): what fails is known to fail."""

    name = "task_state"
    exposed = True

    def __init__(self, place: Place) -> None:
        self._place = place

    def read(self, key: str) -> str | None:
        return self._known(lambda: self._place.texts.get(key), changes=False)

    def write(self, key: str, text: str) -> None:
        self._known(lambda: self._place.texts.__setitem__(key, text))

    def delete(self, key: str) -> None:
        self._known(lambda: self._place.texts.pop(key, None))

    def _known(self, effect: Callable[[], T], *, changes: bool = True) -> T:
        try:
            return self._place.operate(effect, changes=changes)
        except StoreDown:
            raise BillStoreError("the store does not answer") from None


class Variables:
    """As Airflow's Variables before 3.3: a read that fails looks like a missing Variable."""

    def __init__(self) -> None:
        self.place = Place()

    def get(self, key: str, default: None) -> str | None:
        try:
            return self.place.operate(lambda: self.place.texts.get(key, default), changes=False)
        except StoreDown:
            return default

    def set(self, key: str, text: str) -> None:
        self.place.operate(lambda: self.place.texts.__setitem__(key, text))

    def delete(self, key: str) -> None:
        self.place.operate(lambda: self.place.texts.pop(key, None))


class Served:
    """A local BILL that is served from this process, so that its ledger and its faults are at hand."""

    def __init__(self) -> None:
        self.app = SandboxApp()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = make_server(self.app, lambda: None, self.app.state.faults.remove_all)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Served:
        self._thread.start()
        self.bill = LocalBill(self.url)
        self.bill.settings(mfa_mode="off", sign_ins_per_hour=10**6, calls_per_hour=10**9)
        return self

    def __exit__(self, *error: object) -> None:
        self.bill.close()
        self._server.should_exit = True
        self._thread.join()

    def payments(self) -> list[dict[str, Any]]:
        """Return BILL's ledger."""
        return self.app.state.ledger.payments

    def prepare(self, faults: list[str]) -> None:
        """Forget what was ordered, and order what happens to the next payments."""
        self.app.state.faults.faults.clear()
        for number, name in enumerate(faults):
            if (order := FAULTS[name]) is not None:
                self.app.state.faults.add(FaultOrder(path=PATH, skip=number, **order))


class KillableTransport(Transport):
    """A transport whose process can be killed next to a sending."""

    place: Place | None = None

    def send(self, request: BillRequest, url: str, **kwargs: Any) -> HttpResponse:
        place = self.place if request.is_write else None
        if place is not None:
            place.sends("before it sends")
        answer = super().send(request, url, **kwargs)
        if place is not None:
            place.sends("after it has sent")
        return answer


@dataclass
class Instance:
    """One task instance: what Airflow keeps of it, and what its people have been told."""

    name: str
    place: Place = field(default_factory=Place)
    settlements: MemoryStore = field(default_factory=MemoryStore)
    unknown: str = ""


@dataclass
class World:
    """Runs schedules and checks them."""

    served: Served
    variables: Variables | None
    clock: ManualClock
    #: How tries ended, over all schedules.
    ends: Counter[str] = field(default_factory=Counter)
    schedules: int = 0

    def __post_init__(self) -> None:
        bill = self.served.bill
        self.transport = KillableTransport(clock=self.clock, sleep=lambda seconds: None)
        client = BillClient(
            credentials_from("v3", bill.fields("v3")),
            resolve_environment("sandbox", bill.url),
            transport=self.transport,
            clock=self.clock,
        )
        self.writes: DurableWrites | None = None
        self.shared = SharedSession(
            client, "bill", store=MemoryStore(), lock=ProcessLock(), writes=lambda: self.writes, clock=self.clock
        )

    def run(self, schedule: Schedule) -> None:
        """Run a schedule to its end, and a clean try of each instance with a person's help after it."""
        self.schedules += 1
        self.served.payments().clear()
        instances = [Instance(f"{self.schedules}/{number}") for number in range(2)]
        for number, one in schedule.tries:
            self.run_try(schedule, instances[number], one)
        for instance in {number: instances[number] for number, _ in schedule.tries}.values():
            # A person settles each unknown write: at most one is open at a time.
            for _ in range(schedule.payments + 1):
                end = self.run_try(schedule, instance, CLEAN)
                if end != "unknown":
                    break
            assert end in ("green", "another write"), f"{instance.name} never ends: {end}"

    def run_try(self, schedule: Schedule, instance: Instance, one: Try) -> str:
        """Run one try, check BILL's ledger and what the task was told, and return how it ended."""
        if one.settled:
            self.settle(instance)
        self.served.prepare(one.faults)
        instance.place.begin(one, lambda: self.tell(f"    second process: {self.run_process(schedule, instance, one)}"))
        end = self.run_process(schedule, instance, one)
        self.tell(f"{instance.name}: {one} -> {end}; BILL has {[row['description'] for row in self.served.payments()]}")
        self.check_ledger(schedule)
        return end

    def run_process(self, schedule: Schedule, instance: Instance, one: Try) -> str:
        """Run the task in a process of its own, which its death ends."""
        time = Time()
        store: Store = StateStore(instance.place)
        if self.variables is not None:
            self.variables.place = instance.place
            store = CertainVariableStore(sleep=time.sleep)
        outer = self.writes, self.transport.place
        self.transport.place = instance.place
        self.writes = DurableWrites(
            store,
            "bill_write__0",
            settlements=instance.settlements,
            task_try=TaskTry(),
            clock=self.clock,
            sleep=time.sleep,
            monotonic=time,
        )
        before = self.made(instance)
        end, answers = self.run_task(schedule, instance, one)
        self.writes, self.transport.place = outer
        self.check_end(instance, one, end, answers, before)
        self.ends[end] += 1
        return end

    def run_task(self, schedule: Schedule, instance: Instance, one: Try) -> tuple[str, dict[str, Any]]:
        """Do what the author of the task has written."""
        answers: dict[str, Any] = {}
        failed: list[str] = []
        for number in range(schedule.payments):
            name = self.describe(instance, one, number)
            body = {
                "vendorId": VENDOR,
                "amount": 2.5 if number == one.changed else 1.5,
                "processDate": "2099-01-01",
                "description": name,
            }
            try:
                request = self.shared.client.prepare("POST", "/v3/payments", body=body)
                key = f"bill {number}" if schedule.keyed else None
                answers[name] = self.shared.send(request, idempotency_key=key).body
            except Killed:
                return "killed", answers
            except BillOutcomeUnknownError as error:
                instance.unknown = str(error).partition("(write ")[2][:16]
                return "unknown", answers
            except BillStoreError:
                return "store", answers
            except (BillIdempotencyError, BillApiError) as error:
                failed.append("another write" if isinstance(error, BillIdempotencyError) else "refused")
                if not schedule.careless:
                    break
        return (failed[0] if failed else "green"), answers

    def settle(self, instance: Instance) -> None:
        """Have a person look in BILL for the write that was reported as unknown, and say what is there."""
        if not instance.unknown:
            return
        known = {str(json.loads(text).get("result", {}).get("id")) for text in self.notes(instance)}
        unheard = [row for row in self.made(instance) if row["id"] not in known]
        assert len(unheard) <= 1, f"{instance.name}: several writes were open at once"
        result = {"id": unheard[0]["id"]} if unheard else None
        settle(instance.settlements, instance.unknown, carried_out=bool(unheard), result=result)
        self.tell(f"{instance.name}: a person settles {instance.unknown}: {result}")
        instance.unknown = ""

    # -- what must hold ---------------------------------------------------------------------------------------

    def check_ledger(self, schedule: Schedule) -> None:
        """Nothing is paid twice, whatever its amount."""
        places = Counter(row["description"].partition(" for ")[0] for row in self.served.payments())
        assert max(places.values(), default=0) <= 1, f"paid twice: {places}"

    def check_end(
        self, instance: Instance, one: Try, end: str, answers: dict[str, Any], before: list[dict[str, Any]]
    ) -> None:
        """No task passes without its own payments, and a payment that nobody has heard of is told."""
        made = {row["description"]: row["id"] for row in self.made(instance)}
        for name, answer in answers.items():
            assert answer["id"] == made.get(name), f"{name} was answered with {answer['id']}, and BILL has {made}"
        new = {row["description"] for row in self.made(instance)} - {row["description"] for row in before}
        unheard = new - set(answers)
        # The other process in between has an end of its own; a killed one can tell nothing.
        if unheard and one.second is None:
            assert end in ("unknown", "killed"), f"{unheard} was paid, and the task ended as {end!r}"

    # -- helpers ----------------------------------------------------------------------------------------------

    @staticmethod
    def describe(instance: Instance, one: Try, number: int) -> str:
        return f"{instance.name}/{number} for {'2.5' if number == one.changed else '1.5'}"

    def made(self, instance: Instance) -> list[dict[str, Any]]:
        return [row for row in self.served.payments() if row["description"].startswith(f"{instance.name}/")]

    @staticmethod
    def notes(instance: Instance) -> list[str]:
        """Return the outcomes that are noted."""
        return [
            text
            for key, text in instance.place.texts.items()
            if key.startswith("bill_write__0__") and not key.endswith(("__open", "__claim"))
        ]

    @staticmethod
    def tell(text: str) -> None:
        note(text)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served() as running:
        yield running


@pytest.mark.timeout(900)  # 500 schedules over HTTP, on a machine that may be busy
@pytest.mark.parametrize("part", [1, 2])
@pytest.mark.parametrize("kept_in", ["the task state store", "Variables"])
def test_nothing_is_paid_twice_and_nothing_passes_unpaid(
    kept_in: str, part: int, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = None
    if kept_in == "Variables":
        variables = Variables()
        monkeypatch.setattr(sdk, "Variable", variables, raising=False)
        monkeypatch.setattr("airflow_provider_bill.version_compat.AIRFLOW_V_3_3_PLUS", False)
    world = World(served, variables, ManualClock(served.bill))

    @settings(
        max_examples=SCHEDULES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(schedules)
    def run(schedule: Schedule) -> None:
        world.run(dataclasses.replace(schedule, keyed=schedule.keyed != (part == 2)))

    run()
    assert world.schedules >= SCHEDULES
    # The schedules are worth something: each end came often.
    assert min(world.ends[end] for end in ("green", "killed", "unknown", "store", "refused", "another write")) > 20
