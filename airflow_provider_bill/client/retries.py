"""Trying again inside the client: only what cannot do harm, and never for long.

Source: https://developer.bill.com/docs/api-rate-limits (sleep 2^n seconds after n failed tries).
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying

from airflow_provider_bill.client.codes import Purpose
from airflow_provider_bill.exceptions import BillConcurrencyError, BillError, BillUnavailableError

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Tries in all of a call that BILL refused because three others were running.
CONCURRENCY_ATTEMPTS = 6
#: Tries in all of a read that got no answer of BILL.
READ_ATTEMPTS = 3


def with_retries(once: Callable[[], T], label: str, purpose: Purpose, sleep: Callable[[float], None]) -> T:
    """Do a call, and again where that is right.

    A call refused with BDC_1322 was not acted on, so any is tried again. An unavailable BILL is asked
    again only for a read. An hourly limit is never waited for here.

    :param once: sends the call, once
    :param label: method and path, for the log
    :param purpose: what the call is for
    :param sleep: waits for so many seconds
    :raises BillError: of the last try
    """
    try:
        return once()
    except (BillConcurrencyError, BillUnavailableError) as error:
        first: list[BillError] = [error]

    def attempt() -> T:
        if first:
            raise first.pop()
        return once()

    patience = _Patience(label, purpose)
    return Retrying(
        retry=patience.goes_on,
        stop=patience.is_over,
        wait=patience.seconds,
        before_sleep=patience.tell,
        sleep=sleep,
        reraise=True,
    )(attempt)


class _Patience:
    """How often one call is tried again; each sort of failure is counted for itself."""

    def __init__(self, label: str, purpose: Purpose) -> None:
        self._label = label
        self._limits: dict[type[BillError], int] = {BillConcurrencyError: CONCURRENCY_ATTEMPTS}
        if purpose is Purpose.READ:
            self._limits[BillUnavailableError] = READ_ATTEMPTS
        self._failures: Counter[type] = Counter()
        self._told = False

    def goes_on(self, state: RetryCallState) -> bool:
        kind = _kind(state)
        self._failures[kind] += 1
        return kind in self._limits

    def is_over(self, state: RetryCallState) -> bool:
        kind = _kind(state)
        return self._failures[kind] >= self._limits.get(kind, 1)

    def seconds(self, state: RetryCallState) -> float:
        kind = _kind(state)
        ceiling = float(2 ** self._failures[kind])
        return random.uniform(0, ceiling if kind is BillConcurrencyError else ceiling / 2)  # noqa: S311

    def tell(self, state: RetryCallState) -> None:
        if _kind(state) is BillConcurrencyError and not self._told:
            self._told = True
            log.warning(
                "BILL takes three calls at once for a developer key and organization; %s waits for its turn. "
                "An Airflow pool of 3 slots (bill_api) for these tasks keeps them from waiting here.",
                self._label,
            )


def _kind(state: RetryCallState) -> type:
    """Give the sort of failure of the last try; NoneType for a success."""
    return type(state.outcome.exception()) if state.outcome is not None else type(None)
