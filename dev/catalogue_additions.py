"""What BILL documents beside its request collection: operations that came later, and rules that no example shows."""

from __future__ import annotations

from typing import Any

#: Which calls need a session that has passed MFA: always, or for what their body sets (fields, with a space between).
#: Sources: https://developer.bill.com/reference/setup, https://developer.bill.com/docs/ap-mass-payments,
#: https://developer.bill.com/reference/updatevendor
PROTECTED = {
    "POST /v3/payments": "always",
    "POST /v3/payments/bulk": "always",
    "POST /v3/payments/mass": "always",
    "POST /v3/funding-accounts/banks": "always",
    "POST /v3/vendors": "autoPay",
    "POST /v3/vendors/bulk": "autoPay",
    "PATCH /v3/vendors/{vendorId}": "autoPay",
    "POST /v3/recurringbills": "processingOptions.autoPayment autoPayment",
    "PUT /v3/recurringbills/{recurringBillId}": "processingOptions.autoPayment autoPayment",
    "PATCH /v3/recurringbills/{recurringBillId}": "processingOptions.autoPayment autoPayment",
}
#: The calls that take ``X-Idempotent-Key``. Source: https://developer.bill.com/docs/webhooks
IDEMPOTENT = {"POST /v3/subscriptions", "POST /v3/subscriptions/{subscriptionId}/security_key"}
#: Fields of answers that are secrets for whoever reads them.
SECRETS = {
    "POST /v3/login": ["sessionId"],
    "POST /v3/mfa/challenge/validate": ["rememberMeId", "mfaId"],
    "POST /v3/partner/login": ["sessionId"],
    "POST /v3/partner/login-as-user": ["sessionId"],
    "POST /v3/subscriptions": ["securityKey"],
    "POST /v3/subscriptions/{subscriptionId}/security_key": ["securityKey"],
    "GET /v3/spend/cards/{cardId}/pan-jwt": ["token"],
    "GET /v3/exports/{exportId}/download-link": ["downloadLink"],
}
#: Rows that a page holds at most, where it is not 100. Source: a client that works at BILL.
PAGE_SIZES = {"/v3/spend/transactions": 50}
#: https://developer.bill.com/docs/user-roles
_ROLES = ["ACCOUNTANT", "ADMINISTRATOR", "APPROVER", "AUDITOR", "CLERK", "CUSTOM", "MEMBER", "PARTNER", "PAYER"]
#: Values of enumerations that the collection's examples happen not to show, by group and field.
ENUMS: dict[str, list[str]] = {
    # https://developer.bill.com/reference/createbillapprovalpolicy
    "bill-approvals rules op": ["eq", "gt", "gte", "in", "lt", "lte", "ne", "nin"],
    # https://developer.bill.com/docs/bills, https://developer.bill.com/docs/ap-bill-approvals
    "bills approvalStatus": ["APPROVING", "UNASSIGNED"],
    "bills approvers status": ["APPROVED", "DENIED", "WAITING"],
    "bills paymentStatus": ["PARTIAL", "SCHEDULED", "UNDEFINED"],
    # https://developer.bill.com/docs/record-ap-payments: the payment is one that was made outside of BILL
    "bills disbursementType": ["OFFLINE"],
    "bills singleStatus": ["PAID"],
    "bills status": ["PAID"],
    "customers accountType": ["BUSINESS", "PERSON"],
    # An account that is verified: BILL's reference of funding accounts
    "funding-accounts status": ["VERIFIED"],
    "funding-accounts verificationStatus": ["UNDEFINED", "VERIFIED"],
    # BILL's v2 reference of invoices (paid in full, open, partial payment, scheduled)
    "invoices status": ["PAID", "PAID_IN_FULL", "SCHEDULED"],
    # https://developer.bill.com/docs/recording-an-ar-payment
    "invoices paymentType": ["ACH", "CASH", "CHECK", "CREDIT_CARD", "OTHER", "PAYPAL"],
    "receivable-payments receivablesType": ["ACH", "CASH", "CHECK", "CREDIT_CARD", "OTHER", "PAYPAL"],
    "network status": ["CONNECTED", "NOT_CONNECTED", "PENDING"],
    # https://developer.bill.com/reference/getsessioninfo.md
    "login mfaStatus": ["CHALLENGE", "COMPLETE", "SETUP"],
    # https://developer.bill.com/docs/ap-payments, https://developer.bill.com/docs/single-status-payment-values
    "payments disbursementType": ["ACH", "CHECK", "INTERNATIONAL"],
    "payments singleStatus": ["CANCELED", "PAID", "SCHEDULED", "VOIDED"],
    "payments status": ["FAILED", "SCHEDULED"],
    "partner role type": _ROLES,
    "partner type": _ROLES,
    "roles type": _ROLES,
    "users role type": _ROLES,
    # https://developer.bill.com/docs/ap-vendor-credits: a part of the credit is applied
    "vendor-credits status": ["PARTIALLY_APPLIED"],
    # Spend & Expense: https://developer.bill.com/hc/reference/ with budgets, createbudget, cards, createuser,
    # listreimbursements, approveordenyreimbursement (whose outcomes a reimbursement shows as its status),
    # listtransactions, threedschallenge
    "budgets budgetRole": ["OWNER"],
    "budgets recurringInterval": ["NONE", "WEEKLY"],
    "cards deletedReason": ["CANCELLED"],
    "cards status": ["ACTIVATED", "DELETED", "NOT_ACTIVATED"],
    "cards type": ["VIRTUAL_MEMBER", "VIRTUAL_VENDOR"],
    "reimbursements status": ["APPROVED", "AWAITING_TIER2_APPROVAL", "DENIED"],
    "reimbursements statusHistory status": ["DENIED"],
    "reimbursements type": ["PURCHASE"],
    "transactions status": ["REJECTED"],
    "transactions transactionType": ["DECLINE"],
    "users role": ["AUDITOR"],
    # The kinds of bank accounts and owners are the same wherever one is named
    "vendors ownerType": ["PERSONAL"],
    "vendors paymentInformation bankAccount ownerType": ["PERSONAL"],
    "vendors paymentInformation bankAccount type": ["SAVINGS"],
    "vendors type": ["SAVINGS"],
    "recurringbills schedule period": ["YEARLY"],
    # As BILL's v2 reference of accounts and items names them
    "chart-of-accounts account type": [
        *("ACCOUNTS_PAYABLE", "BANK", "COST_OF_GOODS_SOLD", "EQUITY", "INCOME", "LONG_TERM_LIABILITY", "NON_POSTING"),
        *("OTHER_ASSET", "OTHER_EXPENSE", "OTHER_INCOME"),
    ],
    "items type": ["DISCOUNT", "INVENTORY_ASSEMBLY", "NON_INVENTORY", "SERVICE", "SUBTOTAL"],
    "vendors accountType": ["BUSINESS"],
}

_CALL: dict[str, Any] = {
    "base": "connect",
    "caller": "session",
    "query": {},
    "required": [],
    "body": None,
    "example": None,
    "status": 200,
}

#: Operations that the collection lacks.
ADDITIONS: list[dict[str, Any]] = [
    # https://developer.bill.com/hc/reference/listallorganizations
    {
        **_CALL,
        "method": "GET",
        "path": "/v3/login/organizations",
        "group": "login",
        "query": {"page": ""},
        "answer": {
            "nextPage": "string",
            "prevPage": "string",
            "results": [{"id": "string", "name": "string", "consoleOrganization": {"id": "string", "name": "string"}}],
        },
    },
    # https://developer.bill.com/docs/ap-mass-payments
    {
        **_CALL,
        "method": "POST",
        "path": "/v3/payments/mass",
        "group": "payments",
        "body": "json",
        "status": 201,
        "example": {
            "processDate": "{date}",
            "fundingAccount": {"type": "BANK_ACCOUNT", "id": "{org_bank_account_id}"},
            "payments": [{"billId": "{bill_id01}", "amount": 228.99}, {"billId": "{bill_id02}", "amount": 142}],
        },
        "answer": {"paymentBatchId": "string", "batchStatus": "SCHEDULED"},
    },
    {
        **_CALL,
        "method": "GET",
        "path": "/v3/payments/mass/{paymentBatchId}",
        "group": "payments",
        "answer": {
            "paymentBatchId": "string",
            "batchStatus": "COMPLETED",
            "count": {"scheduled": 0, "failed": 0, "completed": 0, "total": 0},
        },
    },
    # https://developer.bill.com/docs/export-bill-records
    {
        **_CALL,
        "method": "GET",
        "path": "/v3/exports",
        "group": "exports",
        "answer": {"results": [{"exportId": "string"}]},
    },
    {
        **_CALL,
        "method": "GET",
        "path": "/v3/exports/{exportId}/download-link",
        "group": "exports",
        "answer": {"downloadLink": "string"},
    },
]
