"""The collections of BILL that are served: their v3 path, v2 entity, id prefix and fields."""

from __future__ import annotations

from typing import NamedTuple


class Collection(NamedTuple):
    """One collection; ``fields`` are those that filters and sort may name."""

    path: str
    prefix: str
    entity: str
    fields: frozenset[str]
    v3: bool = True


_COMMON = "id archived createdTime updatedTime"


def _of(path: str, prefix: str, entity: str, fields: str, *, v3: bool = True) -> Collection:
    return Collection(path, prefix, entity, frozenset(f"{_COMMON} {fields}".split()), v3)


COLLECTIONS: dict[str, Collection] = {
    row.path: row
    for row in (
        _of(
            "vendors",
            "009",
            "Vendor",
            "name shortName companyName accountType accountNumber email phone billCurrency "
            "networkStatus autoPay bankAccountStatus",
        ),
        _of(
            "bills",
            "00n",
            "Bill",
            "vendorId vendorName invoiceNumber invoiceDate dueDate amount dueAmount paidAmount paymentStatus "
            "approvalStatus description",
        ),
        _of(
            "payments",
            "stp",
            "SentPay",
            "vendorId vendorName billId amount processDate status singleStatus disbursementType "
            "disbursementStatus fundingAccountId description",
        ),
        _of(
            "recurring-bills",
            "rbl",
            "RecurringBill",
            "vendorId vendorName amount frequency nextDueDate autoPayment",
        ),
        _of(
            "vendor-credits",
            "vcr",
            "VendorCredit",
            "vendorId referenceNumber creditDate amount approvalStatus",
        ),
        _of(
            "vendor-bank-accounts",
            "vba",
            "VendorBankAccount",
            "vendorId nameOnAccount accountNumber routingNumber type ownerType status",
            v3=False,
        ),
        _of(
            "funding-accounts/banks",
            "bac",
            "BankAccount",
            "bankName nameOnAccount accountNumber routingNumber type ownerType status",
        ),
        _of("customers", "0cu", "Customer", "name companyName accountType email phone invoiceCurrency"),
        _of(
            "invoices",
            "00e",
            "Invoice",
            "customerId invoiceNumber invoiceDate dueDate totalAmount dueAmount status",
        ),
        _of("recurring-invoices", "rin", "RecurringInvoice", "customerId amount frequency nextDueDate"),
        _of("credit-memos", "crm", "CreditMemo", "customerId referenceNumber creditDate amount"),
        _of("receivable-payments", "0rp", "ReceivedPay", "customerId amount paymentDate status paymentType"),
        _of("users", "006", "User", "firstName lastName email roleId roleType"),
        _of("classifications/items", "0ii", "Item", "name description price"),
        _of(
            "classifications/chart-of-accounts",
            "0ca",
            "ChartOfAccount",
            "name accountNumber accountType description",
        ),
        _of("classifications/departments", "0de", "Department", "name shortName"),
        _of("classifications/locations", "0lo", "Location", "name shortName"),
        _of("classifications/accounting-classes", "cls", "ActgClass", "name shortName"),
        _of("classifications/jobs", "job", "Job", "name customerId status"),
        _of("classifications/employees", "emp", "Employee", "name email shortName"),
    )
}

BY_ENTITY: dict[str, Collection] = {row.entity: row for row in COLLECTIONS.values()}
