"""The values of a custom field."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.server.messages import Answer, Call, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.spend.access import get_live_row, get_row, get_rows, note_change, requires_token
from airflow_provider_bill.sandbox.v3.spend.lists import make_list
from airflow_provider_bill.sandbox.v3.spend.making import add_values
from airflow_provider_bill.sandbox.v3.spend.resources import VALUES

routes = Routes("/connect/v3/spend/custom-fields/{}/values")

_PATH = "custom-fields/values"


def find_values(call: Call, field: Row) -> list[Row]:
    """Return the values of a custom field, those that were deleted too."""
    return [row for row in get_rows(call, _PATH).values() if row["field"] == field["uuid"]]


def _read_texts(call: Call, name: str) -> list[str]:
    texts = call.json_object().get(name)
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise Refusal("BDC_1108", fields=(f"{name}: must not be empty",))
    return texts


@routes.route("GET", "")
@requires_token
def list_values(call: Call, field: str) -> Answer:
    """List the values."""
    return reply(call, make_list(call, VALUES, find_values(call, get_row(call, "custom-fields", field))))


@routes.route("POST", "")
@requires_token
def create_values(call: Call, field: str) -> Answer:
    """Add values; BILL answers one row, which here is the first."""
    row = get_live_row(call, "custom-fields", field)
    added = add_values(call, row, _read_texts(call, "values"))
    note_change(call, _PATH, "created", row)
    return reply(call, added[0])


@routes.route("GET", "/{}")
@requires_token
def read_value(call: Call, field: str, value: str) -> Answer:
    """Read one value, also one that was deleted."""
    row = get_row(call, _PATH, value)
    if row["field"] != get_row(call, "custom-fields", field)["uuid"]:
        raise Refusal("BDC_1205")
    return reply(call, row)


@routes.route("DELETE", "")
@requires_token
def delete_values(call: Call, field: str) -> Answer:
    """Delete values, all or none; what has them keeps them."""
    row = get_live_row(call, "custom-fields", field)
    live = {one[name]: one for one in find_values(call, row) if not one["deleted"] for name in ("id", "uuid")}
    wanted = _read_texts(call, "customFieldValueIds")
    unknown = [one for one in wanted if one not in live]
    if unknown:
        raise Refusal("BDC_1129", "customFieldValueIds", unknown[0][:80])
    for one in wanted:
        live[one]["deleted"] = True
    note_change(call, _PATH, "deleted", row)
    return reply(call, None)
