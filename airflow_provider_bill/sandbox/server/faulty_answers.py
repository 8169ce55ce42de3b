"""The bad answers that faults order."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_bill.sandbox.codes import CODES
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.state.clock import to_iso
from airflow_provider_bill.sandbox.state.faults import FaultOrder

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


def make_faulty_answer(call: Call, order: FaultOrder, refuse: Callable[[Call, Refusal], Answer]) -> Answer:
    """Return the bad answer of an order.

    :param refuse: how the call's dialect answers with a refusal.
    """
    if order.kind == "malformed":
        return Answer(order.status or 200, b'{"results":[{"id":"0090', code="malformed")
    if order.kind == "html":
        return Answer(order.status or 502, _HTML, media="text/html", code="html")
    if order.kind == "empty":
        return Answer(order.status or 200, code="empty")
    known = CODES.get(order.code)
    message = order.message or (known.message if known else "System error occurred.")
    status = order.status or (known.status if known else 500)
    if order.kind == "error_object":
        body = {"timestamp": to_iso(call.now), "code": order.code, "status": status, "message": message}
        return answer_json(body, status, code=order.code)
    answer = refuse(call, Refusal(order.code, status=status, fields=(message,) * order.repeat))
    answer.status = order.status or answer.status
    return answer
