"""v2's entities: lists, single rows, the writes, and the four calls that MFA protects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_bill.sandbox.data.accounts import Organization
from airflow_provider_bill.sandbox.data.catalog import BY_ENTITY, Collection, Row
from airflow_provider_bill.sandbox.data.seed_rows import make_time
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.paging import Test, filtered, make_test, sorted_rows
from airflow_provider_bill.sandbox.operations.payments import check_payment, make_payment
from airflow_provider_bill.sandbox.server.messages import Answer, Call, is_true, text_of
from airflow_provider_bill.sandbox.state.clock import as_v2_time
from airflow_provider_bill.sandbox.v2.sign_in import data_of, ok, on, with_session
from airflow_provider_bill.sandbox.v3.authentication import protected, user_of
from airflow_provider_bill.sandbox.v3.collections import change, insert, row_of, table
from airflow_provider_bill.sandbox.v3.payables import amount_of, masked

MOST = 999

_OPS = {
    "=": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "lte",
    ">": "gt",
    ">=": "gte",
    "in": "in",
    "nin": "nin",
    "sw": "sw",
}

# What follows from a bill's lines and payments is not for clients to set.
_COMPUTED = ("amount", "dueAmount", "paidAmount", "paymentStatus", "vendorName")

# v2 spells an address out in the vendor's own fields.
_ADDRESS = {
    "address1": "line1",
    "address2": "line2",
    "addressCity": "city",
    "addressState": "stateOrProvince",
    "addressZip": "zipOrPostalCode",
    "addressCountry": "country",
}


def as_v2(entity: str, row: Row) -> Row:
    """A v3 row as v2 shows it: flat, ``isActive`` as text, v2's form of time."""
    shown: Row = {"entity": entity, "id": row["id"], "isActive": "2" if row.get("archived") else "1"}
    shown["createdTime"] = as_v2_time(row["createdTime"])
    shown["updatedTime"] = as_v2_time(row["updatedTime"])
    for name, value in row.items():
        if name == "invoice" and isinstance(value, dict):
            shown.update(value)
        elif name not in shown and name != "archived" and not isinstance(value, dict | list):
            shown[name] = value
    if entity == "Vendor":
        given = row.get("address")
        place = given if isinstance(given, dict) else {}
        shown.setdefault("email", None)
        shown.update({name: place.get(v3) for name, v3 in _ADDRESS.items()})
    return shown


def from_v2(entity: str, fields: Row) -> Row:
    """A v2 object's fields as a v3 row."""
    row = {name: value for name, value in fields.items() if name not in ("entity", "id", "isActive")}
    if "isActive" in fields:
        row["archived"] = str(fields["isActive"]) == "2"
    if entity == "Vendor":
        place = {v3: row.pop(name) for name, v3 in _ADDRESS.items() if name in row}
        if place:
            row["address"] = place
    if entity == "Bill":
        invoice = {name: row.pop(name) for name in ("invoiceNumber", "invoiceDate") if name in row}
        if invoice:
            row["invoice"] = invoice
    return row


def organization_row(organization: Organization) -> Row:
    """An organization as v2 shows it."""
    stamp = as_v2_time(make_time(organization.number))
    return {
        "entity": "Organization",
        "id": organization.id,
        "isActive": "1",
        "createdTime": stamp,
        "updatedTime": stamp,
        "name": organization.name,
    }


def _collection(entity: str) -> Collection:
    found = BY_ENTITY.get(entity)
    if found is None:
        raise Refusal("BDC_1128", entity)
    return found


def _number(data: Row, name: str, default: int, most: int) -> int:
    value: Any = data.get(name, default)
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number <= most:
        raise Refusal("BDC_1129", name, str(value))
    return number


def _tests(filters: object, fields: frozenset[str]) -> list[tuple[str, Test]]:
    tests = []
    for one in filters if isinstance(filters, list) else []:
        if not isinstance(one, dict):
            raise Refusal("BDC_1122")
        field, op, value = str(one.get("field")), str(one.get("op")), one.get("value")
        if field not in fields and field != "isActive":
            raise Refusal("BDC_1130", field)
        if op not in _OPS:
            raise Refusal("BDC_1131", op)
        text = ",".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
        tests.append((field, make_test(_OPS[op], text)))
    return tests


@with_session
def list_rows(call: Call, entity: str) -> Answer:
    """``List/<entity>.json``: a bare array."""
    data = data_of(call)
    start, most = _number(data, "start", 0, 10**9), _number(data, "max", 20, MOST)
    if entity == "Organization":
        return ok([organization_row(call.world.organization(call.known_session))][start : start + most])
    collection = _collection(entity)
    rows = list(table(call, collection.path).values())
    wanted, order = data.get("filters"), data.get("sort")
    if wanted or order:
        shown = [as_v2(entity, row) for row in rows]
        shown = filtered(shown, _tests(wanted, collection.fields))
        keys = []
        for one in order if isinstance(order, list) else []:
            if not isinstance(one, dict) or one.get("field") not in collection.fields:
                raise Refusal("BDC_1129", "sort", str(one))
            keys.append((str(one["field"]), is_true(one.get("asc", True))))
        return ok(sorted_rows(shown, keys)[start : start + most])
    return ok([as_v2(entity, row) for row in rows[start : start + most]])


@with_session
def crud(call: Call, action: str, entity: str) -> Answer:
    """``Crud/<action>/<entity>.json``."""
    data = data_of(call)
    given = data.get("obj")
    obj: Row = given if isinstance(given, dict) else {}
    row_id = text_of(data, "id") or text_of(obj, "id")
    if entity == "Organization":
        if action != "Read":
            raise Refusal("BDC_1121")
        return ok(_organization(call, row_id))
    path = _collection(entity).path
    if action != "Create" and not row_id:
        raise Refusal("BDC_1108", "id")
    if action in ("Create", "Update") and not obj:
        raise Refusal("BDC_1108", "obj")
    if entity in ("VendorBankAccount", "BankAccount") and action == "Create":
        protected(call)
    if entity == "SentPay" and action != "Read":
        raise Refusal("BDC_1121")
    if action == "Read":
        return ok(as_v2(entity, row_of(call, path, row_id)))
    if action == "Create":
        return ok(as_v2(entity, _created(call, entity, path, obj)))
    if action == "Update":
        fields = {name: value for name, value in from_v2(entity, obj).items() if name not in _COMPUTED}
        row = change(call, row_of(call, path, row_id), fields)
        return ok(as_v2(entity, masked(row) if "accountNumber" in row and "BankAccount" in entity else row))
    return ok(as_v2(entity, change(call, row_of(call, path, row_id), {"archived": True})))


def _organization(call: Call, row_id: str) -> Row:
    for row in call.world.seed.organizations_of(user_of(call)):
        if row.id == row_id:
            return organization_row(row)
    raise Refusal("BDC_1120")


def _created(call: Call, entity: str, path: str, obj: Row) -> Row:
    fields = from_v2(entity, obj)
    if entity in ("Vendor", "Customer") and not text_of(fields, "name"):
        raise Refusal("BDC_1108", "name")
    if entity in ("Bill", "VendorBankAccount"):
        vendor = row_of(call, "vendors", text_of(fields, "vendorId"))
        if entity == "Bill":
            lines = fields.get("billLineItems")
            lines = [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []
            amount = round(sum(amount_of(line.get("amount"), "amount") for line in lines), 2)
            fields |= {"vendorName": vendor["name"], "amount": amount, "dueAmount": amount, "paidAmount": 0}
            fields |= {"paymentStatus": "UNPAID", "approvalStatus": "UNASSIGNED"}
    row = insert(call, path, fields)
    return masked(row) if "accountNumber" in row and "BankAccount" in entity else row


@on("SendVendorInvite")
@with_session
def send_vendor_invite(call: Call) -> Answer:
    """Invite a vendor into the network."""
    protected(call)
    vendor = row_of(call, "vendors", text_of(data_of(call), "vendorId"))
    change(call, vendor, {"networkStatus": "PENDING"})
    return ok({})


@on("SendInvite")
@with_session
def send_invite(call: Call) -> Answer:
    """Invite a customer into the network."""
    protected(call)
    data = data_of(call)
    row_of(call, "customers", text_of(data, "customerId"))
    call.world.stats.writes += 1
    return ok({})


@on("PayBills")
@with_session
def pay_bills(call: Call) -> Answer:
    """Pay bills of one vendor; all or none."""
    protected(call)
    data = data_of(call)
    if not text_of(data, "vendorId"):
        raise Refusal("BDC_1108", "vendorId")
    pays = data.get("billPays")
    if not isinstance(pays, list) or not pays or not all(isinstance(one, dict) for one in pays):
        raise Refusal("BDC_1108", "billPays")
    shared: Row = {"vendorId": data["vendorId"], "processDate": data.get("processDate")}
    if data.get("bankAccountId"):
        shared["fundingAccount"] = {"type": "BANK_ACCOUNT", "id": data["bankAccountId"]}
    checked = [
        check_payment(call, {**shared, "billId": one.get("billId"), "amount": one.get("amount")}) for one in pays
    ]
    made = [make_payment(call, fields, "v2") for fields in checked]
    first = as_v2("SentPay", made[0])
    first["billPays"] = [
        {"entity": "BillPay", "id": row["id"], "billId": row.get("billId"), "amount": row["amount"]} for row in made
    ]
    return ok(first)


Found = tuple[Callable[..., Answer], tuple[str, ...]]


def find(path: str) -> Found | None:
    """The handler of a List or Crud path; capitals matter."""
    parts = path.removeprefix("/api/v2/").split("/")
    if not parts[-1].endswith(".json"):
        return None
    entity = parts[-1].removesuffix(".json")
    if len(parts) == 2 and parts[0] == "List":
        return list_rows, (entity,)
    if len(parts) == 3 and parts[0] == "Crud" and parts[1] in ("Create", "Read", "Update", "Delete"):
        return crud, (parts[1], entity)
    return None
