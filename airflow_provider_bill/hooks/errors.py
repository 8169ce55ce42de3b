"""The border between our errors, which know nothing of Airflow, and Airflow's idea of what to retry."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from airflow.providers.common.compat.sdk import AirflowFailException

try:
    from airflow.sdk.exceptions import AirflowRescheduleException
except ImportError:  # Airflow 2; the one name that common.compat does not hand out
    from airflow.exceptions import AirflowRescheduleException

from airflow_provider_bill.exceptions import BillError, BillRateLimitError

log = logging.getLogger(__name__)

#: Made when first needed, and one for each, so that ``except`` and ``type()`` see one class.
_UNRETRIED: dict[type[BillError], type[BillError]] = {}


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Turn each error that trying again cannot help into one that Airflow does not retry.

    It stays what it was too: ``except BillSignInRefusedError`` catches it as before.
    """
    try:
        yield
    except BillError as error:
        if error.retryable or isinstance(error, AirflowFailException):
            raise
        raise _unretried(error).with_traceback(error.__traceback__) from None


@contextmanager
def operator_errors() -> Iterator[None]:
    """For operators: as above, and a task that meets BILL's hourly limit waits for its end without a worker.

    BILL refused before acting, so running the task again is right; Airflow counts no retry for it.
    """
    try:
        with airflow_errors():
            yield
    except BillRateLimitError as error:
        if error.retry_at is None:
            raise
        log.info("%s", error)
        # A few seconds apart, so that a whole company does not come back in one moment.
        again = error.retry_at + timedelta(seconds=random.uniform(1, 30))  # noqa: S311
        raise AirflowRescheduleException(again) from None  # type: ignore[no-untyped-call]


def _unretried(error: BillError) -> BillError:
    kind = _unretried_class(type(error))
    twin = kind.__new__(kind, *error.args)
    twin.__dict__.update(error.__dict__)
    return twin


def _unretried_class(kind: type[BillError]) -> type[BillError]:
    if kind not in _UNRETRIED:
        names = {"__module__": kind.__module__, "__doc__": kind.__doc__, "__reduce__": _as_original}
        _UNRETRIED[kind] = type(kind.__name__, (kind, AirflowFailException), names)
    return _UNRETRIED[kind]


def _as_original(error: BillError) -> tuple[object, ...]:
    # A class made at run time cannot be pickled by name; the original can.
    return type(error).__mro__[1], error.args, error.__dict__
