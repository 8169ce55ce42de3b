"""As many mapped reads as a run's conf says, by the hook, by bare requests, and tasks that do nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, BaseHook, Variable, get_current_context, task

from airflow_provider_bill.hooks.bill import BillHook

PATH = "/v3/vendors"


def by_hook(number: int) -> None:
    """Read a page with the session that all share."""
    BillHook().request("GET", PATH, params={"max": 1})


def by_requests(number: int) -> None:
    """Read the same page with what any task would need: a connection, a stored session and one call."""
    import json

    import requests

    host = BaseHook.get_connection("bill_default").host
    headers = json.loads(Variable.get("plain_session"))
    answer = requests.get(f"{host}/connect{PATH}", params={"max": 1}, headers=headers, timeout=60)
    answer.raise_for_status()
    answer.json()


def nothing(number: int) -> None:
    """Do nothing."""


def numbers() -> list[int]:
    """Return as many as the run's conf says."""
    conf = get_current_context()["dag_run"].conf or {}
    return list(range(int(conf["tasks"])))


def mapped(dag_id: str, function: Callable[[int], None], **options: Any) -> None:
    """Make a DAG of it."""
    with DAG(
        dag_id=dag_id,
        schedule=None,
        start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
        max_active_tasks=2000,
        default_args={"retries": 0},
    ):
        task(task_id="one", **options)(function).expand(number=task(numbers)())


def with_wrong_password() -> None:
    """Fail, and say why."""
    BillHook("bill_wrong").request("GET", PATH)


def try_out(conn_id: str) -> str:
    """Sign in with a connection, and out again."""
    works, said = BillHook(conn_id).test_connection()
    if not works:
        raise RuntimeError(said)
    return said


def conn_ids() -> list[str]:
    """Return those that the run's conf names."""
    return [str(conn_id) for conn_id in (get_current_context()["dag_run"].conf or {})["conn_ids"]]


with DAG(dag_id="every_kind", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")):
    task(retries=0)(try_out).expand(conn_id=task(conn_ids)())

with DAG(dag_id="wrong_password", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")):
    task(with_wrong_password)()

mapped("load_hook", by_hook)
mapped("load_hook_pool", by_hook, pool="bill_api")
mapped("load_requests_pool", by_requests, pool="bill_api")
mapped("load_nothing_pool", nothing, pool="bill_api")
