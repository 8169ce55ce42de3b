"""Payments: the one place where money leaves, for v3, v3's bulk call and v2's PayBills."""

from __future__ import annotations

import re

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.state.clock import iso, today
from airflow_provider_bill.sandbox.state.request_log import fingerprint
from airflow_provider_bill.sandbox.v3.authentication import full_scope, protected, require, signed_in
from airflow_provider_bill.sandbox.v3.collections import insert, row_of, table
from airflow_provider_bill.sandbox.v3.payables import amount_of

routes = Routes()

_DAY = re.compile(r"^\d{4}-\d\d-\d\d$")


def check_payment(call: Call, body: Row) -> Row:
    """The checked fields of a payment that may be made; nothing is changed yet."""
    bill_id = body.get("billId")
    bill = row_of(call, "bills", str(bill_id)) if bill_id else None
    if bill is not None:
        body = {"vendorId": bill["vendorId"], **body}
    require(body, "vendorId", "amount")
    vendor = row_of(call, "vendors", str(body["vendorId"]))
    amount = amount_of(body["amount"], "amount")
    process_date = body.get("processDate") or today(call.now)
    if not isinstance(process_date, str) or not _DAY.match(process_date):
        raise Refusal("BDC_1129", "processDate", f"{process_date} (must be YYYY-MM-DD)")
    if process_date < today(call.now):
        raise Refusal("BDC_1152")
    if bill is not None:
        if bill["vendorId"] != vendor["id"]:
            raise Refusal("BDC_1150", "the bill belongs to another vendor")
        if call.world.settings.overpayment == "refuse" and amount > bill["dueAmount"]:
            raise Refusal("BDC_1159")
    source = body.get("fundingAccount")
    source = source if isinstance(source, dict) else {}
    banks = table(call, "funding-accounts/banks")
    bank_id = source.get("id") or next(iter(banks), None)
    if source.get("type", "BANK_ACCOUNT") == "BANK_ACCOUNT" and bank_id not in banks:
        raise Refusal("BDC_1151")
    fields: Row = {
        "vendorId": vendor["id"],
        "vendorName": vendor["name"],
        "amount": amount,
        "processDate": process_date,
        "fundingAccount": {"type": source.get("type", "BANK_ACCOUNT"), "id": bank_id},
        "disbursementType": "ACH",
        "status": "SCHEDULED",
        "singleStatus": "SCHEDULED",
    }
    if bill_id:
        fields["billId"] = bill_id
    if body.get("description"):
        fields["description"] = body["description"]
    return fields


def make_payment(call: Call, fields: Row, via: str) -> Row:
    """Pay: the payment is stored, the bill is settled, and the audit list grows by one."""
    world = call.world
    row = insert(call, "payments", {**fields})
    row["confirmationNumber"] = f"P{row['id'][-10:]}"
    row["createdBy"] = call.known_session.user_id
    bill_id = fields.get("billId")
    if bill_id:
        bill = row_of(call, "bills", bill_id)
        bill["paidAmount"] = round(bill["paidAmount"] + row["amount"], 2)
        bill["dueAmount"] = round(max(0.0, bill["amount"] - bill["paidAmount"]), 2)
        bill["paymentStatus"] = "SCHEDULED" if bill["dueAmount"] == 0 else "PARTIALLY_PAID"
        part = world.ledger.new_id("blp", world.organization(call.known_session))
        row["billPayments"] = [{"id": part, "billId": bill_id, "amount": row["amount"]}]
    world.ledger.payments.append(
        {
            "id": row["id"],
            "organization": call.organization_id,
            "vendor": row["vendorId"],
            "vendor_name": row["vendorName"],
            "bill": bill_id,
            "amount": row["amount"],
            "process_date": row["processDate"],
            "description": row.get("description"),
            "via": via,
            "user": call.known_session.user_id,
            "session": fingerprint(call.known_session.token),
            "created": iso(call.now),
        }
    )
    return row


@routes.on("POST", "/connect/v3/payments")
@signed_in
def create_payment(call: Call) -> Answer:
    """One payment."""
    full_scope(call, "Payments")
    protected(call)
    return answer_json(make_payment(call, check_payment(call, call.json_object()), "v3"), 201)


@routes.on("POST", "/connect/v3/payments/bulk")
@signed_in
def create_payments(call: Call) -> Answer:
    """Payments of several bills, all or none; fields outside the list hold for each."""
    full_scope(call, "Payments")
    protected(call)
    body = call.json_object()
    wanted = body.get("payments")
    if not isinstance(wanted, list) or not wanted or not all(isinstance(one, dict) for one in wanted):
        raise Refusal("BDC_1108", fields=("payments: must not be empty",))
    lacking = [
        f"payments[{index}].billId: must not be null" for index, one in enumerate(wanted) if not one.get("billId")
    ]
    if lacking:
        raise Refusal("BDC_1108", fields=tuple(lacking))
    shared = {name: value for name, value in body.items() if name != "payments"}
    checked = [check_payment(call, {**shared, **one}) for one in wanted]
    return answer_json([make_payment(call, fields, "v3 bulk") for fields in checked], 201)
