"""3. A day of virtual time, with and without warm-up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from benchmarks.report import COLOURS, Result, Target, plot
from dev.airflow_child import in_airflow
from dev.clock import START, ManualClock
from dev.local_bill import LocalBill
from dev.sandbox_process import SandboxProcess

MINUTES = 24 * 60
WARM_UP = 20


@dataclass(frozen=True)
class Plan:
    """When tasks run.

    :param name: in words
    :param every: minutes between two tasks
    :param hours: of the day in which tasks run; the day of the benchmark begins at noon
    """

    name: str
    every: int
    hours: tuple[int, int] = (0, 24)

    def runs_at(self, minute: int) -> bool:
        """Tell whether a task runs so many minutes after noon."""
        return minute % self.every == 0 and self.hours[0] <= (12 + minute // 60) % 24 < self.hours[1]


PLANS = (
    Plan("every 5 minutes", 5),
    Plan("every 5 minutes, 8 to 20 h", 5, (8, 20)),
    Plan("every hour", 60),
)


def run() -> Result:
    """Run a day of each plan, with and without warm-up."""
    with SandboxProcess() as bill:
        env = {"AIRFLOW_CONN_BILL_DEFAULT": json.dumps(bill.connections["v3"])}
        days = in_airflow("benchmarks.virtual_day:run_days", env=env, url=bill.url)
    rows = [
        (
            day["plan"],
            "every 20 minutes" if day["warm_up"] else "none",
            day["tasks"],
            day["sign_ins"],
            day["requests"],
            day["writes"],
        )
        for day in days
    ]
    names = [plan.name for plan in PLANS]
    with plot("3_virtual_day", "24 hours, from noon to noon", panels=2) as (sign_ins, writes):
        for panel, key, label in ((sign_ins, "sign_ins", "sign-ins"), (writes, "writes", "writes of the record")):
            for offset, warm, colour in ((-0.2, False, COLOURS[2]), (0.2, True, COLOURS[0])):
                values = [day[key] for day in days if day["warm_up"] is warm]
                places = [place + offset for place in range(len(names))]
                text = "with warm-up" if warm else "without"
                panel.bar_label(panel.bar(places, values, 0.38, color=colour, label=text), fontsize=8)
            panel.set_xticks(range(len(names)), [name.replace(", ", ",\n") for name in names], fontsize=8)
            panel.set_ylabel(label)
        sign_ins.legend(fontsize=8)
    busy = [day["sign_ins"] for day in days if day["plan"] == PLANS[0].name]
    warmed = [day["sign_ins"] for day in days if day["warm_up"]]
    return Result(
        name="3_virtual_day",
        title="A day of virtual time",
        columns=("tasks run", "warm-up", "tasks", "sign-ins", "BILL calls", "store writes"),
        rows=rows,
        targets=[
            Target("1 sign-in in a day of a task every 5 minutes", f"{max(busy)}", set(busy) == {1}),
            Target("1 sign-in with warm-up, whenever tasks run", f"{max(warmed)}", set(warmed) == {1}),
        ],
        method="Clock and local BILL are moved on together, minute by minute, from noon to noon. Each task has a "
        "`BillHook` of its own and makes one call; warm-up is `BillHook.keep_alive()` every 20 minutes. Store writes "
        "are those of the session's record.",
        remarks=[
            f"A task that signs in for itself would have made {MINUTES // 5} sign-ins with a task every 5 minutes."
        ],
    )


def run_days(url: str) -> list[dict[str, Any]]:
    """Run all days; in a process that has an Airflow."""
    return [_run_day(url, plan, warm_up) for plan in PLANS for warm_up in (False, True)]


def _run_day(url: str, plan: Plan, warm_up: bool) -> dict[str, Any]:
    from airflow_provider_bill.hooks import wiring
    from airflow_provider_bill.hooks.bill import BillHook
    from airflow_provider_bill.sessions.stores import MemoryStore

    class CountingStore(MemoryStore):
        writes = 0

        def write(self, key: str, text: str) -> None:
            self.writes += key.startswith("bill_session_token")
            super().write(key, text)

    bill = LocalBill(url)
    bill.reset()
    store = CountingStore()
    wiring.PROCESS_MEMORY = store  # type: ignore[attr-defined]  # where hooks outside a task keep their records
    clock = ManualClock(bill, START.start_of("day").add(hours=12))
    tasks = 0
    for minute in range(MINUTES):
        if plan.runs_at(minute):
            BillHook(store="memory", clock=clock).request("GET", "/v3/vendors", params={"max": 1})
            tasks += 1
        if warm_up and minute % WARM_UP == 0:
            BillHook(store="memory", clock=clock).keep_alive()
        clock.advance(minutes=1)
    stats = bill.stats()
    return {
        "plan": plan.name,
        "warm_up": warm_up,
        "tasks": tasks,
        "sign_ins": stats["sign_ins"],
        "requests": stats["requests"],
        "writes": store.writes,
    }
