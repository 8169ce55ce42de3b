"""Payments that were made outside of BILL, and are only recorded: of bills and of invoices.

Sources: https://developer.bill.com/docs/record-ap-payments, https://developer.bill.com/docs/recording-an-ar-payment.
"""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.balances import balance_invoice
from airflow_provider_bill.sandbox.operations.fields import (
    get_objects,
    is_list_of_objects,
    parse_amount,
    refuse_problems,
    require_fields,
)
from airflow_provider_bill.sandbox.operations.payables import check_payments, get_author, put_together, record_payment
from airflow_provider_bill.sandbox.operations.rows import create_row, get_row
from airflow_provider_bill.sandbox.operations.shape import read_fields
from airflow_provider_bill.sandbox.server.messages import Answer, Call, is_true, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.state.clock import to_iso
from airflow_provider_bill.sandbox.v3.authentication import requires_session

routes = Routes("/connect/v3")

_RECEIVED_BY = ("CASH", "CHECK", "CREDIT_CARD", "ACH", "PAYPAL", "OTHER")


@routes.route("POST", "/bills/record-payment")
@requires_session
def record_bill_payment(call: Call) -> Answer:
    """Record a payment of bills of one vendor."""
    body = call.json_object()
    require_fields(body, "vendorId", "processDate")
    lines = _read_lines(body, "payments", "billId")
    shared = {name: value for name, value in body.items() if name != "payments"}
    # A recorded payment lies in the past as a rule; the day on which it would be processed is not looked at.
    planned = check_payments(call, [{**shared, **line, "processDate": None} for line in lines])
    whole = put_together(planned)
    del whole.fields["fundingAccount"]
    whole.fields["processDate"] = read_fields({"type": "string", "format": "date"}, body["processDate"], "processDate")
    row = record_payment(call, whole, get_author(call, "record-payment"))
    row["toPrintCheck"] = is_true(body.get("toPrintCheck"))
    return reply(call, row)


@routes.route("POST", "/invoices/record-payment")
@requires_session
def record_invoice_payment(call: Call) -> Answer:
    """Record a payment of invoices of one customer; what is over is the customer's."""
    body = read_fields(call.operation.request, call.json_object()) if call.operation else call.json_object()
    require_fields(body, "customerId", "paymentDate", "paymentType", "amount")
    lines = _read_lines(body, "invoices", "id")
    customer = get_row(call, "customers", body["customerId"])
    if body["paymentType"] not in _RECEIVED_BY:
        raise Refusal("BDC_1129", "paymentType", f"{body['paymentType']} (must be {', '.join(_RECEIVED_BY)})")
    day = read_fields({"type": "string", "format": "date"}, body["paymentDate"], "paymentDate")
    amount = parse_amount(body["amount"], "amount")
    parts = _check_invoices(call, customer, lines)
    applied = round(sum(part for _, part in parts), 2)
    if applied > amount:
        raise Refusal("BDC_1129", "amount", f"{amount} (the invoices take {applied})")
    row = create_row(
        call,
        "receivable-payments",
        {
            "customerId": customer["id"],
            "amount": amount,
            "unappliedAmount": round(amount - applied, 2),
            "paymentDate": day,
            "status": "PAID",
            "receivablesType": body["paymentType"],
            "onlinePayment": False,
            "invoicePayments": [
                {"invoiceId": invoice["id"], "amount": part, "paymentDate": day} for invoice, part in parts
            ],
            **({"description": body["description"]} if body.get("description") else {}),
        },
    )
    paid = []
    for invoice, part in parts:
        payment = {"id": row["id"], "amount": part, "status": "PAID", "date": day}
        invoice["payments"] = [*invoice["payments"], payment]
        invoice |= {**balance_invoice(invoice), "updatedTime": to_iso(call.now)}
        paid.append({"id": invoice["id"], "payments": [payment]})
    return reply(call, {**row, "paymentType": body["paymentType"], "invoices": paid})


def _check_invoices(call: Call, customer: Row, lines: list[Row]) -> list[tuple[Row, float]]:
    found: list[tuple[Row, float]] = []
    for index, line in enumerate(lines):
        invoice = get_row(call, "invoices", line["id"])
        amount = parse_amount(line.get("amount"), f"invoices[{index}].amount")
        if invoice["customerId"] != customer["id"]:
            raise Refusal("BDC_1129", f"invoices[{index}].id", f"{invoice['id']} (belongs to another customer)")
        due = round(invoice["dueAmount"] - sum(part for one, part in found if one is invoice), 2)
        if invoice["archived"]:
            raise Refusal("BDC_1129", f"invoices[{index}].id", f"{invoice['id']} (is archived)")
        if amount > due:
            raise Refusal("BDC_1129", f"invoices[{index}].amount", f"{amount} (due is {due})")
        found.append((invoice, amount))
    return found


def _read_lines(body: Row, name: str, key: str) -> list[Row]:
    if not is_list_of_objects(body.get(name)):
        raise Refusal("BDC_1108", fields=(f"{name}: must not be empty",))
    lines = get_objects(body[name])
    refuse_problems(f"{name}[{n}].{key}: must not be null" for n, line in enumerate(lines) if not line.get(key))
    return lines
