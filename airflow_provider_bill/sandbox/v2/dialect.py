"""v2 as the gateway sees it: POST only, forms only, and HTTP 200 also for errors."""

from __future__ import annotations

from airflow_provider_bill.sandbox.codes import CODES
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.server.credentials import has_credentials_in_url
from airflow_provider_bill.sandbox.server.messages import Answer, Call
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v2 import crud, lists, mfa, protected, sign_in
from airflow_provider_bill.sandbox.v2.envelope import refuse, succeed

__all__ = ["answer", "identify_caller", "refuse"]

ROUTES = Routes("/api/v2")
for _module in (crud, lists, mfa, protected, sign_in):
    ROUTES.include(_module.routes)


def answer(call: Call) -> Answer:
    """Carry a v2 call out."""
    if has_credentials_in_url(call, "form body"):
        call.form.update({name: value for name, value in call.query.items() if name not in call.form})
    is_served = call.path.endswith(".json")
    found = ROUTES.find(call.method, call.path.removesuffix(".json")) if is_served else None
    if found is not None:
        return found.handler(call, *found.params)
    if call.method != "POST":
        raise Refusal("BDC_1121", message="API not supported. v2 calls are POST.")
    raise Refusal("BDC_1121")


def identify_caller(call: Call) -> tuple[str, str]:
    """Return the developer key and the organization that limits are counted by."""
    form = call.form
    session = call.state.sessions.by_token.get(form.get("sessionId", ""))
    return form.get("devKey", ""), session.organization_id if session else form.get("orgId", "")


@ROUTES.route("GET", "/Errors")
@ROUTES.route("POST", "/Errors")
def list_errors(call: Call) -> Answer:
    """List all codes; nobody needs to be signed in."""
    return succeed([{"error_code": code, "error_message": row.message} for code, row in CODES.items()])
