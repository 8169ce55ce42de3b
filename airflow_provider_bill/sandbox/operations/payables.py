"""Bills and payments: the one place where money leaves, for v3's payments, its bulk call and v2's PayBills."""

from __future__ import annotations

import re

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_organization
from airflow_provider_bill.sandbox.operations.fields import parse_amount, require_fields
from airflow_provider_bill.sandbox.operations.rows import create_row, get_row, get_rows
from airflow_provider_bill.sandbox.server.messages import Call
from airflow_provider_bill.sandbox.state.clock import to_day, to_iso
from airflow_provider_bill.sandbox.state.request_log import fingerprint

_DAY = re.compile(r"^\d{4}-\d\d-\d\d$")


def complete_bill(fields: Row, vendor: Row, lines: list[Row], amount_name: str) -> Row:
    """Return a bill's fields with those that follow from its vendor and its lines.

    :param amount_name: how refusals call the amount of a line.
    """
    amount = round(sum(parse_amount(line.get("amount"), amount_name) for line in lines), 2)
    return {
        **fields,
        "vendorName": vendor["name"],
        "amount": amount,
        "dueAmount": amount,
        "paidAmount": 0,
        "paymentStatus": "UNPAID",
        "approvalStatus": "UNASSIGNED",
    }


def check_payment(call: Call, body: Row) -> Row:
    """Return the fields of a payment that may be made; nothing is changed yet."""
    bill_id = body.get("billId")
    bill = get_row(call, "bills", str(bill_id)) if bill_id else None
    if bill is not None:
        body = {"vendorId": bill["vendorId"], **body}
    require_fields(body, "vendorId", "amount")
    vendor = get_row(call, "vendors", str(body["vendorId"]))
    amount = parse_amount(body["amount"], "amount")
    process_date = body.get("processDate") or to_day(call.now)
    if not isinstance(process_date, str) or not _DAY.match(process_date):
        raise Refusal("BDC_1129", "processDate", f"{process_date} (must be YYYY-MM-DD)")
    if process_date < to_day(call.now):
        raise Refusal("BDC_1152")
    if bill is not None:
        if bill["vendorId"] != vendor["id"]:
            raise Refusal("BDC_1150", "the bill belongs to another vendor")
        if call.state.settings.overpayment == "refuse" and amount > bill["dueAmount"]:
            raise Refusal("BDC_1159")
    source = body.get("fundingAccount")
    source = source if isinstance(source, dict) else {}
    banks = get_rows(call, "funding-accounts/banks")
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
    """Store a payment, settle its bill and add it to the list of payments."""
    row = create_row(call, "payments", fields)
    row["confirmationNumber"] = f"P{row['id'][-10:]}"
    row["createdBy"] = call.session.user_id
    bill_id = fields.get("billId")
    if bill_id:
        bill = get_row(call, "bills", bill_id)
        bill["paidAmount"] = round(bill["paidAmount"] + row["amount"], 2)
        bill["dueAmount"] = round(max(0.0, bill["amount"] - bill["paidAmount"]), 2)
        bill["paymentStatus"] = "SCHEDULED" if bill["dueAmount"] == 0 else "PARTIALLY_PAID"
        part = call.state.ledger.make_id("blp", get_organization(call))
        row["billPayments"] = [{"id": part, "billId": bill_id, "amount": row["amount"]}]
    call.state.ledger.payments.append(
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
            "user": call.session.user_id,
            "session": fingerprint(call.session.token),
            "created": to_iso(call.now),
        }
    )
    return row
