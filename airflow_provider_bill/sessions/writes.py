"""Durable writes: what a task writes at BILL is sent at most once, however often Airflow runs the task again.

A worker can die between sending a payment and hearing that it was made, and BILL takes no idempotency key for it. So
the intent is stored before each sending, and the outcome after it, under an idempotency key and with a digest of what
was sent (the terms are Stripe's). A task whose write is open (sent, and its outcome not known) writes nothing more.

Airflow may run a task a second time while the first process lives, and its stores have no compare-and-set. So each
process first claims the notes, then looks for an open write and for the answer, in this order; and it looks whether the
claim is still its own after its intent is stored, before it sends. Of two processes at least one sees the other: the
earlier finds the claim taken, or the later finds the earlier's intent or its answer. What a process that was overtaken
still stores or takes back concerns its own write only, as an intent lies under the name of its write; a second copy
lies where every write of the task looks. Whether an intent counts is decided by what names it: the outcome of its
write, or a settlement of its id.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_provider_bill.client.answers import Answer
from airflow_provider_bill.client.request import BillRequest
from airflow_provider_bill.client.requester import Around
from airflow_provider_bill.client.session import Clock, utc_now
from airflow_provider_bill.exceptions import (
    BillConfigurationError,
    BillError,
    BillIdempotencyError,
    BillOutcomeUnknownError,
    BillStoreError,
    BillUnavailableError,
)
from airflow_provider_bill.sessions.events import Events
from airflow_provider_bill.sessions.identity import Identity
from airflow_provider_bill.sessions.keys import settlement_key
from airflow_provider_bill.sessions.stores import Store
from airflow_provider_bill.sessions.times import from_text

log = logging.getLogger(__name__)

#: Hours for which a write with BILL's own idempotency key may be sent again: BILL keeps the answer for 24.
REPEATABLE_HOURS = 23
#: Seconds for which storing an outcome is tried: longer than a restart of Airflow's API server.
PERSISTENCE_SECONDS = 180.0
#: Seconds between two of these attempts, at first and at most.
PAUSE_SECONDS = (0.5, 10.0)


#: What an intent, an outcome and a settlement must say.
_INTENT = dict.fromkeys(("id", "name", "digest", "call", "at"), str)
_OUTCOME: dict[str, type] = {**dict.fromkeys(("name", "digest", "call", "at"), str), "status": int}
_SETTLEMENT = {"carried_out": bool}

#: Sends a write; is given what is to be sent, and what is to be done around each single sending.
Send = Callable[[BillRequest, Around | None], Answer]


class Writes(Protocol):
    """Sends writes."""

    def send(self, request: BillRequest, identity: Identity, key: str | None, send: Send) -> Answer:
        """Send a write, or return the recorded answer of an earlier try.

        :param request: the write
        :param identity: what the session belongs to
        :param key: idempotency key; None for the next number of this try
        :param send: sends it
        """


@dataclass
class TaskTry:
    """One try of a task instance; shared by all hooks of its process.

    :param answered: the numbered writes that were answered, now or in an earlier try
    :param unstored: what could not be stored, though it is true; done before anything more is written
    :param claimed: by whom this process has claimed the notes
    :param lock: held while a write is sent, as only one may be open
    """

    answered: set[str] = field(default_factory=set)
    unstored: list[Callable[[], None]] = field(default_factory=list, repr=False)
    claimed: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _nonce: str = field(default_factory=lambda: uuid.uuid4().hex, repr=False)

    @property
    def process(self) -> str:
        """A name for this process, and another one in each that was forked from it."""
        return f"{self._nonce}-{os.getpid()}"

    def name(self, key: str | None) -> str:
        """Return the name of a write for people and notes.

        :param key: idempotency key; None for the next number
        :raises BillConfigurationError: the key is none
        """
        if key is None:
            # A refused write takes no number: the next try may not be refused, and then the numbers would shift.
            return f"write number {len(self.answered) + 1}"
        if not isinstance(key, str) or not key.strip():
            raise BillConfigurationError(
                f"idempotency_key is {key!r}", advice="give a text such as the id of what is paid, or leave it out"
            )
        return f"idempotency key {key!r}"


@dataclass(frozen=True)
class _Write:
    """One write of a task.

    :param request: what is sent
    :param digest: of what is sent
    :param name: within the task
    :param is_numbered: whether the name is a number
    """

    request: BillRequest
    digest: str
    name: str
    is_numbered: bool


class DurableWrites:
    """Stores intent and outcome of each write of a task instance.

    :param store: outlives the tries of the task, and its success; a read of it that fails raises
    :param prefix: how the keys in the store begin; names the task instance, if the store does not
    :param settlements: where a person says how an unknown write ended
    :param task_try: of this try
    :param place: dag, run, task and map index: they go into the idempotency keys that BILL itself takes
    :param clock: gives the present moment in UTC
    :param sleep: waits for so many seconds
    :param monotonic: a steady clock in seconds
    :param events: logs and counts what happens
    """

    def __init__(
        self,
        store: Store,
        prefix: str,
        *,
        settlements: Store,
        task_try: TaskTry,
        place: tuple[str | int, ...] = (),
        clock: Clock = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        events: Events | None = None,
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._open_key = f"{prefix}__open"
        self._claim_key = f"{prefix}__claim"
        self._settlements = settlements
        self._try = task_try
        self._place = place
        self._clock = clock
        self._sleep = sleep
        self._monotonic = monotonic
        self._events = events or Events("")

    def send(self, request: BillRequest, identity: Identity, key: str | None, send: Send) -> Answer:
        """Send a write, or return the recorded answer of an earlier try.

        :raises BillIdempotencyError: the key stands for another write already, or for one whose answer was a secret;
            nothing is sent
        :raises BillOutcomeUnknownError: a write of this task was sent and its outcome is not known
        :raises BillStoreError: the intent cannot be stored; nothing is sent
        """
        with self._try.lock:
            name, digest = self._try.name(key), digest_of(request, identity)
            if request.takes_idempotency_key:
                request = dataclasses.replace(request, idempotency_key=_key_of(*self._place, name, digest))
            write = _Write(request, digest, name, is_numbered=key is None)
            self._store_unstored()
            self._claim()
            # In this order: another process stores its outcome first and takes back its intent then.
            own, last = (_read(self._store, key, _INTENT) for key in (self._intent_key(write.name), self._open_key))
            answer = self._recorded(write)
            if answer is None and (own or last):
                for intent in self._intents(own, last):
                    if self._is_repeatable(intent, write):
                        continue
                    self._check_settled(intent, is_last=last is not None and intent["name"] == last["name"])
                # What a person has settled as carried out is an answer too.
                answer = self._recorded(write)
            return answer or send(request, lambda once: self._attempt(write, once, own))

    def _store_unstored(self) -> None:
        while self._try.unstored:
            self._try.unstored[0]()
            del self._try.unstored[0]

    def _claim(self) -> None:
        if self._try.claimed != self._try.process:
            self._store.write(self._claim_key, self._try.process)
            self._try.claimed = self._try.process

    def _has_claim(self) -> bool:
        return self._store.read(self._claim_key) == self._try.process

    def _recorded(self, write: _Write) -> Answer | None:
        outcome = _read(self._store, self._outcome_key(write.name), _OUTCOME)
        if outcome is None:
            return None
        if outcome["digest"] != write.digest:
            raise BillIdempotencyError(
                f"this task has made {outcome['call']} ({outcome['digest'][:8]}) at {outcome['at']} as {write.name}, "
                f"and would now send something else as that: {write.request.label} ({write.digest[:8]})",
                advice="nothing was sent; start a new DAG run for it, and give each write of a task an idempotency_key "
                "of its own, such as the id of what is paid",
            )
        if outcome.get("incomplete"):
            if self._is_repeatable(outcome, write):
                return None
            raise BillIdempotencyError(
                f"this task has made {outcome['call']} at {outcome['at']} as {write.name}, and the secret in its "
                "answer is stored nowhere",
                advice="nothing was sent; what was made is in BILL: make a new secret for it there, in a new DAG run",
            )
        log.warning("BILL answered %s at %s, in an earlier try; it is not sent again.", outcome["call"], outcome["at"])
        self._count(write)
        return Answer(write.request, outcome["status"], outcome.get("result"), from_text(outcome["at"]))

    def _is_repeatable(self, note: Mapping[str, Any], write: _Write) -> bool:
        """Return whether a write may be sent again because BILL itself keeps its answer, and does it once only.

        :param note: intent or outcome of an earlier sending
        """
        until, same = note.get("repeatable_until"), (note["name"], note["digest"]) == (write.name, write.digest)
        return same and until is not None and self._clock() < from_text(until)

    def _count(self, write: _Write) -> None:
        if write.is_numbered:
            self._try.answered.add(write.name)

    def _intents(self, own: dict[str, Any] | None, last: dict[str, Any] | None) -> list[dict[str, Any]]:
        """Return what is known to be open, one intent for each write.

        :param own: of this write
        :param last: of the last one of the task; what lies under its name counts, as two processes may have stored one
        """
        if last is None or (own is not None and own["name"] == last["name"]):
            found = [own]
        else:
            found = [own, _read(self._store, self._intent_key(last["name"]), _INTENT) or last]
        return [intent for intent in found if intent is not None]

    def _check_settled(self, intent: Mapping[str, Any], *, is_last: bool) -> None:
        """Go on, if the outcome of an open write is known by now; raise if it is not.

        :param is_last: whether it is the last one of the task
        """
        name = intent["name"]
        if _read(self._store, self._outcome_key(name), _OUTCOME) is None:
            settlement = _read(self._settlements, settlement_key(intent["id"]), _SETTLEMENT)
            if settlement is None:
                raise _unknown(intent)
            if not settlement["carried_out"]:
                # Intent and settlement stay until the write is sent again: another process may be about to do so.
                return
            outcome = {**intent, "state": "answered", "status": 200, "result": settlement.get("result")}
            self._store.write(self._outcome_key(name), json.dumps(outcome))
        self._forget_intent(name, is_last=is_last)
        self._delete_settlement(intent["id"])

    def _delete_settlement(self, write_id: str) -> None:
        try:
            self._settlements.delete(settlement_key(write_id))
        except BillStoreError as error:
            # It names one sending and can never stand for another.
            log.warning("The settlement of write %s could not be removed: %s", write_id, error)

    def _attempt(self, write: _Write, once: Callable[[], Answer], own: Mapping[str, Any] | None) -> Answer:
        """Send once, with the intent stored for just as long as the outcome is open.

        :param own: of the sending before this one: a person has said that it was not carried out, or it may be repeated
        """
        label = write.request.label
        intent: dict[str, Any] = {
            "v": 1,
            "id": uuid.uuid4().hex[:16],
            "state": "sent",
            "name": write.name,
            "digest": write.digest,
            "call": label,
            "at": self._clock().isoformat(),
            "task": list(self._place),
        }
        is_open = False
        if write.request.idempotency_key:
            intent["repeatable_until"] = self._repeatable_until(write)
            is_open = self._is_open(write)
        try:
            for key in (self._intent_key(write.name), self._open_key):
                self._store.write(key, json.dumps(intent))
            if not self._has_claim():
                raise BillStoreError(
                    f"the intent to send {label} was stored, and then the notes were found to be another process's",
                    advice="nothing was sent; another process runs this task too, or Airflow loses what is stored: "
                    "run it again",
                )
        except BillStoreError:
            # It may have been stored all the same.
            if not is_open:
                self._persist(lambda: self._take_back(intent), f"that {label} was not sent")
            raise
        if own is not None:
            self._delete_settlement(own["id"])
        began = self._monotonic()
        try:
            answer = once()
        except BillOutcomeUnknownError as error:
            if not write.request.idempotency_key:
                self._events.tell("write.unknown")
                raise _unknown(intent, error) from None
            failure = error
        except BillError:
            # Refused, or never sent: nothing was carried out, unless by an earlier sending whose answer was lost.
            if not is_open:
                self._persist(lambda: self._take_back(intent), f"that {label} was refused")
            raise
        except BaseException:
            # Airflow's time limit, or an end of the process that still lets it speak.
            self._events.tell("write.unknown")
            log.error("%s", _unknown(intent))
            raise
        else:
            # First of all: whatever happens now, the id of what was made stands in the log.
            tell_of_write(self._events, label, answer.body, self._monotonic() - began)
            self._record(write, answer, intent.get("repeatable_until"))
            return answer
        # The intent stays: after that time nobody knows any more.
        raise BillUnavailableError(
            str(failure).partition(";")[0],
            advice=f"run the task again before {intent['repeatable_until']}: BILL keeps the answer, and does it once",
            code=failure.code,
            status=failure.status,
        )

    def _is_open(self, write: _Write) -> bool:
        """Return whether an earlier sending of a repeatable write may have been carried out."""
        intent = _read(self._store, self._intent_key(write.name), _INTENT)
        return intent is not None and self._is_repeatable(intent, write)

    def _repeatable_until(self, write: _Write) -> str:
        """Return until when a write may be sent again: counted from its first sending."""
        for key, fields in ((self._intent_key(write.name), _INTENT), (self._outcome_key(write.name), _OUTCOME)):
            note = _read(self._store, key, fields)
            if note is not None and self._is_repeatable(note, write):
                return str(note["repeatable_until"])
        return self._clock().add(hours=REPEATABLE_HOURS).isoformat()

    def _take_back(self, intent: Mapping[str, Any]) -> None:
        """Take an intent back that came to nothing.

        It stays where another process has claimed the notes: it may have taken the place of what that one has open.
        """
        if not self._has_claim():
            return
        for key in (self._intent_key(intent["name"]), self._open_key):
            # It may not have been stored; then another may claim the notes and store its own here just now.
            found = _read(self._store, key, _INTENT)
            if found is not None and found["id"] == intent["id"]:
                self._store.delete(key)

    def _forget_intent(self, name: str, *, is_last: bool = True) -> None:
        """Remove the intent of a write whose outcome is stored."""
        if is_last and self._has_claim():
            self._store.delete(self._open_key)
        self._store.delete(self._intent_key(name))

    def _record(self, write: _Write, answer: Answer, repeatable_until: str | None) -> None:
        self._count(write)
        outcome = {
            "v": 1,
            "state": "answered",
            "name": write.name,
            "digest": write.digest,
            "call": write.request.label,
            "at": answer.sent_at.isoformat(),
            "status": answer.status,
            "result": answer.body,
        }
        if answer.secrets():
            # What is stored is read by others, and no secret is.
            outcome |= {"result": None, "incomplete": True, "repeatable_until": repeatable_until}
        text = json.dumps(outcome)

        def store() -> None:
            self._store.write(self._outcome_key(write.name), text)
            self._forget_intent(write.name)

        self._persist(store, f"the answer to {write.request.label}")

    def _persist(self, store: Callable[[], None], what: str) -> None:
        """Store something that is true already, for as long as that makes sense."""
        until, pause = self._monotonic() + PERSISTENCE_SECONDS, PAUSE_SECONDS[0]
        while True:
            try:
                store()
            except BillStoreError as error:
                if self._monotonic() >= until:
                    log.warning(
                        "Not stored: %s (%s). If this task runs again, it asks how the write ended.", what, error
                    )
                    self._try.unstored.append(store)
                    return
                self._sleep(pause)
                pause = min(2 * pause, PAUSE_SECONDS[1])
            else:
                return

    def _intent_key(self, name: str) -> str:
        return f"{self._outcome_key(name)}__sent"

    def _outcome_key(self, name: str) -> str:
        return f"{self._prefix}__{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:16]}"


class RefusedWrites:
    """Refuses all writes: a task is running, and from here nothing can be reached that outlives its try."""

    def send(self, request: BillRequest, identity: Identity, key: str | None, send: Send) -> Answer:
        """Refuse a write.

        :raises BillConfigurationError: always
        """
        raise BillConfigurationError(
            f"{request.label} is a write, and from here (a virtualenv, an external Python, a callback) nothing can be "
            "reached that keeps a retry from sending it again",
            advice="nothing was sent; make the call in an ordinary task, or, if it may be sent twice, pass "
            "unprotected_writes=True to BillHook",
        )


def digest_of(request: BillRequest, identity: Identity) -> str:
    """Return a digest of where, for whom and what a request writes.

    :raises BillConfigurationError: its body or parameters cannot be sent
    """
    parts = [
        identity.environment,
        identity.organization_id,
        request.method,
        request.path,
        dict(request.params or {}),
        request.body,
        *([] if request.file is None else [request.file.digest]),
    ]
    try:
        text = json.dumps(parts, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        failure = type(error).__name__
    else:
        return hashlib.sha256(text.encode()).hexdigest()
    raise BillConfigurationError(
        f"the body or the query of {request.label} cannot be sent ({failure})",
        advice="a body takes finite numbers, texts, lists and objects; a query takes plain values",
    )


def _key_of(*place: str | int) -> str:
    """Return an idempotency key in the form of a random UUID, the same for each try of the same write.

    :param place: of the write, and the digest of what is sent: BILL gives a refusal, too, again to the same key
    """
    return str(uuid.UUID(bytes=hashlib.sha256(json.dumps(place).encode()).digest()[:16], version=4))


def settle(settlements: Store, write_id: str, *, carried_out: bool, result: Any = None) -> None:
    """Say how a write ended whose outcome is unknown.

    :param settlements: where the task will look
    :param write_id: what the error has named
    :param carried_out: True: the task returns ``result`` and sends nothing; False: it sends the write again
    :param result: what the task is to return, such as ``{"id": "stp..."}``
    :raises BillConfigurationError: there can be no such write id
    :raises BillStoreError: it could not be stored
    """
    if len(write_id) != 16 or not set(write_id) <= set("0123456789abcdef"):
        raise BillConfigurationError(
            f"{write_id[:40]!r} is not the id of a write", advice="copy the 16 characters that the error has named"
        )
    settlements.write(
        settlement_key(write_id),
        json.dumps({"v": 1, "carried_out": carried_out, "result": result}),
    )


def _read(store: Store, key: str, fields: Mapping[str, type]) -> dict[str, Any] | None:
    """Return a stored document.

    :param fields: what it must have, and of which type
    :raises BillStoreError: it cannot be read; what cannot be understood is never taken for nothing
    """
    text = store.read(key)
    if not text:
        return None
    try:
        document = json.loads(text)
        if document["v"] == 1 and all(type(document[name]) is kind for name, kind in fields.items()):
            for moment in ("at", "repeatable_until"):
                if document.get(moment) is not None:
                    from_text(document[moment])
            return dict(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise BillStoreError(
        f"the entry {key!r} about a write is not readable",
        advice="look in BILL whether the write was carried out; delete the entry only if it was not",
    )


def _unknown(intent: Mapping[str, Any], error: BillOutcomeUnknownError | None = None) -> BillOutcomeUnknownError:
    said = f"{str(error).partition(';')[0]}; " if error is not None else ""
    return BillOutcomeUnknownError(
        f"{said}{intent['call']} was sent at {intent['at']} as {intent['name']}, and its outcome is unknown "
        f"(write {intent['id']})",
        advice="this task writes nothing more until it is settled: look in the logs of earlier tries for BILL's id and "
        "in BILL whether it was carried out, then run "
        f"BillHook.settle_write({intent['id']!r}, carried_out=True or False), as the example DAG bill_settle_write "
        "does, and clear the task",
        code=error.code if error is not None else None,
        status=error.status if error is not None else None,
    )


def tell_of_write(events: Events, call: str, body: Any, seconds: float) -> None:
    """Log and count a write that BILL has carried out."""
    events.tell("write.carried_out", call=call, ids=_ids(body), seconds=f"{seconds:.2f}")


def _ids(body: Any) -> str:
    """Return the ids in an answer, for the log."""
    rows = body if isinstance(body, list) else [body]
    found = [str(row["id"]) for row in rows if isinstance(row, dict) and row.get("id")]
    return f": {', '.join(found[:100])}" if found else ""
