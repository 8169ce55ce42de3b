"""Vendors, their bank accounts and their automatic payment."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import require_trust
from airflow_provider_bill.sandbox.operations.fields import refuse_problems, require_fields
from airflow_provider_bill.sandbox.operations.rows import (
    create_row,
    get_row,
    get_rows,
    mask_account_number,
    update_row,
)
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json, get_text, is_true
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import require_full_access, requires_session

routes = Routes("/connect/v3/vendors")


@routes.route("POST", "")
@requires_session
def create_vendor(call: Call) -> Answer:
    """Create a vendor."""
    body = call.json_object()
    refuse_problems(_find_problems(body))
    account = body.get("bankAccount")
    fields = {"accountType": "BUSINESS", "billCurrency": "USD", "networkStatus": "NOT_CONNECTED", **body}
    fields.pop("bankAccount", None)
    row = create_row(call, "vendors", fields)
    if isinstance(account, dict):
        _add_bank_account(call, row, account)
    return answer_json(row, 201)


def _find_problems(body: Row) -> list[str]:
    found = [] if isinstance(body.get("name"), str) and body["name"].strip() else ["name: must not be blank"]
    address = body.get("address")
    if not isinstance(address, dict):
        return [*found, "address: must not be null"]
    needed = ("line1", "city", "zipOrPostalCode", "country")
    return found + [f"address.{name}: must not be null" for name in needed if not address.get(name)]


@routes.route("PATCH", "/{}")
@routes.route("PUT", "/{}")
@requires_session
def update_vendor(call: Call, vendor_id: str) -> Answer:
    """Change a vendor."""
    row, body = get_row(call, "vendors", vendor_id), call.json_object()
    if "name" in body and not get_text(body, "name").strip():
        raise Refusal("BDC_1108", fields=("name: must not be blank",))
    if not isinstance(body.get("address", {}), dict):
        raise Refusal("BDC_1108", fields=("address: must be an object",))
    return answer_json(update_row(call, row, {name: value for name, value in body.items() if name != "archived"}))


@routes.route("POST", "/{}/bank-account")
@requires_session
def create_vendor_bank_account(call: Call, vendor_id: str) -> Answer:
    """Create the bank account on which a vendor is paid."""
    require_full_access(call, "Bank accounts")
    require_trust(call, production_only=True)
    vendor, body = get_row(call, "vendors", vendor_id), call.json_object()
    require_fields(body, "nameOnAccount", "accountNumber", "routingNumber")
    return answer_json(_add_bank_account(call, vendor, body), 201)


def _add_bank_account(call: Call, vendor: Row, account: Row) -> Row:
    fields = {"type": "CHECKING", "ownerType": "BUSINESS", **account}
    fields |= {"vendorId": vendor["id"], "status": "VERIFIED"}
    return mask_account_number(create_row(call, "vendor-bank-accounts", fields))


@routes.route("GET", "/{}/bank-account")
@requires_session
def read_vendor_bank_account(call: Call, vendor_id: str) -> Answer:
    """Read a vendor's newest bank account."""
    require_full_access(call, "Bank accounts")
    get_row(call, "vendors", vendor_id)
    found = [row for row in get_rows(call, "vendor-bank-accounts").values() if row["vendorId"] == vendor_id]
    if not found:
        raise Refusal("BDC_1120")
    return answer_json(mask_account_number(found[-1]))


@routes.route("PATCH", "/{}/autoPay")
@routes.route("POST", "/{}/autoPay")
@routes.route("PUT", "/{}/autoPay")
@requires_session
def set_auto_pay(call: Call, vendor_id: str) -> Answer:
    """Pay a vendor's bills automatically; switching it on needs a trusted session."""
    require_full_access(call, "Payments")
    body = call.json_object()
    require_fields(body, "enabled")
    enabled = is_true(body["enabled"])
    if enabled:
        require_trust(call)
    return answer_json(update_row(call, get_row(call, "vendors", vendor_id), {"autoPay": {**body, "enabled": enabled}}))
