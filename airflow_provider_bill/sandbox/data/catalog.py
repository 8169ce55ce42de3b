"""The collections that are served: their v3 path, v2 entity, id prefix and fields. Each is one row of a table.

Sources: https://developer.bill.com/docs/filterable-fields, https://developer.bill.com/docs/sortable-fields.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Row = dict[str, Any]
Filters = dict[str, frozenset[str]]
"""The operators of each field that a list may be filtered by."""


class Collection(NamedTuple):
    """One collection.

    ``bulk`` is the name under which bulk calls answer the rows; ``sorts`` is what v3 sorts by, ``v2_fields`` what v2
    filters and sorts by.
    """

    path: str
    prefix: str
    entity: str
    filters: Filters
    sorts: frozenset[str]
    v2_fields: frozenset[str]
    bulk: str = ""
    in_v3: bool = True
    holds_bank_accounts: bool = False


_TIMES = "createdTime:gt,gte,lt,lte updatedTime:gt,gte,lt,lte"
_USUAL = f"id:eq,ne,in archived:eq,ne {_TIMES}"
_SORTS = "archived createdTime updatedTime"
_V2 = "id isActive createdTime updatedTime"
_CLASSES = " ".join(
    f"classifications.{name}Id:eq,ne,in" for name in ("accountingClass", "department", "location", "item", "job")
)
_PARTY = f"{_USUAL} name:eq,sw accountType:eq,ne,in,nin"


def parse_filters(text: str) -> Filters:
    """Return the filters that ``field:operator,operator field:operator`` stands for."""
    parts = (part.split(":") for part in text.split())
    return {field: frozenset(operators.split(",")) for field, operators in parts}


def _collection(
    path: str, prefix: str, entity: str, filters: str, sorts: str, v2_fields: str = "", **more: Any
) -> Collection:
    v2 = frozenset(f"{_V2} {v2_fields}".split())
    return Collection(path, prefix, entity, parse_filters(filters), frozenset(sorts.split()), v2, **more)


def _classification(
    name: str, prefix: str, entity: str, bulk: str, names: str = "name", v2_fields: str = "name shortName description"
) -> Collection:
    filters = f"{_USUAL} {' '.join(f'{one}:eq,sw' for one in names.split())}"
    sorts = f"{_SORTS} {names} description"
    path = f"classifications/{name}"
    return _collection(path, prefix, entity, filters, sorts, v2_fields, bulk=bulk)


COLLECTIONS: dict[str, Collection] = {
    row.path: row
    for row in (
        _collection(
            "vendors",
            "009",
            "Vendor",
            f"{_PARTY} address.country:eq,ne billCurrency:eq,ne,in,nin networkStatus:eq,ne,in,nin",
            f"{_SORTS} name shortName email phone billCurrency",
            "name shortName companyName accNumber email phone accountType",
            bulk="vendors",
        ),
        _collection(
            "bills",
            "00n",
            "Bill",
            f"{_USUAL} vendorId:eq,in dueDate:gt,gte,lt,lte paymentStatus:eq,ne,in "
            f"payFromChartOfAccountId:eq,ne,in classifications.chartOfAccountId:eq,ne,in {_CLASSES}",
            f"{_SORTS} fundingAmount exchangeRate description dueDate",
            "vendorId invoiceNumber invoiceDate dueDate amount dueAmount paidAmount paymentStatus approvalStatus "
            "description",
            bulk="bills",
        ),
        _collection(
            "payments",
            "stp",
            "SentPay",
            f"id:eq,ne,in vendorId:eq,in billId:eq,in processDate:gt,gte,lt,lte transactionNumber:eq "
            f"status:eq,ne,in singleStatus:eq,ne,in disbursementStatus:eq,ne,in {_TIMES}",
            "description processDate amount confirmationNumber onlinePayment createdTime updatedTime "
            "disbursementStatus",
            "vendorId amount processDate status description",
        ),
        _collection(
            "recurringbills",
            "rbl",
            "RecurringBill",
            f"{_USUAL} vendorId:eq,in",
            "archived",
            "vendorId description",
        ),
        _collection(
            "vendor-credits",
            "vcr",
            "VendorCredit",
            f"{_USUAL} vendorId:eq,in status:eq,ne,in",
            f"{_SORTS} creditDate amount appliedAmount",
            "vendorId refNumber creditDate amount",
            bulk="vendorCredits",
        ),
        _collection(
            "vendor-bank-accounts",
            "vba",
            "VendorBankAccount",
            _USUAL,
            _SORTS,
            "vendorId nameOnAcct status",
            in_v3=False,
            holds_bank_accounts=True,
        ),
        _collection(
            "funding-accounts/banks",
            "bac",
            "BankAccount",
            f"{_USUAL} bankAccountId:eq,in status:eq,ne,in",
            f"{_SORTS} nameOnAccount bankName accessToAdmins",
            "bankName nameOnAcct status",
            holds_bank_accounts=True,
        ),
        _collection(
            "customers",
            "0cu",
            "Customer",
            f"{_PARTY} billingAddress.country:eq,ne invoiceCurrency:eq,ne,in,nin",
            f"{_SORTS} name companyName email phone fax description invoiceCurrency",
            "name companyName accNumber email phone",
        ),
        _collection(
            "invoices",
            "00e",
            "Invoice",
            f"{_USUAL} customerId:eq,in invoiceNumber:eq,in dueDate:gt,gte,lt,lte status:eq,ne,in "
            f"payToChartOfAccountId:eq,ne,in {_CLASSES}",
            f"{_SORTS} invoiceNumber invoiceDate dueDate totalAmount",
            "customerId invoiceNumber invoiceDate dueDate amount amountDue paymentStatus",
        ),
        _collection(
            "recurring-invoices",
            "rin",
            "RecurringInvoice",
            f"{_USUAL} customerId:eq,in",
            _SORTS,
            "customerId description",
        ),
        _collection(
            "credit-memos",
            "crm",
            "CreditMemo",
            f"{_USUAL} customerId:eq,in status:eq,ne,in",
            f"{_SORTS} creditDate amount appliedAmount",
            "customerId refNumber creditDate amount",
            bulk="creditMemos",
        ),
        _collection(
            "receivable-payments",
            "0rp",
            "ReceivedPay",
            f"id:eq,ne,in customerId:eq,in status:eq,ne,in paymentDate:gt,gte,lt,lte {_TIMES}",
            "amount createdTime updatedTime",
            "customerId amount paymentDate status paymentType",
        ),
        _collection(
            "users",
            "006",
            "User",
            f"{_USUAL} firstName:eq,sw lastName:eq,sw email:eq,sw",
            f"{_SORTS} firstName lastName",
            "firstName lastName email profileId",
        ),
        _collection(
            "bill-approvals/policies", "apl", "ApprovalPolicy", "", "", "amountThreshold minNumApprovers", in_v3=False
        ),
        _collection("roles", "0rl", "Profile", f"id:eq,ne,in {_TIMES}", "description createdTime updatedTime", "name"),
        _classification("items", "0ii", "Item", "items"),
        _classification(
            "chart-of-accounts", "0ca", "ChartOfAccount", "chartOfAccounts", v2_fields="name accountNumber accountType"
        ),
        _classification("departments", "0de", "Department", "departments"),
        _classification("locations", "0lo", "Location", "locations"),
        _classification("accounting-classes", "cls", "ActgClass", "accountingClasses"),
        _classification("jobs", "job", "Job", "jobs"),
        _classification(
            "employees", "emp", "Employee", "employees", "firstName lastName", "firstName lastName shortName"
        ),
    )
}

BY_ENTITY: dict[str, Collection] = {row.entity: row for row in COLLECTIONS.values()}
