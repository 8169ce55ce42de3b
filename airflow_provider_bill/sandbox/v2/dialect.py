"""v2's front door: POST only, forms only, and HTTP 200 also for errors."""

from __future__ import annotations

from airflow_provider_bill.sandbox.codes import CODES
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.v2.entities import find
from airflow_provider_bill.sandbox.v2.sign_in import handlers, ok

_ERRORS = "/api/v2/Errors.json"


def answer(call: Call) -> Answer:
    """Carry a v2 call out."""
    if call.path == _ERRORS and call.method in ("GET", "POST"):
        return ok([{"error_code": code, "error_message": row.message} for code, row in CODES.items()])
    if call.method != "POST":
        raise Refusal("BDC_1121", message="API not supported. v2 calls are POST.")
    handler = handlers.get(call.path)
    if handler is not None:
        return handler(call)
    found = find(call.path)
    if found is None:
        raise Refusal("BDC_1121")
    return found[0](call, *found[1])


def refused(call: Call, refusal: Refusal) -> Answer:
    """The error envelope, with HTTP 200."""
    reply = answer_json(refusal.v2_body())
    reply.code = refusal.code
    return reply
