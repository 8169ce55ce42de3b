"""v3's front door: finds the handler and turns refusals into v3's error shapes."""

from __future__ import annotations

from airflow_provider_bill.sandbox.errors import Refusal, SingleObject
from airflow_provider_bill.sandbox.operations import payments
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.state.clock import iso
from airflow_provider_bill.sandbox.v3 import collections as v3_data
from airflow_provider_bill.sandbox.v3 import mfa as v3_mfa
from airflow_provider_bill.sandbox.v3 import oauth, spend
from airflow_provider_bill.sandbox.v3 import payables as v3_payables
from airflow_provider_bill.sandbox.v3 import sign_in as v3_signin

# The order matters where patterns overlap: fixed paths such as payments/bulk come before {} paths.
TABLES: tuple[Routes, ...] = (
    v3_signin.routes,
    payments.routes,
    v3_payables.routes,
    v3_data.routes,
    v3_mfa.routes,
    oauth.routes,
    spend.routes,
)


def answer(call: Call) -> Answer:
    """Carry a v3 call out."""
    # Public clients spell this collection in two ways.
    path = call.path.replace("/v3/recurringbills", "/v3/recurring-bills", 1)
    for table in TABLES:
        found = table.find(call.method, path)
        if found is not None:
            handler, params = found
            return handler(call, *params)
    raise Refusal("BDC_1121")


def refused(call: Call, refusal: Refusal) -> Answer:
    """The array of error objects."""
    reply = answer_json(refusal.v3_body(call.now), refusal.v3_status(call.world.settings), refusal.headers)
    reply.code = refusal.code
    return reply


def refused_singly(call: Call, refusal: SingleObject) -> Answer:
    """A gateway's single object, or OAuth's."""
    if isinstance(refusal, oauth.OAuthError):
        body = {"error": refusal.error, "error_description": refusal.message}
    else:
        body = {"timestamp": iso(call.now), "error": refusal.error, "message": refusal.message}
    reply = answer_json(body, refusal.status, refusal.headers)
    reply.code = refusal.error
    return reply
