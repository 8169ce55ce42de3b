"""Payments by the operator, payments by tasks with the hook, and reads, while things go wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, get_current_context, task

from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators.bill import BillApiOperator

PATH = "/v3/payments"
#: They outlast any fault: a try of a call to a BILL that is down takes a second or two.
RETRIES: dict[str, Any] = {"retries": 60, "retry_delay": timedelta(seconds=5)}


def payments(kind: str) -> list[dict[str, Any]]:
    """Return as many payments as the run's conf says; each is known by its amount."""
    conf = get_current_context()["dag_run"].conf or {}
    first = float(conf["first"][kind])
    return [
        {"vendorId": "00901SBX000100000001", "amount": first + number, "processDate": "2099-01-01"}
        for number in range(int(conf["count"][kind]))
    ]


def numbers() -> list[int]:
    """Return as many as there are reads."""
    conf = get_current_context()["dag_run"].conf or {}
    return list(range(int(conf["count"]["read"])))


def pay(payment: dict[str, Any]) -> str:
    """Pay by the hook."""
    return str(BillHook().request("POST", PATH, json=payment)["id"])


def read(number: int) -> None:
    """Read a page."""
    BillHook().request("GET", "/v3/vendors", params={"max": 1})


with DAG(
    dag_id="work",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    max_active_tasks=2000,
    default_args=RETRIES,
):
    listed = {kind: task(task_id=f"list_{kind}")(payments)(kind) for kind in ("operator", "task")}
    BillApiOperator.partial(
        task_id="operator", endpoint=PATH, method="POST", response_filter=lambda payment: payment["id"]
    ).expand(data=listed["operator"])
    task(task_id="task")(pay).expand(payment=listed["task"])
    task(task_id="read")(read).expand(number=task(task_id="list_read")(numbers)())
