"""Sends a write at most once for a task, however often Airflow runs the task again.

A worker can die between sending a payment and hearing that it was made, and BILL documents no idempotency key. So
the intent is noted in Airflow's task state store (3.3) before anything is sent, and the outcome after it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_bill.exceptions import BillError, BillOutcomeUnknownError

if TYPE_CHECKING:
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor

log = logging.getLogger(__name__)

#: The key of the note in the task state store.
NOTE_KEY = "bill_write"


def write_once(notes: TaskStateStoreAccessor, call: str, send: Callable[[], Any]) -> Any:
    """Send a write unless an earlier try of this task has sent it.

    :param notes: the task state store; its notes outlive retries
    :param call: method and path, for people
    :param send: sends the write and gives its result as JSON
    :return: the result, or the recorded one if an earlier try was answered
    :raises BillOutcomeUnknownError: an earlier try sent it and never heard how it ended
    """
    from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # its stubs lag behind

    note = notes.get(NOTE_KEY)
    if isinstance(note, dict) and "result" in note:
        log.warning("BILL answered %s at %s, in an earlier try; it is not sent again.", note["call"], note["at"])
        return note["result"]
    if note is not None:
        sent = note if isinstance(note, dict) else {}
        raise BillOutcomeUnknownError(
            f"an earlier try sent {sent.get('call', call)} at {sent.get('at', 'an unknown time')} and its outcome "
            "was not heard",
            advice=f"look in BILL whether it was carried out; if it was, mark the task as success; if not, delete "
            f"the entry {NOTE_KEY!r} of this task's state store and clear the task",
        )
    intent: dict[str, Any] = {"call": call, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    notes.set(NOTE_KEY, intent, retention=NEVER_EXPIRE)
    try:
        result = send()
    except BillOutcomeUnknownError:
        raise
    except BillError:
        # BILL refused it, or was never reached: nothing was carried out, so a retry may send it.
        notes.delete(NOTE_KEY)
        raise
    notes.set(NOTE_KEY, {**intent, "result": result}, retention=NEVER_EXPIRE)
    return result
