"""``X-Idempotent-Key``: a repeated call within 24 hours gets the first one's answer, and changes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps

from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.events.authentication import Caller
from airflow_provider_bill.sandbox.server.messages import Answer, Call


def happens_once(handler: Callable[..., Answer]) -> Callable[..., Answer]:
    """Let a handler act once for each key, which must be a UUID of version 4; a refusal is not remembered."""

    @wraps(handler)
    def checked(call: Call, caller: Caller, *params: str) -> Answer:
        key, events, what = _read_key(call), call.state.events, " ".join((handler.__name__, *params))
        answer: Answer | None = events.find_answer(caller.owner, what, key)
        if answer is None:
            answer = handler(call, caller, *params)
            events.keep_answer(caller.owner, what, key, answer)
        return answer

    return checked


def _read_key(call: Call) -> str:
    text = call.headers.get("x-idempotent-key", "")
    if not text:
        raise Refusal("BDC_1108", fields=("X-Idempotent-Key: header must not be null",))
    try:
        key = uuid.UUID(text)
    except ValueError:
        key = uuid.NAMESPACE_URL
    if key.version != 4 or str(key) != text.lower():
        raise Refusal("BDC_1129", "X-Idempotent-Key", f"{text[:60]} (must be a UUID of version 4)")
    return str(key)
