"""The collections that are served: their v3 path, v2 entity, id prefix and fields. Each is one row of a table."""

from __future__ import annotations

from typing import Any, NamedTuple

Row = dict[str, Any]


class Collection(NamedTuple):
    """One collection; ``fields`` are those that filters and sorting may name."""

    path: str
    prefix: str
    entity: str
    fields: frozenset[str]
    in_v3: bool = True
    can_archive: bool = True
    holds_bank_accounts: bool = False


_COMMON_FIELDS = "id archived createdTime updatedTime"


def _collection(path: str, prefix: str, entity: str, fields: str, **flags: bool) -> Collection:
    return Collection(path, prefix, entity, frozenset(f"{_COMMON_FIELDS} {fields}".split()), **flags)


COLLECTIONS: dict[str, Collection] = {
    row.path: row
    for row in (
        _collection(
            "vendors",
            "009",
            "Vendor",
            "name shortName companyName accountType accountNumber email phone billCurrency "
            "networkStatus autoPay bankAccountStatus",
        ),
        _collection(
            "bills",
            "00n",
            "Bill",
            "vendorId vendorName invoiceNumber invoiceDate dueDate amount dueAmount paidAmount paymentStatus "
            "approvalStatus description",
        ),
        _collection(
            "payments",
            "stp",
            "SentPay",
            "vendorId vendorName billId amount processDate status singleStatus disbursementType "
            "disbursementStatus fundingAccountId description",
            can_archive=False,
        ),
        _collection(
            "recurring-bills", "rbl", "RecurringBill", "vendorId vendorName amount frequency nextDueDate autoPayment"
        ),
        _collection(
            "vendor-credits", "vcr", "VendorCredit", "vendorId referenceNumber creditDate amount approvalStatus"
        ),
        _collection(
            "vendor-bank-accounts",
            "vba",
            "VendorBankAccount",
            "vendorId nameOnAccount accountNumber routingNumber type ownerType status",
            in_v3=False,
            holds_bank_accounts=True,
        ),
        _collection(
            "funding-accounts/banks",
            "bac",
            "BankAccount",
            "bankName nameOnAccount accountNumber routingNumber type ownerType status",
            holds_bank_accounts=True,
        ),
        _collection("customers", "0cu", "Customer", "name companyName accountType email phone invoiceCurrency"),
        _collection(
            "invoices", "00e", "Invoice", "customerId invoiceNumber invoiceDate dueDate totalAmount dueAmount status"
        ),
        _collection("recurring-invoices", "rin", "RecurringInvoice", "customerId amount frequency nextDueDate"),
        _collection("credit-memos", "crm", "CreditMemo", "customerId referenceNumber creditDate amount"),
        _collection(
            "receivable-payments",
            "0rp",
            "ReceivedPay",
            "customerId amount paymentDate status paymentType",
            can_archive=False,
        ),
        _collection("users", "006", "User", "firstName lastName email roleId roleType"),
        _collection("classifications/items", "0ii", "Item", "name description price"),
        _collection(
            "classifications/chart-of-accounts", "0ca", "ChartOfAccount", "name accountNumber accountType description"
        ),
        _collection("classifications/departments", "0de", "Department", "name shortName"),
        _collection("classifications/locations", "0lo", "Location", "name shortName"),
        _collection("classifications/accounting-classes", "cls", "ActgClass", "name shortName"),
        _collection("classifications/jobs", "job", "Job", "name customerId status"),
        _collection("classifications/employees", "emp", "Employee", "name email shortName"),
    )
}

BY_ENTITY: dict[str, Collection] = {row.entity: row for row in COLLECTIONS.values()}
