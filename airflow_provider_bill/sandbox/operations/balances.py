"""What is still due on bills and invoices, and what is left of vendor credits.

Sources: https://developer.bill.com/changelog/2025-06-20-bills-api-response-improvements (what ``paidAmount`` sums up).
"""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.operations.access import get_organization
from airflow_provider_bill.sandbox.server.messages import Call
from airflow_provider_bill.sandbox.state.clock import to_iso
from airflow_provider_bill.sandbox.state.ledger import SETTLES_NO_MORE


def balance_bill(bill: Row) -> Row:
    """Return what follows from a bill's amount and from what is paid and scheduled of it."""
    paid, scheduled = bill.get("paidAmount", 0), bill.get("scheduledAmount", 0)
    due = round(max(0.0, bill["amount"] - paid - scheduled), 2)
    settled = "SCHEDULED" if scheduled else "PAID"
    open_still = "PARTIAL" if paid or scheduled else "UNPAID"
    return {"dueAmount": due, "paymentStatus": open_still if due else settled}


def balance_invoice(invoice: Row) -> Row:
    """Return what follows from an invoice's amount and its payments."""
    paid = sum(one["amount"] for one in invoice.get("payments", []))
    due = round(max(0.0, invoice["totalAmount"] - paid), 2)
    status = "OPEN" if not paid else "PAID_IN_FULL" if due == 0 else "PARTIAL_PAYMENT"
    return {"dueAmount": due, "status": status}


def refresh_bill(call: Call, bill_id: str, now: float) -> None:
    """Bring a bill up to date with its payments."""
    ledger, organization = call.state.ledger, get_organization(call)
    bill = ledger.get_rows(organization, "bills")[bill_id]
    cash = {"SCHEDULED": 0.0, "PAID": 0.0}
    credit = 0.0
    for payment in ledger.payments_of.get(bill_id, ()):
        if payment["status"] in SETTLES_NO_MORE:
            continue
        for part in payment["billPayments"]:
            if part["billId"] == bill_id:
                cash[payment["status"]] += part["amount"]
                credit += sum(one["amount"] for one in part["vendorCredits"])
    bill |= {
        "scheduledAmount": round(cash["SCHEDULED"], 2),
        "creditAmount": round(credit, 2),
        "paidAmount": round(cash["PAID"] + credit, 2),
        "updatedTime": to_iso(now),
    }
    bill |= balance_bill(bill)


def judge_credit(amount: float, applied: float) -> str:
    """Return the status of a vendor credit of which nothing is in a scheduled payment."""
    if not applied:
        return "NOT_APPLIED"
    return "FULLY_APPLIED" if applied >= amount else "PARTIALLY_APPLIED"


def refresh_credit(call: Call, credit_id: str, now: float) -> None:
    """Bring a vendor credit up to date with the payments that it is applied to."""
    ledger, organization = call.state.ledger, get_organization(call)
    credit = ledger.get_rows(organization, "vendor-credits")[credit_id]
    payments = ledger.get_rows(organization, "payments")
    usage = [one for one in credit["usage"] if payments[one["paymentId"]]["status"] not in SETTLES_NO_MORE]
    applied = round(sum(one["amount"] for one in usage), 2)
    in_process = any(payments[one["paymentId"]]["status"] == "SCHEDULED" for one in usage)
    status = "IN_PROCESS" if in_process else judge_credit(credit["amount"], applied)
    credit |= {"usage": usage, "appliedAmount": applied, "status": status, "updatedTime": to_iso(now)}
