"""Payments, one or several at once."""

from __future__ import annotations

from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import require_trust
from airflow_provider_bill.sandbox.operations.fields import is_list_of_objects, refuse_problems
from airflow_provider_bill.sandbox.operations.payables import check_payment, make_payment
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import require_full_access, requires_session

routes = Routes("/connect/v3/payments")


@routes.route("POST", "")
@requires_session
def create_payment(call: Call) -> Answer:
    """Create a payment."""
    require_full_access(call, "Payments")
    require_trust(call)
    return answer_json(make_payment(call, check_payment(call, call.json_object()), "v3"), 201)


@routes.route("POST", "/bulk")
@requires_session
def create_payments(call: Call) -> Answer:
    """Pay several bills, all or none; fields outside the list hold for each."""
    require_full_access(call, "Payments")
    require_trust(call)
    body = call.json_object()
    wanted = body.get("payments")
    if not is_list_of_objects(wanted):
        raise Refusal("BDC_1108", fields=("payments: must not be empty",))
    refuse_problems(
        f"payments[{index}].billId: must not be null" for index, one in enumerate(wanted) if not one.get("billId")
    )
    checked = [check_payment(call, {**body, **one}) for one in wanted]
    return answer_json([make_payment(call, fields, "v3 bulk") for fields in checked], 201)
