"""Waiting for a person's MFA code, or until another has entered one, without a worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, TypeVar

from airflow.providers.standard.triggers.hitl import HITLTrigger
from airflow.sdk.execution_time.hitl import get_hitl_detail_content_detail
from airflow.sdk.timezone import utcnow
from airflow.triggers.base import TriggerEvent
from asgiref.sync import sync_to_async

from airflow_provider_bill.exceptions import BillStoreError

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Seconds between two looks at whether another has passed MFA.
TRUST_SECONDS = 15.0
#: Looks at the form that may fail one after the other: two minutes of an API server that is away end no wait.
FAILED_LOOKS = 24


class BillMfaTrigger(HITLTrigger):
    """Airflow's own trigger, which also ends once another has passed MFA; of what was entered it logs nothing.

    :param bill_conn_id: Airflow connection of type ``bill``
    :param organization_id: BILL organization to use instead of the connection's own
    :param renew_within: seconds; a remembered device that is trusted for less is not enough
    :param trust_seconds: seconds between two looks
    :param kwargs: of Airflow's trigger
    """

    def __init__(
        self,
        *,
        bill_conn_id: str,
        organization_id: str | None = None,
        renew_within: float = 0.0,
        trust_seconds: float = TRUST_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bill_conn_id = bill_conn_id
        self.organization_id = organization_id
        self.renew_within = renew_within
        self.trust_seconds = trust_seconds
        self._failed = 0

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return this class in place of Airflow's."""
        return f"{__name__}.{type(self).__name__}", {
            **super().serialize()[1],
            "bill_conn_id": self.bill_conn_id,
            "organization_id": self.organization_id,
            "renew_within": self.renew_within,
            "trust_seconds": self.trust_seconds,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the answer, or for trust."""
        waited = 0.0
        while not await self._is_answered():
            if self.timeout_datetime is not None and self.timeout_datetime < utcnow():
                break
            if waited >= self.trust_seconds:
                waited = 0.0
                if await _uninterrupted(self._looks_trusted):
                    yield TriggerEvent({"trusted": True})  # type: ignore[no-untyped-call]  # Airflow names no types
                    return
            waited += self.poke_interval
            await asyncio.sleep(self.poke_interval)
        async for event in super().run():  # which has nothing to wait for any more
            yield TriggerEvent(_Unshown(event.payload))  # type: ignore[no-untyped-call]

    async def _is_answered(self) -> bool:
        try:
            form = await _uninterrupted(lambda: get_hitl_detail_content_detail(ti_id=self.ti_id))
        except Exception as error:
            self._failed += 1
            if self._failed > FAILED_LOOKS:
                # Its own text can quote the answer, and a triggerer logs it.
                raise BillStoreError(
                    f"the form for the MFA code could not be looked at ({type(error).__name__})",
                    advice="clear the task",
                ) from None
            log.warning("The form for the MFA code could not be looked at (%s); trying again.", type(error).__name__)
            return False
        self._failed = 0
        return form.response_received

    def _looks_trusted(self) -> bool:
        from airflow_provider_bill.operators.base import shared_hook

        try:
            hook = shared_hook(self.bill_conn_id, self.organization_id)
            return hook.mfa.looks_trusted(timedelta(seconds=self.renew_within))
        except Exception as error:  # The form is still there, and the next look comes.
            log.warning("Whether another has passed MFA could not be found out (%s).", type(error).__name__)
            return False


async def _uninterrupted(function: Callable[[], T]) -> T:
    """Call a function that asks Airflow, in a thread and to its end, even if the trigger is cancelled meanwhile.

    A call that is cut off leaves its answer unread, and Airflow 3.1's triggerer dies of it.
    """
    return await asyncio.shield(asyncio.ensure_future(sync_to_async(function)()))


class _Unshown(dict[str, Any]):
    """A dict whose values are nobody's business."""

    def __repr__(self) -> str:
        return f"<{', '.join(self)}>"
