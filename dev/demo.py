"""`make demo`: a real, supervised Airflow runs the sharing example against the local BILL.

The last line printed is one JSON object, read from BILL's own statistics and from Airflow.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from dev.airflow_harness import AirflowHarness, OnChange
from dev.local_bill import LocalBill
from dev.paths import EXAMPLES
from dev.processes import interrupt_on_sigterm
from dev.sandbox_process import SandboxProcess

DAG_ID = "bill_share_session"


def progress_since(start: float) -> OnChange:
    """Return a callback that prints one line for each new state of a task."""

    def show(task_id: str, map_index: int, state: str, try_number: int) -> None:
        name = task_id if map_index < 0 else f"{task_id}[{map_index}]"
        again = f" (try {try_number})" if try_number > 1 else ""
        if state not in ("none", "scheduled", "queued"):
            say(start, f"{name:<12} {state}{again}")

    return show


def say(start: float, text: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"{time.monotonic() - start:6.1f} s  {text}", flush=True)


def run_example(airflow: AirflowHarness, bill: LocalBill, start: float) -> tuple[dict[str, Any], int]:
    """Run the example; return its outcome, and how often a secret stands in the task logs."""
    run_id, state = airflow.run(DAG_ID, on_change=progress_since(start))
    tasks = airflow.task_instances(DAG_ID, run_id)
    stats = bill.stats()
    log = airflow.task_logs_text()
    found = sum(log.count(secret) for secret in bill.secrets())
    if state != "success":
        show_failures(airflow, run_id, tasks)
    show_summary(tasks, stats, log, found)
    outcome = {
        "dag": DAG_ID,
        "state": state,
        "tasks": len(tasks),
        "sign_ins": stats["sign_ins"],
        "bill_calls": stats["requests"],
        "signed_out": stats["sign_outs"] > 0 and stats["open_sessions"] == 0,
        "seconds": round(time.monotonic() - start, 1),
    }
    return outcome, found


def show_failures(airflow: AirflowHarness, run_id: str, tasks: list[dict[str, Any]]) -> None:
    """Print the end of the log of every failed task."""
    for task in tasks:
        if task["state"] == "failed":
            log = airflow.task_log(DAG_ID, run_id, task["task_id"], task["try_number"], task["map_index"])
            print(f"--- log of {task['task_id']}\n{log[-4000:]}")


def show_summary(tasks: list[dict[str, Any]], stats: dict[str, Any], log: str, found: int) -> None:
    """Print what happened, for a person."""
    succeeded = sum(task["state"] == "success" for task in tasks)
    print(
        f"\n{succeeded} of {len(tasks)} tasks succeeded."
        f"\nBILL counted: sign-ins {stats['sign_ins']}, calls in all {stats['requests']},"
        f" at most {stats['peak_concurrency']} at once,"
        f" sign-outs {stats['sign_outs']}, sessions still open {stats['open_sessions']}."
        f"\nBILL's passwords, keys and tokens in the {len(log.splitlines())} lines of task logs: {found} found.\n"
    )


def main() -> int:
    """Run the demo; return 0 only if the DAG run succeeded and nothing secret stands in the task logs."""
    interrupt_on_sigterm()
    start = time.monotonic()
    say(start, "starting the local BILL and a supervised Airflow")
    try:
        with (
            SandboxProcess() as bill,
            AirflowHarness(EXAMPLES, env=bill.connection_env()) as airflow,
        ):
            say(start, f"BILL at {bill.url}, Airflow at {airflow.url}; running {DAG_ID}")
            outcome, leaks = run_example(airflow, bill, start)
            say(start, "stopping both")
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(json.dumps(outcome), flush=True)
    return 0 if outcome["state"] == "success" and not leaks else 1


if __name__ == "__main__":
    sys.exit(main())
