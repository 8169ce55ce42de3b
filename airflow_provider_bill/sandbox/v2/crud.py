"""``Crud/<action>/<entity>.json`` for single rows, and ``Bulk/Crud/<action>/<entity>.json`` for up to a hundred."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_bill.sandbox.data.catalog import Collection, Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_user, require_trust
from airflow_provider_bill.sandbox.operations.entities import (
    RULES,
    add_bank_account,
    archive_bank_account,
    finish,
    make_defaults,
)
from airflow_provider_bill.sandbox.operations.fields import get_objects, is_list_of_objects
from airflow_provider_bill.sandbox.operations.rows import create_row, get_row, replace_row, update_row
from airflow_provider_bill.sandbox.operations.shape import read_fields, row_schema
from airflow_provider_bill.sandbox.server.messages import Answer, Call, get_text
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v2.authentication import requires_session
from airflow_provider_bill.sandbox.v2.entities import find_collection, from_v2, show_organization, to_v2
from airflow_provider_bill.sandbox.v2.envelope import describe_refusal, describe_success, read_data, succeed
from airflow_provider_bill.sandbox.v2.fields import NEEDED

routes = Routes("/api/v2")

_BULK = 100
#: Vendors' bank accounts are made and forgotten, never changed.
_UNCHANGED = ("VendorBankAccount",)
#: What BILL itself writes.
_OWN = ("id", "archived", "createdTime", "updatedTime")


def _read(call: Call, entity: str, wanted: Row) -> Row:
    """Read one row; an organization is read like one."""
    row_id = _get_id(wanted)
    if entity == "Organization":
        for organization in call.state.seed.organizations_of(get_user(call)):
            if organization.id == row_id:
                return show_organization(organization)
        raise Refusal("BDC_1120")
    return to_v2(entity, get_row(call, find_collection(entity).path, row_id))


def _create(call: Call, entity: str, wanted: Row) -> Row:
    """Create a row; a bank account needs a trusted session."""
    collection, given = _find_writable(entity), _get_object(wanted)
    if collection.holds_bank_accounts:
        require_trust(call)
    for name in NEEDED.get(entity, ()):
        if given.get(name) in (None, ""):
            raise Refusal("BDC_1108", name)
    fields = _read_given(collection, given)
    if entity == "VendorBankAccount":
        return to_v2(entity, add_bank_account(call, get_row(call, "vendors", str(fields["vendorId"])), fields))
    if entity == "Bill" and not fields.get("billLineItems") and given.get("amount"):
        fields["billLineItems"] = [{"amount": given["amount"]}]
    row = _finish(call, collection, {**make_defaults(collection.path), **fields})
    return to_v2(entity, create_row(call, collection.path, row))


def _update(call: Call, entity: str, wanted: Row) -> Row:
    """Change a row."""
    collection, given = _find_writable(entity), _get_object(wanted)
    if entity in _UNCHANGED:
        raise Refusal("BDC_1121")
    row = get_row(call, collection.path, _get_id(wanted))
    merged = dict(row)
    for name, value in _read_given(collection, given).items():
        old = merged.get(name)
        merged[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    replace_row(call, collection.path, row, _finish(call, collection, merged))
    if "isActive" in given:
        update_row(call, collection.path, row, {"archived": str(given["isActive"]) == "2"})
    return to_v2(entity, row)


def _delete(call: Call, entity: str, wanted: Row) -> Row:
    """Make a row inactive."""
    return _set_archived(call, entity, wanted, archived=True)


def _undelete(call: Call, entity: str, wanted: Row) -> Row:
    """Make a row active again."""
    return _set_archived(call, entity, wanted, archived=False)


def _set_archived(call: Call, entity: str, wanted: Row, *, archived: bool) -> Row:
    collection = _find_writable(entity)
    row = get_row(call, collection.path, _get_id(wanted))
    if entity == "VendorBankAccount":
        return to_v2(entity, archive_bank_account(call, row, archived=archived))
    return to_v2(entity, update_row(call, collection.path, row, {"archived": archived}))


def _read_given(collection: Collection, given: Row) -> Row:
    """Return what an object sets of a row, each value as the type that it has."""
    fields = from_v2(collection.entity, given)
    if collection.entity == "User":
        fields["roleId"] = (fields.pop("role", None) or {}).get("id")
    typed = read_fields(row_schema(collection.path), fields) if collection.in_v3 else fields
    if fields.get("roleId"):
        typed["roleId"] = fields["roleId"]
    if collection.entity == "Invoice" and "customerId" in typed:  # which v3 takes as an object only
        typed["customer"] = {"id": typed["customerId"]}
    rules = RULES.get(collection.path)
    fixed = rules.fixed if rules else ()
    return {name: value for name, value in typed.items() if name not in _OWN and name not in fixed}


def _finish(call: Call, collection: Collection, row: Row) -> Row:
    # v2 takes vendors without an address, v3 does not.
    return row if collection.entity == "Vendor" else finish(call, collection.path, row)


def _find_writable(entity: str) -> Collection:
    collection = None if entity == "Organization" else find_collection(entity)
    if collection is None or (collection.path not in RULES and entity not in _UNCHANGED):
        raise Refusal("BDC_1121")
    return collection


def _get_object(wanted: Row) -> Row:
    given = wanted.get("obj")
    if not isinstance(given, dict) or not given:
        raise Refusal("BDC_1108", "obj")
    return given


def _get_id(wanted: Row) -> str:
    given = wanted.get("obj")
    row_id = get_text(wanted, "id") or (get_text(given, "id") if isinstance(given, dict) else "")
    if not row_id:
        raise Refusal("BDC_1108", "id")
    return row_id


_ACTIONS: dict[str, Callable[[Call, str, Row], Row]] = {
    "Read": _read,
    "Create": _create,
    "Update": _update,
    "Delete": _delete,
    "Undelete": _undelete,
}


def _serve(name: str, action: Callable[[Call, str, Row], Row]) -> None:
    @routes.route("POST", f"/Crud/{name}/{{}}")
    @requires_session
    def act(call: Call, entity: str) -> Answer:
        return succeed(action(call, entity, read_data(call)))

    @routes.route("POST", f"/Bulk/Crud/{name}/{{}}")
    @requires_session
    def act_on_all(call: Call, entity: str) -> Answer:
        """Do the same to several rows; each has an envelope of its own."""
        if name != "Read" and _find_writable(entity).holds_bank_accounts:
            require_trust(call)
        wanted = read_data(call).get("bulk")
        if not is_list_of_objects(wanted):
            raise Refusal("BDC_1108", "bulk")
        if len(wanted) > _BULK:
            raise Refusal("BDC_1129", "bulk", f"{len(wanted)} objects (at most {_BULK})")
        return succeed({"bulk": [act_on_one(call, entity, one) for one in get_objects(wanted)]})

    def act_on_one(call: Call, entity: str, wanted: Row) -> Row:
        try:
            return describe_success(action(call, entity, wanted))
        except Refusal as refusal:
            return describe_refusal(refusal)


for _name, _action in _ACTIONS.items():
    _serve(_name, _action)
