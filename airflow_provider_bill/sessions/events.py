"""What happens to a session and its writes, as data: each event has one sentence for the log and its metrics.

The sentence is for a person who reads a task's log; it holds no secret and no value of a body. The names of the metrics
are in ``docs/metrics.md``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_bill.client.observer import CallObserver
from airflow_provider_bill.client.request import BillRequest, Purpose
from airflow_provider_bill.exceptions import BillError
from airflow_provider_bill.sessions import words

log = logging.getLogger(__name__)

#: Counts one event: name of the metric without its prefix, and its tags.
Count = Callable[[str, Mapping[str, str]], None]


@dataclass(frozen=True)
class Event:
    """One kind of event.

    :param metrics: names that are counted, without their prefix
    :param sentence: for the log, with the names of facts in braces; empty where an error says it all
    :param once: the facts that make it another event: a task says and counts it once for these; empty for each time
    """

    metrics: tuple[str, ...] = ()
    sentence: str = ""
    once: tuple[str, ...] = ()


EVENTS: dict[str, Event] = {
    "session.found": Event(
        ("session.found",),
        "Using the BILL session of {whose}, opened by {by} at {since}; {life}.",
        once=("whose", "by", "since"),
    ),
    "session.signed_in": Event(("session.signed_in",), "Signed in to BILL with {whose}; the session {life}."),
    "session.renewed": Event(
        ("session.signed_in", "session.renewed"),
        "Signed in to BILL again with {whose}, because {why}; the new session {life}.",
    ),
    "session.trusted": Event(
        ("session.trusted",), "The BILL session of {whose} has passed MFA by the remembered device; nobody is asked."
    ),
    "session.signed_out": Event(
        ("session.signed_out",), "Signed out of BILL: ended the session of {whose}, opened by {by} at {since}."
    ),
    "session.was_over": Event((), "Nothing to sign out of: BILL had ended the session of {whose} already."),
    "session.dropped": Event(
        (), "The token of {whose} is no longer stored; BILL has no sign-out for this kind of sign-in, so {life}."
    ),
    "session.none": Event((), "Nothing to sign out of: there is no BILL session of {whose}."),
    "session.left": Event((), "The BILL session of {whose} stays for others: it was opened by {by}."),
    "sign_in.waited": Event(("sign_in.waited",), "Waiting for the sign-in to BILL of {by}, begun at {since}."),
    "mfa.waited": Event(("mfa.waited",), "Waiting for {by}, busy with the same MFA code since {since}."),
    "sign_in.refused": Event(("sign_in.refused",)),
    "sign_in.withheld": Event(("sign_in.withheld",)),
    "mfa.asked": Event(("mfa.asked",)),
    "limit.met": Event(("limit.met",)),
    "write.carried_out": Event(("write.carried_out",), "BILL carried out {call}{ids} in {seconds} s."),
    "write.unknown": Event(("write.unknown",)),
}


@dataclass
class Usage:
    """What one task has asked of BILL, added up; all its hooks share it.

    :param reads: calls that change nothing, answered
    :param rows: rows in their answers
    :param size: bytes of their answers, unpacked
    :param waited: seconds waited because of BILL's limits
    :param said: events that are said once
    :param connections: sessions that were used, as a person would name them
    """

    reads: int = 0
    rows: int = 0
    size: int = 0
    waited: float = 0.0
    said: set[tuple[str, ...]] = field(default_factory=set)
    connections: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Return one sentence about what was read, empty if nothing was."""
        if not self.reads and not self.waited:
            return ""
        read = f"{words.count(self.reads, 'call')}, {words.count(self.rows, 'row')}, {words.size(self.size)}"
        return f"Read from BILL in this task: {read}; waited {self.waited:.1f} s for BILL's limits."


class Events(CallObserver):
    """Logs and counts events of one connection; the one place where that is done.

    :param connection: its id; the only tag of the metrics
    :param count: counts a metric
    :param usage: of the task
    """

    def __init__(
        self, connection: str, *, count: Count = lambda metric, tags: None, usage: Usage | None = None
    ) -> None:
        super().__init__()
        self.usage = Usage() if usage is None else usage
        self._connection = connection
        self._count = count

    def uses(self, connection: str) -> None:
        """Note a connection, as a person would name it, for an error that ends the task."""
        if connection not in self.usage.connections:
            self.usage.connections.append(connection)

    def tell(self, name: str, **facts: str) -> None:
        """Log and count an event.

        :param name: one of ``EVENTS``
        :param facts: texts that its sentence names
        """
        event = EVENTS[name]
        if event.once:
            what = (name, *(facts[fact] for fact in event.once))
            if what in self.usage.said:
                return
            self.usage.said.add(what)
        if event.sentence:
            log.info("%s", event.sentence.format_map(facts))
        for metric in event.metrics:
            self._count(metric, {"connection": self._connection})

    def answered(self, request: BillRequest, body: Any, *, size: int) -> None:
        """Add up what is read, and count texts that are sent."""
        if request.purpose is Purpose.READ:
            self.usage.reads += 1
            self.usage.rows += _rows(body)
            self.usage.size += size
        elif request.path.lower() in _SENDS_A_TEXT:
            self.tell("mfa.asked")

    def limited(self, error: BillError) -> None:
        """Count it; the error or the wait is told elsewhere."""
        self.tell("limit.met")

    def waited(self, seconds: float) -> None:
        """Add it up."""
        self.usage.waited += seconds

    def waits_for_a_free_call(self, request: BillRequest) -> None:
        """Say it once a task."""
        if ("waits",) not in self.usage.said:
            self.usage.said.add(("waits",))
            super().waits_for_a_free_call(request)


#: Paths, in small letters, of the calls by which BILL sends a code.
_SENDS_A_TEXT = frozenset({"/v3/mfa/challenge", "/mfachallenge.json"})


def _rows(body: Any) -> int:
    """Return how many rows an answer holds: those of a list, or the one that was asked for."""
    if isinstance(body, Mapping):
        lists = [value for value in body.values() if isinstance(value, list)]
        return len(lists[0]) if len(lists) == 1 and ("nextPage" in body or "results" in body) else 1
    return len(body) if isinstance(body, list) else 0
