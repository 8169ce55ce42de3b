"""Waits until a live BILL session exists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseSensorOperator, PokeReturnValue

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class BillSessionSensor(BaseSensorOperator):
    """Wait until somebody has signed in; looks only at the stored record, sends nothing and never signs in.

    Returns the session's handle. Use ``mode="reschedule"`` for waits of more than a minute.

    :param bill_conn_id: Airflow connection of type ``bill``
    :param organization_id: BILL organization to use instead of the connection's own
    :param require_trusted: wait for a session that has passed MFA
    :param minutes_left: how many minutes the session must have left if nobody uses it
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bill_conn_id = bill_conn_id
        self.organization_id = organization_id
        self.require_trusted = require_trusted
        self.minutes_left = minutes_left

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the record once."""
        from airflow_provider_bill.hooks.bill import BillHook

        hook = BillHook(self.bill_conn_id, self.organization_id, store="variable")
        handle = hook.live_handle(require_trusted=self.require_trusted, minutes_left=self.minutes_left)
        return PokeReturnValue(is_done=handle is not None, xcom_value=handle)
