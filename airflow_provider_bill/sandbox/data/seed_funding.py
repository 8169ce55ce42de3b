"""The funding accounts beside bank accounts, the users of both, and the approval policy of an organization's start."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.accounts import Organization
from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.moments import make_time
from airflow_provider_bill.sandbox.ids import make_id


def build_funding_rows(organization: Organization, users: list[Row]) -> dict[str, dict[str, Row]]:
    """Return the rows by collection and id.

    :param users: of the organization, who may pay from its accounts.
    """
    number = organization.number
    bank, card = make_id("bac", number, 1), make_id("cda", number, 1)
    times = {"createdTime": make_time(1), "updatedTime": make_time(1)}

    def make_user(prefix: str, index: int, user: Row, **fields: str) -> Row:
        row = {"id": make_id(prefix, number, index), **fields, "userId": user["id"], "archived": False}
        return {**row, "verificationStatus": "VERIFIED", **times}

    cards: list[Row] = [
        {
            "id": card,
            "archived": False,
            "createdBy": make_id("006", 0, 1),
            "issuingBankName": "First Sandbox Bank",
            "nameOnAccount": organization.name,
            "brand": "VISA",
            "type": "CREDIT_CARD",
            "status": "VERIFIED",
            "last4": "4242",
            "expiration": {"year": "2099", "month": "12"},
            "default": {"payables": True, "receivables": False, "funding": True, "disbursement": False},
            **times,
        }
    ]
    ap_cards: list[Row] = [
        {
            "id": make_id("apc", number, 1),
            "status": "VERIFIED",
            "nameOnAccount": organization.name,
            "balance": 1200.5,
            "limit": 50000.0,
            **times,
        }
    ]
    found = {
        "funding-accounts/cards": cards,
        "funding-accounts/ap-cards": ap_cards,
        "funding-accounts/banks/users": [
            make_user("bau", index, user, bankAccountId=bank) for index, user in enumerate(users, start=1)
        ],
        "funding-accounts/cards/users": [
            make_user("cdu", index, user, cardAccountId=card) for index, user in enumerate(users, start=1)
        ],
        "bill-approvals/policies": [_make_first_policy(number, user) for user in users[:1]],
    }
    return {path: {row["id"]: row for row in rows} for path, rows in found.items()}


def _make_first_policy(number: int, user: Row) -> Row:
    approver = {"userId": user["id"], "fullName": f"{user['firstName']} {user['lastName']}"}
    rule = {"key": "BILL_AMOUNT", "op": "gte", "values": [{"value": "1000", "displayName": "1000"}]}
    times = {"createdTime": make_time(1), "updatedTime": make_time(1)}
    return {"id": make_id("apl", number, 1), **make_policy("Bills of 1000 and more", [rule], [approver]), **times}


def make_policy(name: str, rules: list[Row], users: list[Row]) -> Row:
    """Return the fields of an approval policy; v2 knows the amount and the number of approvers only."""
    amounts = [float(rule["values"][0]["value"]) for rule in rules if rule["key"] == "BILL_AMOUNT"]
    return {
        "policyName": name,
        "status": "ACTIVE",
        "rules": rules,
        "approvers": {"users": users, "groups": []},
        "amountThreshold": amounts[0] if amounts else None,
        "minNumApprovers": len(users),
    }
