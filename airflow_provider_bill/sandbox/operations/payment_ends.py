"""Payments that do not stay: canceled before their day, voided after it.

Sources: https://developer.bill.com/reference/voidpayment,
https://developer.bill.com/changelog/2024-11-22-cancel-payment-response-improvements. The codes with which BILL refuses
either are not documented.
"""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.events.raising import raise_row_event
from airflow_provider_bill.sandbox.operations.access import get_organization
from airflow_provider_bill.sandbox.operations.payables import Author, Planned, make_payment, refresh
from airflow_provider_bill.sandbox.operations.rows import get_row
from airflow_provider_bill.sandbox.server.messages import Call
from airflow_provider_bill.sandbox.state.clock import to_day, to_iso

#: The kinds of void that pay the vendor once more, with a new payment.
_REISSUES = ("VOID_AND_REISSUE", "VOID_AND_REISSUE_VCARD")


def cancel_payment(call: Call, payment: Row) -> None:
    """Cancel a payment whose day has not come; its bills are due again."""
    if payment["status"] != "SCHEDULED":
        raise _refuse(payment, f"its status is {payment['status']}, only a scheduled payment is canceled")
    if payment["processDate"] <= to_day(call.now):
        raise _refuse(payment, "it is being processed, void it instead")
    call.state.stats.writes += 1
    payment |= {"status": "CANCELLED", "singleStatus": "CANCELED", "cancelRequestSubmitted": True}
    refresh(call, payment, call.now)
    raise_row_event(call, "payments", "updated", payment)


def void_payment(call: Call, payment: Row, kind: str, reason: str, author: Author) -> None:
    """Void a payment that is processed; its bills are due again, unless the void pays the vendor once more."""
    if payment["status"] == "SCHEDULED" and payment["processDate"] > to_day(call.now):
        raise _refuse(payment, "it is not processed yet, cancel it instead")
    if payment["status"] not in ("SCHEDULED", "PAID"):
        raise _refuse(payment, f"its status is {payment['status']}")
    if kind in _REISSUES:
        _check_reissue(call, payment)
    call.state.stats.writes += 1
    now = to_iso(call.now)
    request: Row = {"id": call.state.ledger.make_id("vrq", get_organization(call)), "requestedBy": author.user_id}
    request |= {"type": kind, "status": "ACCEPTED", "reason": reason, "createdTime": now, "updatedTime": now}
    payment |= {"status": "VOID", "singleStatus": "VOIDED", "voidInfo": [request]}
    if payment.get("disbursementInfo"):
        payment["disbursementInfo"] = {**payment["disbursementInfo"], "isVoidable": False}
    refresh(call, payment, call.now)
    raise_row_event(call, "payments", "updated", payment)
    if kind in _REISSUES:
        vendor = get_row(call, "vendors", payment["vendorId"])
        names = ("description", "fundingAccount", "processingOptions")
        fields = {name: payment[name] for name in names if name in payment} | {"processDate": to_day(call.now)}
        parts = payment["billPayments"] or [{"billId": None, "amount": payment["amount"], "vendorCredits": []}]
        make_payment(call, Planned(vendor, fields, parts), author)


def _check_reissue(call: Call, payment: Row) -> None:
    """Refuse to pay once more what was not paid by BILL, or what is in the archive by now."""
    if not payment["onlinePayment"]:
        raise _refuse(payment, "it was only recorded, there is nothing to reissue")
    bills = [get_row(call, "bills", part["billId"]) for part in payment["billPayments"]]
    if any(row["archived"] for row in [get_row(call, "vendors", payment["vendorId"]), *bills]):
        raise _refuse(payment, "its vendor or a bill of it is archived")


def _refuse(payment: Row, why: str) -> Refusal:
    return Refusal("BDC_1129", "paymentId", f"{payment['id']} ({why})", status=422)
