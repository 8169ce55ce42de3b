"""Random lives of many tasks on two hosts that share sessions: BILL's own state tells whether anything was wrong.

Every task is a greenlet, of which one runs at a time: it hands over before each operation of the store, while a call is
on its way, and where it waits. So any order of these can be drawn, and the same comes again. Time moves only when all
wait, or when it is drawn. Calls reach the local BILL without a network.
"""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlencode, urlsplit

import greenlet  # type: ignore[import-untyped]  # what Airflow needs brings it
import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from airflow_provider_bill import exceptions
from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.codes import unanswered
from airflow_provider_bill.client.environments import resolve_environment
from airflow_provider_bill.client.request import BillRequest
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.client.transport import HttpResponse, Transport
from airflow_provider_bill.exceptions import BillError, BillOutcomeUnknownError, BillStoreError
from airflow_provider_bill.sandbox.data.seed import ADMIN, MAIN_ID, MAIN_KEY, SECOND_ID
from airflow_provider_bill.sandbox.events import dialect as events
from airflow_provider_bill.sandbox.server.gateway import Gateway
from airflow_provider_bill.sandbox.server.messages import Call
from airflow_provider_bill.sandbox.state.faults import FaultOrder
from airflow_provider_bill.sandbox.state.state import State
from airflow_provider_bill.sandbox.v2 import dialect as v2
from airflow_provider_bill.sandbox.v3 import dialect as v3
from airflow_provider_bill.sessions import host
from airflow_provider_bill.sessions.guard import IN_FLIGHT, PROVEN_SECONDS
from airflow_provider_bill.sessions.host import HostStore
from airflow_provider_bill.sessions.keys import is_sign_in_lease, session_key
from airflow_provider_bill.sessions.locks import LeaseLock
from airflow_provider_bill.sessions.mfa import Challenge
from airflow_provider_bill.sessions.shared import SharedSession
from airflow_provider_bill.sessions.stores import MemoryStore
from airflow_provider_bill.sessions.writes import DurableWrites, TaskTry, settle
from dev.clock import START
from dev.task_instance import Killed

T = TypeVar("T")
SIGN_INS = ("/connect/v3/login", "/api/v2/Login.json")
CHALLENGES = ("/connect/v3/mfa/challenge", "/api/v2/MFAChallenge.json")
CUSTOMERS = "/connect/v3/customers"
VALIDATES = ("/connect/v3/mfa/challenge/validate", "/api/v2/MFAAuthenticate.json")
#: Seconds for which a call is on its way at most: the time limit of a call.
CALL_SECONDS = 60
#: Seconds by which a host's clock is wrong at most.
SKEW = 30
#: How often in a life something happens that may cost one refusal more; ten lock a user.
COSTLY = 3
BEN = "ben@harborbooks.example"
PASSED = {"34 minutes": 34 * 60, "36 minutes": 36 * 60, "an hour": 3700, "31 days": 31 * 86400}
FAULTS: dict[str, dict[str, Any]] = {
    "500": {"status": 500, "code": "BDC_1001"},
    "HTML 403": {"kind": "html", "status": 403},
    "HTML 502, done": {"kind": "html", "after_effect": True},
    "reset": {"kind": "reset"},
    "reset, done": {"kind": "reset", "after_effect": True},
    "429": {"kind": "html", "status": 429},
    "empty": {"kind": "empty"},
    "malformed": {"kind": "malformed"},
    "too many at once": {"code": "BDC_1322", "times": 2},
    "hour used up": {"code": "BDC_1144"},
    "session over": {"code": "BDC_1109"},
    "refused": {"code": "BDC_1152"},
}
#: What becomes of a write.
WRITE_FAULTS = ("reset, done", "HTML 502, done", "reset", "500", "refused", "session over")
PLACES = ("*", "*", "*/[lL]ogin*", "*/[lL]ogin*", "*[cC]hallenge", "*validate", "*step-up", "*vendors", "*customers")
CODES = (*["right code"] * 3, "right code of this session alone", "right code, older", "wrong code")
#: What one may do after the other: an older code and one twice, a trusted session that ends, a device that is no use.
STORIES = (
    ("ask anew", "ask anew", "right code, older", "right code", "right code"),
    ("ask anew", "right code of this session alone", "BILL ends sessions", "use", "use"),
    ("BILL ends sessions", "acquire elsewhere", "ask anew", "right code", "trusted elsewhere"),
)
ACTIONS = ("use", "acquire", "trusted", "use trusted", "keep alive", "sign out", "forget", "ask", "ask anew")


@dataclass(frozen=True)
class Connection:
    """An Airflow connection; which password it has, changes."""

    conn_id: str
    kind: str
    user: str
    organization_id: str
    host: str = "127.0.0.1"


CONNECTIONS = (
    Connection("bill", "v3", ADMIN, MAIN_ID),
    Connection("second", "v3", ADMIN, SECOND_ID),
    Connection("by_v2", "v2", ADMIN, MAIN_ID),
    Connection("ben", "v3", BEN, MAIN_ID),
    Connection("bill", "v3", BEN, MAIN_ID),  # the first with another user,
    Connection("bill", "v3", ADMIN, SECOND_ID),  # organization,
    Connection("bill", "v3", ADMIN, MAIN_ID, host="localhost"),  # or environment
)
User = tuple[str, str]
#: In which order tasks take turns, as a seed, and how many turns there are.
Order = tuple[int, int]
orders = st.tuples(st.integers(0, 999), st.integers(0, 250))
hosts = st.integers(0, 1)
connections = st.sampled_from(CONNECTIONS[:4] * 3 + CONNECTIONS)


@dataclass
class Write:
    """What a task instance is to write, in each of its tries.

    :param number: of the task instance
    :param needs_trust: whether BILL takes it from a session only that has passed MFA, as a payment
    """

    number: int
    connection: Connection
    needs_trust: bool
    #: How often BILL has carried it out.
    made: int = 0
    #: Whether a process may not know how its sending ended: it was killed, did not hear, or could not store it.
    is_doubtful: bool = False

    @property
    def prefix(self) -> str:
        return f"write_{self.number}"


class Bill:
    """A local BILL without a network, as one environment has it."""

    def __init__(self) -> None:
        self.state = State()
        self.gateway = Gateway(self.state, {"/api/v2": v2, "/connect-events": events, "/connect": v3})
        #: Every session that was ever given: of which organization, user and kind.
        self.given: dict[str, tuple[str, str, str]] = {}

    def begin(self) -> None:
        self.state.reset()
        self.given.clear()

    def answer(self, call: Call) -> Any:
        dialect = next(row for prefix, row in self.gateway.dialects.items() if call.path.startswith(prefix))
        try:
            self.gateway.handle(call, dialect).send(None)
        except StopIteration as end:
            for row in self.state.sessions.by_token.values():
                self.given[row.token] = (row.organization_id, row.user_id, row.kind)
            return end.value
        raise AssertionError("the local BILL waits for something")


class Task:
    """A task: does one thing and ends, as the world lets it."""

    def __init__(
        self, world: World, host: int, connection: Connection, action: str, write: Write | None = None
    ) -> None:
        self.world, self.host, self.connection, self.action, self.write = world, host, connection, action, write
        self.bill = BILLS[connection.host]
        self.password = world.passwords[connection.host, connection.user]
        self.now, self.until = "ready", 0.0
        self.is_dead = self.is_interrupted = False
        self.error: BaseException | None = None
        #: What BILL has said to it, and this process may not have kept yet.
        self.devices: list[str] = []
        self.challenges: list[str] = []
        self.is_refused = False
        #: The sessions that it has used, and the one that lay there when BILL refused it another.
        self.used: set[str] = set()
        self.spare = ""
        #: The challenge whose code it enters.
        self.entering = ""
        self.session: SharedSession
        self._greenlet = greenlet.greenlet(self.run)

    @property
    def user(self) -> User:
        return self.connection.host, self.connection.user

    def run(self) -> None:
        try:
            if not self.is_dead:
                self.work()
        except BaseException as error:
            self.error = error
        self.now = "done"

    def go(self) -> None:
        """Let it run until it hands over."""
        self.world.running = self
        self._greenlet.switch()

    def hand_over(self, now: str = "ready", until: float = 0.0) -> None:
        """Let others run; here it may be killed."""
        if self.is_dead:
            raise Killed
        self.now, self.until = now, until
        self._greenlet.parent.switch()
        self.now = "ready"
        if self.is_dead or self.is_interrupted:
            self.is_interrupted = False
            raise Killed

    def sleep(self, seconds: float) -> None:
        self.hand_over("waiting", self.world.seconds + seconds)

    def shared(self) -> SharedSession:
        world, connection = self.world, self.connection
        fields = {
            "login": connection.user,
            "password": self.password,
            "developer_api_key": MAIN_KEY,
            "organization_id": connection.organization_id,
        }

        def clock() -> Any:
            return START.add(seconds=world.seconds + world.skews[self.host])

        environment = resolve_environment("sandbox", f"http://{connection.host}:1")
        wire = Wire(self, clock=clock, sleep=self.sleep)
        writes = None
        if self.write is not None:
            writes = DurableWrites(
                world.store,
                self.write.prefix,
                settlements=world.store,
                task_try=TaskTry(),
                clock=clock,
                sleep=self.sleep,
                monotonic=lambda: world.seconds,
            )
        return SharedSession(
            BillClient(credentials_from(connection.kind, fields), environment, transport=wire),
            connection.conn_id,
            store=world.store,
            lock=LeaseLock(world.store, sleep=self.sleep, monotonic=lambda: world.seconds),
            writes=lambda: writes,
            clock=clock,
            fallback=HostStore(),
            signed_in_by={"dag_id": "d", "run_id": "r", "task_id": self.action},
        )

    def work(self) -> None:
        world, shared = self.world, self.shared()
        self.session = shared
        manager, trust, mfa = shared.manager, shared.trust, shared.mfa
        session = None
        if self.action in ("use", "use trusted"):
            vendors = shared.client.prepare("GET", "/v3/vendors", params={"max": 1})
            shared.send(dataclasses.replace(vendors, needs_trust=self.action == "use trusted"))
        elif self.write is not None:
            customer = shared.client.prepare("POST", "/v3/customers", body={"name": self.write.prefix})
            shared.send(dataclasses.replace(customer, needs_trust=self.write.needs_trust))
        elif self.action == "acquire":
            session = manager.acquire()
        elif self.action == "trusted":
            session = trust.acquire()
        elif self.action == "keep alive":
            session = shared.keep_alive()
        elif self.action == "sign out":
            manager.sign_out()
        elif self.action == "forget":
            manager.discard()
        elif self.action == "ask":
            if not trust.make(manager.acquire()).trusted:
                needed: Callable[[], bool] = lambda: not trust.make(manager.acquire()).trusted  # noqa: E731
                world.keep(self, mfa.challenge_if(needed, manager.acquire()))
        elif self.action == "ask anew":
            world.keep(self, mfa.challenge(manager.acquire(), anew=True))
        else:
            challenge, code = world.asked[self.connection][-2 if "older" in self.action else -1]
            code = code if "right" in self.action else f"{(int(code) + 1) % 10**6:06}"
            self.entering = challenge.challenge_id
            mfa.validate(manager.acquire(), challenge, code, device="airflow", remember="alone" not in self.action)
            world.entered.add(challenge.challenge_id)
            session = manager.acquire()
        world.check_trust(self, session)


class Wire(Transport):
    """Carries a task's calls to the local BILL, and looks at each."""

    def __init__(self, task: Task, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._task = task

    def send(self, request: BillRequest, url: str, **kwargs: Any) -> HttpResponse:
        task, world, parts = self._task, self._task.world, urlsplit(url)
        headers = {name.lower(): value for name, value in (kwargs.get("headers") or {}).items()}
        form = kwargs.get("form")
        token = str(headers.get("sessionid") or (form or {}).get("sessionId") or "")
        if form is None:
            body = b"" if request.body is None else json.dumps(request.body).encode()
        else:
            headers["content-type"] = "application/x-www-form-urlencoded"
            body = urlencode(form).encode()
        sent_at = kwargs.get("sent_at") or self.clock()
        world.check_session(task, str(parts.hostname), token)
        with_sign_in = parts.path in SIGN_INS
        if with_sign_in:
            world.begin_sign_in(task)
        try:
            until = world.seconds + CALL_SECONDS
            task.hand_over("in flight", until)
            state = task.bill.state
            call = Call(state, request.method, parts.path, headers, urlencode(request.params or {}), body)
            before, written = world.look(task), state.stats.writes
            answer = task.bill.answer(call)
            is_heard = not state.request_log.rows[-1]["fault"]
            if parts.path == CUSTOMERS:
                is_refused = answer is not None and 400 <= answer.status < 500
                world.check_write(task, state.stats.writes - written, is_heard=is_heard or is_refused)
            world.check_call(task, parts.path, token, body, before, is_heard=is_heard)
            task.hand_over("in flight", until)
        finally:
            if with_sign_in:
                world.signing_in.remove(task)
        if answer is None:
            raise unanswered(request.purpose)(f"no answer came to {request.label}")
        stored = world.stored(task)
        is_other = answer.status == 401 and stored is not None and stored.session_token != token
        task.spare = stored.session_token if stored is not None and is_other and token else ""
        if with_sign_in and answer.status == 200 and is_heard:
            world.proven[*task.user, task.password] = world.seconds
        return HttpResponse(request, answer.status, answer.body, sent_at)


class SharedStore(MemoryStore):
    """A store that all hosts see; at each operation others may come first, and some fail."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def read(self, key: str) -> str | None:
        return self._operate(lambda: MemoryStore.read(self, key))

    def write(self, key: str, text: str) -> None:
        if is_sign_in_lease(key):
            self._world.check_turn(self._world.running)
        self._operate(lambda: MemoryStore.write(self, key, text))

    def delete(self, key: str) -> None:
        self._operate(lambda: MemoryStore.delete(self, key))

    def _operate(self, effect: Callable[[], T]) -> T:
        world = self._world
        world.running.hand_over()
        if world.outage:
            world.outage -= 1
            world.excuse(world.running)
            world.doubt(world.running)
            raise BillStoreError("the store does not answer")
        return effect()


BILLS = {"127.0.0.1": Bill(), "localhost": Bill()}
#: What happened, over all lives.
seen: Counter[str] = Counter()


class World(RuleBasedStateMachine):
    """The hosts, their tasks, the store and BILL; its rules are what can happen."""

    current: World

    def __init__(self) -> None:
        super().__init__()
        World.current = self
        self.running: Task
        self.tasks: list[Task] = []
        self.seconds = 0.0
        self.skews = [0.0, 0.0]
        #: The host whose calls take longer than all that others do meanwhile.
        self.slow: int | None = None
        self.store = SharedStore(self)
        self.outage = self.costs = self.changes = 0
        self.folder = Path(tempfile.mkdtemp(prefix="bill-hosts-"))
        self.asked: dict[Connection, list[tuple[Challenge, str]]] = {row: [] for row in CONNECTIONS}
        self.signing_in: list[Task] = []
        self.proven: dict[tuple[str, str, str], float] = {}
        #: How often BILL has refused a password, and how often it may.
        self.refusals: Counter[tuple[str, str, str]] = Counter()
        self.excused: Counter[tuple[str, str, str]] = Counter()
        #: Devices and challenges that nobody may have kept, and challenges whose code was entered for all to know.
        self.lost: set[str] = set()
        self.entered: set[str] = set()
        self.session_of: dict[str, str] = {}
        self.writes: list[Write] = []
        self.passwords: dict[User, str] = {}
        for name, bill in BILLS.items():
            bill.begin()
            for user in (ADMIN, BEN):
                self.passwords[name, user] = bill.state.seed.users[user].password
        self.move(0)

    @initialize(holds_for=st.sampled_from(["organization", "user"]), bad=st.sampled_from(["untrusted", "refuse"]))
    def begin(self, holds_for: str, bad: str) -> None:
        for bill in BILLS.values():
            bill.state.apply_settings({"device_holds_for": holds_for, "bad_remember_me": bad})

    def folder_of_host(self) -> Path:
        folder = self.folder / str(self.running.host)
        folder.mkdir(exist_ok=True)
        return folder

    def move(self, seconds: float) -> None:
        self.seconds += seconds
        for bill in BILLS.values():
            bill.state.clock.stop(START.timestamp() + self.seconds)

    def step(self, pick: int) -> None:
        """Let one task go on, whichever is drawn of those that can."""
        ready = [task for task in self.tasks if task.now == "ready"]
        flying = [task for task in self.tasks if task.now == "in flight"]
        waiting = sorted((task for task in self.tasks if task.now == "waiting"), key=lambda task: task.until)
        # Calls take long: others do several things meanwhile.
        can = ready * 4 + [task for task in flying if task.host != self.slow]
        if not ready and waiting and all(waiting[0].until <= task.until for task in flying):
            can += waiting[:1] * 4
        can = can or flying
        if not can:
            return
        task = can[pick % len(can)]
        if task.now == "waiting":
            self.move(max(0.0, task.until - self.seconds))
        task.go()
        if task.now == "done":
            self.tasks.remove(task)
            self.check_end(task)

    def finish(self, seed: int = 0) -> None:
        draw = random.Random(seed)
        for _ in range(20_000):
            if not self.tasks:
                return
            self.step(draw.randrange(60))
        raise AssertionError(f"never ends: {[(task.action, task.now) for task in self.tasks]}")

    def keep(self, task: Task, challenge: Challenge | None) -> None:
        if challenge is not None:
            asked = self.asked[task.connection]
            if challenge.challenge_id not in [known.challenge_id for known, _ in asked]:
                asked.append((challenge, task.bill.state.mfa.challenges[challenge.challenge_id].code))

    def excuse(self, task: Task) -> None:
        """Note that a task may not have kept what BILL has said to it."""
        self.lost.update(task.devices, task.challenges, filter(None, [task.entering]))
        if task.is_refused:
            self.excused[*task.user, task.password] += 1

    def doubt(self, task: Task) -> None:
        """Note that a task may not know, or may not have stored, how its write ended."""
        if task.write is not None:
            task.write.is_doubtful = True

    def correct_password(self, user: str) -> None:
        self.passwords["127.0.0.1", user] = BILLS["127.0.0.1"].state.seed.users[user].password

    def begin_tasks(self, tasks: list[tuple[int, Connection, str]], order: Order) -> None:
        """Begin tasks, given as host, connection and action, and let some of them get somewhere."""
        self.add_tasks([Task(self, *task) for task in tasks], order)

    def add_tasks(self, tasks: list[Task], order: Order) -> None:
        if len(self.tasks) > 4:
            self.finish(order[0])
        self.tasks += tasks
        self.let_run(order)

    def let_run(self, order: Order) -> None:
        draw = random.Random(order[0])
        for _ in range(order[1]):
            self.step(draw.randrange(60))

    # -- what can happen --------------------------------------------------------------------------------------

    @rule(
        tasks=st.lists(st.tuples(hosts, connections, st.sampled_from(ACTIONS)), min_size=1, max_size=5),
        order=orders,
    )
    def tasks_begin(self, tasks: list[tuple[int, Connection, str]], order: Order) -> None:
        self.begin_tasks(tasks, order)

    @rule(
        connection=connections,
        needs_trust=st.sampled_from([False, False, True]),
        fault=st.sampled_from(WRITE_FAULTS),
        tries=st.lists(
            st.tuples(hosts, st.sampled_from(["again", "at once", "killed", "settled"])), min_size=2, max_size=4
        ),
        order=orders,
    )
    def task_writes(
        self, connection: Connection, needs_trust: bool, fault: str, tries: list[tuple[int, str]], order: Order
    ) -> None:
        """A task writes, and is tried again: after its end, or while the process before lives."""
        self.writes.append(Write(len(self.writes), connection, needs_trust))
        self.spoil(self.writes[-1], fault)
        self.try_write(self.writes[-1], tries, order)

    @precondition(lambda self: self.writes)
    @rule(
        number=st.integers(0, 99),
        tries=st.lists(st.tuples(hosts, st.sampled_from(["again", "at once", "settled"])), min_size=1, max_size=2),
        order=orders,
    )
    def task_writes_again(self, number: int, tries: list[tuple[int, str]], order: Order) -> None:
        self.try_write(self.writes[number % len(self.writes)], tries, order)

    def spoil(self, write: Write, fault: str) -> None:
        BILLS[write.connection.host].state.faults.add(FaultOrder(path="*customers", **FAULTS[fault]))

    def try_write(self, write: Write, tries: list[tuple[int, str]], order: Order) -> None:
        for number, (where, how) in enumerate(tries, 1):
            if how in ("again", "settled"):
                self.finish(order[0])
            beside = [task for task in self.tasks if task.write is write]
            if how == "settled":
                self.settle(write)
            elif how == "killed" and self.costs < COSTLY:
                for task in beside:
                    self.kill(task, is_sudden=bool(order[0] % 2))
            elif beside:
                write.is_doubtful = True
            # The next one often comes before this one has got far.
            turns = order[1] if number == len(tries) else order[1] % 20
            self.add_tasks([Task(self, where, write.connection, "write", write)], (order[0], turns))

    def settle(self, write: Write) -> None:
        """Say as a person how a write ended that was told as unknown."""
        note = self.store._texts.get(f"{write.prefix}__open")
        if note and write.is_doubtful:
            seen["settled"] += 1
            settlements = MemoryStore()
            settle(settlements, json.loads(note)["id"], carried_out=bool(write.made))
            self.store._texts |= settlements._texts
            write.is_doubtful = False

    @rule(
        user=st.sampled_from([None, ADMIN, BEN]),
        action=st.sampled_from(["use", "use", "ask"]),
        minutes=st.sampled_from([0, 0, 20]),
        slow=st.sampled_from([None, 0, 1]),
        order=orders,
    )
    def bill_ends_sessions_in_use(
        self, user: str | None, action: str, minutes: int, slow: int | None, order: Order
    ) -> None:
        self.slow = slow
        if minutes:
            self.finish(order[0])
            self.move(60 * minutes)
        for bill in BILLS.values():
            bill.state.sessions.expire(None, None if user is None else bill.state.seed.users[user].id)
        self.begin_tasks([(host, row, action) for host in (0, 1) for row in CONNECTIONS[:4]], order)

    @rule(
        host=hosts,
        connection=connections,
        is_new=st.booleans(),
        codes=st.lists(st.sampled_from(CODES), min_size=1, max_size=3),
        order=orders,
    )
    def person_enters_code(
        self, host: int, connection: Connection, is_new: bool, codes: list[str], order: Order
    ) -> None:
        if is_new:
            self.begin_tasks([(host, connection, "ask"), (1 - host, connection, "ask")], (order[0], 400))
        begun = [code for code in codes if len(self.asked[connection]) > ("older" in code)]
        self.begin_tasks([(number % 2, connection, code) for number, code in enumerate(begun)], order)

    @rule(story=st.sampled_from(STORIES), connection=connections)
    def one_does_something_after_the_other(self, story: tuple[str, ...], connection: Connection) -> None:
        self.finish()
        for number, act in enumerate(story):
            self.move(61)  # BILL sends one text a minute
            name = act.removesuffix(" elsewhere")
            where = connection if act == name else CONNECTIONS[connection is CONNECTIONS[0]]
            if act == "BILL ends sessions":
                BILLS[connection.host].state.sessions.expire(None, None)
            elif name in ACTIONS or len(self.asked[where]) > ("older" in name):
                self.begin_tasks([(number % 2, where, name)], (number, 0))
                self.finish()

    @rule(order=orders)
    def tasks_go_on(self, order: Order) -> None:
        self.let_run(order)

    @rule()
    def tasks_end(self) -> None:
        self.finish()

    @rule(time=st.sampled_from(sorted(PASSED)))
    def time_passes_and_passwords_are_corrected(self, time: str) -> None:
        self.finish()
        self.move(PASSED[time])
        for user in (ADMIN, BEN):
            self.correct_password(user)

    @rule(host=hosts, skew=st.sampled_from([-SKEW, 0, SKEW]))
    def set_clock_of_host(self, host: int, skew: int) -> None:
        self.skews[host] = skew

    @rule()
    def bill_ends_codes(self) -> None:
        for bill in BILLS.values():
            for row in bill.state.mfa.challenges.values():
                row.sent_at -= 400

    @rule(fault=st.sampled_from(sorted(set(FAULTS) - {"refused"})), place=st.sampled_from(PLACES))
    def bill_answers_badly(self, fault: str, place: str) -> None:
        if FAULTS[fault].get("after_effect"):
            if self.costs == COSTLY:
                return
            self.costs += 1
        BILLS["127.0.0.1"].state.faults.add(FaultOrder(path=place, **FAULTS[fault]))

    @precondition(lambda self: self.changes < 2)
    @rule(user=st.sampled_from([ADMIN, BEN]))
    def password_changes_at_bill(self, user: str) -> None:
        self.changes += 1
        BILLS["127.0.0.1"].state.seed.users[user].password = f"{user} has password {self.changes}"

    @rule(user=st.sampled_from([ADMIN, BEN]))
    def password_is_corrected_in_the_connection(self, user: str) -> None:
        self.correct_password(user)

    @rule(user=st.sampled_from([ADMIN, BEN]), order=orders)
    def password_is_mistyped_in_the_connection(self, user: str, order: Order) -> None:
        self.passwords["127.0.0.1", user] = f"{user} has mistyped it"
        self.begin_tasks([(number % 2, row, "use") for number, row in enumerate(CONNECTIONS[:4])], order)

    @precondition(lambda self: self.costs < COSTLY)
    @rule(where=st.sampled_from(["ready", "in flight", "waiting"]), number=st.integers(0, 11), is_sudden=st.booleans())
    def task_is_killed(self, where: str, number: int, is_sudden: bool) -> None:
        self.begin_tasks([(number % 2, CONNECTIONS[number % 4], "use")], (number, 0))
        for pick in range(100):
            if there := [task for task in self.tasks if task.now == where]:
                break
            self.step(pick * number)
        else:
            return
        self.kill(there[number % len(there)], is_sudden=is_sudden)

    def kill(self, task: Task, *, is_sudden: bool) -> None:
        self.costs += 1
        self.excuse(task)
        self.doubt(task)
        task.is_dead, task.is_interrupted = is_sudden, True
        seen[f"killed {task.now}"] += 1

    @precondition(lambda self: self.costs < COSTLY)
    @rule(operations=st.integers(1, 6))
    def store_is_away(self, operations: int) -> None:
        self.costs += 1
        self.outage = operations

    @precondition(lambda self: self.costs < COSTLY)
    @rule()
    def person_clears_the_notes(self) -> None:
        self.finish()
        self.costs += 1
        for key in [key for key in self.store._texts if key.startswith("bill_sign_in")]:
            MemoryStore.delete(self.store, key)
        for password in self.refusals:
            self.excused[password] += 1

    def teardown(self) -> None:
        """See that all is well again once nothing bad happens any more, and a wrong password was corrected."""
        try:
            self.finish()
            self.outage = 0
            self.move(3700)
            for host, bill in BILLS.items():
                bill.state.faults.faults.clear()
                for user in (ADMIN, BEN):
                    self.passwords[host, user] = bill.state.seed.users[user].password
            for connection in CONNECTIONS:
                self.tasks.append(Task(self, 0, connection, "use"))
                task = self.tasks[-1]
                self.finish()
                assert task.error is None, "a good connection does not work again"
            for number, fault in enumerate(WRITE_FAULTS):
                self.writes.append(Write(len(self.writes), CONNECTIONS[number % 4], needs_trust=False))
                self.spoil(self.writes[-1], fault)
                self.try_write(self.writes[-1], [(0, "again"), (1, "again")], (number, 0))
                self.finish()
            for write in self.writes:
                self.settle(write)
                self.tasks.append(Task(self, 0, write.connection, "write", write))
                task = self.tasks[-1]
                self.finish()
                is_asked = write.needs_trust and isinstance(task.error, exceptions.BillMfaRequiredError)
                assert task.error is None or is_asked, "a settled write does not end"
        finally:
            for task in self.tasks:
                task.is_dead = True
                task.go()
            shutil.rmtree(self.folder)

    # -- what must hold ---------------------------------------------------------------------------------------

    def user_id(self, task: Task) -> str:
        return task.bill.state.seed.users[task.connection.user].id

    def check_session(self, task: Task, host: str, token: str) -> None:
        """No call carries a session of another user, organization, environment or kind of sign-in."""
        connection = task.connection
        assert host == connection.host
        if token:
            task.used.add(token)
            wanted = (connection.organization_id, self.user_id(task), connection.kind)
            assert task.bill.given.get(token) == wanted, f"a session of {task.bill.given.get(token)} for {connection}"

    def begin_sign_in(self, task: Task) -> None:
        """Few sign-ins are in flight: one of an organization, one where nobody knows yet whether it can succeed."""
        beside = [other for other in self.signing_in if other.user == task.user]
        assert len(beside) < IN_FLIGHT, "too many sign-ins at once"
        # One with another password, which somebody has just changed in the connection, finds out for itself.
        beside = [other for other in beside if other.password == task.password]
        organizations = [other.connection.organization_id for other in beside]
        assert task.connection.organization_id not in organizations, "two sign-ins to one organization at once"
        good_at = self.proven.get((*task.user, task.password), -1e9)
        is_proven = self.seconds - good_at <= PROVEN_SECONDS + 2 * SKEW + CALL_SECONDS
        assert is_proven or not beside, "two sign-ins, and nobody knows whether they can succeed"
        self.signing_in.append(task)
        stored = self.stored(task)
        if stored is not None and task.session.manager.is_live(stored) and stored.session_token not in task.used:
            lives = task.bill.state.sessions.find(stored.session_token, task.bill.state.clock.now() + 2 * SKEW + 60)
            assert lives is None, "a sign-in, though there is a session"
        seen["sign-ins beside another"] += bool(beside)

    def stored(self, task: Task) -> BillSession | None:
        """Return the session that lies in the store for a task."""
        manager = task.session.manager
        return manager._open(MemoryStore.read(self.store, session_key(manager.identity)))

    def check_turn(self, task: Task) -> None:
        """Nobody waits for a sign-in where another's session already lay when BILL refused the one before."""
        stored = self.stored(task)
        is_spare = stored is not None and stored.session_token == task.spare and task.session.manager.is_live(stored)
        assert not is_spare or task.connection.kind == "v2", "a turn to sign in, though another task has done so"

    def check_trust(self, task: Task, session: BillSession | None) -> None:
        """No session counts as trusted that BILL does not trust."""
        for one in (session, self.stored(task)):
            row = None if one is None else task.bill.state.sessions.by_token.get(one.session_token)
            assert one is None or row is None or row.trusted or not one.trusted, (
                "a session counts as trusted that is not"
            )

    def look(self, task: Task) -> tuple[int, int, set[str]]:
        mfa = task.bill.state.mfa
        failures = task.bill.state.seed.users[task.connection.user].failures
        return failures, len(mfa.outbox), set(mfa.remembered)

    def check_call(
        self, task: Task, path: str, token: str, body: bytes, before: tuple[int, int, set[str]], *, is_heard: bool
    ) -> None:
        """Look at what a call has done at BILL.

        :param is_heard: its answer reaches the task
        """
        failures, texts, remembered = self.look(task)
        mfa = task.bill.state.mfa
        if failures > before[0]:
            self.check_refusal(task)
        if texts > before[1]:
            self.check_text(task, token, str(mfa.outbox[-1]["challenge"]))
        task.devices += sorted(remembered - before[2])
        text = unquote(body.decode())
        for bill in BILLS.values():
            for device in bill.state.mfa.remembered.values():
                is_mine = bill is task.bill and device.user_id == self.user_id(task)
                assert is_mine or device.id not in text, "a device of another user, or of another environment"
        if path in VALIDATES:
            texts_sent = list(self.session_of)
            mine = [id for id in texts_sent if self.session_of[id] == token and id not in self.lost]
            (entered,) = (id for id in texts_sent if id in text)
            is_newest = not mine or texts_sent.index(entered) >= texts_sent.index(mine[-1])
            assert is_newest, "a code of an older text is entered"
            stored = self.stored(task)
            is_trusted = stored is not None and stored.session_token == token and stored.trusted
            is_known = entered in self.entered and entered not in self.lost
            assert not (is_known and is_trusted), "a code is entered again that BILL has taken"
            seen["codes entered"] += 1
            seen["devices given"] += len(remembered - before[2])
        if not is_heard:
            self.excuse(task)
        user = task.bill.state.seed.users[task.connection.user]
        assert not user.locked, "BILL has locked the user"

    def check_write(self, task: Task, writes: int, *, is_heard: bool) -> None:
        """BILL carries a write out once.

        :param is_heard: the task learns how it ended
        """
        assert task.write is not None
        task.write.made += writes
        seen["writes"] += writes
        assert task.write.made < 2, "a write is carried out twice"
        if not is_heard:
            self.doubt(task)

    def check_told(self, write: Write, error: BaseException | None) -> None:
        """A write counts as done if it was, and as unknown only where nobody could know."""
        if error is None:
            assert write.made == 1, "a write is told as done that BILL has not carried out"
        elif isinstance(error, BillOutcomeUnknownError):
            assert write.is_doubtful, "a write is told as unknown, though its answer was heard"
            seen["writes unknown"] += 1
        else:
            assert not write.made or write.is_doubtful, "a write was carried out, and the task tells something else"

    def check_refusal(self, task: Task) -> None:
        """A wrong password is sent once; one that was good until a moment ago as often as sign-ins are in flight."""
        password = (*task.user, task.password)
        self.refusals[password] += 1
        task.is_refused = True
        most = (IN_FLIGHT if password in self.proven else 1) + self.excused[password]
        assert self.refusals[password] <= most, f"BILL has refused {task.password!r} {self.refusals[password]} times"
        seen["refusals"] += 1

    def check_text(self, task: Task, token: str, challenge_id: str) -> None:
        """Nobody gets a text who has one whose code serves, or whose device BILL remembers."""
        mfa, now = task.bill.state.mfa, task.bill.state.clock.now()
        session = task.bill.state.sessions.by_token[token]
        if task.action != "ask anew":
            mine = [id for id, of in self.session_of.items() if of == token and id not in self.lost]
            for row in [mfa.challenges[id] for id in mine]:
                is_open = not row.used and row.wrong < 3 and now - row.sent_at < 300 - 2 * SKEW
                assert not is_open, "a second text, though the first one's code serves"
            for device in mfa.remembered.values():
                serves = device.id not in self.lost and mfa.is_remembered(
                    session.user_id, session.organization_id, device.id, device.device, now + 2 * SKEW
                )
                assert not serves, "a text, though BILL remembers a device"
        self.session_of[challenge_id] = token
        task.challenges.append(challenge_id)
        seen["texts"] += 1

    def check_end(self, task: Task) -> None:
        """Only our documented errors leave, and none tells a secret."""
        error = task.error
        end = "well" if error is None else type(error).__name__
        seen[f"ends: {end}"] += 1
        note(f"{task.action} of {task.connection.conn_id} on host {task.host}: {end} {error or ''}")
        if task.write is not None:
            self.check_told(task.write, error)
        if error is None or isinstance(error, Killed):
            return
        if not isinstance(error, BillError):
            raise error
        assert type(error) is getattr(exceptions, type(error).__name__)
        told = f"{error} {error!r} {vars(error)}"
        state = task.bill.state
        secrets = [task.password, MAIN_KEY, *task.bill.given, *state.mfa.remembered]
        secrets += [text for key, text in self.store._texts.items() if "token_key" in key]
        assert not [secret for secret in secrets if secret in told], "an error tells a secret"


#: What the lives must have met, to be worth something.
MET = (
    *("ends: Killed", "sign-ins beside another", "refusals", "texts"),
    *("writes", "writes unknown", "settled"),
    *("codes entered", "devices given", "ends: well", "ends: BillSignInRefusedError", "ends: BillRateLimitError"),
    *("ends: BillUnavailableError", "ends: BillStoreError", "ends: BillMfaRequiredError", "ends: BillMfaError"),
)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lives", [12, pytest.param(100, marks=pytest.mark.generated)])
def test_whatever_happens_to_the_tasks_bill_sees_no_wrong_session_no_storm_and_no_needless_text(
    lives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "own_folder", lambda: World.current.folder_of_host())
    seen.clear()
    run_state_machine_as_test(
        World,
        settings=settings(
            max_examples=lives,
            stateful_step_count=30,
            derandomize=True,
            database=None,
            deadline=None,
            phases=(Phase.generate,),  # shrinking takes many minutes, and the notes tell what happened
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert lives < 100 or not [name for name in MET if not seen[name]], sorted(seen.items())
