"""What is done with an invoice beside reading and writing it: it is sent, and it gets a link to pay it by."""

from __future__ import annotations

from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.ids import make_challenge_id
from airflow_provider_bill.sandbox.operations.fields import require_fields
from airflow_provider_bill.sandbox.operations.rows import get_row
from airflow_provider_bill.sandbox.server.messages import Answer, Call, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import requires_session

routes = Routes("/connect/v3/invoices")


@routes.route("POST", "/{}/email")
@requires_session
def send_invoice(call: Call, invoice_id: str) -> Answer:
    """Send an invoice by e-mail; no e-mail leaves the local BILL."""
    get_row(call, "invoices", invoice_id)
    body = call.json_object()
    require_fields(body, "recipient", "replyTo")
    recipient, reply_to = body["recipient"], body["replyTo"]
    if not isinstance(recipient, dict) or not isinstance(reply_to, dict):
        raise Refusal("BDC_1122")
    if not isinstance(recipient.get("to"), list) or not recipient["to"]:
        raise Refusal("BDC_1108", fields=("recipient.to: must not be empty",))
    get_row(call, "users", str(reply_to.get("userId") or ""))
    call.state.stats.writes += 1
    return reply(call, None)


@routes.route("POST", "/{}/payment-link")
@requires_session
def create_payment_link(call: Call, invoice_id: str) -> Answer:
    """Create a link by which a customer could pay an invoice; nothing is served there."""
    invoice, body = get_row(call, "invoices", invoice_id), call.json_object()
    require_fields(body, "customerId", "email")
    if body["customerId"] != invoice["customerId"]:
        raise Refusal("BDC_1129", "customerId", f"{body['customerId']} (is not the invoice's)")
    call.state.stats.writes += 1
    return reply(call, {"paymentLink": f"https://pay.bill.example/{invoice_id}/{make_challenge_id()}"})
