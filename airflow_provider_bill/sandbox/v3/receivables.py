"""Customers and invoices."""

from __future__ import annotations

from airflow_provider_bill.sandbox.operations.fields import get_objects, require_fields
from airflow_provider_bill.sandbox.operations.rows import create_row, get_row
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import requires_session

routes = Routes("/connect/v3")


@routes.route("POST", "/customers")
@requires_session
def create_customer(call: Call) -> Answer:
    """Create a customer."""
    body = call.json_object()
    require_fields(body, "name")
    return answer_json(create_row(call, "customers", {"accountType": "BUSINESS", **body}), 201)


@routes.route("POST", "/invoices")
@requires_session
def create_invoice(call: Call) -> Answer:
    """Create an invoice."""
    body = call.json_object()
    require_fields(body, "customer" if "customer" in body else "customerId", "dueDate")
    customer = body.get("customer")
    customer_id = body.get("customerId") or (customer.get("id") if isinstance(customer, dict) else None)
    get_row(call, "customers", str(customer_id))
    lines = get_objects(body.get("invoiceLineItems"))
    total = round(sum(float(line.get("price") or 0) * float(line.get("quantity") or 1) for line in lines), 2)
    fields = {**body, "customerId": customer_id, "totalAmount": total, "dueAmount": total, "status": "OPEN"}
    return answer_json(create_row(call, "invoices", fields), 201)
