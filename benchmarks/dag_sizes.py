"""1. Sign-ins and BILL calls of a DAG of 1, 10, 100 and 1000 tasks, three ways."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.report import COLOURS, Result, Target, plot
from dev.airflow_child import in_airflow
from dev.clock import START
from dev.local_bill import LocalBill
from dev.sandbox_process import SandboxProcess

SIZES = (1, 10, 100, 1000)
MODES = {"http": "each task signs in (HttpHook)", "variable": "BillHook, Variable", "xcom": "BillHook, XCom"}


def run() -> Result:
    """Run the three ways side by side, each with an Airflow and a local BILL of its own."""
    with ThreadPoolExecutor(len(MODES)) as pool:
        measured = dict(zip(MODES, pool.map(_measure, MODES), strict=True))
    rows = [
        (MODES[mode], row["tasks"], row["sign_ins"], row["refused"], row["requests"], row["failed"])
        for mode in MODES
        for row in measured[mode]
    ]
    with plot("1_dag_sizes", "One DAG run: what reaches BILL", panels=2) as (sign_ins, calls):
        for panel, name, label in ((sign_ins, "asked", "sign-ins sent"), (calls, "requests", "calls in all")):
            for colour, mode, marker in zip((COLOURS[1], COLOURS[0], COLOURS[2]), MODES, "sox", strict=True):
                values = [row[name] for row in measured[mode]]
                panel.plot(SIZES, values, marker=marker, color=colour, label=MODES[mode])
            panel.set(xscale="log", yscale="log", xlabel="tasks in the DAG", ylabel=label, xticks=SIZES)
            panel.set_xticklabels([str(size) for size in SIZES])
        sign_ins.axhline(200, color="grey", linestyle=":", label="BILL's limit for an hour")
        sign_ins.legend(fontsize=8)
    ours = [row["sign_ins"] for mode in ("variable", "xcom") for row in measured[mode]]
    failed = sum(row["failed"] for mode in ("variable", "xcom") for row in measured[mode])
    return Result(
        name="1_dag_sizes",
        title="Sign-ins and calls of one DAG run",
        columns=("way", "tasks", "sign-ins", "refused sign-ins", "BILL calls", "failed tasks"),
        rows=rows,
        targets=[
            Target("1 sign-in at every size", f"{min(ours)} to {max(ours)}", set(ours) == {1}),
            Target("no failed task", str(failed), failed == 0),
        ],
        method="Every task makes one call (`GET /v3/vendors`). DAGs run by `dag.test()` in a real Airflow with real "
        "Variables and XComs, all counts are the local BILL's own. In XCom mode the login is a task more. "
        "Each run begins in a new hour, without a session.",
        remarks=["BILL takes 200 sign-ins an hour: with HttpHook the tasks beyond them fail, until the hour turns."],
    )


def _measure(mode: str) -> list[dict[str, Any]]:
    with SandboxProcess() as bill:
        connection = bill.connections["v3"]
        env = {
            "AIRFLOW_CONN_BILL_DEFAULT": json.dumps(connection),
            "AIRFLOW_CONN_BILL_HTTP": json.dumps({**connection, "conn_type": "http"}),
        }
        rows: list[dict[str, Any]] = in_airflow("benchmarks.dag_sizes:run_dags", env=env, mode=mode, url=bill.url)
        return rows


def run_dags(mode: str, url: str) -> list[dict[str, Any]]:
    """Run a DAG of each size and count; in a process that has an Airflow."""
    from airflow.sdk import DAG, task

    from dev.dag_runner import forget_variables, run_dag_in_process

    bill = LocalBill(url)

    @task
    def by_http_hook() -> None:
        from airflow.providers.http.hooks.http import HttpHook

        hook = HttpHook("POST", http_conn_id="bill_http")
        connection = hook.get_connection("bill_http")
        extra = connection.extra_dejson
        key = extra["developer_api_key"]
        body = {
            "devKey": key,
            "username": connection.login,
            "password": connection.password,
            "organizationId": extra["organization_id"],
        }
        session_id = hook.run("/connect/v3/login", json=body).json()["sessionId"]
        hook = HttpHook("GET", http_conn_id="bill_http")
        hook.run("/connect/v3/vendors", data={"max": 1}, headers={"devKey": key, "sessionId": session_id})

    @task
    def by_bill_hook() -> None:
        from airflow_provider_bill.hooks.bill import BillHook

        BillHook().request("GET", "/v3/vendors", params={"max": 1})

    def build(size: int) -> Any:
        from airflow_provider_bill.operators.bill import BillApiOperator, BillLoginOperator

        with DAG(f"{mode}_{size}", schedule=None) as dag:
            login = BillLoginOperator(task_id="login", store="xcom") if mode == "xcom" else None
            for number in range(size):
                name = f"task_{number}"
                if login is not None:
                    BillApiOperator(task_id=name, session=login.output, endpoint="/v3/vendors", query={"max": 1})
                elif mode == "variable":
                    by_bill_hook.override(task_id=name)()
                else:
                    by_http_hook.override(task_id=name)()
        return dag

    rows = []
    for size in SIZES:
        forget_variables()
        bill.reset()
        bill.stop_clock(START)  # so that no hour turns while this runs
        result = run_dag_in_process(build(size))
        stats = bill.stats()
        refused = stats["refused_sign_ins"]
        rows.append(
            {
                "tasks": size,
                "sign_ins": stats["sign_ins"],
                "refused": refused,
                "asked": stats["sign_ins"] + refused,
                "requests": stats["requests"],
                "failed": sum(state != "success" for state in result.tasks.values()),
            }
        )
    return rows
