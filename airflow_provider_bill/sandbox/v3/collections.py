"""v3's collections: lists and single rows of everything in the catalog, organizations and approvals."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_bill.sandbox.data.catalog import COLLECTIONS, Collection, Row
from airflow_provider_bill.sandbox.data.seed_rows import make_address, make_time
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.paging import page_of
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import full_scope, organization_of, signed_in, user_of

routes = Routes()


def table(call: Call, path: str) -> dict[str, Row]:
    """A collection of the caller's organization."""
    world = call.world
    return world.ledger.rows(world.seed, organization_of(call))[path]


def row_of(call: Call, path: str, row_id: str) -> Row:
    """One row of it, or 404."""
    return call.world.ledger.find(call.world.seed, organization_of(call), path, row_id)


def insert(call: Call, path: str, fields: Row) -> Row:
    """Create a row and count the write."""
    world = call.world
    world.stats.writes += 1
    return world.ledger.insert(world.seed, organization_of(call), path, fields, call.now)


def change(call: Call, row: Row, fields: Row) -> Row:
    """Change a row and count the write."""
    call.world.stats.writes += 1
    call.world.ledger.update(row, fields, call.now)
    return row


def _list(collection: Collection) -> Callable[..., Answer]:
    @signed_in
    def answer(call: Call) -> Answer:
        if collection.holds_bank_accounts:
            full_scope(call, "Bank accounts")
        rows = table(call, collection.path).values()
        return answer_json(page_of(rows, collection.path, call.query, collection.fields))

    return answer


def _get(collection: Collection) -> Callable[..., Answer]:
    @signed_in
    def answer(call: Call, row_id: str) -> Answer:
        if collection.holds_bank_accounts:
            full_scope(call, "Bank accounts")
        return answer_json(row_of(call, collection.path, row_id))

    return answer


def _archive(collection: Collection, archived: bool) -> Callable[..., Answer]:
    @signed_in
    def answer(call: Call, row_id: str) -> Answer:
        if collection.holds_bank_accounts:
            full_scope(call, "Bank accounts")
        return answer_json(change(call, row_of(call, collection.path, row_id), {"archived": archived}))

    return answer


for _collection in COLLECTIONS.values():
    if _collection.in_v3:
        _base = f"/connect/v3/{_collection.path}"
        routes.add("GET", _base, _list(_collection))
        routes.add("GET", _base + "/{}", _get(_collection))
        if _collection.can_archive:
            routes.add("POST", _base + "/{}/archive", _archive(_collection, True))
            routes.add("POST", _base + "/{}/restore", _archive(_collection, False))


@routes.on("GET", "/connect/v3/organizations/{}")
@signed_in
def organization(call: Call, organization_id: str) -> Answer:
    """One organization that the user reaches."""
    for row in call.world.seed.organizations_of(user_of(call)):
        if row.id == organization_id:
            return answer_json(
                {
                    "id": row.id,
                    "archived": False,
                    "name": row.name,
                    "address": make_address(row.number),
                    "mailingAddress": make_address(row.number),
                    "phone": f"555{row.number:07d}",
                    "createdTime": make_time(row.number),
                    "updatedTime": make_time(row.number),
                }
            )
    raise Refusal("BDC_1120")


@routes.on("GET", "/connect/v3/bill-approvals/pending-user-approvals")
@signed_in
def pending_approvals(call: Call) -> Answer:
    """Bills that wait for the user; not a list in the usual form."""
    rows = [row for row in table(call, "bills").values() if row["approvalStatus"] == "UNASSIGNED"]
    names = ("vendorId", "amount", "dueDate")
    waiting = [{"billId": row["id"], **{name: row[name] for name in names}} for row in rows[:5]]
    return answer_json({"bills": waiting})


@routes.on("GET", "/connect/v3/bill-approvals")
@signed_in
def approval_policies(call: Call) -> Answer:
    """Approval policies: a bare array."""
    user = user_of(call)
    rule = {"key": "BILL_AMOUNT", "op": "gte", "values": [{"value": "1000", "displayName": "1000"}]}
    approver = {"userId": user.id, "fullName": f"{user.first_name} {user.last_name}"}
    policy = {
        "id": f"{call.organization_id}-1",
        "policyName": "Bills of 1000 and more",
        "status": "ACTIVE",
        "rules": [rule],
        "approvers": {"users": [approver], "groups": []},
    }
    return answer_json([policy])


routes.add("GET", "/connect/v3/bill-approvals/pending-approvals", pending_approvals)
routes.add("GET", "/connect/v3/bill-approvals/policies", approval_policies)
