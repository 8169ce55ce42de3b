"""Waits until a live BILL session exists."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_bill.exceptions import BillError
from airflow_provider_bill.hooks.errors import operator_errors
from airflow_provider_bill.operators.base import label_by_organization, shared_hook

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)


class BillSessionSensor(BaseSensorOperator):
    """Wait until somebody has signed in; looks only at the stored record, sends nothing and never signs in.

    Returns the session's handle. For waits of more than a minute use ``deferrable=True`` where a triggerer runs (a
    thousand waiting tasks then cost one look each ``poke_interval``), else ``mode="reschedule"``.

    :param bill_conn_id: Airflow connection of type ``bill``
    :param organization_id: BILL organization to use instead of the connection's own
    :param require_trusted: wait for a session that has passed MFA
    :param minutes_left: how many minutes the session must have left if nobody uses it
    :param deferrable: wait in Airflow's triggerer, without a worker; default: ``[operators] default_deferrable``
    """

    template_fields: Sequence[str] = ("bill_conn_id", "organization_id")
    ui_color = "#f4f3e8"

    def __init__(
        self,
        *,
        bill_conn_id: str = "bill_default",
        organization_id: str | None = None,
        require_trusted: bool = False,
        minutes_left: float = 0,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bill_conn_id = bill_conn_id
        self.organization_id = organization_id
        self.require_trusted = require_trusted
        self.minutes_left = minutes_left
        self.deferrable = deferrable

    def pre_execute(self, context: Any) -> None:
        """Label a mapped task."""
        super().pre_execute(context)
        label_by_organization(self, context)

    def execute(self, context: Context) -> Any:
        """Look, and wait in the way that was asked for."""
        if not self.deferrable:
            return super().execute(context)
        with self._skipped_if_asked():
            return self._found_or_deferred(context, until=time.time() + self.timeout)

    def execute_complete(self, context: Context, event: Any = None, until: Any = None) -> Any:
        """Look again once the trigger has seen a session: the handle comes from the store, never from the event.

        :param event: of the trigger
        :param until: when the wait is over, in seconds since 1970; what this task has asked Airflow to keep
        :raises BillError: the event is not the trigger's
        """
        return self._completed(context, event, until)

    @operator_errors()
    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the record once."""
        hook = shared_hook(self.bill_conn_id, self.organization_id)
        handle = hook.live_handle(require_trusted=self.require_trusted, minutes_left=self.minutes_left)
        return PokeReturnValue(is_done=handle is not None, xcom_value=handle)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the wait; its timeout is that of a sensor, which Airflow does not retry, also on Airflow 2."""
        with self._skipped_if_asked():
            if next_method == "__fail__" and "timeout" in str((next_kwargs or {}).get("error")).lower():
                raise AirflowSensorTimeout(self._timed_out())
            return super().resume_execution(next_method, next_kwargs, context)

    @contextmanager
    def _skipped_if_asked(self) -> Iterator[None]:
        """Skip what would fail, as Airflow does for a sensor that is not deferred; Airflow 2 forgets ``never_fail``."""
        try:
            yield
        except AirflowSkipException:
            raise
        except Exception as error:
            is_final = isinstance(error, AirflowFailException | AirflowSensorTimeout)
            if not (self.never_fail or (self.soft_fail and is_final)):
                raise
            # The text of an error that is neither ours nor Airflow's could quote the connection.
            known = isinstance(error, BillError | AirflowException)
            raise AirflowSkipException(str(error) if known else type(error).__name__) from None

    @operator_errors()
    def _completed(self, context: Context, event: Any, until: Any) -> Any:
        from airflow_provider_bill.triggers.session import FOUND

        if event != FOUND or isinstance(until, bool) or not isinstance(until, int | float):
            raise BillError(
                "the event that ended the wait is not the one that BillSessionTrigger gives",
                advice="see who wrote it, then clear the task",
            )
        return self._found_or_deferred(context, until=until)

    def _found_or_deferred(self, context: Context, *, until: float) -> Any:
        """Return the handle, or wait in the triggerer until a moment in seconds since 1970."""
        from airflow_provider_bill.triggers.session import BillSessionTrigger

        found = self.poke(context)
        if found.is_done:
            return found.xcom_value
        left = until - time.time()
        if left <= 0:
            raise AirflowSensorTimeout(self._timed_out())
        log.info(
            "There is no such session of connection %r yet; waiting in Airflow's triggerer, for %.0f seconds at most.",
            self.bill_conn_id,
            left,
        )
        return self.defer(
            trigger=BillSessionTrigger(
                bill_conn_id=self.bill_conn_id,
                organization_id=self.organization_id,
                require_trusted=self.require_trusted,
                minutes_left=self.minutes_left,
                poll_interval=self.poke_interval,
            ),
            method_name="execute_complete",
            kwargs={"until": until},
            timeout=timedelta(seconds=left),
        )

    def _timed_out(self) -> str:
        return (
            f"no such session of connection {self.bill_conn_id!r} was there within {self.timeout:.0f} seconds; see "
            "whether the task that signs in has run, and, if this one is deferrable, whether a triggerer runs"
        )
