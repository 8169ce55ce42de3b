"""Things go wrong while payments and reads run on two hosts: nothing is paid twice, and nobody is left untold.

The ledger of the local BILL is the judge. `CLUSTER_WORK` says how much runs for each fault: so many payments by the
operator, half as many by tasks with the hook, as many reads.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

import pytest

from dev.cluster import Cluster
from dev.gate import DRIP, OPEN, TRUNCATE, Gate, Way
from dev.local_bill import LocalBill
from dev.processes import wait_until
from dev.proof import write_table

WORK = int(os.environ.get("CLUSTER_WORK", "8"))
COUNT = {"operator": WORK, "task": WORK // 2, "read": WORK}
FIRST = {"operator": 1_000, "task": 5_000}
PAYMENTS = "/connect/v3/payments"
UNKNOWN = "its outcome is unknown"

Fault = Callable[[Cluster, LocalBill, Gate], None]


@dataclass
class Verdict:
    """What a run of work came to, as the local BILL and the tasks tell it."""

    fault: str
    #: The last error of each task that failed for another reason than an unknown outcome.
    failures: list[str] = field(default_factory=list, repr=False)
    sign_ins: int = 0
    paid: int = 0
    twice: int = 0
    not_told: int = 0
    wrongly_told: int = 0
    failed: int = 0
    unknown: int = 0
    seconds: int = 0
    started_again: str = ""


COLUMNS = (
    "fault", "sign-ins", "payments", "paid twice", "paid but not told", "told paid but not paid",
    "failed for another reason", "unknown, and told so", "s until the run had ended", "started again by themselves",
)  # fmt: skip
VERDICTS: list[Verdict] = []


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """Write what was found."""
    yield
    rows = [(name, *counts) for name, _, *counts in map(astuple, VERDICTS)]
    write_table("faults", COLUMNS, rows)


def nothing(cluster: Cluster, bill: LocalBill, gate: Gate) -> None:
    """Let all go well."""


def session_ended(cluster: Cluster, bill: LocalBill, gate: Gate) -> None:
    bill.expire_sessions()


def leases(cluster: Cluster) -> list[str]:
    """Return what tasks that sign in have noted."""
    return [value for key, value in cluster.variables().items() if key.startswith("bill_sign_in_lease")]


def holder(cluster: Cluster) -> int:
    """Return the process of the one task that signs in."""
    (lease,) = leases(cluster)
    return int(json.loads(lease)["owner"].split()[-1])


def holder_killed(after_effect: bool) -> Fault:
    """Kill the task that signs in, before or after BILL has made its session."""

    def fault(cluster: Cluster, bill: LocalBill, gate: Gate) -> None:
        bill.fault("/connect/v3/login", kind="stall", after_effect=after_effect)
        bill.expire_sessions()
        wait_until(bill.held_answers, 90, "a task to sign in")
        os.kill(holder(cluster), signal.SIGKILL)
        bill.release_answers()

    return fault


def holder_killed_afterwards(cluster: Cluster, bill: LocalBill, gate: Gate) -> None:
    """Kill the task that has signed in, once its session is there for all."""
    before = bill.stats()["sign_ins"]
    bill.fault("/connect/v3/login", kind="stall", after_effect=True)
    bill.expire_sessions()
    wait_until(bill.held_answers, 90, "a task to sign in")
    pid = holder(cluster)
    bill.fault(PAYMENTS, method="POST", kind="stall", times=6, seconds=3)
    bill.release_answers()
    wait_until(lambda: not leases(cluster), 30, "its end")
    with contextlib.suppress(ProcessLookupError):  # unless it was quick
        os.kill(pid, signal.SIGKILL)
    assert bill.stats()["sign_ins"] == before + 1


def ended(name: str, how: signal.Signals = signal.SIGKILL) -> Fault:
    """End a component and start it again."""

    def fault(cluster: Cluster, bill: LocalBill, gate: Gate) -> None:
        with cluster.without(name, how):
            pass

    return fault


def bill_down(cluster: Cluster, bill: LocalBill, gate: Gate) -> None:
    """Be down for two minutes and until a task has given up for now, which is after all tries of the hook's own."""
    end = time.monotonic() + 120
    gate.shut()
    states = ("up_for_retry", "failed")
    tasks = "SELECT state FROM task_instance WHERE dag_id = 'work'"
    given_up = sum(state in states for (state,) in cluster.query(tasks))
    wait_until(lambda: sum(s in states for (s,) in cluster.query(tasks)) > given_up, 300, "a task to give up for now")
    wait_until(lambda: time.monotonic() > end, 130, "two minutes")
    gate.open()


def answers(kind: str, **more: object) -> Fault:
    """Have some of BILL's answers go wrong, on any path."""

    def fault(cluster: Cluster, bill: LocalBill, gate: Gate) -> None:
        bill.fault("/connect/v3/*", kind=kind, **{"times": 4, **more})

    return fault


def passing(way: Way, pieces: int) -> Fault:
    """Have answers pass the gate so until some pieces of them were spoilt."""

    def fault(cluster: Cluster, bill: LocalBill, gate: Gate) -> None:
        before, gate.way = gate.spoilt, way
        wait_until(lambda: gate.spoilt >= before + pieces, 180, "answers to be spoilt")
        gate.way = OPEN

    return fault


#: With the sign-ins that each makes necessary: one for the run, one for each session that BILL ended, one for each
#: whose answer nobody heard.
FAULTS: dict[str, tuple[Fault, int]] = {
    "none": (nothing, 1),
    "session ended at BILL": (session_ended, 2),
    "holder of the lease killed before BILL signs in": (holder_killed(after_effect=False), 3),
    "holder of the lease killed after BILL has signed in": (holder_killed(after_effect=True), 3),
    "holder of the lease killed once the session is stored": (holder_killed_afterwards, 2),
    "a worker killed with all of its tasks": (ended("worker-1"), 1),
    "PostgreSQL restarted": (ended("postgres", signal.SIGINT), 1),
    "PostgreSQL crashed": (ended("postgres", signal.SIGQUIT), 1),
    "API server killed": (ended("server"), 1),
    "Redis restarted": (ended("redis", signal.SIGTERM), 1),
    "scheduler killed": (ended("scheduler"), 1),
    "BILL down": (bill_down, 1),
    "BILL answers 502 in HTML": (answers("html", status=502), 1),
    "BILL's connections are reset": (answers("reset"), 1),
    "BILL's connections are reset after it has worked": (answers("reset", after_effect=True), 1),
    "BILL's answers come late": (answers("stall", seconds=20), 1),
    "BILL's answers drip": (passing(DRIP, pieces=100), 1),
    "BILL's answers are cut short": (passing(TRUNCATE, pieces=8), 1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_paid_twice_and_nobody_is_left_untold(
    name: str, cluster: Cluster, sandbox: LocalBill, gate: Gate
) -> None:
    sandbox.settings(mfa_mode="off")
    restarted = len(cluster.restarted)
    run_id = cluster.trigger("work", {"first": FIRST, "count": COUNT})
    wait_until(lambda: len(sandbox.payments()) >= 2, 180, "the first payments")
    began = time.monotonic()
    fault, sign_ins = FAULTS[name]
    fault(cluster, sandbox, gate)
    wait_until(cluster.is_well, 180, "the cluster to be well again", 1)
    cluster.wait("work", run_id, timeout=600)
    verdict = judge(name, cluster, sandbox, run_id)
    verdict.seconds = round(time.monotonic() - began)
    verdict.started_again = ", ".join(sorted(set(cluster.restarted[restarted:]))) or "none"
    VERDICTS.append(verdict)
    assert verdict.failures == []
    assert (verdict.twice, verdict.not_told, verdict.wrongly_told, verdict.failed) == (0, 0, 0, 0)
    assert verdict.sign_ins == sign_ins


def judge(name: str, cluster: Cluster, bill: LocalBill, run_id: str) -> Verdict:
    """Compare what the tasks say with BILL's ledger."""
    ledger = Counter(round(float(payment["amount"])) for payment in bill.payments())
    verdict = Verdict(name, sign_ins=bill.stats()["sign_ins"], paid=ledger.total())
    verdict.twice = sum(times - 1 for times in ledger.values())
    files = cluster.task_log_files("work", run_id)
    for task in cluster.task_instances("work", run_id):
        kind, number = task["task_id"], task["map_index"]
        log = last_log(files, kind, number, task["try_number"])
        told_unknown = UNKNOWN in log
        succeeded = task["state"] == "success"
        if not succeeded and not (kind in FIRST and told_unknown):
            verdict.failed += 1
            last = [line[:400] for line in log.splitlines() if '"level":"error"' in line][-1:]
            verdict.failures.append(f"{kind} {number}: {task['state']}, try {task['try_number']}: {last}")
        if kind in FIRST:
            paid = ledger.pop(FIRST[kind] + number, 0)
            verdict.unknown += not succeeded and told_unknown
            verdict.not_told += bool(paid) and not succeeded and not told_unknown
            verdict.wrongly_told += succeeded and not paid
    assert not ledger, "BILL has payments that nobody asked for"
    return verdict


def last_log(files: Sequence[Path], task_id: str, map_index: int, try_number: int) -> str:
    """Return what the last try of a task wrote, on whichever host it ran."""
    wanted = re.compile(rf"/task_id={task_id}/(map_index={map_index}/)?attempt={try_number}\.log$")
    return "\n".join(file.read_text(errors="replace") for file in files if wanted.search(str(file)))
