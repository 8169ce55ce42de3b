"""What each collection's rows need, and what follows from what they are given; a row of a table for each."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.seed_rows import show_bank_account
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_organization
from airflow_provider_bill.sandbox.operations.approvals import find_approvers
from airflow_provider_bill.sandbox.operations.balances import balance_bill, balance_invoice, judge_credit
from airflow_provider_bill.sandbox.operations.fields import get_objects, is_list_of_objects, parse_amount
from airflow_provider_bill.sandbox.operations.rates import find_rate
from airflow_provider_bill.sandbox.operations.rows import create_row, get_row, get_rows, update_row
from airflow_provider_bill.sandbox.server.messages import Call

Finish = Callable[[Call, Row], Row]


class Rules(NamedTuple):
    """How a collection's rows are made.

    ``also`` are fields of bodies that BILL documents and its request collection lacks; ``needs`` are the fields that a
    new row must have, ``defaults`` those that it has unless it says otherwise, ``fixed`` those that no body sets;
    ``lines`` are the line items, which get identifiers; ``protected`` tells whether what a body gives needs a session
    that has passed MFA; ``finish`` returns a row with what follows from its fields, or refuses it.
    """

    also: Row = {}
    needs: tuple[str, ...] = ()
    defaults: Row = {}
    fixed: tuple[str, ...] = ()
    lines: str = ""
    protected: Callable[[Row], bool] = lambda given: False
    finish: Finish = lambda call, row: row


def _bill(call: Call, row: Row) -> Row:
    vendor = _party(call, "vendors", row.get("vendorId"))
    amount = round(sum(_line_amount(line, f"billLineItems[{n}]") for n, line in enumerate(row["billLineItems"])), 2)
    paid, scheduled = row.get("paidAmount", 0), row.get("scheduledAmount", 0)
    if amount < min(row.get("amount", 0), round(paid + scheduled, 2)):
        raise Refusal("BDC_1159")
    rate = find_rate(vendor.get("billCurrency") or "USD")
    funding = {"exchangeRate": rate, "fundingAmount": round(amount / rate, 2)}
    row = {**row, **funding, "vendorName": vendor["name"], "amount": amount}
    row |= balance_bill(row)
    if row.pop("billApprovals", False):
        row |= find_approvers(call, row)
    return row


def _invoice(call: Call, row: Row) -> Row:
    row = dict(row)
    customer = row.pop("customer", None)
    if isinstance(customer, dict):
        row["customerId"] = customer.get("id")
    if not row.get("customerId"):
        raise Refusal("BDC_1108", fields=("customer.id: must not be null",))
    get_row(call, "customers", str(row["customerId"]))
    number = row.get("invoiceNumber")
    others = get_rows(call, "invoices").values()
    if number and any(one.get("invoiceNumber") == number and one["id"] != row.get("id") for one in others):
        raise Refusal("BDC_1171", number)
    lines = row["invoiceLineItems"]
    for line in lines:
        if "price" not in line and "amount" in line:
            line["price"] = round(line["amount"] / (line.get("quantity") or 1), 2)
    total = round(sum(line.get("price", 0) * line.get("quantity", 1) for line in lines), 2)
    row["totalAmount"] = total
    return {**row, **balance_invoice(row)}


def _credit_memo(call: Call, row: Row) -> Row:
    _party(call, "customers", row.get("customerId"))
    amount, lines = 0.0, row["creditMemoLineItems"]
    for line in lines:
        if "ratePercent" in line and "price" not in line:
            line["amount"] = round(amount * line["ratePercent"] / 100, 2)
        else:
            line["amount"] = round(line.get("price", 0) * line.get("quantity", 1), 2)
        amount += line["amount"]
    return {**row, "amount": round(amount, 2)}


def _vendor_credit(call: Call, row: Row) -> Row:
    _party(call, "vendors", row.get("vendorId"))
    lines = row["vendorCreditLineItems"]
    amount = round(sum(_line_amount(line, "vendorCreditLineItems") for line in lines), 2)
    applied = row.get("appliedAmount", 0)
    if amount < applied:
        raise Refusal("BDC_1129", "vendorCreditLineItems", f"{amount} ({applied} is applied already)", status=422)
    in_process = row.get("status") == "IN_PROCESS"
    return {**row, "amount": amount, "status": "IN_PROCESS" if in_process else judge_credit(amount, applied)}


def _recurring_bill(call: Call, row: Row) -> Row:
    _party(call, "vendors", row.get("vendorId"))
    bank = (row.get("paymentInformation") or {}).get("bankAccountId")
    if bank and bank not in get_rows(call, "funding-accounts/banks"):
        raise Refusal("BDC_1151")
    return row


def _recurring_invoice(call: Call, row: Row) -> Row:
    _party(call, "customers", row.get("customerId"))
    return row


def _vendor(call: Call, row: Row) -> Row:
    if not str(row.get("name") or "").strip():
        raise Refusal("BDC_1108", fields=("name: must not be blank",))
    address = row.get("address") or {}
    missing = [name for name in ("line1", "city", "zipOrPostalCode", "country") if not address.get(name)]
    if missing:
        raise Refusal("BDC_1108", fields=tuple(f"address.{name}: must not be null" for name in missing))
    account = (row.get("paymentInformation") or {}).get("bankAccount")
    if account and account.get("accountNumber"):
        account["accountNumber"] = mask(account["accountNumber"])
    return row


def _customer(call: Call, row: Row) -> Row:
    if not str(row.get("name") or "").strip():
        raise Refusal("BDC_1108", fields=("name: must not be blank",))
    return row


def _user(call: Call, row: Row) -> Row:
    row = dict(row)
    role = get_row(call, "roles", str(row.pop("roleId"))) if row.get("roleId") else row.get("role")
    return {**row, "role": {name: role[name] for name in ("id", "type", "description")}} if role else row


def _bank_account(call: Call, row: Row) -> Row:
    return {**row, "accountNumber": mask(row.get("accountNumber"))}


def add_bank_account(call: Call, vendor: Row, account: Row) -> Row:
    """Create the bank account on which a vendor is paid."""
    refuse_second_account(call, vendor["id"])
    fields = {"type": "CHECKING", "ownerType": "BUSINESS", "paymentCurrency": "USD", **account}
    fields |= {"vendorId": vendor["id"], "status": "VERIFIED", "accountNumber": mask(account.get("accountNumber"))}
    row = create_row(call, "vendor-bank-accounts", fields)
    vendor |= show_bank_account(vendor, row)
    return row


def refuse_second_account(call: Call, vendor_id: str) -> None:
    """Refuse a bank account of a vendor that has one: it has to be deleted first; BILL's code is not documented.

    Source: https://developer.bill.com/reference/ap-vendormgmt-createvendorbankaccount
    """
    if find_bank_account(call, vendor_id):
        raise Refusal("BDC_1129", "vendorId", f"{vendor_id} (has a bank account, delete it first)", status=422)


def find_bank_account(call: Call, vendor_id: str) -> Row | None:
    """Return the bank account on which a vendor is paid."""
    rows = get_rows(call, "vendor-bank-accounts").values()
    return next((row for row in rows if row["vendorId"] == vendor_id and not row["archived"]), None)


def archive_bank_account(call: Call, account: Row, *, archived: bool) -> Row:
    """Forget the bank account on which a vendor is paid, or have the vendor paid on it again."""
    if not archived:
        refuse_second_account(call, account["vendorId"])
    row = update_row(call, "vendor-bank-accounts", account, {"archived": archived})
    vendor = get_row(call, "vendors", account["vendorId"])
    vendor |= show_bank_account(vendor, find_bank_account(call, vendor["id"]))
    return row


def mask(number: Any) -> str:
    """Return an account number of which only the last four digits are left."""
    return "*****" + str(number or "")[-4:]


def _party(call: Call, path: str, row_id: Any) -> Row:
    if not row_id:
        field = "vendorId" if path == "vendors" else "customerId"
        raise Refusal("BDC_1108", fields=(f"{field}: must not be null",))
    return get_row(call, path, str(row_id))


def _line_amount(line: Row, name: str) -> float:
    if "amount" not in line and "price" in line:
        line["amount"] = round(line["price"] * line.get("quantity", 1), 2)
    return parse_amount(line.get("amount"), f"{name}.amount")


_CLASSIFICATION = Rules(needs=("name",))
_MONEY = ("amount", "appliedAmount", "status", "usage")

RULES: dict[str, Rules] = {
    "vendors": Rules(
        needs=("name", "address"),
        defaults={"accountType": "BUSINESS", "billCurrency": "USD", "networkStatus": "NOT_CONNECTED"}
        | {"bankAccountStatus": "NO_ACCOUNT", "recurringPayments": False, "balance": {"amount": 0}},
        fixed=("networkStatus", "bankAccountStatus", "balance", "rppsId", "recurringPayments"),
        protected=lambda given: bool(given.get("autoPay")) and given["autoPay"].get("enabled") is not False,
        finish=_vendor,
    ),
    "bills": Rules(
        # https://developer.bill.com/docs/ap-bill-approvals
        also={"billApprovals": {"type": "boolean"}},
        needs=("vendorId", "dueDate", "billLineItems"),
        defaults={"paidAmount": 0, "scheduledAmount": 0, "creditAmount": 0, "exchangeRate": 1}
        | {"paymentStatus": "UNPAID", "approvalStatus": "UNASSIGNED", "approvers": []},
        fixed=(
            *("amount", "dueAmount", "paidAmount", "scheduledAmount", "creditAmount", "fundingAmount", "vendorName"),
            *("paymentStatus", "approvalStatus", "approvers"),
        ),
        lines="billLineItems",
        finish=_bill,
    ),
    "recurringbills": Rules(
        needs=("vendorId", "schedule", "recurringBillLineItems"),
        defaults={"processingOptions": {"autoPayment": False}},
        lines="recurringBillLineItems",
        protected=lambda given: bool((given.get("processingOptions") or {}).get("autoPayment")),
        finish=_recurring_bill,
    ),
    "vendor-credits": Rules(
        needs=("vendorId", "creditDate", "vendorCreditLineItems"),
        defaults={"appliedAmount": 0, "status": "NOT_APPLIED", "usage": []},
        fixed=_MONEY,
        lines="vendorCreditLineItems",
        finish=_vendor_credit,
    ),
    "customers": Rules(
        needs=("name",),
        defaults={"accountType": "BUSINESS", "invoiceCurrency": "USD", "balance": {"amount": 0}},
        fixed=("balance",),
        finish=_customer,
    ),
    "invoices": Rules(
        needs=("dueDate", "invoiceLineItems"),
        defaults={"scheduledAmount": 0, "creditAmount": 0, "exchangeRate": 1, "status": "OPEN", "payments": []},
        fixed=(
            *("totalAmount", "dueAmount", "scheduledAmount", "creditAmount", "status", "payments", "invoicePdfId"),
            "customerId",  # a body names its customer as an object
        ),
        lines="invoiceLineItems",
        finish=_invoice,
    ),
    "recurring-invoices": Rules(
        needs=("schedule", "recurringInvoiceLineItems"),
        defaults={"sendEmail": False},
        lines="recurringInvoiceLineItems",
        finish=_recurring_invoice,
    ),
    "credit-memos": Rules(
        needs=("customerId", "creditDate", "creditMemoLineItems"),
        defaults={"appliedAmount": 0, "status": "NOT_APPLIED", "usage": []},
        fixed=_MONEY,
        lines="creditMemoLineItems",
        finish=_credit_memo,
    ),
    "users": Rules(needs=("firstName", "lastName", "email", "roleId"), fixed=("role",), finish=_user),
    "funding-accounts/banks": Rules(
        needs=("nameOnAccount", "accountNumber", "routingNumber"),
        defaults={"bankName": "Sandbox Bank", "type": "CHECKING", "ownerType": "BUSINESS", "status": "PENDING"}
        | {"accessToAdmins": True, "default": {"payables": False, "receivables": False}},
        fixed=("status", "createdBy"),
        finish=_bank_account,
    ),
    "classifications/employees": Rules(needs=("firstName", "lastName")),
    **{
        f"classifications/{name}": _CLASSIFICATION
        for name in ("items", "chart-of-accounts", "departments", "locations", "accounting-classes", "jobs")
    },
}


def make_defaults(path: str) -> Row:
    """Return what a new row of a collection has unless it says otherwise; each row gets lists of its own."""
    return deepcopy(RULES[path].defaults)


def finish(call: Call, path: str, row: Row) -> Row:
    """Return a row of a collection with what follows from its fields, its lines numbered."""
    rules = RULES[path]
    if rules.lines:
        lines = row.get(rules.lines)
        if not is_list_of_objects(lines):
            raise Refusal("BDC_1108", fields=(f"{rules.lines}: must not be empty",))
        known = get_rows(call, path)[row["id"]].get(rules.lines) or [] if "id" in row else []
        row = {**row, rules.lines: _with_ids(call, rules.lines, get_objects(lines), {one["id"] for one in known})}
    return rules.finish(call, row)


def _with_ids(call: Call, name: str, lines: list[Row], known: set[str]) -> list[Row]:
    """Return lines with identifiers: those of the row's own lines stay, new lines get new ones."""
    found = []
    for index, given in enumerate(lines):
        line = {key: value for key, value in given.items() if value is not None}
        if line.get("id") and known and line["id"] not in known:
            raise Refusal("BDC_1129", f"{name}[{index}].id", f"{line['id']} (is no line of this row)")
        line = {key: value for key, value in line.items() if value is not None}
        kept = line["id"] if known and line.get("id") else call.state.ledger.make_id("lin", get_organization(call))
        found.append({**line, "id": kept})
    return found
