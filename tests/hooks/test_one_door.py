"""Every operation that BILL documents can be called through ``BillHook``; each kind of connection signs in once."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest

from airflow_provider_bill.exceptions import BillError
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.sandbox.data.contract import Operation, load
from dev.asker import Asker
from dev.contract_check import Result, compare_value
from dev.local_bill import LocalBill

Connect = Callable[..., list[str]]

KINDS = {"session": "v3", "partner": "partner", "spend": "spend_token", "nobody": "v3"}
#: What ends sessions or opens them by hand, and what only another user may ask: tested elsewhere.
LEFT_OUT = {
    "POST /v3/logout",
    "POST /v3/mfa/setup",
    "POST /v3/mfa/setup/validate",
    *(operation.name for operation in load().values() if operation.caller == "nobody"),
    "POST /v3/partner/login-as-user",
    "GET /v3/payments/{paymentId}/check-image",  # a month has to pass, which no session outlives
}


def groups_of(caller: str) -> list[list[Operation]]:
    """Return the operations of a caller, those of one kind of row together: they may stand in one another's way."""
    asked = [one for one in load().values() if one.caller == caller and one.name not in LEFT_OUT]
    by_group = groupby(asked, key=lambda one: one.path.split("/")[2 : 4 if caller == "spend" else 3])
    return [list(group) for _, group in by_group]


def call(hook: BillHook, asker: Asker, operation: Operation) -> Any:
    asker.prepare(operation)
    path = asker.path_of(operation)
    params = {name: asker.filled(operation.query[name]) for name in operation.required}
    if operation.body == "file":
        return hook.upload(path, io.BytesIO(b"%PDF-1.4"), params=params)
    body = None if operation.example is None else asker.body_of(operation)
    return hook.request(operation.method, path, params=params or None, json=body)


def failure_of(hook: BillHook, asker: Asker, operation: Operation) -> str:
    try:
        answer = call(hook, asker, operation)
    except BillError as error:
        return str(error)
    result = Result(operation.status)
    if operation.answer is not None:
        compare_value(operation.answer, answer, "", result)
    is_right = not (result.extra or result.wrong) if operation.answer is not None else answer is None
    return "" if is_right else f"{result} {answer}"


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("caller", "count", "sign_ins"), [("session", 235, 1), ("partner", 12, 2), ("spend", 52, 0)])
def test_every_operation_is_called_through_the_hook_and_answers_as_the_contract_says(
    bill: LocalBill, connect: Connect, caller: str, count: int, sign_ins: int
) -> None:
    failures, asked = {}, 0
    for number, group in enumerate(groups_of(caller)):
        bill.reset()
        connect(KINDS[caller], conn_id=f"bill_{number}")
        asker = Asker(bill)
        asker.headers("session"), asker.headers(caller)
        before = bill.stats()["sign_ins"]
        with BillHook(f"bill_{number}") as hook:
            for operation in group:
                asked += 1
                failures[operation.name] = failure_of(hook, asker, operation)
        assert bill.stats()["sign_ins"] - before == sign_ins, group[0].path
    assert {name: said for name, said in failures.items() if said} == {}
    assert asked == count
