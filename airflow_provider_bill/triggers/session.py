"""Waiting for a live BILL session without a worker; all triggers of a process share their looks at the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_provider_bill.exceptions import BillError

log = logging.getLogger(__name__)

#: What the event says; the task looks again itself, so that nothing need be believed of an event.
FOUND = {"bill_session": "found"}


class BillSessionTrigger(BaseTrigger):
    """Waits until a live session of a connection is stored; sends nothing, and its event holds nothing but that.

    A thousand of them that wait for the same connection and organization look once each ``poll_interval``. If the look
    fails, they go on: only the sensor's ``timeout`` ends the wait.

    :param bill_conn_id: Airflow connection of type ``bill``
    :param organization_id: BILL organization to use instead of the connection's own
    :param require_trusted: wait for a session that has passed MFA
    :param minutes_left: how many minutes the session must have left if nobody uses it
    :param poll_interval: seconds between two looks
    """

    def __init__(
        self,
        *,
        bill_conn_id: str,
        organization_id: str | None = None,
        require_trusted: bool = False,
        minutes_left: float = 0.0,
        poll_interval: float = 60.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow names no types
        self.bill_conn_id = bill_conn_id
        self.organization_id = organization_id
        self.require_trusted = require_trusted
        self.minutes_left = minutes_left
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores of it: no secret."""
        return f"{__name__}.{type(self).__name__}", {
            "bill_conn_id": self.bill_conn_id,
            "organization_id": self.organization_id,
            "require_trusted": self.require_trusted,
            "minutes_left": self.minutes_left,
            "poll_interval": self.poll_interval,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the session."""
        loop = asyncio.get_running_loop()
        while True:
            look = _shared_look(_Place(self.bill_conn_id, self.organization_id), self.poll_interval)
            # A cancelled trigger takes nothing from the others; and a question to Airflow that is cut off leaves its
            # answer unread, of which Airflow 3.1's triggerer dies.
            seen = await asyncio.shield(look.task)
            if seen is not None and self._is_wanted(seen):
                yield TriggerEvent(dict(FOUND))  # type: ignore[no-untyped-call]
                return
            # All wake at one moment, and the first of them looks for all.
            await asyncio.sleep(max(look.began + self.poll_interval - loop.time(), _SHORTEST))

    def _is_wanted(self, seen: _Seen) -> bool:
        if self.require_trusted and not seen.trusted:
            return False
        if seen.expires_at is None:
            return True
        from airflow_provider_bill.client.session import SAFETY_MARGIN

        # The look may be as old as a poll interval, and the task uses no session that is about to end.
        left = (seen.expires_at - datetime.now(UTC)).total_seconds()
        return left > SAFETY_MARGIN.total_seconds() and left >= 60 * self.minutes_left


#: Seconds that a trigger sleeps at least: a poll interval of nothing would not let others run.
_SHORTEST = 0.01


class _Place(NamedTuple):
    """What is looked for."""

    bill_conn_id: str
    organization_id: str | None


@dataclass(frozen=True)
class _Seen:
    """What a look at a live session has shown; ``expires_at`` is None if it does not end."""

    trusted: bool
    expires_at: datetime | None


@dataclass(frozen=True)
class _Look:
    """One look of all triggers that wait for the same.

    :param loop: whose triggers may await it
    :param began: seconds on the loop's clock
    """

    loop: asyncio.AbstractEventLoop
    began: float
    task: asyncio.Task[_Seen | None]


#: The newest look at each place, and the places where the last look failed.
_LOOKS: dict[_Place, _Look] = {}
_FAILING: set[_Place] = set()


def _shared_look(place: _Place, seconds: float) -> _Look:
    """Return the look that is going on or is not older than so many seconds, or begin one."""
    loop = asyncio.get_running_loop()
    known = _LOOKS.get(place)
    # The loop's clock may wake a sleeper a little early.
    if known is None or known.loop is not loop or (known.task.done() and loop.time() - known.began > seconds - 0.005):
        known = _LOOKS[place] = _Look(loop, loop.time(), loop.create_task(_look(place)))
    return known


async def _look(place: _Place) -> _Seen | None:
    try:
        seen = await sync_to_async(_read)(place)
    except Exception as error:
        if place not in _FAILING:
            _FAILING.add(place)
            # The text of an error that is not ours could quote the connection.
            says = str(error) if isinstance(error, BillError) else type(error).__name__
            log.warning(
                "Whether there is a BILL session of connection %r could not be read (%s); the wait goes on.",
                place.bill_conn_id,
                says,
            )
        return None
    if place in _FAILING:
        _FAILING.discard(place)
        log.info("The BILL session of connection %r can be read again.", place.bill_conn_id)
    return seen


def _read(place: _Place) -> _Seen | None:
    """Look at the record once; in a thread, as it asks Airflow."""
    from airflow_provider_bill.operators.base import shared_hook

    with shared_hook(*place) as hook:
        handle = hook.live_handle()
    if handle is None:
        return None
    expires_at = datetime.fromisoformat(handle["expires_at"]) if handle["expires_at"] else None
    return _Seen(trusted=handle["trusted"], expires_at=expires_at)
