"""5. Calls a second through ``BillHook.request``, against a bare ``requests.Session``."""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

from benchmarks.report import COLOURS, Result, Target, plot
from dev.airflow_child import in_airflow
from dev.sandbox_process import SandboxProcess

ROUNDS, CALLS, SIZES = 25, 100, (1, 100)
WANTED = 0.95


def run() -> Result:
    """Measure both in turn, so that a busy machine slows both alike."""
    with SandboxProcess() as bill:
        bill.settings(calls_per_hour=10_000_000)
        env = {"AIRFLOW_CONN_BILL_DEFAULT": json.dumps(bill.connections["v3"])}
        measured = {size: in_airflow("benchmarks.throughput:call", env=env, url=bill.url, size=size) for size in SIZES}
    rows, targets = [], []
    with plot("5_throughput", f"Calls a second, {ROUNDS} interleaved rounds", panels=len(SIZES)) as panels:
        for panel, size in zip(panels, SIZES, strict=True):
            bare, ours = measured[size]["bare"], measured[size]["ours"]
            ratio = statistics.median(mine / its for mine, its in zip(ours, bare, strict=True))
            rows.append((size, *(round(statistics.median(speeds)) for speeds in (bare, ours)), round(ratio, 3)))
            wanted = f"at least {WANTED} of the bare client, {size} rows a call"
            targets.append(Target(wanted, f"{ratio:.3f}", ratio >= WANTED))
            for colour, speeds, label in (
                (COLOURS[2], bare, "bare requests.Session"),
                (COLOURS[0], ours, "BillHook.request"),
            ):
                panel.plot(range(1, ROUNDS + 1), speeds, marker=".", color=colour, label=label)
            panel.set(title=f"rows a call: {size}", xlabel="round", ylabel="calls a second", ylim=(0, None))
        panels[0].legend(fontsize=8, loc="lower right")
    return Result(
        name="5_throughput",
        title="Calls a second",
        columns=(
            "rows a call",
            "bare requests.Session, calls/s",
            "BillHook.request, calls/s",
            "median ratio of a round",
        ),
        rows=rows,
        targets=targets,
        method="`GET /v3/vendors` of the same local BILL over one kept-alive connection each, call by call in turn, "
        f"{CALLS} of each a round. Both parse the answer. The local BILL answers in a millisecond or two; what BILL "
        "itself takes is a hundred times as long, so that the ratio there is nearer to 1.",
    )


def call(url: str, size: int) -> dict[str, Any]:
    """Make the calls; in a process that has an Airflow."""
    import requests

    from airflow_provider_bill.hooks.bill import BillHook

    hook = BillHook(store="memory")
    session = hook.session()
    extra = hook.get_connection("bill_default").extra_dejson
    bare = requests.Session()
    bare.headers.update({"devKey": extra["developer_api_key"], "sessionId": session.session_token})

    def by_bare() -> None:
        answer = bare.get(f"{url}/connect/v3/vendors", params={"max": size}, timeout=(5, 60))
        answer.raise_for_status()
        answer.json()

    def by_hook() -> None:
        hook.request("GET", "/v3/vendors", params={"max": size})

    ways = {"bare": by_bare, "ours": by_hook}
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        seconds = dict.fromkeys(ways, 0.0)
        for pair in range(CALLS):
            for name in sorted(ways, reverse=pair % 2 == 0):
                start = time.perf_counter()
                ways[name]()
                seconds[name] += time.perf_counter() - start
        if number:  # The first round only warms up.
            for name in ways:
                speeds[name].append(CALLS / seconds[name])
    return speeds
