"""Waiting for a person's MFA code, or until another has entered one, without a worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from airflow.providers.standard.triggers.hitl import HITLTrigger
from airflow.triggers.base import TriggerEvent
from asgiref.sync import sync_to_async

log = logging.getLogger(__name__)

#: Seconds between two looks at whether another has passed MFA.
TRUST_SECONDS = 60.0


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
        answer = asyncio.ensure_future(anext(aiter(super().run())))
        try:
            while True:
                done, _ = await asyncio.wait({answer}, timeout=self.trust_seconds)
                if done:
                    yield TriggerEvent(_Unshown(answer.result().payload))  # type: ignore[no-untyped-call]  # Airflow names no types
                    return
                if await sync_to_async(self._looks_trusted)():
                    yield TriggerEvent({"trusted": True})  # type: ignore[no-untyped-call]
                    return
        finally:
            answer.cancel()

    def _looks_trusted(self) -> bool:
        from airflow_provider_bill.operators.base import shared_hook

        try:
            hook = shared_hook(self.bill_conn_id, self.organization_id)
            return hook.mfa.looks_trusted(timedelta(seconds=self.renew_within))
        except Exception as error:  # The form is still there, and the next look comes.
            log.warning("Whether another has passed MFA could not be found out (%s).", type(error).__name__)
            return False


class _Unshown(dict[str, Any]):
    """A dict whose values are nobody's business."""

    def __repr__(self) -> str:
        return f"<{', '.join(self)}>"
