"""How v3 writes refusals: an array of error objects, or a single object."""

from __future__ import annotations

from typing import Any

from airflow_provider_bill.sandbox.codes import CODES, LIMIT_CODES, SIGN_IN_CODES
from airflow_provider_bill.sandbox.errors import Refusal, SingleObjectRefusal
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.state.clock import to_iso
from airflow_provider_bill.sandbox.state.settings import Settings


class OAuthRefusal(SingleObjectRefusal):
    """A refusal in RFC 6749's form."""


def refuse(call: Call, refusal: Refusal) -> Answer:
    """Return the array of error objects."""
    body = [_make_error_object(call.now, refusal.code, message, named) for message, named in refusal.describe()]
    return answer_json(body, _choose_status(refusal, call.state.settings), refusal.headers, refusal.code)


def _make_error_object(now: float, code: str, message: str, named: list[tuple[str, str]]) -> dict[str, Any]:
    # Where there is nothing to name, BILL was seen to send an object in the place of the list.
    return {
        "timestamp": to_iso(now),
        "code": code,
        "severity": "ERROR",
        "category": CODES[code].category if code in CODES else "APPLICATION",
        "message": message,
        "params": [{"name": name, "value": value, "additional": {}} for name, value in named] or {},
    }


def _choose_status(refusal: Refusal, settings: Settings) -> int:
    if refusal.status is not None:
        return refusal.status
    if refusal.code in LIMIT_CODES:
        return settings.limit_status
    if refusal.signing_in and refusal.code in SIGN_IN_CODES:
        return settings.sign_in_status
    return CODES[refusal.code].status if refusal.code in CODES else 400


def refuse_with_object(call: Call, refusal: SingleObjectRefusal) -> Answer:
    """Return the single object of BILL's gateway, or OAuth's."""
    if isinstance(refusal, OAuthRefusal):
        body = {"error": refusal.error, "error_description": refusal.message}
    else:
        body = {"timestamp": to_iso(call.now), "error": refusal.error, "message": refusal.message}
    return answer_json(body, refusal.status, refusal.headers, refusal.error)
