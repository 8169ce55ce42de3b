"""What an organization itself is at its start: its details, its plan and its statements."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.accounts import Organization
from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.moments import make_day, make_time
from airflow_provider_bill.sandbox.ids import make_id

INDUSTRIES = (
    "Accounting or Bookkeeping",
    "Construction",
    "Education",
    "Healthcare",
    "Manufacturing",
    "Non-profit",
    "Professional Services",
    "Restaurant, Caterer or Bar",
    "Retail",
    "Technology",
)
"""The industries of the local BILL; BILL's own list is longer."""

_CITIES = (
    ("San Jose", "CA", "95002"),
    ("Austin", "TX", "78701"),
    ("Denver", "CO", "80202"),
    ("Boston", "MA", "02108"),
)
_MONTHLY_PRICE = 79.0


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


def build_organization_rows(organization: Organization) -> dict[str, dict[str, Row]]:
    """Return the organization's own row, its price plan and its billing statements, by collection and id."""
    number = organization.number
    address = {**make_address(number), "line2": "Suite 1", "countryName": "United States"}
    details: Row = {
        "id": organization.id,
        "archived": False,
        "name": organization.name,
        "address": address,
        "mailingAddress": dict(address),
        "phone": f"555{number:07d}",
        "companyOwner": {"name": "Olive Owner", "dateOfBirth": "1985-01-01"},
        "taxId": f"*****{1000 + number}",
        "taxIdType": "EIN",
        "industry": INDUSTRIES[number % len(INDUSTRIES)],
        "businessCategory": "LLC",
        "accountType": "BUSINESS",
        "processingOptions": {
            "mailingAddressSameAsPhysical": True,
            "individualTransferOut": False,
            "individualTransferIn": False,
        },
        "createdTime": make_time(number),
        "updatedTime": make_time(number),
    }
    statements = [_make_statement(number, month) for month in range(1, 4)]
    return {
        "organizations": {organization.id: details},
        "organizations/price-plan": {organization.id: make_plan(number, "Corporate")},
        "organizations/billing-statements": {row["id"]: row for row in statements},
    }


def make_plan(number: int, name: str) -> Row:
    """Return a price plan.

    :param number: of the organization that has it.
    """
    term = {"type": "SUBSCRIPTION", "name": name, "tier": 1, "quantity": 1, "price": _MONTHLY_PRICE}
    return {
        "id": make_id("ppl", number, 1),
        "name": name,
        "monthlyPrice": _MONTHLY_PRICE,
        "allowTrial": False,
        "priceVariesPerUser": True,
        "planTerms": [term],
    }


def _make_statement(number: int, month: int) -> Row:
    return {
        "id": make_id("bst", number, month),
        "amount": _MONTHLY_PRICE,
        "billingPeriod": {"startDate": make_day(30 * (month - 1)), "endDate": make_day(30 * month - 1)},
        "description": f"Subscription, month {month}",
        "invoiceDate": make_day(30 * month),
        "invoiceNumber": f"BS-{number:04d}-{month:02d}",
        "paymentStatus": "PAID" if month < 3 else "UNPAID",
        **({"paymentDate": make_day(30 * month)} if month < 3 else {}),
        "statementDetails": [
            {"quantity": 1, "description": "Subscription", "type": "SUBSCRIPTION", "amount": _MONTHLY_PRICE}
        ],
    }
