"""The business rows that an organization starts with, the same at every start."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Protocol

from airflow_provider_bill.sandbox.data.accounts import Organization, User
from airflow_provider_bill.sandbox.data.catalog import COLLECTIONS, Row
from airflow_provider_bill.sandbox.data.contract import load
from airflow_provider_bill.sandbox.data.filling import fill
from airflow_provider_bill.sandbox.data.moments import make_day, make_time
from airflow_provider_bill.sandbox.data.seed import MAIN_ID, Seed
from airflow_provider_bill.sandbox.data.seed_funding import build_funding_rows
from airflow_provider_bill.sandbox.data.seed_organization import build_organization_rows, make_address
from airflow_provider_bill.sandbox.ids import make_id

Rows = dict[str, dict[str, Row]]
"""The rows of an organization by collection and id."""

_TRADES = ("Paper", "Print", "Courier", "Cleaning", "Catering", "Software", "Legal", "Power", "Water", "Design")
_LISTS: dict[str, Callable[[int], Row]] = {
    "classifications/items": lambda n: {"name": f"Item {n}", "price": 9.5 * n},
    "classifications/chart-of-accounts": lambda n: {
        "name": f"Account {6000 + n}",
        "account": {"type": "EXPENSE", "number": str(6000 + n)},
    },
    "classifications/departments": lambda n: {"name": f"Department {n}"},
    "classifications/locations": lambda n: {"name": f"Location {n}"},
    "classifications/accounting-classes": lambda n: {"name": f"Class {n}"},
    "classifications/jobs": lambda n: {"name": f"Job {n}"},
    "classifications/employees": lambda n: {"firstName": "Employee", "lastName": f"{n}"},
}
"""The bookkeeper's lists, five rows each."""

#: The roles that BILL gives its users: type and words.
_ROLES = (
    ("ADMINISTRATOR", "Administrator"),
    ("ACCOUNTANT", "Accountant"),
    ("PAYER", "Payer"),
    ("APPROVER", "Approver"),
    ("CLERK", "Clerk"),
)
_ROLE_OF = {"ACCOUNTANT": 2}
"""The number of a user's role; others are administrators."""


#: What an organization has none of at its start.
_EMPTY = ("payments/mass", "network/invitations", "risk-verifications", "risk-verifications/phone")


#: What follows from a vendor's bank account.
_PAID_ON = ("payByType", "bankAccount")


class _AddRow(Protocol):
    def __call__(self, path: str, number: int, **fields: object) -> Row: ...


def build_rows(seed: Seed, organization: Organization) -> Rows:
    """Return all collections of one organization."""
    rows: Rows = json.loads(_written_rows(organization.number, organization.name, organization.id == MAIN_ID))
    roles = list(rows["roles"].values())
    rows["users"] = {
        user.id: _user_row(user, roles) for user in seed.users.values() if seed.reaches(user, organization.id)
    }
    rows |= build_funding_rows(organization, list(rows["users"].values()))
    rows |= build_organization_rows(organization)
    return rows | {path: {} for path in _EMPTY}


@cache
def _written_rows(organization: int, name: str, is_main: bool) -> str:
    """Return the rows of an organization as JSON, which is quicker to read again than to make, at each reset."""
    rows: Rows = {path: {} for path in COLLECTIONS}
    schemas = {path: operation.answer for path in COLLECTIONS if (operation := load().get(("GET", f"/v3/{path}/{{}}")))}

    def add(path: str, number: int, **fields: object) -> Row:
        row: Row = {
            "id": make_id(COLLECTIONS[path].prefix, organization, number),
            "archived": False,
            **fields,
            "createdTime": make_time(number),
            "updatedTime": make_time(number),
        }
        row = fill(schemas.get(path) or {}, row, organization, number)
        rows[path][row["id"]] = row
        return row

    for number, (kind, words) in enumerate(_ROLES, start=1):
        add("roles", number, type=kind, description=words)
    vendors = [_add_vendor(add, number) for number in range(1, (260 if is_main else 12) + 1)]
    _add_payables(add, organization, name, vendors, bills=40 if is_main else 8)
    _add_receivables(add)
    for path, make_fields in _LISTS.items():
        for number in range(1, 6):
            add(path, number, **make_fields(number))
    return json.dumps(rows)


def _user_row(user: User, roles: list[Row]) -> Row:
    role = roles[_ROLE_OF.get(user.role, 1) - 1]
    return {
        "id": user.id,
        "archived": not user.active,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "email": user.username,
        "role": {name: role[name] for name in ("id", "type", "description")},
        "createdTime": make_time(user.number),
        "updatedTime": make_time(user.number),
    }


def _add_vendor(add: _AddRow, number: int) -> Row:
    name = f"{_TRADES[number % len(_TRADES)]} Vendor {number:03d}"
    return add(
        "vendors",
        number,
        name=name,
        accountType="PERSON" if number % 9 == 0 else "BUSINESS",
        email=f"vendor{number:03d}@vendors.example",
        phone=f"555{number:07d}",
        address=make_address(number),
        billCurrency="USD" if number % 10 else "CAD",
        networkStatus="CONNECTED" if number % 4 == 0 else "NOT_CONNECTED",
        autoPay={"enabled": False},
        paymentInformation={"payeeName": name, "email": f"vendor{number:03d}@vendors.example"},
    )


def _make_schedule(number: int) -> Row:
    return {"period": "MONTHLY", "frequency": 1, "nextDueDate": make_day(30 * number), "daysInAdvance": 5}


def _add_payables(add: _AddRow, organization: int, name: str, vendors: list[Row], bills: int) -> None:
    bank = add(
        "funding-accounts/banks",
        1,
        bankName="First Sandbox Bank",
        nameOnAccount=name,
        accountNumber="*****6789",
        routingNumber="021000021",
        type="CHECKING",
        ownerType="BUSINESS",
        status="VERIFIED",
        createdBy=make_id("006", 0, 1),
        default={"payables": True, "receivables": True},
    )
    for number in range(1, bills + 1):
        vendor = vendors[number % len(vendors)]
        amount = round(100 + 12.5 * number, 2)
        add(
            "bills",
            number,
            vendorId=vendor["id"],
            vendorName=vendor["name"],
            invoice={"invoiceNumber": f"INV-{number:04d}", "invoiceDate": make_day(number)},
            dueDate=make_day(number + 30),
            amount=amount,
            fundingAmount=amount,
            dueAmount=amount,
            exchangeRate=1,
            billLineItems=[
                {
                    "id": make_id("lin", organization, number),
                    "amount": amount,
                    "quantity": 1,
                    "price": amount,
                    "description": f"Delivery {number}",
                }
            ],
            paymentStatus="UNPAID",
            approvalStatus="UNASSIGNED",
        )
    for number in range(1, 6):
        _add_other_payables(add, organization, vendors[number], bank, number)
    for number in range(1, 4):
        account = add(
            "vendor-bank-accounts",
            number,
            vendorId=vendors[number]["id"],
            nameOnAccount=vendors[number]["name"],
            accountNumber=f"*****{1000 + number}",
            routingNumber="021000021",
            type="CHECKING",
            ownerType="BUSINESS",
            paymentCurrency="USD",
            status="VERIFIED",
        )
        vendors[number].update(show_bank_account(vendors[number], account))


def show_bank_account(vendor: Row, account: Row | None) -> Row:
    """Return what a vendor shows of the bank account on which it is paid; None where it has none.

    That a vendor's account says `NO_NET_LINKED_ACCOUNT`, as none is linked in the network, is a guess.
    """
    names = ("nameOnAccount", "accountNumber", "routingNumber", "type", "ownerType", "paymentCurrency")
    shown = (
        {"payByType": "ACH", "bankAccount": {name: account[name] for name in names if name in account}}
        if account
        else {}
    )
    kept = {name: value for name, value in (vendor.get("paymentInformation") or {}).items() if name not in _PAID_ON}
    status = "NO_NET_LINKED_ACCOUNT" if account else "NO_ACCOUNT"
    return {"paymentInformation": {**kept, **shown}, "bankAccountStatus": status}


def _add_other_payables(add: _AddRow, organization: int, vendor: Row, bank: Row, number: int) -> None:
    amount, who = round(50.0 * number, 2), {"vendorId": vendor["id"]}
    payment = make_id("stp", organization, number)
    add(
        "payments",
        number,
        **who,
        vendorName=vendor["name"],
        amount=amount,
        fundingAmount=amount,
        exchangeRate=1,
        processDate=make_day(number),
        status="PAID",
        singleStatus="PAID",
        disbursementType="ACH",
        disbursementStatus="DONE",
        transactionNumber=f"T{number:09d}",
        confirmationNumber=f"P{payment[-10:]}",
        onlinePayment=True,
        createdBy=make_id("006", 0, 1),
        disbursementInfo={"isVoidable": True},
        fundingAccount={"type": "BANK_ACCOUNT", "id": bank["id"]},
    )
    credit = 10.0 * number
    add(
        "vendor-credits",
        number,
        **who,
        referenceNumber=f"VC-{number:03d}",
        creditDate=make_day(number),
        amount=credit,
        vendorCreditLineItems=[{"id": make_id("vcl", organization, number), "amount": credit}],
    )
    add(
        "recurringbills",
        number,
        **who,
        schedule=_make_schedule(number),
        recurringBillLineItems=[{"id": make_id("rli", organization, number), "amount": 75.0 * number}],
        processingOptions={"autoPayment": False},
        paymentInformation={"bankAccountId": bank["id"]},
    )


def _add_receivables(add: _AddRow) -> None:
    for number in range(1, 26):
        customer = add(
            "customers",
            number,
            name=f"Customer {number:03d}",
            accountType="BUSINESS",
            email=f"customer{number:03d}@customers.example",
            billingAddress=make_address(number),
            invoiceCurrency="USD",
        )
        price = 200.0 + number
        add(
            "invoices",
            number,
            customerId=customer["id"],
            invoiceNumber=f"S-{number:04d}",
            invoiceDate=make_day(number),
            dueDate=make_day(number + 30),
            totalAmount=price,
            dueAmount=price,
            exchangeRate=1,
            status="OPEN",
            invoiceLineItems=[{"id": f"{customer['id']}L", "quantity": 1, "price": price, "description": "Books"}],
        )
        if number <= 5:
            _add_other_receivables(add, customer, number)


def _add_other_receivables(add: _AddRow, customer: Row, number: int) -> None:
    who = {"customerId": customer["id"]}
    add(
        "recurring-invoices",
        number,
        **who,
        schedule=_make_schedule(number),
        recurringInvoiceLineItems=[{"id": f"{customer['id']}R", "quantity": 1, "price": 20.0, "amount": 20.0}],
    )
    add(
        "credit-memos",
        number,
        **who,
        referenceNumber=f"CM-{number}",
        creditDate=make_day(number),
        amount=5.0,
        creditMemoLineItems=[{"id": f"{customer['id']}C", "quantity": 1, "price": 5.0, "amount": 5.0}],
    )
    add("receivable-payments", number, **who, amount=100.0, paymentDate=make_day(number), status="PAID")
