"""Many tasks at once on two hosts: one sign-in, nothing failed, and hardly slower than without the hook.

`CLUSTER_TASKS` says how many of each kind, `CLUSTER_CLIENTS` how many organizations.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections import Counter
from typing import Any

from dev.cluster import Cluster
from dev.local_bill import LocalBill
from dev.processes import wait_until
from dev.proof import write_table
from dev.waiting import states, wake

TASKS = int(os.environ.get("CLUSTER_TASKS", "30"))
CLIENTS = int(os.environ.get("CLUSTER_CLIENTS", "12"))
#: Sign-ins an hour where BILL allows fewer than there are organizations: 20 for 60.
ALLOWED = CLIENTS // 3
#: Slots of the pool `bill_api`.
AT_ONCE = 3
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


def test_clients_beyond_bills_hourly_limit_wait_without_a_worker_and_without_a_call(
    cluster: Cluster, sandbox: LocalBill
) -> None:
    """BILL's clock is the test's. When the machine's hour turns, those who wait ask once more, and wait again."""
    sandbox.control("POST", "organizations", {"count": CLIENTS - 2})
    sandbox.settings(sign_ins_per_hour=ALLOWED)
    dag_id, began = "many_organizations", _hours()
    run_id = cluster.trigger(dag_id)
    signed_in, hours = ALLOWED - 1, 1  # the first of the first hour lists the organizations
    while True:
        _wait_for(cluster, run_id, "client.login", success=signed_in, up_for_reschedule=CLIENTS - signed_in)
        asked = sandbox.count_calls("/connect/v3/login")
        _wait_for(cluster, run_id, "client.vendors", success=signed_in)
        stats = sandbox.stats()
        assert stats["sign_ins"] == signed_in + 1
        # The first to be refused tells all others, but for those that were about to ask.
        assert stats["refused_hourly"] <= AT_ONCE * (hours + _hours() - began)
        if signed_in == CLIENTS:
            break
        # In this order: the hour may turn at any moment.
        asked_since = sandbox.count_calls("/connect/v3/login") - asked
        assert asked_since == 0 or _hours() > began
        sandbox.advance(3600)
        wait_until(lambda: wake(cluster, dag_id, run_id), PATIENCE, "those who wait to be ready")
        signed_in, hours = min(signed_in + ALLOWED, CLIENTS), hours + 1
    assert hours == -(-(CLIENTS + 1) // ALLOWED)
    assert cluster.wait(dag_id, run_id, timeout=PATIENCE) == "success"
    assert {task["try_number"] for task in cluster.task_instances(dag_id, run_id)} == {1}


def _wait_for(cluster: Cluster, run_id: str, task_id: str, **wanted: int) -> None:
    """Wait until so many of a task's instances are in these states, and none of them is anywhere between."""
    expected = +Counter(wanted)

    def reached() -> bool:
        now = states(cluster, "many_organizations", run_id, task_id)
        return all(now[state] == number for state, number in expected.items())

    wait_until(reached, PATIENCE, f"{task_id} to be {expected}", 1)


def _hours() -> int:
    """Count the hours of the clock that the tasks go by."""
    return int(time.time() // 3600)


def _quartiles(seconds: list[float]) -> list[str]:
    return [f"{value:.2f}" for value in statistics.quantiles(seconds, n=4)]
