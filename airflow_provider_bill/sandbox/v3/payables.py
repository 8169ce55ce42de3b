"""v3's writes: vendors, their bank accounts and autopay, bills, recurring bills, banks, customers."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json, is_true, text_of
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import full_scope, protected, require, signed_in
from airflow_provider_bill.sandbox.v3.collections import change, insert, row_of, table

routes = Routes()


def refuse_fields(problems: Iterable[str]) -> None:
    """One error object for each bad field."""
    found = tuple(problems)
    if found:
        raise Refusal("BDC_1108", fields=found)


def vendor_problems(body: Row) -> list[str]:
    """What a new vendor lacks."""
    found = [] if isinstance(body.get("name"), str) and body["name"].strip() else ["name: must not be blank"]
    place = body.get("address")
    if not isinstance(place, dict):
        return [*found, "address: must not be null"]
    needed = ("line1", "city", "zipOrPostalCode", "country")
    return found + [f"address.{name}: must not be null" for name in needed if not place.get(name)]


def amount_of(value: object, name: str) -> float:
    """An amount above zero."""
    try:
        amount = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        amount = 0.0
    if not 0 < amount < 1e12:
        raise Refusal("BDC_1129", name, str(value))
    return round(amount, 2)


@routes.on("POST", "/connect/v3/vendors")
@signed_in
def create_vendor(call: Call) -> Answer:
    """A new vendor."""
    body = call.json_object()
    refuse_fields(vendor_problems(body))
    account = body.get("bankAccount")
    fields = {"accountType": "BUSINESS", "billCurrency": "USD", "networkStatus": "NOT_CONNECTED", **body}
    fields.pop("bankAccount", None)
    row = insert(call, "vendors", fields)
    if isinstance(account, dict):
        add_vendor_bank_account(call, row, account)
    return answer_json(row, 201)


@routes.on("PATCH", "/connect/v3/vendors/{}")
@signed_in
def update_vendor(call: Call, vendor_id: str) -> Answer:
    """Change a vendor."""
    row, body = row_of(call, "vendors", vendor_id), call.json_object()
    if "name" in body and not text_of(body, "name").strip():
        raise Refusal("BDC_1108", fields=("name: must not be blank",))
    if not isinstance(body.get("address", {}), dict):
        raise Refusal("BDC_1108", fields=("address: must be an object",))
    return answer_json(change(call, row, {name: value for name, value in body.items() if name != "archived"}))


routes.add("PUT", "/connect/v3/vendors/{}", update_vendor)


@routes.on("POST", "/connect/v3/vendors/{}/bank-account")
@signed_in
def create_vendor_bank_account(call: Call, vendor_id: str) -> Answer:
    """The bank account on which a vendor is paid."""
    full_scope(call, "Bank accounts")
    protected(call, production_only=True)
    vendor, body = row_of(call, "vendors", vendor_id), call.json_object()
    require(body, "nameOnAccount", "accountNumber", "routingNumber")
    return answer_json(add_vendor_bank_account(call, vendor, body), 201)


def add_vendor_bank_account(call: Call, vendor: Row, account: Row) -> Row:
    """Store a vendor's bank account, its number masked."""
    fields = {"type": "CHECKING", "ownerType": "BUSINESS", **account}
    fields |= {"vendorId": vendor["id"], "status": "VERIFIED"}
    return masked(insert(call, "vendor-bank-accounts", fields))


@routes.on("GET", "/connect/v3/vendors/{}/bank-account")
@signed_in
def vendor_bank_account(call: Call, vendor_id: str) -> Answer:
    """A vendor's newest bank account."""
    full_scope(call, "Bank accounts")
    row_of(call, "vendors", vendor_id)
    found = [row for row in table(call, "vendor-bank-accounts").values() if row["vendorId"] == vendor_id]
    if not found:
        raise Refusal("BDC_1120")
    return answer_json(masked(found[-1]))


def masked(row: Row) -> Row:
    """The row with its account number's last four digits only."""
    number = str(row.get("accountNumber", ""))
    row["accountNumber"] = "*****" + number[-4:]
    return row


@routes.on("PATCH", "/connect/v3/vendors/{}/autoPay")
@signed_in
def set_auto_pay(call: Call, vendor_id: str) -> Answer:
    """Pay a vendor's bills without being asked; switching it on needs a trusted session."""
    full_scope(call, "Payments")
    body = call.json_object()
    require(body, "enabled")
    if is_true(body["enabled"]):
        protected(call)
    row = row_of(call, "vendors", vendor_id)
    return answer_json(change(call, row, {"autoPay": {**body, "enabled": is_true(body["enabled"])}}))


routes.add("POST", "/connect/v3/vendors/{}/autoPay", set_auto_pay)
routes.add("PUT", "/connect/v3/vendors/{}/autoPay", set_auto_pay)


def bill_fields(call: Call, body: Row) -> Row:
    """The checked fields of a new bill; nothing is changed yet."""
    lines = body.get("billLineItems")
    problems = [f"{name}: must not be null" for name in ("vendorId", "dueDate") if not body.get(name)]
    if not isinstance(lines, list) or not lines or not all(isinstance(line, dict) for line in lines):
        problems.append("billLineItems: must not be empty")
    refuse_fields(problems)
    vendor = row_of(call, "vendors", str(body["vendorId"]))
    amounts = [amount_of(line.get("amount"), "billLineItems.amount") for line in body["billLineItems"]]
    amount = round(sum(amounts), 2)
    return {
        **body,
        "vendorName": vendor["name"],
        "amount": amount,
        "dueAmount": amount,
        "paidAmount": 0,
        "paymentStatus": "UNPAID",
        "approvalStatus": "UNASSIGNED",
    }


@routes.on("POST", "/connect/v3/bills")
@signed_in
def create_bill(call: Call) -> Answer:
    """A new bill."""
    return answer_json(insert(call, "bills", bill_fields(call, call.json_object())), 201)


@routes.on("POST", "/connect/v3/bills/bulk")
@signed_in
def create_bills(call: Call) -> Answer:
    """Several new bills, all or none."""
    wanted = call.json_or_none
    if not isinstance(wanted, list) or not wanted or not all(isinstance(one, dict) for one in wanted):
        raise Refusal("BDC_1122")
    checked = [bill_fields(call, one) for one in wanted]
    return answer_json([insert(call, "bills", fields) for fields in checked], 201)


@routes.on("POST", "/connect/v3/bill-approvals/actions")
@signed_in
def approve(call: Call) -> Answer:
    """Approve or deny a bill."""
    body = call.json_object()
    require(body, "billId", "action")
    status = {"APPROVE": "APPROVED", "DENY": "DENIED"}.get(str(body["action"]))
    if status is None:
        raise Refusal("BDC_1129", "action", f"{body['action']} (must be APPROVE or DENY)")
    change(call, row_of(call, "bills", str(body["billId"])), {"approvalStatus": status})
    return answer_json({})


@routes.on("PATCH", "/connect/v3/bills/{}")
@signed_in
def update_bill(call: Call, bill_id: str) -> Answer:
    """Change a bill; its amounts follow from its lines."""
    row, body = row_of(call, "bills", bill_id), call.json_object()
    fixed = ("amount", "dueAmount", "paidAmount", "paymentStatus", "archived", "vendorId", "vendorName")
    return answer_json(change(call, row, {name: value for name, value in body.items() if name not in fixed}))


routes.add("PUT", "/connect/v3/bills/{}", update_bill)


@routes.on("PATCH", "/connect/v3/recurring-bills/{}")
@signed_in
def update_recurring_bill(call: Call, row_id: str) -> Answer:
    """Change a recurring bill; switching its automatic payment on needs a trusted session."""
    row, body = row_of(call, "recurring-bills", row_id), call.json_object()
    automatic = body.get("autoPayment")
    if isinstance(automatic, dict):
        full_scope(call, "Payments")
        if is_true(automatic.get("enabled")):
            protected(call)
    return answer_json(change(call, row, body))


@routes.on("POST", "/connect/v3/recurring-bills")
@signed_in
def create_recurring_bill(call: Call) -> Answer:
    """A new recurring bill."""
    body = call.json_object()
    require(body, "vendorId", "amount")
    automatic = body.get("autoPayment")
    if isinstance(automatic, dict) and is_true(automatic.get("enabled")):
        full_scope(call, "Payments")
        protected(call)
    vendor = row_of(call, "vendors", str(body["vendorId"]))
    fields = {"frequency": "MONTHLY", **body, "vendorName": vendor["name"]}
    fields["amount"] = amount_of(body["amount"], "amount")
    return answer_json(insert(call, "recurring-bills", fields), 201)


@routes.on("POST", "/connect/v3/funding-accounts/banks")
@signed_in
def create_bank(call: Call) -> Answer:
    """A bank account of the organization."""
    full_scope(call, "Bank accounts")
    protected(call)
    body = call.json_object()
    require(body, "nameOnAccount", "accountNumber", "routingNumber")
    fields = {
        "bankName": "Sandbox Bank",
        "type": "CHECKING",
        "ownerType": "BUSINESS",
        **body,
        "status": "PENDING",
    }
    return answer_json(masked(insert(call, "funding-accounts/banks", fields)), 201)


@routes.on("PATCH", "/connect/v3/funding-accounts/banks/{}")
@signed_in
def update_bank(call: Call, row_id: str) -> Answer:
    """Change a bank account of the organization."""
    full_scope(call, "Bank accounts")
    protected(call, production_only=True)
    row, body = row_of(call, "funding-accounts/banks", row_id), call.json_object()
    return answer_json(masked(change(call, row, {name: value for name, value in body.items() if name != "archived"})))


@routes.on("POST", "/connect/v3/customers")
@signed_in
def create_customer(call: Call) -> Answer:
    """A new customer."""
    body = call.json_object()
    require(body, "name")
    return answer_json(insert(call, "customers", {"accountType": "BUSINESS", **body}), 201)


@routes.on("POST", "/connect/v3/invoices")
@signed_in
def create_invoice(call: Call) -> Answer:
    """A new invoice."""
    body = call.json_object()
    require(body, "customer" if "customer" in body else "customerId", "dueDate")
    customer = body.get("customer")
    customer_id = body.get("customerId") or (customer.get("id") if isinstance(customer, dict) else None)
    row_of(call, "customers", str(customer_id))
    lines = body.get("invoiceLineItems")
    lines = [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []
    total = round(sum(float(line.get("price") or 0) * float(line.get("quantity") or 1) for line in lines), 2)
    fields = {**body, "customerId": customer_id, "totalAmount": total, "dueAmount": total, "status": "OPEN"}
    return answer_json(insert(call, "invoices", fields), 201)
