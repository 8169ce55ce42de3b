"""v2's forms and envelopes."""

from __future__ import annotations

import json

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Headers, Refusal
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json


def succeed(data: object, headers: Headers = ()) -> Answer:
    """Return the success envelope."""
    return answer_json(describe_success(data), headers=headers)


def describe_success(data: object) -> Row:
    """Return the inside of a success envelope."""
    return {"response_status": 0, "response_message": "Success", "response_data": data}


def refuse(call: Call, refusal: Refusal) -> Answer:
    """Return the error envelope, with HTTP 200."""
    return answer_json(describe_refusal(refusal), code=refusal.code)


def describe_refusal(refusal: Refusal) -> Row:
    """Return the inside of an error envelope."""
    message = refusal.fields[0] if refusal.fields else refusal.message
    return {
        "response_status": 1,
        "response_message": "Error",
        "response_data": {"error_code": refusal.code, "error_message": message},
    }


def require_form_fields(form: dict[str, str], *names: str) -> list[str]:
    """Return form fields that must be there; the developer key has a refusal of its own."""
    for name in names:
        if not form.get(name):
            raise Refusal("BDC_1178") if name == "devKey" else Refusal("BDC_1108", name)
    return [form[name] for name in names]


def read_data(call: Call) -> Row:
    """Return the ``data`` field, which is a JSON object as text."""
    text = call.form.get("data")
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        raise Refusal("BDC_1122") from None
    if not isinstance(value, dict):
        raise Refusal("BDC_1122")
    return value
