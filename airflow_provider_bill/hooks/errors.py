"""The border between our errors, which know nothing of Airflow, and Airflow's idea of what to retry."""

from __future__ import annotations

import functools
import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import ParamSpec, TypeVar

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, get_current_context

try:
    from airflow.sdk.exceptions import AirflowRescheduleException
except ImportError:  # Airflow 2; the one name that common.compat does not hand out
    from airflow.exceptions import AirflowRescheduleException

from airflow_provider_bill.exceptions import BillError, BillRateLimitError
from airflow_provider_bill.version_compat import AIRFLOW_V_3_0_PLUS

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

#: What sends a call: in its frames the call stands as it goes out.
_LIBRARIES = frozenset({"requests", "urllib3", "http", "ssl", "socket"})

#: Made when first needed, and one for each, so that ``except`` and ``type()`` see one class.
_UNRETRIED: dict[type[BillError], type[BillError]] = {}


class airflow_errors:  # used like contextlib's own, in a ``with`` statement and as a decorator
    """Turn each error that trying again cannot help into one that Airflow does not retry.

    It stays what it was too: ``except BillSignInRefusedError`` catches it as before. No error that leaves here carries
    a frame in which a secret could stand.
    """

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """End: raise the error to be seen outside, if there is one."""
        if error is None:
            return
        outward = self._outward(error)
        if outward is not error:
            raise outward from None

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return the function with its errors turned."""

        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except BaseException as error:
                outward = self._outward(error)
            # Outside of the handler, so that no context is set; and without what this very frame holds.
            del args, kwargs
            raise outward

        return wrapped

    def _outward(self, error: BaseException) -> BaseException:
        without_secrets(error)
        if isinstance(error, BillError):
            from airflow_provider_bill.hooks.task_end import say_at_the_end

            say_at_the_end()
        if not isinstance(error, BillError) or isinstance(error, (AirflowFailException, AirflowRescheduleException)):
            return error
        if not error.retryable:
            return _unretried(error)
        if isinstance(error, BillRateLimitError) and error.retry_at is not None and _may_wait():
            return _waiting(error, error.retry_at)
        return error


class operator_errors(airflow_errors):
    """For operators: as above, and a task that meets BILL's hourly limit waits for its end without a worker.

    BILL refused before acting, so running the task again is right; Airflow counts no retry for it.
    """

    def _outward(self, error: BaseException) -> BaseException:
        error = super()._outward(error)
        if isinstance(error, BillRateLimitError) and error.retry_at is not None:
            return _waiting(error, error.retry_at)
        return error


def _may_wait() -> bool:
    """Return whether a task is running that Airflow may run again, and can run again at a certain time."""
    try:
        ti = get_current_context()["ti"]
    except (RuntimeError, AirflowException):
        return False
    # Airflow 2 looks at the time only where the task says that it can be rescheduled.
    return bool(ti.max_tries) and (AIRFLOW_V_3_0_PLUS or bool(getattr(ti.task, "reschedule", False)))


def _waiting(error: BillRateLimitError, retry_at: datetime) -> BaseException:
    """Return the error as one after which Airflow runs the task again at that time, and counts no retry."""
    if isinstance(error, AirflowRescheduleException):
        return error
    log.info("%s", error)
    twin = _Waiting.__new__(_Waiting, *error.args)
    twin.__dict__.update(error.__dict__)
    # A few seconds apart, so that a whole company does not come back in one moment.
    twin.reschedule_date = retry_at + timedelta(seconds=random.uniform(1, 30))  # noqa: S311
    return twin


class _Waiting(BillRateLimitError, AirflowRescheduleException):
    """BILL's limit, and what has Airflow run the task again once it is over."""

    def __reduce__(self) -> tuple[object, ...]:
        attributes = {name: value for name, value in vars(self).items() if name != "reschedule_date"}
        return _put_together_plain, (BillRateLimitError, self.args, attributes)


_Waiting.__name__ = BillRateLimitError.__name__


def without_secrets(error: BaseException) -> None:
    """Drop the frames in which a secret could stand, of an error and of all that it was raised from.

    An error of ours says by itself what happened. Of others the frames are kept up to those of the HTTP libraries: in
    our own, secrets are masked.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BillError):
            one.__traceback__ = one.__cause__ = one.__context__ = None
        else:
            one.__traceback__ = _without_libraries(one.__traceback__)


def _without_libraries(trace: TracebackType | None) -> TracebackType | None:
    at, before = trace, None
    while at is not None:
        if str(at.tb_frame.f_globals.get("__name__")).partition(".")[0] in _LIBRARIES:
            if before is None:
                return None
            before.tb_next = None
            return trace
        at, before = at.tb_next, at
    return trace


def _unretried(error: BillError) -> BillError:
    kind = _unretried_class(type(error))
    twin = kind.__new__(kind, *error.args)
    twin.__dict__.update(error.__dict__)
    return twin


def _unretried_class(kind: type[BillError]) -> type[BillError]:
    if kind not in _UNRETRIED:
        names = {
            "__module__": kind.__module__,
            "__doc__": kind.__doc__,
            "__reduce__": _parts,
            "serialize": _airflows_parts,
        }
        _UNRETRIED[kind] = type(kind.__name__, (kind, AirflowFailException), names)
    return _UNRETRIED[kind]


def _parts(error: BillError) -> tuple[object, ...]:
    # A class made at run time cannot be pickled by name; what it is made from can.
    return _put_together, (type(error).__mro__[1], error.args, error.__dict__)


def _airflows_parts(error: BillError) -> tuple[str, tuple[str], dict[str, object]]:
    # Airflow's own serialization finds a class by its name, so what it reads back is Airflow's and says the same.
    return f"{AirflowFailException.__module__}.{AirflowFailException.__name__}", (str(error),), {}


def _put_together(kind: type[BillError], args: tuple[object, ...], attributes: dict[str, object]) -> BillError:
    return _put_together_plain(_unretried_class(kind), args, attributes)


def _put_together_plain(kind: type[BillError], args: tuple[object, ...], attributes: dict[str, object]) -> BillError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error
