"""What only cards do: freezing, an end with a reason, and a token for their number."""

from __future__ import annotations

import base64
import hmac
import json

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.contract import get_schema
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.ids import make_security_key
from airflow_provider_bill.sandbox.server.messages import Answer, Call, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.state.clock import to_iso
from airflow_provider_bill.sandbox.v3.spend.access import get_live_row, note_change, requires_token

routes = Routes("/connect/v3/spend/cards/{}")

_PAN_SECONDS = 300
_SIGNING_KEY = make_security_key().encode()


def _change(call: Call, card: str, **fields: str) -> Row:
    row = get_live_row(call, "cards", card)
    row |= {**fields, "updatedTime": to_iso(call.now)}
    note_change(call, "cards", "updated", row)
    return row


@routes.route("POST", "/freeze")
@requires_token
def freeze(call: Call, card: str) -> Answer:
    """Freeze a card, so that nothing can be paid with it."""
    return reply(call, _change(call, card, status="FROZEN"))


@routes.route("POST", "/unfreeze")
@requires_token
def unfreeze(call: Call, card: str) -> Answer:
    """Let a frozen card pay again."""
    row = get_live_row(call, "cards", card)
    return reply(call, _change(call, card, status="ACTIVATED") if row["status"] == "FROZEN" else row)


@routes.route("DELETE", "")
@requires_token
def delete(call: Call, card: str) -> Answer:
    """End a card for good."""
    reasons = get_schema("Cards")["properties"]["deletedReason"]["enum"]
    reason = call.query.get("reason") or "CANCELLED"
    if reason not in reasons:
        raise Refusal("BDC_1129", "reason", f"{reason[:40]} (must be {', '.join(reasons)})")
    _change(call, card, status="DELETED", deletedReason=reason)
    return reply(call, None)


@routes.route("GET", "/pan-jwt")
@requires_token
def make_pan_token(call: Call, card: str) -> Answer:
    """Hand out a token of five minutes for a card's number; the local BILL has no numbers to give for it."""
    row = get_live_row(call, "cards", card)
    claims = {"sub": row["uuid"], "iat": int(call.now), "exp": int(call.now) + _PAN_SECONDS}
    text = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(claims)}"
    signature = hmac.digest(_SIGNING_KEY, text.encode(), "sha256")
    return reply(call, {"token": f"{text}.{_to_base64(signature)}"})


def _encode(value: object) -> str:
    return _to_base64(json.dumps(value, separators=(",", ":")).encode())


def _to_base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
