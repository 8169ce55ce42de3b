"""Exports of records: each organization has one, a CSV of its vendors."""

from __future__ import annotations

import csv
import io

from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.ids import make_id
from airflow_provider_bill.sandbox.operations.access import get_organization
from airflow_provider_bill.sandbox.operations.rows import get_rows
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import requires_session
from airflow_provider_bill.sandbox.v3.documents import make_link

routes = Routes("/connect/v3/exports")

_COLUMNS = ("id", "name", "email", "archived", "createdTime", "updatedTime")


@routes.route("GET", "")
@requires_session
def list_exports(call: Call) -> Answer:
    """List the exports."""
    return answer_json({"results": [{"exportId": _export_id(call)}]})


@routes.route("GET", "/{}/download-link")
@requires_session
def get_download_link(call: Call, export_id: str) -> Answer:
    """Hand out a link to an export, which holds the vendors as they are now."""
    if export_id != _export_id(call):
        raise Refusal("BDC_1205", message="There is no such export.", status=404)
    return answer_json({"downloadLink": make_link(call, "vendors.csv", _vendors(call))})


def _export_id(call: Call) -> str:
    return make_id("exp", get_organization(call).number, 1)


def _vendors(call: Call) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(get_rows(call, "vendors").values())
    return text.getvalue().encode()
