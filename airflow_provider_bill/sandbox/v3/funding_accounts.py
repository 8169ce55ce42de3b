"""Funding accounts: verifying a bank account, who may pay from which account, cards and permissions.

Sources: BILL's reference of funding accounts. What BILL deposits to verify an account is secret; the local BILL always
deposits the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from airflow_provider_bill.sandbox.data.catalog import Row, parse_filters
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_organization, get_user
from airflow_provider_bill.sandbox.operations.fields import parse_amount, require_fields
from airflow_provider_bill.sandbox.operations.rows import get_row, get_rows, update_row
from airflow_provider_bill.sandbox.server.messages import Answer, Call, is_true, reply
from airflow_provider_bill.sandbox.server.routing import Handler, Routes
from airflow_provider_bill.sandbox.state.clock import to_iso
from airflow_provider_bill.sandbox.v3.authentication import require_full_access, requires_session
from airflow_provider_bill.sandbox.v3.paging import make_page

routes = Routes("/connect/v3/funding-accounts")

DEPOSIT = 0.5
"""What is deposited on a new bank account, in US dollars."""

_BANKS, _BANK_USERS = "funding-accounts/banks", "funding-accounts/banks/users"
_CARDS, _CARD_USERS = "funding-accounts/cards", "funding-accounts/cards/users"
_TIMES = "createdTime:gt,gte,lt,lte updatedTime:gt,gte,lt,lte"
_USER_FILTERS = parse_filters(
    f"id:eq,ne,in archived:eq,ne userId:eq,in bankAccountId:eq,in cardAccountId:eq,in "
    f"verificationStatus:eq,ne,in {_TIMES}"
)
_USER_SORTS = ("archived", "createdTime", "updatedTime")
#: What a card may pay for; BILL's own list depends on the vendor and on the card's brand.
_PURPOSES = {"GOODS": ("EQUIPMENT", "SUPPLIES"), "SERVICES": ("CONSULTING", "MAINTENANCE"), "RENT": ("OFFICE",)}


def _serves_accounts(handler: Handler) -> Handler:
    @requires_session
    @wraps(handler)
    def checked(call: Call, *params: str) -> Answer:
        require_full_access(call, "Funding accounts")
        return handler(call, *params)

    return checked


@routes.route("POST", "/banks/{}/verify")
@_serves_accounts
def verify_bank_account(call: Call, bank_id: str) -> Answer:
    """Verify a bank account with the amount that was deposited on it."""
    row, body = get_row(call, _BANKS, bank_id), call.json_object()
    require_fields(body, "depositAmount")
    amount = parse_amount(body["depositAmount"], "depositAmount")
    if row["status"] != "VERIFIED" and amount == DEPOSIT:
        update_row(call, _BANKS, row, {"status": "VERIFIED"})
    return reply(call, {"verified": row["status"] == "VERIFIED"})


def _list_users(path: str) -> Callable[[Call], Answer]:
    def list_users(call: Call) -> Answer:
        rows: list[Row] = list(get_rows(call, path).values())
        if is_true(call.query.get("currentUser")):
            user_id = get_user(call).id
            rows = [row for row in rows if row["userId"] == user_id]
        return reply(call, make_page(rows, path, call.query, _USER_FILTERS, _USER_SORTS))

    return list_users


routes.add("GET", "/banks/users", _serves_accounts(_list_users(_BANK_USERS)))
routes.add("GET", "/cards/users", _serves_accounts(_list_users(_CARD_USERS)))


@routes.route("POST", "/banks/users/nominate")
@_serves_accounts
def nominate_bank_user(call: Call) -> Answer:
    """Nominate a user who may pay from a bank account; the user's own verification is still to come."""
    body = call.json_object()
    require_fields(body, "bankAccountId", "userId")
    bank, user = get_row(call, _BANKS, str(body["bankAccountId"])), get_row(call, "users", str(body["userId"]))
    rows, pair = get_rows(call, _BANK_USERS), (bank["id"], user["id"])
    if any((row["bankAccountId"], row["userId"]) == pair and not row["archived"] for row in rows.values()):
        raise Refusal("BDC_1129", "userId", f"{user['id']} (may pay from this account already)", status=422)
    call.state.stats.writes += 1
    row_id, now = call.state.ledger.make_id("bau", get_organization(call)), to_iso(call.now)
    fields = {"bankAccountId": bank["id"], "userId": user["id"], "archived": False, "verificationStatus": "UNDEFINED"}
    rows[row_id] = {"id": row_id, **fields, "createdTime": now, "updatedTime": now}
    return reply(call, {"status": "SUCCESS"})


@routes.route("POST", "/banks/users/{}/archive")
@_serves_accounts
def archive_bank_user(call: Call, row_id: str) -> Answer:
    """Let a user no longer pay from a bank account."""
    return reply(call, update_row(call, _BANK_USERS, get_row(call, _BANK_USERS, row_id), {"archived": True}))


@routes.route("GET", "/cards")
@_serves_accounts
def list_cards(call: Call) -> Answer:
    """List the cards that the user may pay with, and what paying with a card costs."""
    user_id, status = get_user(call).id, call.query.get("cardUserStatus")
    mine = {
        row["cardAccountId"]
        for row in get_rows(call, _CARD_USERS).values()
        if row["userId"] == user_id and status in (None, "", row["verificationStatus"])
    }
    cards = [row for row in get_rows(call, _CARDS).values() if row["id"] in mine]
    default = next((row["id"] for row in cards if row["default"]["payables"]), None)
    rates = {"defaultCardAccountId": default, "funding": {"creditCardRate": 2.9, "debitCardRate": 2.9}}
    return reply(call, {"rates": rates, "cards": cards})


@routes.route("GET", "/cards/funding-purposes")
@_serves_accounts
def list_funding_purposes(call: Call) -> Answer:
    """List what a payment by card may be for."""
    require_fields(dict(call.query), "vendorId", "brand")
    get_row(call, "vendors", call.query["vendorId"])
    rows = [{"category": name, "subCategories": list(parts)} for name, parts in _PURPOSES.items()]
    return reply(call, {"results": rows})


@routes.route("GET", "/cards/{}")
@_serves_accounts
def read_card(call: Call, card_id: str) -> Answer:
    """Read a card."""
    return reply(call, get_row(call, _CARDS, card_id))


@routes.route("GET", "/ap-cards")
@_serves_accounts
def list_ap_cards(call: Call) -> Answer:
    """List the AP cards: a bare array."""
    return reply(call, list(get_rows(call, "funding-accounts/ap-cards").values()))


@routes.route("GET", "/permissions")
@_serves_accounts
def read_permissions(call: Call) -> Answer:
    """Read with which kinds of account the organization and the user may pay."""
    card = {"payByCard": True, "fundingEnabled": True, "amexAllowed": False}
    pays = get_row(call, "users", get_user(call).id)["role"]["type"] in ("ADMINISTRATOR", "ACCOUNTANT", "PAYER")
    wallet = {"fundingEnabled": True}
    return reply(call, {"organization": {"card": card, "wallet": wallet}, "user": {"payOnline": pays}})
