"""What a metrics server hears of BILL's sessions through Airflow's own metrics; `docs/metrics.md` lists the names."""

from __future__ import annotations

import json
import os
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_bill.exceptions import BillError
from airflow_provider_bill.hooks import wiring
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.hooks.metrics import PREFIX
from airflow_provider_bill.operators.bill import BillApiOperator, BillLoginOperator, BillLogoutOperator
from airflow_provider_bill.sessions.events import EVENTS
from airflow_provider_bill.sessions.locks import LeaseLock
from dev.clock import ManualClock
from dev.dag_runner import DagResult, forget_variables
from dev.local_bill import LocalBill
from dev.paths import ROOT
from dev.task_instance import Time

Connect = Callable[..., list[str]]
Heard = Callable[[], Counter[str]]
PAYMENT = {"vendorId": "00901SBX000100000001", "amount": 1.5, "processDate": "2099-01-01"}


class _Sender:
    """What Airflow's StatsD logger needs of a client: it sends one counter as a datagram."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def incr(self, stat: str, count: int = 1, rate: float = 1) -> None:
        self._socket.sendto(f"airflow.{stat}:{count}|c".encode(), self._address)

    def timer(self, *arguments: Any) -> None:
        """Measure nothing: Airflow 2's own."""

    def timing(self, stat: str, delta: Any) -> None:
        """Send nothing: Airflow's own, of how long a task has taken."""


def use(sender: _Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Airflow's metrics of this process go to a StatsD server, with tags in InfluxDB's way."""
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "True")  # what 2.11 and 3.1 go by
    tags = {"influxdb_tags_enabled": True, "statsd_influxdb_enabled": True}
    try:
        logger: Any = import_module("airflow.sdk._shared.observability.metrics.statsd_logger")
        stats: Any = import_module("airflow.sdk._shared.observability.metrics.stats")
    except ImportError:  # Airflow before 3.2
        logger, stats = import_module("airflow.metrics.statsd_logger"), import_module("airflow.stats")
        del tags["statsd_influxdb_enabled"]
    backend = logger.SafeStatsdLogger(sender, **tags)
    if hasattr(stats, "_backend"):
        monkeypatch.setattr(stats, "_backend", backend)
    else:  # Airflow before 3.3
        # Each task sets it up anew, from settings that name a server of its own.
        monkeypatch.setattr(type(stats.Stats), "initialize", lambda cls, **options: None, raising=False)
        monkeypatch.setattr(stats.Stats, "instance", backend, raising=False)
        monkeypatch.setattr(stats.Stats, "_instance_pid", os.getpid(), raising=False)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """Return what a StatsD server has heard of ours since the last look."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        use(_Sender(server.getsockname()[1]), monkeypatch)

        def look() -> Counter[str]:
            found: Counter[str] = Counter()
            while True:
                try:
                    text = server.recv(65536).decode()
                except BlockingIOError:
                    return found
                if text.startswith("airflow.bill."):
                    found[text.removeprefix("airflow.").removesuffix(":1|c")] += 1

        yield look


def tagged(**counts: int) -> Counter[str]:
    """Return what is heard of these metrics, whose dots are written as double underscores."""
    return Counter({f"bill.{name.replace('__', '.')},connection=bill_default": n for name, n in counts.items()})


def test_the_tasks_of_a_dag_count_what_they_find_make_and_end(
    connect: Connect, run_dag: Callable[..., DagResult], heard: Heard
) -> None:
    connect("v3")
    with DAG("metrics", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
        login = BillLoginOperator(task_id="login")
        read = BillApiOperator(task_id="read", endpoint="/v3/vendors", query={"max": 1})

        @task
        def read_twice() -> None:
            BillHook().session()
            BillHook().session()

        login >> read >> read_twice() >> BillLogoutOperator(task_id="logout")
    result = run_dag(dag)
    assert result.state == "success", result.tasks
    assert heard() == tagged(session__signed_in=1, session__found=2, session__signed_out=1)


def test_a_renewed_session_counts_as_a_sign_in_too(connect: Connect, bill: LocalBill, heard: Heard) -> None:
    connect("v3")
    hook = BillHook()
    hook.session()
    heard()
    bill.expire_sessions()
    hook.request("GET", "/v3/vendors", params={"max": 1})
    assert heard() == tagged(session__signed_in=1, session__renewed=1)


def test_a_refused_password_counts_once_and_then_as_withheld(connect: Connect, bill: LocalBill, heard: Heard) -> None:
    secrets = connect("v3", password="wrong password")
    for _ in range(3):
        with pytest.raises(BillError):
            BillHook().session()
    found = heard()
    assert found == tagged(sign_in__refused=1, sign_in__withheld=2)
    assert bill.stats()["refused_sign_ins"] == 1
    assert not [secret for secret in secrets if secret in str(found)]


def test_a_text_with_a_code_counts_as_a_person_who_is_asked(connect: Connect, bill: LocalBill, heard: Heard) -> None:
    connect("v3")
    hook = BillHook()
    hook.mfa.challenge()
    assert heard() == tagged(session__signed_in=1, mfa__asked=len(bill.codes()))


def test_a_session_that_the_remembered_device_makes_trusted_again_counts(
    connect: Connect, bill: LocalBill, heard: Heard
) -> None:
    connect("v3")
    hook = BillHook()
    hook.mfa.validate(hook.mfa.challenge(), bill.codes()[-1])
    bill.fault("/connect/v3/payments", method="POST", code="BDC_1361")
    heard()
    hook.request("POST", "/v3/payments", json=PAYMENT)
    assert heard() == tagged(session__trusted=1, write__carried_out=1)


@pytest.mark.parametrize(
    ("metric", "ask", "says"),
    [
        ("sign_in.waited", lambda hook: hook.session(), "Waiting for the sign-in to BILL of task t of DAG d (run r)"),
        ("mfa.waited", lambda hook: hook.mfa.challenge(), "Waiting for task t of DAG d (run r), busy with the same"),
    ],
)
def test_a_task_that_waits_for_another_one_counts_and_says_for_whom(
    metric: str,
    ask: Callable[[BillHook], object],
    says: str,
    connect: Connect,
    run_dag: Callable[..., DagResult],
    heard: Heard,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from airflow.models.variable import Variable

    pretended, turns = Time(), []

    class WatchedLock(LeaseLock):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            # Strides of some seconds: Airflow 3.1 takes 0.2 s for each look at a Variable.
            def stride(seconds: float) -> None:
                pretended.sleep(10 * seconds)

            super().__init__(*arguments, **options, sleep=stride, monotonic=pretended)

        def acquire(self, key: str, peek: Callable[[], Any]) -> Any:
            turns.append(key)
            return super().acquire(key, peek)

    monkeypatch.setattr(wiring, "LeaseLock", WatchedLock)
    connect("v3")
    caplog.set_level("INFO", "airflow_provider_bill")
    with DAG("metrics_waited", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
        task(task_id="ask")(lambda: ask(BillHook()) and None)()
    assert run_dag(dag).state == "success"
    assert (heard()[f"bill.{metric},connection=bill_default"], says in caplog.text) == (0, False)
    forget_variables()
    place = {"dag_id": "d", "run_id": "r", "task_id": "t"}
    lease = {"v": 1, "owner": "another host", "nonce": "theirs", "task": place, "at": "2026-11-21 12:34:56 UTC"}
    Variable.set(turns[-1], json.dumps(lease))
    assert run_dag(dag).state == "success"
    assert (heard()[f"bill.{metric},connection=bill_default"], says in caplog.text) == (1, True)


@pytest.mark.parametrize("code", ["BDC_1322", "BDC_1144"])
def test_each_refusal_for_a_limit_counts(
    code: str, connect: Connect, bill: LocalBill, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_bill.client.retries.random.uniform", lambda low, high: 0)
    connect("v3")
    hook = BillHook()
    hook.session()
    bill.fault("/connect/v3/vendors", code=code, times=6)
    heard()
    with pytest.raises(BillError):
        hook.request("GET", "/v3/vendors", params={"max": 1})
    assert heard() == tagged(limit__met=6 if code == "BDC_1322" else 1)


def test_a_write_whose_outcome_is_unknown_counts_and_shows_no_amount(
    connect: Connect, bill: LocalBill, run_dag: Callable[..., DagResult], heard: Heard
) -> None:
    connect("v3")
    with DAG("metrics_unknown", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
        bill.fault("/connect/v3/vendors", kind="reset", times=1)
        BillApiOperator(task_id="write", endpoint="/v3/vendors", method="POST", data={"name": "1234.5"})
    assert run_dag(dag).tasks == {"write": "failed"}
    found = heard()
    assert found == tagged(session__signed_in=1, write__unknown=1)
    assert "1234" not in str(found)


def test_a_write_that_is_carried_out_counts(connect: Connect, clock: ManualClock, heard: Heard) -> None:
    connect("v2")
    hook = BillHook(clock=clock)
    hook.session()
    heard()
    hook.call("Crud/Create/Vendor.json", {"obj": {"entity": "Vendor", "name": "New"}})
    assert heard() == tagged(write__carried_out=1)


def test_a_metrics_server_that_fails_is_no_failure_of_the_task(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(_Sender):
        def incr(self, stat: str, count: int = 1, rate: float = 1) -> None:
            raise OSError("no metrics server")

    use(Broken(9), monkeypatch)
    connect("v3")
    assert BillHook().session().session_token


def test_every_metric_is_documented_and_no_other() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    documented = re.findall(r"^\| `(bill\.[a-z_.]+)` \|", text, re.MULTILINE)
    counted = {f"{PREFIX}{metric}" for event in EVENTS.values() for metric in event.metrics}
    assert len(documented) == len(set(documented))
    assert set(documented) == counted
