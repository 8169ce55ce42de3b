"""Payments: one, several at once, many in a batch; how they end; and what can be known before one is made."""

from __future__ import annotations

import base64
import hmac

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.ids import make_challenge_id
from airflow_provider_bill.sandbox.operations.access import require_trust
from airflow_provider_bill.sandbox.operations.batches import describe_batch, schedule_batch
from airflow_provider_bill.sandbox.operations.dates import add_business_days
from airflow_provider_bill.sandbox.operations.fields import (
    is_list_of_objects,
    parse_amount,
    refuse_problems,
    require_fields,
)
from airflow_provider_bill.sandbox.operations.payables import (
    check_payments,
    combine,
    get_author,
    make_payment,
    may_pay_from,
)
from airflow_provider_bill.sandbox.operations.payment_ends import cancel_payment, void_payment
from airflow_provider_bill.sandbox.operations.rates import find_rate
from airflow_provider_bill.sandbox.operations.rows import get_row, get_rows
from airflow_provider_bill.sandbox.operations.shape import read_fields, row_schema
from airflow_provider_bill.sandbox.server.messages import Answer, Call, get_text, is_true, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.state.clock import to_day, to_iso
from airflow_provider_bill.sandbox.v3.authentication import require_full_access, requires_session

routes = Routes("/connect/v3/payments")

#: Payments that one call takes at most.
_BULK, _MASS = 50, 2000
#: Seconds for which an exchange rate holds.
_RATE_LIFE = 3600
#: Amounts, in US dollars, for which an exchange rate holds.
_RATE_RANGE = {"from": 0, "to": 100_000}
#: What a payment by card costs; others cost nothing here.
_CARD_RATE = 0.029
_DELIVERY_DAYS = 2
#: A white dot, in the place of a check's picture.
_DOT = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg==")


@routes.route("POST", "")
@requires_session
def create_payment(call: Call) -> Answer:
    """Create a payment."""
    require_full_access(call, "Payments")
    require_trust(call)
    (planned,) = check_payments(call, [call.json_object()])
    return reply(call, make_payment(call, planned, get_author(call, "v3")))


@routes.route("POST", "/bulk")
@requires_session
def create_payments(call: Call) -> Answer:
    """Pay several bills, all or none; fields outside the list hold for each."""
    require_full_access(call, "Payments")
    require_trust(call)
    body = call.json_object()
    wanted = _read_lines(body, _BULK)
    shared = {name: value for name, value in body.items() if name != "payments"}
    planned = combine(check_payments(call, [{**shared, **one} for one in wanted]))
    author = get_author(call, "v3 bulk")
    return reply(call, {"payments": [make_payment(call, one, author) for one in planned]})


@routes.route("POST", "/mass")
@requires_session
def create_batch(call: Call) -> Answer:
    """Take a batch of payments, which are made later and fail one by one."""
    require_full_access(call, "Payments")
    require_trust(call)
    body = call.json_object()
    wanted = _read_lines(body, _MASS)
    shared = {name: value for name, value in body.items() if name != "payments"}
    return reply(call, describe_batch(schedule_batch(call, [{**shared, **one} for one in wanted])))


@routes.route("GET", "/mass/{}")
@requires_session
def read_batch(call: Call, batch_id: str) -> Answer:
    """Read how far a batch of payments is."""
    require_full_access(call, "Payments")
    return reply(call, describe_batch(get_row(call, "payments/mass", batch_id)))


def _read_lines(body: Row, most: int) -> list[Row]:
    wanted = body.get("payments")
    if not is_list_of_objects(wanted):
        raise Refusal("BDC_1108", fields=("payments: must not be empty",))
    if len(wanted) > most:
        raise Refusal("BDC_1129", "payments", f"{len(wanted)} payments (at most {most})")
    refuse_problems(
        f"payments[{index}].billId: must not be null" for index, one in enumerate(wanted) if not one.get("billId")
    )
    return wanted


@routes.route("POST", "/{}/cancel")
@requires_session
def cancel(call: Call, payment_id: str) -> Answer:
    """Cancel a payment before its day."""
    require_full_access(call, "Payments")
    payment = get_row(call, "payments", payment_id)
    cancel_payment(call, payment)
    return reply(call, payment)


@routes.route("POST", "/{}/void")
@requires_session
def void(call: Call, payment_id: str) -> Answer:
    """Void a payment on its day or after it."""
    require_full_access(call, "Payments")
    payment = get_row(call, "payments", payment_id)
    kinds = row_schema("payments")["properties"]["voidInfo"]["items"]
    body = read_fields(kinds, call.json_object())
    require_fields(body, "type", "reason")
    void_payment(call, payment, body["type"], body["reason"], get_author(call, "v3 void"))
    return reply(call, payment)


@routes.route("GET", "/options")
@requires_session
def list_options(call: Call) -> Answer:
    """List the accounts from which a vendor can be paid, and when the money would arrive."""
    vendor, amount = _read_question(call)
    if vendor["archived"]:
        raise Refusal("BDC_1150", "the vendor is archived")
    process = add_business_days(to_day(call.now), 1)
    deliver = add_business_days(process, _DELIVERY_DAYS)
    banks = [
        {"id": row["id"], "name": row["bankName"], "fee": 0}
        | _offer(row, process, deliver, may_pay=may_pay_from(call, "BANK_ACCOUNT", row["id"]))
        for row in get_rows(call, "funding-accounts/banks").values()
        if not row["archived"]
    ]
    fee = {"amount": round(amount * _CARD_RATE, 2), "rate": _CARD_RATE}
    cards = [
        {"id": row["id"], "name": row["nameOnAccount"], "brand": row["brand"], "feeInfo": fee}
        | _offer(row, process, deliver)
        for row in get_rows(call, "funding-accounts/cards").values()
    ]
    options = {"banks": banks, "cards": cards}
    return reply(call, {"amount": amount, "vendorId": vendor["id"], "fundingOptions": options})


def _offer(account: Row, process: str, deliver: str, *, may_pay: bool = True) -> Row:
    if not may_pay:
        return {"available": False, "reason": "The user may not pay from this account.", "conditions": []}
    if account["status"] != "VERIFIED":
        return {"available": False, "reason": "The account is not verified.", "conditions": []}
    return {"available": True, "processDate": process, "deliveryDate": deliver, "conditions": []}


@routes.route("GET", "/exchange-rate")
@requires_session
def read_exchange_rate(call: Call) -> Answer:
    """Read the exchange rate at which a vendor would be paid."""
    vendor, amount = _read_question(call)
    currency = vendor.get("billCurrency") or "USD"
    rate = find_rate(currency)
    dollars = amount if is_true(call.query.get("baseCurrency")) else round(amount / rate, 2)
    if dollars > _RATE_RANGE["to"]:
        raise Refusal("BDC_1129", "amount", f"{amount} (there is no rate for so much)")
    return reply(
        call,
        {
            "paymentCurrency": currency,
            "baseCurrency": "USD",
            "exchangeRate": rate,
            "amountRange": _RATE_RANGE,
            "expirationTime": to_iso(call.now + _RATE_LIFE),
        },
    )


def _read_question(call: Call) -> tuple[Row, float]:
    required = call.operation.required if call.operation else []
    require_fields(dict(call.query), *required)
    vendor = get_row(call, "vendors", call.query["vendorId"])
    return vendor, parse_amount(call.query["amount"], "amount")


@routes.route("GET", "/{}/check-image")
@requires_session
def read_check_image(call: Call, payment_id: str) -> Answer:
    """Answer the links to the pictures of a check that has been sent; other payments have none."""
    payment = get_row(call, "payments", payment_id)
    if payment.get("disbursementType") != "CHECK" or payment["status"] != "PAID":
        raise Refusal("BDC_1129", "paymentId", f"{payment_id} (is no check that has been sent)", status=422)
    key = payment.setdefault("imageKey", make_challenge_id())
    host = call.headers.get("host", "127.0.0.1")
    return reply(call, {"results": [{"downloadLink": f"http://{host}{routes.prefix}/{payment_id}/check-image/{key}"}]})


@routes.route("GET", "/{}/check-image/{}")
def download_check_image(call: Call, payment_id: str, key: str) -> Answer:
    """Download a check's picture; the link itself says that it may be seen."""
    for rows in call.state.ledger.organizations.values():
        known = get_text(rows["payments"].get(payment_id) or {}, "imageKey")
        if known and hmac.compare_digest(known.encode(), key.encode()):
            return Answer(200, _DOT, media="image/png")
    raise Refusal("BDC_1205")
