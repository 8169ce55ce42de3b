"""v3's collections: lists and single rows of everything in the catalog."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import COLLECTIONS, Collection
from airflow_provider_bill.sandbox.operations.rows import get_row, get_rows, update_row
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import require_full_access, requires_session
from airflow_provider_bill.sandbox.v3.paging import make_page

routes = Routes("/connect/v3/")


def _serve(collection: Collection) -> None:
    path = collection.path

    def check_access(call: Call) -> None:
        if collection.holds_bank_accounts:
            require_full_access(call, "Bank accounts")

    @routes.route("GET", path)
    @requires_session
    def list_rows(call: Call) -> Answer:
        check_access(call)
        return answer_json(make_page(get_rows(call, path).values(), path, call.query, collection.fields))

    @routes.route("GET", path + "/{}")
    @requires_session
    def read(call: Call, row_id: str) -> Answer:
        check_access(call)
        return answer_json(get_row(call, path, row_id))

    if not collection.can_archive:
        return

    @routes.route("POST", path + "/{}/archive")
    @requires_session
    def archive(call: Call, row_id: str) -> Answer:
        check_access(call)
        return answer_json(update_row(call, get_row(call, path, row_id), {"archived": True}))

    @routes.route("POST", path + "/{}/restore")
    @requires_session
    def restore(call: Call, row_id: str) -> Answer:
        check_access(call)
        return answer_json(update_row(call, get_row(call, path, row_id), {"archived": False}))


for _collection in COLLECTIONS.values():
    if _collection.in_v3:
        _serve(_collection)
