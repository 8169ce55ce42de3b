"""Payments of bills: the one place where money leaves, whichever call asks for it.

Sources: https://developer.bill.com/docs/ap-payments, https://developer.bill.com/docs/ap-bulk-payments,
https://developer.bill.com/docs/ap-vendor-credits, https://developer.bill.com/docs/single-status-payment-values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from typing import NamedTuple

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.contract import Schema
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.events.raising import raise_row_event
from airflow_provider_bill.sandbox.operations.access import get_organization
from airflow_provider_bill.sandbox.operations.approvals import is_approved
from airflow_provider_bill.sandbox.operations.balances import refresh_bill, refresh_credit
from airflow_provider_bill.sandbox.operations.dates import add_business_days, end_of_day
from airflow_provider_bill.sandbox.operations.fields import parse_amount, require_fields
from airflow_provider_bill.sandbox.operations.rates import find_rate
from airflow_provider_bill.sandbox.operations.rows import create_row, get_row, get_rows
from airflow_provider_bill.sandbox.operations.shape import join, read_fields, row_schema
from airflow_provider_bill.sandbox.server.messages import Call
from airflow_provider_bill.sandbox.state.clock import to_day, to_iso
from airflow_provider_bill.sandbox.state.request_log import fingerprint

#: Characters that a payment's texts have at most.
_LENGTHS = {"description": 70, "transactionNumber": 50}
#: Bills that one combined payment holds at most.
_COMBINED = 35
#: Where money comes from: the collection of each kind of funding account; the wallet is none.
_SOURCES = {
    "BANK_ACCOUNT": "funding-accounts/banks",
    "CARD_ACCOUNT": "funding-accounts/cards",
    "AP_CARD": "funding-accounts/ap-cards",
}
#: Kinds of funding accounts with which a payment's day must be given.
_NEEDS_DAY = ("WALLET", "AP_CARD")
_CREDITS: Schema = {
    "type": "array",
    "items": {"type": "object", "properties": {"id": {"type": "string"}, "amount": {"type": "number"}}},
}
#: In each way a payment travels, the business days until it arrives.
_DELIVERY = {"ACH": 2, "CHECK": 5, "INTERNATIONAL": 4}


Spent = defaultdict[str, float]
"""What the payments that are looked at take of each bill, and of each vendor credit."""


class Planned(NamedTuple):
    """A payment that may be made: its fields, and what it pays of which bill with which credits.

    ``vendor`` is who is paid; a part without a ``billId`` gets a bill of its own.
    """

    vendor: Row
    fields: Row
    parts: list[Row]


class Author(NamedTuple):
    """Who makes a payment, and by which call."""

    user_id: str
    session: str
    via: str


def get_author(call: Call, via: str) -> Author:
    """Return the caller as the author of payments."""
    return Author(call.session.user_id, fingerprint(call.session.token), via)


@cache
def _request() -> Schema:
    more: Schema = {"type": "object", "properties": {"vendorCredits": _CREDITS, "toPrintCheck": {"type": "boolean"}}}
    return join(row_schema("payments"), more)


def check_payments(call: Call, bodies: Sequence[Row]) -> list[Planned]:
    """Return the payments that several bodies ask for, or refuse them all; nothing is changed yet."""
    spent: Spent = defaultdict(float)
    return [_check(call, body, spent) for body in bodies]


def read_payment(body: Row) -> Row:
    """Return what a body says of a payment, each value as the type that it has."""
    found: Row = read_fields(_request(), body)
    return found


def _check(call: Call, body: Row, spent: Spent) -> Planned:
    body = read_payment(body)
    options = body.get("processingOptions") or {}
    bill_id = body.get("billId")
    if bill_id and options.get("createBill"):
        raise Refusal("BDC_1129", "billId", f"{bill_id} (must not be set when createBill is true)")
    bill = get_row(call, "bills", bill_id) if bill_id else None
    if bill is not None:
        body = {"vendorId": bill["vendorId"], **body}
    require_fields(body, "vendorId", "amount")
    vendor = get_row(call, "vendors", body["vendorId"])
    if vendor["archived"]:
        raise Refusal("BDC_1150", "the vendor is archived")
    credits = _check_credits(call, vendor, body.get("vendorCredits") or [], spent)
    amount = parse_amount(body["amount"], "amount")
    if bill is not None:
        _check_bill(call, bill, vendor, round(amount + sum(one["amount"] for one in credits), 2), spent)
    source, day = check_funding(call, body)
    for name, most in _LENGTHS.items():
        if len(body.get(name) or "") > most:
            raise Refusal("BDC_1129", name, f"{len(body[name])} characters (at most {most})")
    fields = {name: body[name] for name in ("description", "transactionNumber", "remittanceEmail") if body.get(name)}
    options = {"requestPayFaster": False, "createBill": False, **options}
    fields |= {"processDate": day, "fundingAccount": source, "processingOptions": options}
    return Planned(vendor, fields, [{"billId": bill_id, "amount": amount, "vendorCredits": credits}])


def _check_bill(call: Call, bill: Row, vendor: Row, amount: float, spent: Spent) -> None:
    if bill["vendorId"] != vendor["id"]:
        raise Refusal("BDC_1150", "the bill belongs to another vendor")
    if bill["archived"]:
        raise Refusal("BDC_1150", "the bill is archived")
    if not is_approved(bill):
        raise Refusal("BDC_1150", "the bill is not approved")
    spent[bill["id"]] += amount
    if call.state.settings.overpayment == "refuse" and round(spent[bill["id"]], 2) > bill["dueAmount"]:
        raise Refusal("BDC_1159")


def _check_credits(call: Call, vendor: Row, wanted: list[Row], spent: Spent) -> list[Row]:
    found = []
    for index, one in enumerate(wanted):
        credit = get_row(call, "vendor-credits", str(one.get("id") or ""))
        amount = parse_amount(one.get("amount"), f"vendorCredits[{index}].amount")
        spent[credit["id"]] += amount
        left = round(credit["amount"] - credit["appliedAmount"] - spent[credit["id"]], 2)
        if credit["archived"] or credit["vendorId"] != vendor["id"] or left < 0:
            raise Refusal("BDC_1150", f"the vendor credit {credit['id']} cannot be applied")
        found.append({"id": credit["id"], "amount": amount})
    return found


def check_funding(call: Call, body: Row) -> tuple[Row, str]:
    """Return the funding account that pays and the day on which it does, or refuse them."""
    source = body.get("fundingAccount") or {}
    kind, day = source.get("type") or "BANK_ACCOUNT", body.get("processDate")
    if day is None:
        if kind in _NEEDS_DAY:
            raise Refusal("BDC_1108", fields=("processDate: must not be null",))
        day = add_business_days(to_day(call.now), 1)
    if day < to_day(call.now):
        raise Refusal("BDC_1152", named=(("processDate", day),))
    if kind == "WALLET":
        return {"type": kind}, day
    accounts = get_rows(call, _SOURCES[kind])
    found = accounts.get(source.get("id") or _find_default(list(accounts.values())))
    if (
        found is None
        or found.get("archived")
        or found["status"] != "VERIFIED"
        or not may_pay_from(call, kind, found["id"])
    ):
        raise Refusal("BDC_1151")
    return {"type": kind, "id": found["id"]}, day


def _find_default(accounts: list[Row]) -> str:
    """Return the id of the account that pays where none is named: the default one, else the first."""
    usable = [one for one in accounts if not one.get("archived")]
    chosen = [one for one in usable if (one.get("default") or {}).get("payables")] or usable
    return str(chosen[0]["id"]) if chosen else ""


def may_pay_from(call: Call, kind: str, account_id: str) -> bool:
    """Return whether the user may pay from an account; who was taken off a bank account may not.

    :param kind: of the account, `BANK_ACCOUNT` or another
    """
    if kind != "BANK_ACCOUNT":
        return True
    pair = account_id, call.session.user_id
    users = get_rows(call, "funding-accounts/banks/users").values()
    mine = [one for one in users if (one["bankAccountId"], one["userId"]) == pair]
    return not mine or any(not one["archived"] for one in mine)


def combine(planned: list[Planned]) -> list[Planned]:
    """Return payments of which those of a vendor that takes combined ones are put together, in order."""
    found = []
    for _, group in groupby(planned, _combined_by):
        same = list(group)
        size = _COMBINED if (same[0].vendor.get("additionalInfo") or {}).get("combinePayments") else 1
        found += [put_together(same[start : start + size]) for start in range(0, len(same), size)]
    return found


def _combined_by(planned: Planned) -> tuple[object, ...]:
    """Return what payments that are put together have in common."""
    return planned.vendor["id"], planned.fields["processDate"], planned.fields["fundingAccount"]


def put_together(planned: list[Planned]) -> Planned:
    """Return one payment in the place of several of the same vendor."""
    return Planned(planned[0].vendor, planned[0].fields, [part for one in planned for part in one.parts])


def make_payment(call: Call, planned: Planned, author: Author) -> Row:
    """Store a payment, schedule its bills, and process it when its day is past."""
    day = planned.fields["processDate"]
    kind = _choose_disbursement(call, planned.vendor)
    row = _store(call, planned, author, {"status": "SCHEDULED", "singleStatus": "SCHEDULED", "onlinePayment": True})
    row |= {"disbursementType": kind, "disbursementInfo": _describe_disbursement(kind, row, voidable=False)}
    for part in row["billPayments"]:
        _audit(call, row, part, author)
    if kind == "CHECK":
        row["processingOptions"].setdefault("requestCheckDeliveryType", "STANDARD")
    call.state.agenda.add(end_of_day(day), lambda now: _process(call, row, now))
    return row


def record_payment(call: Call, planned: Planned, author: Author) -> Row:
    """Store a payment that was made outside of BILL: no money moves."""
    state = {"status": "PAID", "singleStatus": "PAID", "disbursementStatus": "DONE"}
    return _store(call, planned, author, {**state, "onlinePayment": False, "disbursementType": "OFFLINE"})


def _store(call: Call, planned: Planned, author: Author, state: Row) -> Row:
    ledger, organization, vendor = call.state.ledger, get_organization(call), planned.vendor
    amount = round(sum(part["amount"] for part in planned.parts), 2)
    rate = find_rate(vendor.get("billCurrency") or "USD")
    row = create_row(
        call,
        "payments",
        {
            **planned.fields,
            "vendorId": vendor["id"],
            "vendorName": vendor["name"],
            "amount": amount,
            "exchangeRate": rate,
            "fundingAmount": round(amount / rate, 2),
            "cancelRequestSubmitted": False,
            "createdBy": author.user_id,
            **state,
        },
    )
    row["confirmationNumber"] = f"P{row['id'][-10:]}"
    row.setdefault("transactionNumber", f"T{row['id'][-10:]}")
    row["billPayments"] = [
        {
            "id": ledger.make_id("blp", organization),
            "billId": part["billId"] or _create_bill(call, row, part["amount"])["id"],
            "amount": part["amount"],
            "vendorCredits": part["vendorCredits"],
        }
        for part in planned.parts
    ]
    if len(row["billPayments"]) == 1:
        row["billId"] = row["billPayments"][0]["billId"]
    for part in row["billPayments"]:
        ledger.payments_of.setdefault(part["billId"], []).append(row)
        for one in part["vendorCredits"]:
            usage = get_row(call, "vendor-credits", one["id"])["usage"]
            usage.append({"billId": part["billId"], "paymentId": row["id"], "amount": one["amount"]})
    refresh(call, row, call.now)
    return row


def refresh(call: Call, payment: Row, now: float) -> None:
    """Bring the bills and the credits of a payment up to date with it."""
    payment["updatedTime"] = to_iso(now)
    for part in payment["billPayments"]:
        refresh_bill(call, part["billId"], now)
        for one in part["vendorCredits"]:
            refresh_credit(call, one["id"], now)


def _process(call: Call, payment: Row, now: float) -> None:
    if payment["status"] == "SCHEDULED":
        payment |= {"status": "PAID", "singleStatus": "PAID", "disbursementStatus": "DONE"}
        payment["disbursementInfo"] = _describe_disbursement(payment["disbursementType"], payment, voidable=True)
        refresh(call, payment, now)
        raise_row_event(call, "payments", "updated", payment)


def _choose_disbursement(call: Call, vendor: Row) -> str:
    if (vendor.get("billCurrency") or "USD") != "USD":
        return "INTERNATIONAL"
    accounts = get_rows(call, "vendor-bank-accounts").values()
    has_account = any(one["vendorId"] == vendor["id"] and not one["archived"] for one in accounts)
    return "ACH" if has_account or vendor.get("networkStatus") == "CONNECTED" else "CHECK"


def _describe_disbursement(kind: str, payment: Row, *, voidable: bool) -> Row:
    day = payment["processDate"]
    way: Row = {"sentDate": day, "arrivesByDate": add_business_days(day, _DELIVERY[kind])}
    if kind == "CHECK":
        return {"isVoidable": voidable, "checkDisbursement": {**way, "checkNumber": int(payment["id"][-6:], 36)}}
    if kind == "INTERNATIONAL":
        more = {"amount": payment["amount"], "disbursementSubType": "LOCAL"}
        return {"isVoidable": voidable, "internationalDisbursement": {**way, **more}}
    return {"isVoidable": voidable, "achDisbursement": way}


def _create_bill(call: Call, payment: Row, amount: float) -> Row:
    """Create the bill that BILL makes by itself for a payment without one; it is no write of the caller's."""
    ledger, organization = call.state.ledger, get_organization(call)
    line = {"id": ledger.make_id("lin", organization), "amount": amount, "quantity": 1, "price": amount}
    fields: Row = {
        "vendorId": payment["vendorId"],
        "vendorName": payment["vendorName"],
        "dueDate": payment["processDate"],
        "invoice": {"invoiceNumber": payment["transactionNumber"], "invoiceDate": to_day(call.now)},
        "billLineItems": [line],
        "amount": amount,
        "fundingAmount": payment["fundingAmount"],
        "exchangeRate": payment["exchangeRate"],
        "approvalStatus": "UNASSIGNED",
        "approvers": [],
    }
    return ledger.create(organization, "bills", fields, call.now)


def _audit(call: Call, payment: Row, part: Row, author: Author) -> None:
    """Note that money leaves, or would leave: a payment that is only recorded is not noted."""
    call.state.ledger.payments.append(
        {
            "id": payment["id"],
            "organization": get_organization(call).id,
            "vendor": payment["vendorId"],
            "vendor_name": payment["vendorName"],
            "bill": part["billId"],
            "amount": part["amount"],
            "process_date": payment["processDate"],
            "description": payment.get("description"),
            "via": author.via,
            "user": author.user_id,
            "session": author.session,
            "created": payment["createdTime"],
        }
    )
