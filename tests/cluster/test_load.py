"""Many tasks at once on two hosts: one sign-in, nothing failed, and hardly slower than without the hook.

`CLUSTER_TASKS` says how many of each kind, `CLUSTER_CLIENTS` how many organizations.
"""

from __future__ import annotations

import json
import os
import statistics
from typing import Any

from dev.cluster import Cluster
from dev.local_bill import LocalBill
from dev.proof import write_table

TASKS = int(os.environ.get("CLUSTER_TASKS", "60"))
CLIENTS = int(os.environ.get("CLUSTER_CLIENTS", "12"))
#: Seconds for one task of all that run side by side, on a busy machine.
PATIENCE = 6 * TASKS + 300


def ended(cluster: Cluster, dag_id: str, run_id: str) -> list[dict[str, Any]]:
    """Wait for the end of a run and return its mapped tasks."""
    assert cluster.wait(dag_id, run_id, timeout=PATIENCE) == "success"
    return [task for task in cluster.task_instances(dag_id, run_id) if task["task_id"] == "one"]


def test_all_cold_tasks_of_two_hosts_share_one_sign_in(cluster: Cluster, sandbox: LocalBill) -> None:
    tasks = ended(cluster, "load_hook", cluster.trigger("load_hook", {"tasks": TASKS}))
    assert [task["try_number"] for task in tasks] == [1] * TASKS
    if cluster.separate:
        assert {task["hostname"] for task in tasks} == set(cluster.WORKERS)
    stats = sandbox.stats()
    assert (stats["sign_ins"], stats["refused_sign_ins"]) == (1, 0)
    # Where more than three call at once, BILL refuses some, and they ask again: each was answered once.
    refused = stats["by_code"].get("BDC_1144", 0)
    assert stats["by_path"] == {"/connect/v3/login": 1, "/connect/v3/vendors": TASKS + refused}


def test_the_hook_costs_hardly_more_than_bare_requests(cluster: Cluster, sandbox: LocalBill) -> None:
    cluster.rest("POST", "variables", {"key": "plain_session", "value": json.dumps(sandbox.sign_in())})
    kinds = ("load_hook_pool", "load_requests_pool", "load_nothing_pool")
    runs = {dag_id: cluster.trigger(dag_id, {"tasks": TASKS}) for dag_id in kinds}
    seconds = {
        dag_id: [float(task["duration"]) for task in ended(cluster, dag_id, run_id)] for dag_id, run_id in runs.items()
    }
    stats = sandbox.stats()
    # One for the bare requests, one for all tasks with the hook; the pool spares BILL a fourth call at once.
    assert (stats["sign_ins"], stats["refused_concurrency"], stats["refused_sign_ins"]) == (2, 0, 0)
    assert stats["by_path"] == {"/connect/v3/login": 2, "/connect/v3/vendors": 2 * TASKS}
    rows = [(dag_id, len(found), *_quartiles(found)) for dag_id, found in seconds.items()]
    write_table("load", ("tasks of", "how many", "25 %", "median s", "75 %"), rows)


def test_the_clients_of_one_console_connection_sign_in_once_each(cluster: Cluster, sandbox: LocalBill) -> None:
    sandbox.control("POST", "organizations", {"count": CLIENTS - 2})
    dag_id = "many_organizations"
    run_id = cluster.trigger(dag_id)
    assert cluster.wait(dag_id, run_id, timeout=PATIENCE) == "success"
    calls = [task for task in cluster.task_instances(dag_id, run_id) if task["task_id"] == "client.vendors"]
    assert len(calls) == CLIENTS
    stats = sandbox.stats()
    assert (stats["sign_ins"], stats["refused_sign_ins"], stats["refused_hourly"]) == (CLIENTS + 1, 0, 0)


def _quartiles(seconds: list[float]) -> list[str]:
    return [f"{value:.2f}" for value in statistics.quantiles(seconds, n=4)]
