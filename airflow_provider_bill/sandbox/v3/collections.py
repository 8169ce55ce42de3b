"""v3's collections: the same few verbs for everything in the catalog, as far as the contract has them."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_bill.sandbox.data import contract
from airflow_provider_bill.sandbox.data.catalog import COLLECTIONS, Collection, Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import require_trust
from airflow_provider_bill.sandbox.operations.entities import (
    RULES,
    add_bank_account,
    finish,
    make_defaults,
    refuse_second_account,
)
from airflow_provider_bill.sandbox.operations.fields import refuse_problems
from airflow_provider_bill.sandbox.operations.rows import create_row, get_row, get_rows, replace_row, update_row
from airflow_provider_bill.sandbox.operations.shape import join, read_fields, row_schema
from airflow_provider_bill.sandbox.server.messages import Answer, Call, reply
from airflow_provider_bill.sandbox.server.routing import Handler, Routes
from airflow_provider_bill.sandbox.v3.authentication import require_full_access, requires_session
from airflow_provider_bill.sandbox.v3.paging import make_page

routes = Routes("/connect")

#: What BILL or the local BILL itself writes.
_OWN = frozenset({"id", "archived", "createdTime", "updatedTime"})
#: Rows that a bulk call takes at most.
_BULK = {"bills": 100, "vendors": 20}
_BULK_ROWS = 100
#: Collections whose bank accounts need MFA: when a row is made, and, in production, when it is changed.
_PROTECTED = "funding-accounts/banks"


def list_rows(call: Call, collection: Collection) -> Answer:
    """Answer a page of rows."""
    rows = get_rows(call, collection.path).values()
    return reply(call, make_page(rows, collection.path, call.query, collection.filters, collection.sorts))


def read(call: Call, collection: Collection, row_id: str) -> Answer:
    """Answer one row."""
    return reply(call, get_row(call, collection.path, row_id))


def create(call: Call, collection: Collection) -> Answer:
    """Create a row."""
    if collection.path == _PROTECTED:
        require_trust(call)
    return reply(call, _create(call, collection, new_fields(call, collection, call.json_object())))


def change(call: Call, collection: Collection, row_id: str) -> Answer:
    """Change a row: PATCH what is given, PUT all that a body can set."""
    if collection.path == _PROTECTED:
        require_trust(call, production_only=True)
    row, body = get_row(call, collection.path, row_id), call.json_object()
    if _has_account(collection, body):
        refuse_second_account(call, row_id)
    replace_row(call, collection.path, row, changed_fields(call, collection, row, body))
    return reply(call, _with_account(call, collection, row, body))


def archive(call: Call, collection: Collection, row_id: str) -> Answer:
    """Archive a row."""
    return reply(call, update_row(call, collection.path, get_row(call, collection.path, row_id), {"archived": True}))


def restore(call: Call, collection: Collection, row_id: str) -> Answer:
    """Take a row out of the archive."""
    return reply(call, update_row(call, collection.path, get_row(call, collection.path, row_id), {"archived": False}))


def create_all(call: Call, collection: Collection) -> Answer:
    """Create several rows, all or none."""
    made = [new_fields(call, collection, body) for body in call.json_objects(_BULK.get(collection.path, _BULK_ROWS))]
    return _reply_all(call, collection, [_create(call, collection, fields) for fields in made])


def change_all(call: Call, collection: Collection) -> Answer:
    """Change several rows, all or none."""
    pairs = []
    for body in call.json_objects(_BULK_ROWS):
        row = get_row(call, collection.path, str(body.get("id") or ""))
        pairs.append((row, changed_fields(call, collection, row, body)))
    return _reply_all(call, collection, [replace_row(call, collection.path, row, fields) for row, fields in pairs])


def archive_all(call: Call, collection: Collection) -> Answer:
    """Archive several rows, all or none."""
    return _mark_all(call, collection, archived=True)


def restore_all(call: Call, collection: Collection) -> Answer:
    """Take several rows out of the archive, all or none."""
    return _mark_all(call, collection, archived=False)


def new_fields(call: Call, collection: Collection, body: Row) -> Row:
    """Return the fields of a row that a body asks for, complete and checked; nothing is stored yet."""
    rules = RULES[collection.path]
    given = _given(call, collection, body)
    problems = [f"{name}: must not be null" for name in rules.needs if given.get(name) in (None, "", [], {})]
    refuse_problems(problems)
    return finish(call, collection.path, {**make_defaults(collection.path), **given})


def changed_fields(call: Call, collection: Collection, row: Row, body: Row) -> Row:
    """Return a row as a body wants it; nothing is stored yet."""
    rules, given = RULES[collection.path], _given(call, collection, body)
    if call.method == "PUT":
        kept = {name: value for name, value in row.items() if name in _OWN or name in rules.fixed}
        return finish(call, collection.path, {**make_defaults(collection.path), **kept, **given})
    merged = dict(row)
    for name, value in given.items():
        old = merged.get(name)
        merged[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return finish(call, collection.path, merged)


def _given(call: Call, collection: Collection, body: Row) -> Row:
    rules, request = RULES[collection.path], call.operation.request if call.operation else {}
    request = request.get("items", request)
    more = {"type": "object", "properties": rules.also}
    given: Row = read_fields(join(row_schema(collection.path), request, more), body)
    if rules.protected(given):
        require_full_access(call, "Payments")
        require_trust(call)
    return {name: value for name, value in given.items() if name not in _OWN and name not in rules.fixed}


def _create(call: Call, collection: Collection, fields: Row) -> Row:
    extra = {"createdBy": call.session.user_id} if collection.path == _PROTECTED else {}
    row = create_row(call, collection.path, {**fields, **extra})
    return _with_account(call, collection, row, fields)


def _with_account(call: Call, collection: Collection, row: Row, body: Row) -> Row:
    """Return a row; what a body says of a vendor's bank account becomes that account."""
    if _has_account(collection, body):
        add_bank_account(call, row, row["paymentInformation"]["bankAccount"])
    return row


def _has_account(collection: Collection, body: Row) -> bool:
    return collection.path == "vendors" and bool((body.get("paymentInformation") or {}).get("bankAccount"))


def _mark_all(call: Call, collection: Collection, *, archived: bool) -> Answer:
    wanted = call.query_list("ids")
    if not wanted:
        raise Refusal("BDC_1108", fields=("ids: must not be empty",))
    rows = [get_row(call, collection.path, row_id) for row_id in wanted]
    return _reply_all(
        call, collection, [update_row(call, collection.path, row, {"archived": archived}) for row in rows]
    )


def _reply_all(call: Call, collection: Collection, rows: list[Row]) -> Answer:
    answer = call.operation.answer if call.operation else None
    is_list = answer is not None and answer.get("type") == "array"
    return reply(call, rows if is_list else {collection.bulk: rows})


_VERBS: dict[tuple[str, str], Callable[..., Answer]] = {
    ("GET", ""): list_rows,
    ("POST", ""): create,
    ("GET", "/{}"): read,
    ("PATCH", "/{}"): change,
    ("PUT", "/{}"): change,
    ("POST", "/{}/archive"): archive,
    ("POST", "/{}/restore"): restore,
    ("POST", "/bulk"): create_all,
    ("PATCH", "/bulk"): change_all,
    ("PUT", "/bulk"): change_all,
    ("POST", "/bulk/archive"): archive_all,
    ("POST", "/bulk/restore"): restore_all,
}


def _serve(collection: Collection, verb: Callable[..., Answer]) -> Handler:
    @requires_session
    def handler(call: Call, *row_ids: str) -> Answer:
        if collection.holds_bank_accounts:
            require_full_access(call, "Bank accounts")
        return verb(call, collection, *row_ids)

    return handler


for _collection in COLLECTIONS.values():
    if _collection.in_v3:
        for (_method, _suffix), _verb in _VERBS.items():
            _pattern = f"/v3/{_collection.path}{_suffix}"
            if (_method, _pattern) in contract.load():
                routes.add(_method, _pattern, _serve(_collection, _verb))
