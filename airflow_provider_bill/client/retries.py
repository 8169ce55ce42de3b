"""Retries inside the client: only what cannot do harm, and never for long.

Source: https://developer.bill.com/docs/api-rate-limits (sleep 2^n seconds after n failed attempts).
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying

from airflow_provider_bill.client.observer import CallObserver
from airflow_provider_bill.client.request import BillRequest, Purpose
from airflow_provider_bill.exceptions import (
    BillConcurrencyError,
    BillError,
    BillOutcomeUnknownError,
    BillUnavailableError,
)

T = TypeVar("T")

#: How often at most a call is sent that BILL refuses because three others are running.
CONCURRENCY_ATTEMPTS = 6
#: How often at most a read is sent that gets no answer of BILL.
READ_ATTEMPTS = 3


def with_retries(
    once: Callable[[], T],
    request: BillRequest,
    sleep: Callable[[float], None],
    *,
    observer: CallObserver,
    seconds: float,
) -> T:
    """Send a call, and again where that is right.

    A call refused with BDC_1322 was not acted on, so any is sent again. An unavailable BILL is asked
    again only for a read, and for a write that carries an idempotency key. An hourly limit is never waited for here.

    :param once: sends the call, once
    :param request: the call
    :param sleep: waits for so many seconds
    :param observer: told when the call waits for another one's end
    :param seconds: after which it is not sent again: a caller waits, and a hanging host answers no better the next time
    :raises BillError: of the last attempt
    """
    policy = _RetryPolicy(request, observer, ends_at=time.monotonic() + seconds)
    try:
        return once()  # nearly always the end of it, and quicker than asking tenacity
    except policy.retried as error:
        first = [error]

    def again() -> T:
        if first:
            raise first.pop()
        return once()

    return Retrying(
        retry=policy.should_retry,
        stop=policy.is_over,
        wait=policy.seconds,
        before_sleep=policy.warn,
        sleep=sleep,
        reraise=True,
    )(again)


class _RetryPolicy:
    """How often one call is sent again; each kind of failure is counted for itself."""

    def __init__(self, request: BillRequest, observer: CallObserver, *, ends_at: float) -> None:
        self._ends_at = ends_at
        self._request = request
        self._observer = observer
        self._attempts: dict[type[BillError], int] = {BillConcurrencyError: CONCURRENCY_ATTEMPTS}
        if request.purpose is Purpose.READ or request.idempotency_key:
            self._attempts[BillUnavailableError] = READ_ATTEMPTS
        if request.idempotency_key:  # BILL keeps its answer for a day, and gives it again
            self._attempts[BillOutcomeUnknownError] = READ_ATTEMPTS
        self._failures: Counter[type] = Counter()

    @property
    def retried(self) -> tuple[type[BillError], ...]:
        """Return the errors after which the call is sent again."""
        return tuple(self._attempts)

    def should_retry(self, state: RetryCallState) -> bool:
        kind = _failure_of(state)
        self._failures[kind] += 1
        return kind in self._attempts

    def is_over(self, state: RetryCallState) -> bool:
        kind = _failure_of(state)
        return self._failures[kind] >= self._attempts.get(kind, 1) or time.monotonic() >= self._ends_at

    def seconds(self, state: RetryCallState) -> float:
        kind = _failure_of(state)
        ceiling = float(2 ** self._failures[kind])
        return random.uniform(0, ceiling if kind is BillConcurrencyError else ceiling / 2)  # noqa: S311

    def warn(self, state: RetryCallState) -> None:
        if _failure_of(state) is BillConcurrencyError:
            self._observer.waits_for_a_free_call(self._request)
            self._observer.waited(state.upcoming_sleep)


def _failure_of(state: RetryCallState) -> type:
    """Return the class of the last attempt's error; NoneType for a success."""
    return type(state.outcome.exception()) if state.outcome is not None else type(None)
