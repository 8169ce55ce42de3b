"""How v2 spells the fields of its entities, and the digits that it writes for v3's words. Each is one row of a table.

A field is ``v2name=v3.path``, or one name for both; a mark at the end of v2's name tells what it holds:

- ``@`` a reference, twenty zeros when it is empty
- ``?`` a flag, ``%`` a number, ``#`` a code of digits; without a mark a text, null when it is empty

Sources: rows that clients have published of BILL's sandbox (names, twenty zeros, an unpaid bill's ``1``, an unassigned
one's ``0``, a payment's ``1`` to ``4``); BILL's v2 reference (the other codes). The codes of ``approvalStatus`` beyond
``0`` and ``1`` differ between public clients.
"""

from __future__ import annotations

from typing import NamedTuple

NO_REFERENCE = "0" * 20

_PAYMENT_STATUS = {"PAID": "0", "UNPAID": "1", "PARTIAL": "2", "SCHEDULED": "4"}
_APPROVAL_STATUS = {"UNASSIGNED": "0", "ASSIGNED": "1", "APPROVED": "3", "APPROVING": "4", "DENIED": "5"}
_INVOICE_STATUS = {"PAID_IN_FULL": "0", "OPEN": "1", "PARTIAL_PAYMENT": "2", "SCHEDULED": "4"}
_SENT_STATUS = {"SCHEDULED": "1", "PAID": "2", "CANCELLED": "3", "VOID": "4"}
_RECEIVED_STATUS = {"PAID": "0", "VOID": "1", "SCHEDULED": "2", "CANCELED": "3"}
_RECEIVED_BY = {"CASH": "0", "CHECK": "1", "CREDIT_CARD": "2", "ACH": "3", "PAYPAL": "4", "OTHER": "5"}
_PARTY = {"NONE": "0", "BUSINESS": "1", "PERSON": "2"}
_BANK_STATUS = {"PENDING": "0", "VERIFIED": "1"}
_ACCOUNT_TYPES = (
    "UNSPECIFIED ACCOUNTS_PAYABLE ACCOUNTS_RECEIVABLE BANK COST_OF_GOODS_SOLD CREDIT_CARD EQUITY EXPENSE FIXED_ASSET "
    "INCOME LONG_TERM_LIABILITY OTHER_ASSET OTHER_CURRENT_ASSET OTHER_CURRENT_LIABILITY OTHER_EXPENSE OTHER_INCOME "
    "NON_POSTING"
)
_ACCOUNT_TYPE = {name: str(number) for number, name in enumerate(_ACCOUNT_TYPES.split())}
_PERIOD = {"DAILY": "0", "WEEKLY": "1", "MONTHLY": "2", "YEARLY": "3"}

_PLACES = (
    "departmentId@=classifications.departmentId locationId@=classifications.locationId "
    "actgClassId@=classifications.accountingClassId"
)
_CLASSES = f"chartOfAccountId@=classifications.chartOfAccountId {_PLACES}"
_SALE = f"{_CLASSES} jobId@=classifications.jobId itemId@=classifications.itemId"
_COST = f"{_SALE} employeeId@=classifications.employeeId"
_CUSTOMER = "customerId@=classifications.customerId"
_SCHEDULE = (
    "timePeriod#=schedule.period frequencyPerTimePeriod%=schedule.frequency nextDueDate=schedule.nextDueDate "
    "endDate=schedule.endDate daysInAdvance%=schedule.daysInAdvance"
)
_BANK = "nameOnAcct=nameOnAccount accountNumber routingNumber status#"


class Field(NamedTuple):
    """One field: its name in v2, where it stands in v3's row, what it holds (a mark), and its codes by v3's words."""

    name: str
    path: tuple[str, ...]
    mark: str
    codes: dict[str, str]


class Lines(NamedTuple):
    """What an entity has several of: the name of the list in both dialects, and how v2 shows one of them."""

    name: str
    v3_name: str
    entity: str
    parent: str
    fields: tuple[Field, ...]


class Shape(NamedTuple):
    """How v2 shows an entity."""

    fields: tuple[Field, ...]
    lines: Lines | None = None


def _fields(text: str, codes: dict[str, dict[str, str]] | None = None) -> tuple[Field, ...]:
    found = []
    for part in text.split():
        name, _, path = part.partition("=")
        mark = name[-1] if name[-1] in "@?%#" else ""
        name = name.removesuffix(mark)
        found.append(Field(name, tuple((path or name).split(".")), mark, (codes or {}).get(name, {})))
    return tuple(found)


def _lines(name: str, entity: str, parent: str, text: str, v3_name: str = "") -> Lines:
    return Lines(name, v3_name or name, entity, parent, _fields(text))


def _classification(parent: str) -> Shape:
    return Shape(_fields(f"name shortName description {parent}@=parentId"))


def _address(prefix: str, path: str) -> str:
    parts = {"1": "line1", "2": "line2", "City": "city", "State": "stateOrProvince", "Zip": "zipOrPostalCode"}
    parts["Country"] = "country"
    return " ".join(f"{prefix}ddress{end}={path}.{name}" for end, name in parts.items())


SHAPES: dict[str, Shape] = {
    "Vendor": Shape(
        _fields(
            "name shortName nameOnCheck=paymentInformation.payeeName companyName=additionalInfo.companyName "
            "accNumber=accountNumber taxId=additionalInfo.taxId track1099?=additionalInfo.track1099 email phone "
            f"{_address('a', 'address')} paymentEmail=paymentInformation.email billCurrency accountType# "
            "paymentTermId@=additionalInfo.paymentTermId balance%=balance.amount "
            "enabledCombinePayments?=additionalInfo.combinePayments",
            {"accountType": _PARTY},
        )
    ),
    "Customer": Shape(
        _fields(
            "name companyName contactFirstName=contact.firstName contactLastName=contact.lastName "
            f"accNumber=accountNumber {_address('billA', 'billingAddress')} {_address('shipA', 'shippingAddress')} "
            "email phone fax description invoiceCurrency accountType# paymentTermId@ balance%=balance.amount",
            {"accountType": _PARTY},
        )
    ),
    "Bill": Shape(
        _fields(
            "vendorId@ invoiceNumber=invoice.invoiceNumber approvalStatus# invoiceDate=invoice.invoiceDate dueDate "
            "amount% exchangeRate scheduledAmount% paidAmount% dueAmount% creditAmount% paymentStatus# description "
            f"poNumber=purchaseOrderNumber payFromChartOfAccountId@ {_CLASSES}",
            {"paymentStatus": _PAYMENT_STATUS, "approvalStatus": _APPROVAL_STATUS},
        ),
        _lines(
            "billLineItems",
            "BillLineItem",
            "billId",
            f"amount% description quantity unitPrice=price {_COST} {_CUSTOMER}",
        ),
    ),
    "Invoice": Shape(
        _fields(
            "customerId@ invoiceNumber invoiceDate dueDate amount%=totalAmount amountDue%=dueAmount "
            "paymentStatus#=status exchangeRate creditAmount% scheduledAmount% itemSalesTax@=salesTaxItemId "
            f"salesTaxPercentage% salesTaxTotal% payToChartOfAccountId@ jobId@=classifications.jobId {_PLACES}",
            {"paymentStatus": _INVOICE_STATUS},
        ),
        _lines(
            "invoiceLineItems",
            "InvoiceLineItem",
            "invoiceId",
            f"quantity amount price description {_SALE}",
        ),
    ),
    "SentPay": Shape(
        _fields(
            "vendorId@ name=vendorName processDate amount% status# description txnNumber=transactionNumber "
            "isOnline?=onlinePayment bankAccountId@=fundingAccount.id toPrintCheck?",
            {"status": _SENT_STATUS},
        ),
        _lines("billPays", "BillPay", "sentPayId", "billId@ amount%", "billPayments"),
    ),
    "ReceivedPay": Shape(
        _fields(
            "customerId@ paymentDate amount% unappliedAmount% status# paymentType#=receivablesType description "
            "refNumber=referenceNumber isOnline?=onlinePayment",
            {"status": _RECEIVED_STATUS, "paymentType": _RECEIVED_BY},
        ),
        _lines("invoicePays", "InvoicePay", "receivedPayId", "invoiceId@ amount%", "invoicePayments"),
    ),
    "VendorCredit": Shape(
        _fields("vendorId@ refNumber=referenceNumber creditDate amount% description"),
        _lines(
            "vendorCreditLineItems",
            "VendorCreditLineItem",
            "vendorCreditId",
            f"amount% description {_COST} {_CUSTOMER}",
        ),
    ),
    "CreditMemo": Shape(
        _fields(f"customerId@ refNumber=referenceNumber creditDate amount% description {_PLACES}"),
        _lines(
            "creditMemoLineItems",
            "CreditMemoLineItem",
            "creditMemoId",
            f"quantity amount price description {_SALE}",
        ),
    ),
    "RecurringBill": Shape(
        _fields(f"vendorId@ {_SCHEDULE} description", {"timePeriod": _PERIOD}),
        _lines(
            "recurringBillLineItems",
            "RecurringBillLineItem",
            "recurringBillId",
            f"amount% description {_COST}",
        ),
    ),
    "RecurringInvoice": Shape(
        _fields(f"customerId@ {_SCHEDULE} description", {"timePeriod": _PERIOD}),
        _lines(
            "recurringInvoiceLineItems",
            "RecurringInvoiceLineItem",
            "recurringInvoiceId",
            f"quantity amount price description {_SALE}",
        ),
    ),
    "VendorBankAccount": Shape(_fields(f"vendorId@ {_BANK} paymentCurrency", {"status": _BANK_STATUS})),
    "BankAccount": Shape(_fields(f"bankName {_BANK} chartOfAccountId@", {"status": _BANK_STATUS})),
    "User": Shape(_fields("firstName lastName email profileId@=role.id")),
    "Profile": Shape(_fields("name=description")),
    "Item": Shape(
        _fields("name shortName description price% taxable? chartOfAccountId@ parentItemId@=parentId percentage")
    ),
    "ChartOfAccount": Shape(
        _fields(
            "name description accountNumber=account.number accountType#=account.type parentChartOfAccountId@=parentId",
            {"accountType": _ACCOUNT_TYPE},
        )
    ),
    "Department": _classification("parentDepartmentId"),
    "Location": _classification("parentLocationId"),
    "ActgClass": _classification("parentActgClassId"),
    "Job": _classification("parentJobId"),
    "Employee": Shape(_fields("firstName lastName shortName parentEmployeeId@=parentId")),
    "ApprovalPolicy": Shape(_fields("name=policyName amountThreshold minNumApprovers%")),
}
"""How v2 shows each entity."""

NEEDED = {
    "Vendor": ("name",),
    "Customer": ("name",),
    "Bill": ("vendorId", "invoiceNumber", "invoiceDate", "dueDate"),
    "Invoice": ("customerId", "invoiceNumber", "invoiceDate", "dueDate"),
    "VendorCredit": ("vendorId", "refNumber", "creditDate"),
    "CreditMemo": ("customerId", "refNumber", "creditDate"),
    "VendorBankAccount": ("vendorId", "accountNumber", "routingNumber"),
    "BankAccount": ("bankName", "accountNumber", "routingNumber"),
    "User": ("firstName", "lastName", "email", "profileId"),
    "Employee": ("firstName", "lastName"),
    **dict.fromkeys(("Item", "ChartOfAccount", "Department", "Location", "ActgClass", "Job"), ("name",)),
}
"""What a new row must have, in v2's names."""
