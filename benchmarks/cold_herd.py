"""2. A cold herd: 200 tasks at once on two hosts, and no session."""

from __future__ import annotations

import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.report import COLOURS, Result, Target, plot
from dev.local_bill import LocalBill
from dev.sandbox_process import SandboxProcess
from dev.worker import Job
from dev.worker_process import WorkerProcess

TRIALS, PROCESSES, HOSTS, TASKS = 20, 8, 2, 200
#: Milliseconds of a Variable's read or write, as measured in tasks of a supervised Airflow.
LATENCY = (10.0, 35.0)


def run() -> Result:
    """Run all trials with the same worker processes."""
    with SandboxProcess() as bill, tempfile.TemporaryDirectory(prefix="bill-herd-") as folder, ExitStack() as stack:
        connection = bill.connections["v3"]
        workers: list[WorkerProcess] = []
        trials = []
        for trial in range(TRIALS):
            bill.reset()
            # A sign-in takes its time, so that tasks do run into one another.
            bill.settings(latency_seconds=0.3)
            store = Path(folder) / f"store-{trial}"
            store.mkdir()
            job = Job(
                url=bill.url,
                connection=connection,
                folder=str(store),
                organizations=[""] * (TASKS // PROCESSES),
                latency=LATENCY,
            )
            if workers:
                for worker in workers:
                    worker.assign(job)
            else:
                hosts = [Path(folder) / f"host-{number % HOSTS}" for number in range(PROCESSES)]
                workers = [stack.enter_context(WorkerProcess(job, host)) for host in hosts]
            trials.append(_trial(workers, bill))
    return _result(trials)


def _trial(workers: list[WorkerProcess], bill: LocalBill) -> dict[str, Any]:
    for worker in workers:
        worker.await_ready()
    for worker in workers:
        worker.begin()
    outcomes = [outcome for worker in workers for outcome in worker.outcomes()]
    seconds = [outcome.seconds for outcome in outcomes]
    return {
        "sign_ins": bill.stats()["sign_ins"],
        "sessions": len({outcome.session for outcome in outcomes}),
        "failed": sum(1 for outcome in outcomes if not outcome.session),
        "first": min(seconds),
        "median": statistics.median(seconds),
        "last": max(seconds),
    }


def _result(trials: list[dict[str, Any]]) -> Result:
    last = [trial["last"] for trial in trials]
    once = sum(trial["sign_ins"] == 1 for trial in trials)
    failed = sum(trial["failed"] for trial in trials)
    with plot("2_cold_herd", f"{TASKS} cold tasks at once, {TRIALS} trials", panels=2) as (counts, times):
        numbers = range(1, len(trials) + 1)
        counts.bar(numbers, [trial["sign_ins"] for trial in trials], color=COLOURS[0])
        counts.set(xlabel="trial", ylabel="sign-ins", ylim=(0, 2), yticks=(0, 1, 2), xticks=range(0, TRIALS + 1, 5))
        for colour, name in zip(COLOURS[2:], ("first", "median", "last"), strict=False):
            times.plot(numbers, [trial[name] for trial in trials], marker=".", color=colour, label=f"{name} task")
        times.set(
            xlabel="trial", ylabel="seconds until it has the session", ylim=(0, None), xticks=range(0, TRIALS + 1, 5)
        )
        times.legend(fontsize=8, loc="center right")
    return Result(
        name="2_cold_herd",
        title="A cold herd",
        columns=("trial", "sign-ins", "sessions", "tasks without one", "first task, s", "median, s", "last task, s"),
        rows=[
            (
                number,
                trial["sign_ins"],
                trial["sessions"],
                trial["failed"],
                *(round(trial[name], 2) for name in ("first", "median", "last")),
            )
            for number, trial in enumerate(trials, 1)
        ],
        targets=[
            Target(
                f"1 sign-in in {TRIALS} of {TRIALS} trials", f"{once} of {len(trials)}", once == TRIALS == len(trials)
            ),
            Target("no task without a session", str(failed), failed == 0),
        ],
        method=f"{TASKS} tasks begin at the same moment in {PROCESSES} processes that pretend to be {HOSTS} hosts (no "
        f"file lock in common). The shared store behaves as Airflow's Variables do: no compare-and-set, "
        f"{LATENCY[0]:g} to {LATENCY[1]:g} ms for each operation. A call of BILL takes 0.3 s.",
        remarks=[
            f"Time until the last task has its session: median {statistics.median(last):.1f} s, worst "
            f"{max(last):.1f} s. On each host tasks look at the store one after the other, which keeps a herd off "
            "Airflow's API server."
        ],
    )
