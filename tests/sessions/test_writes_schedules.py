"""Drawn schedules of what can happen to a task that pays: BILL's own ledger tells whether anything was paid twice.

A schedule is run in this process against a local BILL over HTTP, through what a DAG's author uses: `BillApiOperator`,
or `BillHook` in a task. Every try of the task is a process of its own as far as the notes can tell. Nothing waits:
time moves when our code sleeps.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import pytest
from airflow.providers.common.compat import sdk
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from jinja2 import Template
from jinja2.sandbox import SandboxedEnvironment

try:
    from airflow.sdk.bases.operator import ExecutorSafeguard
    from airflow.sdk.execution_time.context import set_current_context

    SENTINEL = ExecutorSafeguard.sentinel_value
except ImportError:  # Airflow 2
    from airflow.models.baseoperator import _sentinel as SENTINEL  # type: ignore[import-not-found, no-redef]
    from airflow.models.taskinstance import set_current_context  # type: ignore[attr-defined, no-redef]

from airflow_provider_bill.client.request import BillRequest
from airflow_provider_bill.client.transport import HttpResponse, Transport
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillIdempotencyError,
    BillOutcomeUnknownError,
    BillStoreError,
)
from airflow_provider_bill.hooks import wiring
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators.bill import BillApiOperator
from airflow_provider_bill.sandbox.app import SandboxApp
from airflow_provider_bill.sandbox.server.http_server import make_server
from airflow_provider_bill.sandbox.state.faults import FaultOrder
from dev.airflow_harness import airflow_version
from dev.clock import ManualClock
from dev.local_bill import LocalBill
from dev.task_instance import Killed, Time

#: How many schedules are drawn for each kind of store, in each of two tests of equal size.
SCHEDULES = 500
PATH = "/connect/v3/payments"
VENDOR = "00901SBX000100000001"

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

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
Door = Literal["operator", "hook"]
DOORS: tuple[Door, ...] = ("operator", "hook")
#: What an idempotency key is made of: there is none; of what is to be paid for; of that and the amount.
Key = Literal["none", "bill", "bill and amount"]
KEYS: tuple[Key, ...] = ("none", "bill", "bill and amount")


@dataclass(frozen=True)
class Kill:
    """The end of a process.

    :param where: at which kind of step
    :param number: of these steps that pass before
    :param sudden: nothing of ours has an effect after it; else it is like Airflow's time limit, which code could catch
    """

    where: Where
    number: int
    sudden: bool


@dataclass(frozen=True)
class Outage:
    """Airflow's stores fail for some operations.

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
    :param killed: where the process ends before its time
    :param outage: of Airflow's stores
    :param second: number of the operation before which another process runs the whole task
    :param changed: the payment that has another amount this time
    :param settled: whether a person has looked after a write that was reported as unknown before
    """

    faults: list[str]
    killed: Kill | None
    outage: Outage | None
    second: int | None
    changed: int | None
    settled: bool


@dataclass(frozen=True)
class Schedule:
    """The life of two task instances.

    :param door: by what they pay: `BillApiOperator`, or `BillHook` in a task
    :param told_apart_by: in what Airflow's names for the two differ; `map_index` for a mapped task
    :param payments: how many each instance makes; the operator makes one
    :param key: what the idempotency key of each payment is made of
    :param hooks: whether the task makes a new hook for each payment
    :param careless: whether the task goes on after a refusal, and fails at the end
    :param tries: each with the number of its instance
    """

    door: Door
    told_apart_by: str
    payments: int
    key: Key
    hooks: bool
    careless: bool
    tries: list[tuple[int, Try]]

    @property
    def names(self) -> range:
        """The numbers of the payments of an instance."""
        return range(1 if self.door == "operator" else self.payments)


steps = st.integers(0, 14)
tries = st.builds(
    Try,
    faults=st.lists(st.sampled_from([*sorted(FAULTS), "refuses the payment"]), max_size=4),
    killed=st.none()
    | st.builds(Kill, where=st.sampled_from(KILLS), number=st.integers(0, 2) | steps, sudden=st.booleans()),
    outage=st.none() | st.builds(Outage, first=steps, length=st.sampled_from([1, 2, 3, 4, 8, 200]), late=st.booleans()),
    second=st.none() | steps,
    changed=st.none() | st.integers(0, 2),
    settled=st.booleans(),
)
schedules = st.builds(
    Schedule,
    door=st.sampled_from(DOORS),
    told_apart_by=st.sampled_from(["map_index", "task_id", "map_index", "run_id", "map_index", "dag_id"]),
    payments=st.integers(1, 3),
    key=st.sampled_from(KEYS),
    hooks=st.booleans(),
    careless=st.booleans(),
    tries=st.lists(st.tuples(st.integers(0, 1), tries), min_size=1, max_size=5),
)
ENDS = ("green", "killed", "unknown", "store", "refused", "another write")
CLEAN = Try(faults=[], killed=None, outage=None, second=None, changed=None, settled=True)

# -- where it is run ------------------------------------------------------------------------------------------


class StoreDown(Exception):
    """The store does not answer."""


class Place:
    """What happens to those who run one task instance."""

    def __init__(self) -> None:
        self.begin(CLEAN)

    def begin(self, one: Try, second: Callable[[], None] | None = None) -> None:
        """Begin a try."""
        self.number = 0
        self.killed = one.killed
        self.dead = False
        self.outage = one.outage
        self.second = one.second
        self.run_second = second

    def operate(self, effect: Callable[[], T], *, changes: bool = True, is_step: bool = True) -> T:
        """Do one operation.

        :param is_step: it is one of the writes' own; others only fail in an outage
        """
        if self.dead:
            raise Killed
        number = self.number
        if is_step:
            self.number += 1
            self.pass_by("before a step of the store")
            if self.second == number and self.run_second is not None:
                killed, self.killed, self.second = self.killed, None, None
                self.run_second()
                self.killed, self.number = killed, number + 1
        down = self.outage is not None and self.outage.first <= number < self.outage.first + self.outage.length
        late = self.outage is not None and self.outage.late and changes
        if down and not late:
            raise StoreDown
        result = effect()
        if is_step:
            self.pass_by("after a step of the store")
        if down:
            raise StoreDown
        return result

    def pass_by(self, where: Where) -> None:
        """Go on, or be killed here."""
        if self.dead:
            raise Killed
        if self.killed is None or self.killed.where != where:
            return
        self.killed, kill = dataclasses.replace(self.killed, number=self.killed.number - 1), self.killed
        if not kill.number:
            self.dead = kill.sudden
            raise Killed


class StateStore:
    """As Airflow's task state store (3.3) of one task instance: what fails is known to fail."""

    def __init__(self, place: Place, texts: dict[str, str]) -> None:
        self._place = place
        self._texts = texts

    def get(self, key: str) -> str | None:
        return self._place.operate(lambda: self._texts.get(key), changes=False)

    def set(self, key: str, text: str, *, retention: Any) -> None:
        # By default Airflow forgets after some days.
        assert retention is sdk_never_expire()
        self._place.operate(lambda: self._texts.__setitem__(key, text))

    def delete(self, key: str) -> None:
        self._place.operate(lambda: self._texts.pop(key, None))


def sdk_never_expire() -> Any:
    from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # its stubs lag behind

    return NEVER_EXPIRE


class Variables:
    """As Airflow's Variables, of all task instances: a read that fails looks like a missing Variable."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        #: Of the process that runs now.
        self.place: Place | None = None

    def get(self, key: str, default: None) -> str | None:
        try:
            return self._operate(key, lambda: self.texts.get(key, default), changes=False)
        except StoreDown:
            return default

    def keys(self, *, prefix: str) -> list[str]:
        """As Airflow 3.3 has it: unlike a read, it fails loudly."""
        return self._operate(prefix, lambda: [key for key in self.texts if key.startswith(prefix)], changes=False)

    def set(self, key: str, text: str) -> None:
        self._operate(key, lambda: self.texts.__setitem__(key, text))

    def delete(self, key: str) -> None:
        self._operate(key, lambda: self.texts.pop(key, None))

    def forget_writes(self) -> None:
        """Keep only the session."""
        self.texts = {key: text for key, text in self.texts.items() if not key.startswith("bill_write")}

    def _operate(self, key: str, effect: Callable[[], T], *, changes: bool = True) -> T:
        if self.place is None:
            return effect()
        return self.place.operate(effect, changes=changes, is_step=key.startswith("bill_write"))


class Served:
    """A local BILL that is served from this process, so that its ledger and its faults are at hand."""

    def __init__(self) -> None:
        self.app = SandboxApp()
        self._socket = socket.create_server(("127.0.0.1", 0))
        # An answer that goes out in two pieces is not held back until the first one is acknowledged.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
            place.pass_by("before it sends")
        answer = super().send(request, url, **kwargs)
        if place is not None:
            place.pass_by("after it has sent")
        return answer


@dataclass
class Instance:
    """One task instance: how Airflow names it, what it keeps of it, and what its people have been told."""

    name: str
    ids: dict[str, Any]
    place: Place = field(default_factory=Place)
    texts: dict[str, str] = field(default_factory=dict)
    tries: int = 0
    unknown: str = ""
    has_changed: bool = False


class Templates(SandboxedEnvironment):
    """Compiles each template once, as all tries have the same."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[Any, Template] = {}

    def from_string(self, source: Any, *args: Any, **kwargs: Any) -> Template:
        if source not in self._known:
            self._known[source] = super().from_string(source, *args, **kwargs)
        return self._known[source]


TEMPLATES = Templates()
#: By which Airflow's own runner tells an operator that it is no other operator who runs it.
AS_A_TASK = {"BillApiOperator__sentinel": SENTINEL}


@dataclass
class World:
    """Runs schedules and checks them."""

    served: Served
    variables: Variables
    transport: KillableTransport
    #: Moves when our code sleeps; a new one for each process.
    time: Time
    has_state_store: bool
    #: How tries ended, over all schedules: by which door, whether mapped, how.
    ends: Counter[tuple[Door, bool, str]] = field(default_factory=Counter)
    schedules: int = 0

    def run(self, schedule: Schedule) -> None:
        """Run a schedule to its end, and a clean try of each instance with a person's help after it."""
        self.schedules += 1
        self.served.payments().clear()
        self.variables.forget_writes()
        instances = [self.make_instance(schedule, number) for number in range(2)]
        for number, one in schedule.tries:
            self.run_try(schedule, instances[number], one)
        for instance in {number: instances[number] for number, _ in schedule.tries}.values():
            # A person settles each unknown write: at most one is open at a time.
            for _ in range(len(schedule.names) + 1):
                end = self.run_try(schedule, instance, CLEAN)
                if end != "unknown":
                    break
            assert end in ("green", "another write"), f"{instance.name} never ends: {end}"

    def make_instance(self, schedule: Schedule, number: int) -> Instance:
        """Return one of the task instances, which differ in one of their names only."""
        ids = {"dag_id": "pay_bills", "run_id": f"run {self.schedules}", "task_id": "pay", "map_index": -1}
        part = schedule.told_apart_by
        ids[part] = number if part == "map_index" else f"{ids[part]} {number}"
        return Instance(f"{self.schedules}/{number}", ids)

    def run_try(self, schedule: Schedule, instance: Instance, one: Try) -> str:
        """Run one try, check BILL's ledger and what the task was told, and return how it ended."""
        if one.settled:
            self.settle(schedule, instance)
        self.served.prepare(one.faults)
        instance.tries += 1
        instance.has_changed = instance.has_changed or one.changed in schedule.names
        instance.place.begin(one, lambda: self.tell(f"    second process: {self.run_process(schedule, instance, one)}"))
        end = self.run_process(schedule, instance, one)
        self.tell(f"{instance.name}: {one} -> {end}; BILL has {[row['description'] for row in self.served.payments()]}")
        self.check_ledger(schedule)
        return end

    def run_process(self, schedule: Schedule, instance: Instance, one: Try) -> str:
        """Run the task in a process of its own, which its death ends."""
        before = self.made(instance)
        context: dict[str, Any] = {"ti": SimpleNamespace(**instance.ids, try_number=instance.tries)}
        if self.has_state_store:
            context["task_state_store"] = StateStore(instance.place, instance.texts)
        outer = self.variables.place, self.transport.place, self.time.now
        self.variables.place = self.transport.place = instance.place
        try:
            with set_current_context(cast("Context", context)):
                end, answers = self.run_task(schedule, instance, one, context)
        finally:
            self.variables.place, self.transport.place, self.time.now = outer
        self.check_end(schedule, instance, one, end, answers, before)
        self.ends[schedule.door, schedule.told_apart_by == "map_index", end] += 1
        return end

    def run_task(
        self, schedule: Schedule, instance: Instance, one: Try, context: dict[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        """Do what the author of the task has written."""
        answers: dict[str, Any] = {}
        failed: list[str] = []
        pay = self.by_operator(context) if schedule.door == "operator" else self.by_hook(schedule)
        for number in schedule.names:
            name = self.describe(instance, one, number)
            body = {
                "vendorId": VENDOR,
                "amount": 2.5 if number == one.changed else 1.5,
                "processDate": "2099-01-01",
                "description": name,
            }
            try:
                answers[name] = pay(body, self.key(schedule, name))
            except Killed:
                return "killed", answers
            except BillOutcomeUnknownError as error:
                instance.unknown = str(error)
                return "unknown", answers
            except BillStoreError:
                return "store", answers
            except (BillIdempotencyError, BillApiError) as error:
                failed.append("another write" if isinstance(error, BillIdempotencyError) else "refused")
                if not schedule.careless:
                    break
        return (failed[0] if failed else "green"), answers

    def by_operator(self, context: dict[str, Any]) -> Callable[[dict[str, Any], str | None], Any]:
        """Return how a `BillApiOperator` pays, all of whose texts are templates."""

        def pay(body: dict[str, Any], key: str | None) -> Any:
            context.update(path="payments", verb="POST", body=body, key=key)
            operator = BillApiOperator(
                task_id="pay",
                endpoint="/v3/{{ path }}",
                method="{{ verb }}",
                data={**body, "description": "{{ body.description }}"},
                idempotency_key=None if key is None else "{{ key }}",
            )
            operator.render_template_fields(cast("Context", context), jinja_env=TEMPLATES)
            return operator.execute(cast("Context", context), **AS_A_TASK)

        return pay

    def by_hook(self, schedule: Schedule) -> Callable[[dict[str, Any], str | None], Any]:
        """Return how a `@task` pays."""
        hook = BillHook()

        def pay(body: dict[str, Any], key: str | None) -> Any:
            used = BillHook() if schedule.hooks else hook
            return used.request("POST", "/v3/payments", json=body, idempotency_key=key)

        return pay

    def settle(self, schedule: Schedule, instance: Instance) -> None:
        """Have a person look in BILL for the write that was reported as unknown, and say what is there."""
        if not instance.unknown:
            return
        write, write_id = re.findall(r" as (.*), and its outcome is unknown \(write (.{16})\)", instance.unknown)[0]
        known = {str(json.loads(text).get("result", {}).get("id")) for text in self.notes(instance)}
        unheard = [row for row in self.made(instance) if row["id"] not in known]
        if schedule.key != "none":
            unheard = [row for row in unheard if self.key(schedule, row["description"]) in write]
        assert len(unheard) <= 1, f"{instance.name}: several writes were open at once"
        result = {"id": unheard[0]["id"]} if unheard else None
        BillHook.settle_write(write_id, carried_out=bool(unheard), result=result)
        self.tell(f"{instance.name}: a person settles {write_id}, {write}: {result}")
        instance.unknown = ""

    # -- what must hold ---------------------------------------------------------------------------------------

    def check_ledger(self, schedule: Schedule) -> None:
        """Nothing is paid twice, whatever its amount, unless the author's key says that it is something else then."""
        names = [row["description"] for row in self.served.payments()]
        if schedule.key != "bill and amount":
            names = [name.partition(" for ")[0] for name in names]
        assert len(names) == len(set(names)), f"paid twice: {Counter(names)}"

    def check_end(
        self,
        schedule: Schedule,
        instance: Instance,
        one: Try,
        end: str,
        answers: dict[str, Any],
        before: list[dict[str, Any]],
    ) -> None:
        """No task passes without its own payments, and a payment that nobody has heard of is told."""
        made = {row["description"]: row["id"] for row in self.made(instance)}
        for name, answer in answers.items():
            assert answer["id"] == made.get(name), f"{name} was answered with {answer['id']}, and BILL has {made}"
        if end == "green":
            assert len(answers) == len(schedule.names), f"only {answers} was paid, and the task passed"
        if end == "another write":
            # Without keys of their own, a payment that was passed over shifts the numbers of those after it.
            shifted = schedule.key == "none" and schedule.careless
            differs = schedule.key != "bill and amount" and instance.has_changed
            assert shifted or differs, f"{instance.name} pays what it always did, and was told that it is another write"
        new = {row["description"] for row in self.made(instance)} - {row["description"] for row in before}
        unheard = new - set(answers)
        # The other process in between has an end of its own; a killed one can tell nothing.
        if unheard and one.second is None:
            assert end in ("unknown", "killed"), f"{unheard} was paid, and the task ended as {end!r}"

    # -- helpers ----------------------------------------------------------------------------------------------

    @staticmethod
    def key(schedule: Schedule, name: str) -> str | None:
        return {"none": None, "bill": name.partition(" for ")[0], "bill and amount": name}[schedule.key]

    @staticmethod
    def describe(instance: Instance, one: Try, number: int) -> str:
        return f"{instance.name}/{number} for {'2.5' if number == one.changed else '1.5'}"

    def made(self, instance: Instance) -> list[dict[str, Any]]:
        return [row for row in self.served.payments() if row["description"].startswith(f"{instance.name}/")]

    def notes(self, instance: Instance) -> list[str]:
        """Return the outcomes that are noted."""
        return [
            text
            for key, text in {**self.variables.texts, **instance.texts}.items()
            if key.startswith("bill_write__") and not key.endswith(("__open", "__claim", "__sent"))
        ]

    @staticmethod
    def tell(text: str) -> None:
        note(text)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served() as running:
        yield running


@pytest.fixture
def make_world(served: Served, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], World]:
    """Put our stand-ins where the hook finds Airflow's stores, the time and the connections to BILL."""

    def make(kept_in: str) -> World:
        time, variables, clock = Time(), Variables(), ManualClock(served.bill)
        transport = KillableTransport(clock=clock, sleep=time.sleep)
        monkeypatch.setenv("AIRFLOW_CONN_BILL_DEFAULT", served.bill.connection_env()["AIRFLOW_CONN_BILL_DEFAULT"])
        monkeypatch.setattr(sdk, "Variable", variables, raising=False)
        monkeypatch.setattr(wiring, "utc_now", clock)
        # One client for all hooks: to BILL, connections of their own make no difference.
        monkeypatch.setattr(wiring, "Transport", lambda **kwargs: transport)
        client = BillHook().get_conn()
        monkeypatch.setattr(BillHook, "_client", lambda hook: client)
        for name in ("VariableStore", "CertainVariableStore"):
            monkeypatch.setattr(wiring, name, functools.partial(getattr(wiring, name), sleep=time.sleep))
        for name in ("DurableWrites", "LeaseLock"):
            part = functools.partial(getattr(wiring, name), sleep=time.sleep, monotonic=time)
            monkeypatch.setattr(wiring, name, part)
        if kept_in == "Variables":
            # As before Airflow 3.3, where nothing tells a Variable that is missing from one that cannot be read.
            monkeypatch.setattr("airflow_provider_bill.version_compat.AIRFLOW_V_3_3_PLUS", False)
        return World(served, variables, transport, time, has_state_store=kept_in == "the task state store")

    return make


@pytest.mark.timeout(900)  # 500 schedules over HTTP, on a machine that may be busy
@pytest.mark.parametrize("part", [1, pytest.param(2, marks=pytest.mark.generated)])
@pytest.mark.parametrize(
    "kept_in",
    [
        pytest.param(
            "the task state store",
            marks=pytest.mark.skipif(airflow_version() < (3, 3), reason="there is none before Airflow 3.3"),
        ),
        "Variables",
    ],
)
def test_nothing_is_paid_twice_and_nothing_passes_unpaid(
    kept_in: str, part: int, make_world: Callable[[str], World]
) -> None:
    world = make_world(kept_in)

    @settings(
        max_examples=SCHEDULES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(schedules)
    def run(schedule: Schedule) -> None:
        # The second part is the first one, paid by the other door.
        door = DOORS[(DOORS.index(schedule.door) + part - 1) % len(DOORS)]
        world.run(dataclasses.replace(schedule, door=door))

    run()
    assert world.schedules >= SCHEDULES
    # The schedules are worth something: each end came often, whoever paid, and mapped or not.
    for door in DOORS:
        for end in ENDS:
            both = [world.ends[door, mapped, end] for mapped in (True, False)]
            assert min(both) > 0, (door, end, both)
            assert sum(both) > 10, (door, end, both)
