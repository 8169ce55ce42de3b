"""What the client tells about its calls while it makes them, to whoever wants to log or count it."""

from __future__ import annotations

import logging
from typing import Any

from airflow_provider_bill.client.request import BillRequest
from airflow_provider_bill.exceptions import BillError

log = logging.getLogger(__name__)


class CallObserver:
    """Hears of each call; by itself it only says once that BILL's three calls at once are met."""

    def __init__(self) -> None:
        self._warned = False

    def answered(self, request: BillRequest, body: Any, *, size: int) -> None:
        """Hear that BILL has answered a call.

        :param body: parsed; must not be kept or shown
        :param size: of the answer in bytes, unpacked
        """

    def limited(self, error: BillError) -> None:
        """Hear that BILL has refused a call for one of its limits."""

    def waited(self, seconds: float) -> None:
        """Hear that a call has waited, so that BILL takes it or answers this time."""

    def waits_for_a_free_call(self, request: BillRequest) -> None:
        """Hear that a call is about to wait until one of the three that BILL takes at once is done."""
        if not self._warned:
            self._warned = True
            log.warning(
                "BILL takes three calls at once for a developer key and organization; %s waits for a free one. "
                "An Airflow pool of 3 slots (bill_api) for these tasks keeps them from waiting here.",
                request.label,
            )
