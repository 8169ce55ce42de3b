"""What webhooks remember: subscriptions, their events of 180 days, and answers that a repeated key gives again."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.ids import make_security_key
from airflow_provider_bill.sandbox.state.clock import Clock, to_iso

HISTORY_SECONDS = 180 * 86400
REPEAT_SECONDS = 24 * 3600


@dataclass(slots=True)
class Subscription:
    """One subscription.

    :param owner: an organization, or a partner's key.
    :param organizations: those whose events it is told of.
    :param organization_id: the one that it was made in; empty for a partner's.
    """

    owner: str
    organizations: frozenset[str]
    organization_id: str
    name: str
    enabled: bool
    events: list[Row]
    url: str
    created: float
    updated: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    key: str = field(default_factory=make_security_key)

    def wants(self, organization_id: str, event_type: str) -> bool:
        """Return whether it is to be told of an event."""
        return (
            self.enabled
            and organization_id in self.organizations
            and any(event["type"] == event_type for event in self.events)
        )

    def describe(self) -> Row:
        """Return it as BILL answers it; its key is shown once, when it is made."""
        return {
            "id": self.id,
            "name": self.name,
            "organizationId": self.organization_id or None,
            "status": {"enabled": self.enabled},
            "events": self.events,
            "notificationUrl": self.url,
            "createdTime": to_iso(self.created),
            "updatedTime": to_iso(self.updated),
        }


@dataclass(slots=True)
class Event:
    """One event of a subscription: what is sent, and what the last receiver's answer was.

    :param note: why it was not sent.
    """

    subscription: Subscription
    type: str
    entity_id: str
    created: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    payload: str = ""
    status_code: int | None = None
    note: str | None = None

    def describe(self) -> Row:
        """Return it as BILL answers it."""
        return {
            "id": self.id,
            "type": self.type,
            "version": "1",
            "subscriptionId": self.subscription.id,
            "payload": self.payload,
            "createdTime": to_iso(self.created),
            "statusCode": self.status_code,
        }


class Events:
    """Everything that webhooks remember, and the deliveries that are under way."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.subscriptions: dict[str, Subscription] = {}
        self.history: dict[str, list[Event]] = {}
        self.sent = 0
        self._answers: dict[tuple[str, str, str], tuple[float, Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()

    def add(self, event: Event) -> None:
        """Add an event to its subscription's history, and forget what is older than 180 days."""
        kept = self.find_history(event.subscription)
        self.history[event.subscription.id] = [*kept, event]

    def find_history(self, subscription: Subscription) -> list[Event]:
        """Return the events of 180 days, oldest first."""
        since = self.clock.now() - HISTORY_SECONDS
        return [event for event in self.history.get(subscription.id, ()) if event.created >= since]

    def delete(self, subscription: Subscription) -> None:
        """Forget a subscription and its events."""
        del self.subscriptions[subscription.id]
        self.history.pop(subscription.id, None)

    def find_answer(self, owner: str, what: str, key: str) -> Any:
        """Return the answer that a key got within 24 hours, or None.

        :param what: names the call, and what it is about.
        """
        since = self.clock.now() - REPEAT_SECONDS
        self._answers = {name: row for name, row in self._answers.items() if row[0] > since}
        found = self._answers.get((owner, what, key))
        return found[1] if found else None

    def keep_answer(self, owner: str, what: str, key: str, answer: Any) -> None:
        """Remember the answer that a key gets again."""
        self._answers[owner, what, key] = (self.clock.now(), answer)

    def start(self, delivery: Coroutine[Any, Any, None]) -> None:
        """Run a delivery beside the calls."""
        task = asyncio.get_running_loop().create_task(delivery)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def note_clock_move(self) -> None:
        """Let every delivery look at the clock again."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def wait_until(self, moment: float) -> None:
        """Wait until the local BILL's clock, not the machine's, shows a moment."""
        while (left := moment - self.clock.now()) > 0:
            moved = self._moved
            try:
                await asyncio.wait_for(moved.wait(), None if self.clock.is_stopped else left)
            except TimeoutError:
                continue

    def close(self) -> None:
        """End all deliveries."""
        for task in self._tasks:
            task.cancel()
