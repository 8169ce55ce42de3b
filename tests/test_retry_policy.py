"""The ready retry policy gives up, waits or leaves it to the task, as each error of BILL wants it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from airflow_provider_bill.exceptions import (
    BillApiError,
    BillConcurrencyError,
    BillError,
    BillOutcomeUnknownError,
    BillRateLimitError,
    BillSignInRefusedError,
    BillStoreError,
    BillUnavailableError,
)
from airflow_provider_bill.hooks.bill import BillHook
from dev.airflow_harness import airflow_version
from dev.clock import START, ManualClock
from dev.local_bill import LocalBill

if airflow_version() < (3, 3):
    pytest.skip("there are no retry policies before Airflow 3.3", allow_module_level=True)

from airflow.providers.common.compat.sdk import RetryPolicy

from airflow_provider_bill.retry_policy import BillRetryPolicy

Connect = Callable[..., list[str]]


def decided(error: BaseException) -> tuple[str, timedelta | None]:
    """Return what the policy decides about an error, and after how long the task runs again if it says that."""
    policy: RetryPolicy = BillRetryPolicy()
    decision: Any = policy.evaluate(error, 1, 3)
    return decision.action.name.lower(), decision.retry_delay


@pytest.mark.parametrize(
    "error",
    [BillApiError("x"), BillSignInRefusedError("x"), BillOutcomeUnknownError("x"), BillError("x")],
    ids=lambda error: type(error).__name__,
)
def test_what_trying_again_cannot_help_fails_at_once(error: BillError) -> None:
    assert decided(error) == ("fail", None)


@pytest.mark.parametrize(
    "error",
    [
        BillUnavailableError("x"),
        BillConcurrencyError("x"),
        BillStoreError("x"),
        BillRateLimitError("x"),  # one that names no end
        ValueError("not an error of BILL"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_go_well_the_next_time_is_left_to_the_tasks_own_retries(error: Exception) -> None:
    assert decided(error) == ("default", None)


def test_a_refused_password_is_not_tried_again(connect: Connect) -> None:
    connect("v3", password="wrong password")
    with pytest.raises(BillSignInRefusedError) as caught:
        BillHook().session()
    assert decided(caught.value) == ("fail", None)


def test_at_bills_limit_the_next_try_comes_at_the_full_hour_and_a_late_one_at_once(
    connect: Connect, bill: LocalBill, clock: ManualClock
) -> None:
    connect("v3")
    bill.settings(sign_ins_per_hour=0)
    with pytest.raises(BillRateLimitError) as caught:
        BillHook(clock=clock).session()
    for later, wait in [({}, {"minutes": 25, "seconds": 4}), ({"minutes": 25}, {"seconds": 4}), ({"hours": 1}, {})]:
        with time_machine.travel(START.add(**later), tick=False):
            assert decided(caught.value) == ("retry", timedelta(**wait))


def test_the_policy_survives_the_way_through_a_serialized_dag() -> None:
    made = BillRetryPolicy.deserialize(BillRetryPolicy().serialize())
    assert isinstance(made, BillRetryPolicy)
    assert made.evaluate(BillApiError("x"), 1, 3).action is BillRetryPolicy().evaluate(BillApiError("x"), 1, 3).action
