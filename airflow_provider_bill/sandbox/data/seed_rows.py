"""The rows an organization starts with: the same at every start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from airflow_provider_bill.sandbox.data.catalog import COLLECTIONS
from airflow_provider_bill.sandbox.data.seed import MAIN_ID, Organization, Seed
from airflow_provider_bill.sandbox.ids import make_id
from airflow_provider_bill.sandbox.server.messages import Row

Rows = dict[str, dict[str, Row]]

_START = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
_TRADES = (
    "Paper",
    "Print",
    "Courier",
    "Cleaning",
    "Catering",
    "Software",
    "Legal",
    "Power",
    "Water",
    "Design",
)
_CITIES = (
    ("San Jose", "CA", "95002"),
    ("Austin", "TX", "78701"),
    ("Denver", "CO", "80202"),
    ("Boston", "MA", "02108"),
)

VENDORS_OF_MAIN = 260
VENDORS_ELSEWHERE = 12


class _Add(Protocol):
    def __call__(self, path: str, number: int, **fields: object) -> Row: ...


def moment(number: int) -> str:
    """The time at which row ``number`` was created."""
    return (_START + timedelta(hours=number)).isoformat(timespec="milliseconds")


def day(number: int) -> str:
    """A day, ``number`` days after the first."""
    return (_START + timedelta(days=number)).date().isoformat()


def address(number: int) -> Row:
    """A US address."""
    city, state, code = _CITIES[number % len(_CITIES)]
    return {
        "line1": f"{100 + number} Main Street",
        "city": city,
        "stateOrProvince": state,
        "zipOrPostalCode": code,
        "country": "US",
    }


def build_rows(seed: Seed, organization: Organization) -> Rows:
    """All collections of one organization."""
    rows: Rows = {path: {} for path in COLLECTIONS}
    vendors = VENDORS_OF_MAIN if organization.id == MAIN_ID else VENDORS_ELSEWHERE

    def add(path: str, number: int, **fields: object) -> Row:
        row: Row = {
            "id": make_id(COLLECTIONS[path].prefix, organization.number, number),
            "archived": False,
            **fields,
            "createdTime": moment(number),
            "updatedTime": moment(number),
        }
        rows[path][row["id"]] = row
        return row

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
    for number in range(1, vendors + 1):
        trade = _TRADES[number % len(_TRADES)]
        add(
            "vendors",
            number,
            name=f"{trade} Vendor {number:03d}",
            accountType="PERSON" if number % 9 == 0 else "BUSINESS",
            email=f"vendor{number:03d}@vendors.example",
            phone=f"555{number:07d}",
            address=address(number),
            billCurrency="USD" if number % 10 else "CAD",
            networkStatus="CONNECTED" if number % 4 == 0 else "NOT_CONNECTED",
        )
    names = list(rows["vendors"].values())
    for number in range(1, (40 if vendors > 100 else 8) + 1):
        vendor = names[number % len(names)]
        amount = round(100 + 12.5 * number, 2)
        add(
            "bills",
            number,
            vendorId=vendor["id"],
            vendorName=vendor["name"],
            invoice={"invoiceNumber": f"INV-{number:04d}", "invoiceDate": day(number)},
            dueDate=day(number + 30),
            amount=amount,
            dueAmount=amount,
            paidAmount=0,
            billLineItems=[{"amount": amount, "description": f"Delivery {number}"}],
            paymentStatus="UNPAID",
            approvalStatus="UNASSIGNED",
        )
    for number in range(1, 6):
        vendor = names[number]
        add(
            "payments",
            number,
            vendorId=vendor["id"],
            vendorName=vendor["name"],
            amount=round(50.0 * number, 2),
            processDate=day(number),
            status="PAID",
            disbursementType="ACH",
            fundingAccount={"type": "BANK_ACCOUNT", "id": bank["id"]},
        )
        add(
            "vendor-credits",
            number,
            vendorId=vendor["id"],
            referenceNumber=f"VC-{number:03d}",
            creditDate=day(number),
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
            nextDueDate=day(30 * number),
            autoPayment={"enabled": False},
        )
    for number in range(1, 4):
        add(
            "vendor-bank-accounts",
            number,
            vendorId=names[number]["id"],
            nameOnAccount=names[number]["name"],
            accountNumber=f"*****{1000 + number}",
            routingNumber="021000021",
            type="CHECKING",
            ownerType="BUSINESS",
            status="VERIFIED",
        )
    _receivables(add)
    _lists(add)
    for user in seed.users.values():
        if any(row.id == organization.id for row in seed.reachable(user)):
            stamp = moment(user.number)
            rows["users"][user.id] = {
                "id": user.id,
                "archived": not user.active,
                "firstName": user.first_name,
                "lastName": user.last_name,
                "email": user.username,
                "roleType": user.role,
                "createdTime": stamp,
                "updatedTime": stamp,
            }
    return rows


def _receivables(add: _Add) -> None:
    """Customers and what they owe."""
    for number in range(1, 26):
        customer = add(
            "customers",
            number,
            name=f"Customer {number:03d}",
            accountType="BUSINESS",
            email=f"customer{number:03d}@customers.example",
            billingAddress=address(number),
            invoiceCurrency="USD",
        )
        add(
            "invoices",
            number,
            customerId=customer["id"],
            invoiceNumber=f"S-{number:04d}",
            invoiceDate=day(number),
            dueDate=day(number + 30),
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
                nextDueDate=day(30 + number),
            )
            add(
                "credit-memos",
                number,
                **who,
                referenceNumber=f"CM-{number}",
                creditDate=day(number),
                amount=5.0,
            )
            add(
                "receivable-payments",
                number,
                **who,
                amount=100.0,
                paymentDate=day(number),
                status="PAID",
                paymentType="CASH",
            )
            add("classifications/jobs", number, **who, name=f"Job {number}", status="OPEN")


def _lists(add: _Add) -> None:
    """The bookkeeper's lists."""
    for number in range(1, 6):
        add(
            "classifications/items",
            number,
            name=f"Item {number}",
            description=f"Item {number}",
            price=9.5 * number,
        )
        add(
            "classifications/chart-of-accounts",
            number,
            name=f"Account {6000 + number}",
            accountNumber=str(6000 + number),
            accountType="EXPENSE",
        )
        add("classifications/departments", number, name=f"Department {number}")
        add("classifications/locations", number, name=f"Location {number}")
        add("classifications/accounting-classes", number, name=f"Class {number}")
        add(
            "classifications/employees",
            number,
            name=f"Employee {number}",
            email=f"employee{number}@staff.example",
        )
