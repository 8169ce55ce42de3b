"""``Crud/<action>/<entity>.json``: single rows."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Collection, Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_user, require_trust
from airflow_provider_bill.sandbox.operations.fields import get_objects
from airflow_provider_bill.sandbox.operations.payables import complete_bill
from airflow_provider_bill.sandbox.operations.rows import create_row, get_row, mask_account_number, update_row
from airflow_provider_bill.sandbox.server.messages import Answer, Call, get_text
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v2.authentication import requires_session
from airflow_provider_bill.sandbox.v2.entities import find_collection, from_v2, show_organization, to_v2
from airflow_provider_bill.sandbox.v2.envelope import read_data, succeed

routes = Routes("/api/v2/Crud")

# What follows from a bill's lines and payments is not for clients to set.
_COMPUTED = ("amount", "dueAmount", "paidAmount", "paymentStatus", "vendorName")


@routes.route("POST", "/Read/{}")
@requires_session
def read(call: Call, entity: str) -> Answer:
    """Read one row; an organization is read like one."""
    row_id, _ = _read_target(call)
    if entity == "Organization":
        return succeed(_read_organization(call, row_id))
    collection = find_collection(entity)
    if not row_id:
        raise Refusal("BDC_1108", "id")
    return succeed(to_v2(entity, get_row(call, collection.path, row_id)))


def _read_organization(call: Call, row_id: str) -> Row:
    for row in call.state.seed.organizations_of(get_user(call)):
        if row.id == row_id:
            return show_organization(row)
    raise Refusal("BDC_1120")


@routes.route("POST", "/Create/{}")
@requires_session
def create(call: Call, entity: str) -> Answer:
    """Create a row; a bank account needs a trusted session."""
    _, given = _read_target(call)
    collection = _find_writable(entity)
    if not given:
        raise Refusal("BDC_1108", "obj")
    if collection.holds_bank_accounts:
        require_trust(call)
    _refuse_sent_payment(entity)
    fields = from_v2(entity, given)
    if entity in ("Vendor", "Customer") and not get_text(fields, "name"):
        raise Refusal("BDC_1108", "name")
    if entity in ("Bill", "VendorBankAccount"):
        vendor = get_row(call, "vendors", get_text(fields, "vendorId"))
        if entity == "Bill":
            fields = complete_bill(fields, vendor, get_objects(fields.get("billLineItems")), "amount")
    return _show(collection, create_row(call, collection.path, fields))


@routes.route("POST", "/Update/{}")
@requires_session
def update(call: Call, entity: str) -> Answer:
    """Change a row."""
    row_id, given = _read_target(call)
    collection = _find_writable(entity)
    if not row_id:
        raise Refusal("BDC_1108", "id")
    if not given:
        raise Refusal("BDC_1108", "obj")
    _refuse_sent_payment(entity)
    fields = {name: value for name, value in from_v2(entity, given).items() if name not in _COMPUTED}
    return _show(collection, update_row(call, get_row(call, collection.path, row_id), fields))


@routes.route("POST", "/Delete/{}")
@requires_session
def delete(call: Call, entity: str) -> Answer:
    """Make a row inactive."""
    row_id, _ = _read_target(call)
    collection = _find_writable(entity)
    if not row_id:
        raise Refusal("BDC_1108", "id")
    _refuse_sent_payment(entity)
    row = update_row(call, get_row(call, collection.path, row_id), {"archived": True})
    return succeed(to_v2(entity, row))


def _read_target(call: Call) -> tuple[str, Row]:
    data = read_data(call)
    given = data.get("obj")
    fields: Row = given if isinstance(given, dict) else {}
    return get_text(data, "id") or get_text(fields, "id"), fields


def _find_writable(entity: str) -> Collection:
    if entity == "Organization":
        raise Refusal("BDC_1121")
    return find_collection(entity)


def _refuse_sent_payment(entity: str) -> None:
    if entity == "SentPay":
        raise Refusal("BDC_1121")


def _show(collection: Collection, row: Row) -> Answer:
    if collection.holds_bank_accounts and "accountNumber" in row:
        mask_account_number(row)
    return succeed(to_v2(collection.entity, row))
