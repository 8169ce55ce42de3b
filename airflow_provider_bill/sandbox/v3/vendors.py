"""Vendors' bank accounts, their automatic payment, and what paying them abroad takes."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.abroad import describe_country
from airflow_provider_bill.sandbox.operations.access import require_trust
from airflow_provider_bill.sandbox.operations.entities import add_bank_account, archive_bank_account, find_bank_account
from airflow_provider_bill.sandbox.operations.fields import require_fields
from airflow_provider_bill.sandbox.operations.rows import get_row, update_row
from airflow_provider_bill.sandbox.operations.shape import read_fields
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json, is_true, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import require_full_access, requires_session

routes = Routes("/connect/v3/vendors")


@routes.route("POST", "/{}/bank-account")
@requires_session
def create_vendor_bank_account(call: Call, vendor_id: str) -> Answer:
    """Create the bank account on which a vendor is paid."""
    require_full_access(call, "Bank accounts")
    require_trust(call, production_only=True)
    vendor, body = get_row(call, "vendors", vendor_id), call.json_object()
    schema = call.operation.answer if call.operation else None
    account = read_fields(schema or {}, body)
    require_fields(account, "nameOnAccount", "accountNumber", "routingNumber")
    return reply(call, add_bank_account(call, vendor, account))


@routes.route("GET", "/{}/bank-account")
@requires_session
def read_vendor_bank_account(call: Call, vendor_id: str) -> Answer:
    """Read a vendor's newest bank account."""
    require_full_access(call, "Bank accounts")
    return reply(call, _find_bank_account(call, vendor_id))


@routes.route("DELETE", "/{}/bank-account")
@requires_session
def delete_vendor_bank_account(call: Call, vendor_id: str) -> Answer:
    """Forget a vendor's bank account."""
    require_full_access(call, "Bank accounts")
    require_trust(call, production_only=True)
    archive_bank_account(call, _find_bank_account(call, vendor_id), archived=True)
    return reply(call, None)


def _find_bank_account(call: Call, vendor_id: str) -> Row:
    found = find_bank_account(call, vendor_id)
    if found is None:
        raise Refusal("BDC_1205")
    return found


@routes.route("GET", "/{}/configuration")
@requires_session
def read_configuration(call: Call, vendor_id: str) -> Answer:
    """Read what paying a vendor takes; nothing more in the US."""
    vendor = get_row(call, "vendors", vendor_id)
    country = (vendor.get("address") or {}).get("country") or "US"
    if country == "US":
        return reply(call, {})
    return reply(call, {"internationalPayments": describe_country(country)})


@routes.route("GET", "/configuration/international-payments")
@requires_session
def read_international_configuration(call: Call) -> Answer:
    """Read what paying a vendor in a country takes."""
    require_fields(dict(call.query), "country", "billCurrency", "accountType")
    return reply(call, describe_country(call.query["country"]))


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
    row = get_row(call, "vendors", vendor_id)
    return answer_json(update_row(call, "vendors", row, {"autoPay": {"enabled": enabled}}))
