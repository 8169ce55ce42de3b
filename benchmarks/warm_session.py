"""4. A warm session found: time over the floor, in real tasks of a supervised Airflow."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import COLOURS, Result, Target, plot
from dev.airflow_harness import AirflowHarness
from dev.paths import ROOT
from dev.sandbox_process import SandboxProcess

TASKS, ROUNDS = 6, 30
OWN_MS = 3.0
FIRST_USE_MS = 30.0
GUESSES_PER_SECOND = 20.0
DAG_FILE = f"""
import sys

from airflow.sdk import DAG, task

sys.path.insert(0, {str(ROOT)!r})

with DAG("warm_session", schedule=None):

    @task
    def sign_in():
        from airflow_provider_bill.hooks.bill import BillHook

        BillHook().session()

    @task
    def measure(number):
        from benchmarks.warm_session import measure_in_task

        return measure_in_task()

    sign_in() >> measure.expand(number=list(range({TASKS})))
"""


def run() -> Result:
    """Run the tasks one after the other and gather what they measured."""
    with tempfile.TemporaryDirectory(prefix="bill-warm-") as folder, SandboxProcess() as bill:
        Path(folder, "warm_session.py").write_text(DAG_FILE)
        with AirflowHarness(Path(folder), parallelism=1) as airflow:
            # In the database, as most are; one in the environment would be read for nothing.
            airflow.add_connection("bill_default", bill.connections["v3"])
            run_id, state = airflow.run("warm_session")
            if state != "success":
                raise RuntimeError(f"the DAG run ended as {state}:\n{airflow.task_logs_text()[-4000:]}")
            values = airflow.xcoms("warm_session", run_id)
        sign_ins = bill.stats()["sign_ins"]
    return _result([row["value"] for row in values if row["task_id"] == "measure"], sign_ins)


def _result(tasks: list[dict[str, Any]], sign_ins: int) -> Result:
    def median(name: str) -> float:
        return float(statistics.median(value for task in tasks for value in task[name]))

    floor, total, own = median("floor"), median("total"), median("own")
    requests_ms = statistics.median(task["requests"] for task in tasks)
    first_use = statistics.median(task["first_use"] for task in tasks)
    guess = _guess_ms()
    with plot("4_warm_session", "Finding a warm session in a task", panels=2) as (bars, spread):
        bars.bar_label(
            bars.bar(
                ["floor", "session found", "of it ours"],
                [floor, total, own],
                color=[COLOURS[2], COLOURS[0], COLOURS[1]],
            ),
            fmt="%.1f",
        )
        bars.set_ylabel("milliseconds, median")
        spread.hist([value for task in tasks for value in task["own"]], bins=40, color=COLOURS[1])
        spread.axvline(OWN_MS, color="grey", linestyle=":", label="target")
        spread.set(xlabel="milliseconds of ours", ylabel="times")
        spread.legend(fontsize=8)
    return Result(
        name="4_warm_session",
        title="A warm session found",
        columns=("what", "median, ms"),
        rows=[
            ("floor: one connection read and one Variable read", round(floor, 2)),
            ("a new `BillHook` finds the session", round(total, 2)),
            ("of it ours: all but those two reads", round(own, 2)),
            ("once in a task: importing `requests`", round(requests_ms, 1)),
            ("once in a task: the first use over that, all other imports included", round(first_use, 1)),
            ("one guess at a password, with a record in XCom or a note of the guard", round(guess, 1)),
        ],
        targets=[
            Target(f"at most {OWN_MS:g} ms of own time over the floor", f"{own:.2f} ms", own <= OWN_MS),
            Target(
                f"at most {FIRST_USE_MS:g} ms over `requests` for the first use in a task",
                f"{first_use:.1f} ms",
                first_use <= FIRST_USE_MS,
            ),
            Target(
                f"at most {GUESSES_PER_SECOND:g} guesses at a password a second on one core",
                f"{1000 / guess:.1f}",
                1000 / guess <= GUESSES_PER_SECOND,
            ),
            Target("1 sign-in", str(sign_ins), sign_ins == 1),
        ],
        method=f"{TASKS} tasks of a supervised Airflow, one after the other; in each, {ROUNDS} times in turn: the "
        "floor, and a new `BillHook` that finds the shared session. Ours is the time of the latter without its two "
        "reads, which are timed where they happen. The first use is that of a task process that has loaded Airflow and "
        "nothing of this provider.",
    )


def _guess_ms() -> float:
    """Measure one guess at a password, in milliseconds."""
    from airflow_provider_bill.sessions.derivation import costly_key

    times = []
    for number in range(10):
        start = time.perf_counter()
        costly_key(b"a guess", str(number).encode())
        times.append(_since(start))
    return statistics.median(times)


def measure_in_task() -> dict[str, Any]:
    """Measure in this task; all times in milliseconds."""
    start = time.perf_counter()
    import requests  # noqa: F401

    requests_ms = _since(start)
    start = time.perf_counter()
    from airflow_provider_bill.hooks.bill import BillHook
    from airflow_provider_bill.sessions import stores

    waited = [0.0]
    read_variable = stores._variable

    def timed_variable(key: str) -> str | None:
        begin = time.perf_counter()
        try:
            return read_variable(key)
        finally:
            waited[0] += _since(begin)

    class TimedHook(BillHook):
        @classmethod
        def get_connection(cls, conn_id: str) -> Any:
            begin = time.perf_counter()
            try:
                return BillHook.get_connection(conn_id)
            finally:
                waited[0] += _since(begin)

    stores._variable = timed_variable

    def find() -> tuple[float, float]:
        waited[0] = 0.0
        begin = time.perf_counter()
        TimedHook().session()
        total = _since(begin)
        return total, total - waited[0]

    find()
    first_use = _since(start) - waited[0]
    key = TimedHook().sign_in()["key"]
    found: dict[str, Any] = {"requests": requests_ms, "first_use": first_use, "floor": [], "total": [], "own": []}
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        BillHook.get_connection("bill_default")
        read_variable(key)
        found["floor"].append(_since(begin))
        total, own = find()
        found["total"].append(total)
        found["own"].append(own)
    return found


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
