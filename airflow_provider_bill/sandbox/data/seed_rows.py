"""The business rows that an organization starts with, the same at every start."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from airflow_provider_bill.sandbox.data.accounts import Organization, User
from airflow_provider_bill.sandbox.data.catalog import COLLECTIONS, Row
from airflow_provider_bill.sandbox.data.seed import MAIN_ID, Seed
from airflow_provider_bill.sandbox.ids import make_id

Rows = dict[str, dict[str, Row]]
"""The rows of an organization by collection and id."""

_START = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
_TRADES = ("Paper", "Print", "Courier", "Cleaning", "Catering", "Software", "Legal", "Power", "Water", "Design")
_CITIES = (
    ("San Jose", "CA", "95002"),
    ("Austin", "TX", "78701"),
    ("Denver", "CO", "80202"),
    ("Boston", "MA", "02108"),
)

_LISTS: dict[str, Callable[[int], Row]] = {
    "classifications/items": lambda n: {"name": f"Item {n}", "description": f"Item {n}", "price": 9.5 * n},
    "classifications/chart-of-accounts": lambda n: {
        "name": f"Account {6000 + n}",
        "accountNumber": str(6000 + n),
        "accountType": "EXPENSE",
    },
    "classifications/departments": lambda n: {"name": f"Department {n}"},
    "classifications/locations": lambda n: {"name": f"Location {n}"},
    "classifications/accounting-classes": lambda n: {"name": f"Class {n}"},
    "classifications/employees": lambda n: {"name": f"Employee {n}", "email": f"employee{n}@staff.example"},
}
"""The bookkeeper's lists, five rows each."""


class _AddRow(Protocol):
    def __call__(self, path: str, number: int, **fields: object) -> Row: ...


def make_time(number: int) -> str:
    """Return the time at which the row with this number was created."""
    return (_START + timedelta(hours=number)).isoformat(timespec="milliseconds")


def make_day(number: int) -> str:
    """Return the day that is this number of days after the first."""
    return (_START + timedelta(days=number)).date().isoformat()


def make_address(number: int) -> Row:
    """Return a US address."""
    city, state, code = _CITIES[number % len(_CITIES)]
    return {
        "line1": f"{100 + number} Main Street",
        "city": city,
        "stateOrProvince": state,
        "zipOrPostalCode": code,
        "country": "US",
    }


def build_rows(seed: Seed, organization: Organization) -> Rows:
    """Return all collections of one organization."""
    rows: Rows = {path: {} for path in COLLECTIONS}

    def add(path: str, number: int, **fields: object) -> Row:
        row: Row = {
            "id": make_id(COLLECTIONS[path].prefix, organization.number, number),
            "archived": False,
            **fields,
            "createdTime": make_time(number),
            "updatedTime": make_time(number),
        }
        rows[path][row["id"]] = row
        return row

    is_main = organization.id == MAIN_ID
    vendors = [_add_vendor(add, number) for number in range(1, (260 if is_main else 12) + 1)]
    _add_payables(add, organization, vendors, bills=40 if is_main else 8)
    _add_receivables(add)
    for path, make_fields in _LISTS.items():
        for number in range(1, 6):
            add(path, number, **make_fields(number))
    rows["users"] = {user.id: _user_row(user) for user in seed.users.values() if seed.reaches(user, organization.id)}
    return rows


def _user_row(user: User) -> Row:
    return {
        "id": user.id,
        "archived": not user.active,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "email": user.username,
        "roleType": user.role,
        "createdTime": make_time(user.number),
        "updatedTime": make_time(user.number),
    }


def _add_vendor(add: _AddRow, number: int) -> Row:
    return add(
        "vendors",
        number,
        name=f"{_TRADES[number % len(_TRADES)]} Vendor {number:03d}",
        accountType="PERSON" if number % 9 == 0 else "BUSINESS",
        email=f"vendor{number:03d}@vendors.example",
        phone=f"555{number:07d}",
        address=make_address(number),
        billCurrency="USD" if number % 10 else "CAD",
        networkStatus="CONNECTED" if number % 4 == 0 else "NOT_CONNECTED",
    )


def _add_payables(add: _AddRow, organization: Organization, vendors: list[Row], bills: int) -> None:
    bank = add(
        "funding-accounts/banks",
        1,
        bankName="First Sandbox Bank",
        nameOnAccount=organization.name,
        accountNumber="*****6789",
        routingNumber="021000021",
        type="CHECKING",
        ownerType="BUSINESS",
        status="VERIFIED",
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
            dueAmount=amount,
            paidAmount=0,
            billLineItems=[{"amount": amount, "description": f"Delivery {number}"}],
            paymentStatus="UNPAID",
            approvalStatus="UNASSIGNED",
        )
    for number in range(1, 6):
        vendor = vendors[number]
        add(
            "payments",
            number,
            vendorId=vendor["id"],
            vendorName=vendor["name"],
            amount=round(50.0 * number, 2),
            processDate=make_day(number),
            status="PAID",
            disbursementType="ACH",
            fundingAccount={"type": "BANK_ACCOUNT", "id": bank["id"]},
        )
        add(
            "vendor-credits",
            number,
            vendorId=vendor["id"],
            referenceNumber=f"VC-{number:03d}",
            creditDate=make_day(number),
            amount=10.0 * number,
            approvalStatus="UNASSIGNED",
        )
        add(
            "recurring-bills",
            number,
            vendorId=vendor["id"],
            vendorName=vendor["name"],
            amount=75.0 * number,
            frequency="MONTHLY",
            nextDueDate=make_day(30 * number),
            autoPayment={"enabled": False},
        )
    for number in range(1, 4):
        add(
            "vendor-bank-accounts",
            number,
            vendorId=vendors[number]["id"],
            nameOnAccount=vendors[number]["name"],
            accountNumber=f"*****{1000 + number}",
            routingNumber="021000021",
            type="CHECKING",
            ownerType="BUSINESS",
            status="VERIFIED",
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
        add(
            "invoices",
            number,
            customerId=customer["id"],
            invoiceNumber=f"S-{number:04d}",
            invoiceDate=make_day(number),
            dueDate=make_day(number + 30),
            totalAmount=200.0 + number,
            dueAmount=200.0 + number,
            status="OPEN",
            invoiceLineItems=[{"quantity": 1, "price": 200.0 + number, "description": "Books"}],
        )
        if number <= 5:
            who = {"customerId": customer["id"]}
            add(
                "recurring-invoices",
                number,
                **who,
                amount=20.0,
                frequency="MONTHLY",
                nextDueDate=make_day(30 + number),
            )
            add(
                "credit-memos",
                number,
                **who,
                referenceNumber=f"CM-{number}",
                creditDate=make_day(number),
                amount=5.0,
            )
            add(
                "receivable-payments",
                number,
                **who,
                amount=100.0,
                paymentDate=make_day(number),
                status="PAID",
                paymentType="CASH",
            )
            add("classifications/jobs", number, **who, name=f"Job {number}", status="OPEN")
