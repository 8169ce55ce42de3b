"""The BILL network: the search in it, and invitations of vendors and customers.

Source: BILL's reference of the network.
"""

from __future__ import annotations

from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.fields import require_fields
from airflow_provider_bill.sandbox.operations.network import DIRECTORY, PATHS, find_invitation, invite, set_status
from airflow_provider_bill.sandbox.operations.rows import get_row
from airflow_provider_bill.sandbox.server.messages import Answer, Call, get_text, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import requires_session

routes = Routes("/connect/v3/network")


@routes.route("GET", "")
@requires_session
def search(call: Call) -> Answer:
    """Find companies in the network by a part of their name, and by where they are."""
    query = call.query
    require_fields(dict(query), "name", "scope")
    wanted, code, account = query["name"].lower(), query.get("zipOrPostalCode"), query.get("accountNumber")
    rows = [
        row
        for row in DIRECTORY
        if wanted in row["name"].lower()
        and (not code or row["addresses"][0]["zipOrPostalCode"] == code)
        and (not account or row["accountNumber"] == account)
    ]
    return reply(call, {"results": rows})


@routes.route("POST", "/invitation/accept")
@requires_session
def accept(call: Call) -> Answer:
    """Accept a company's invitation: a vendor or a customer is connected with it."""
    body = call.json_object()
    require_fields(body, "networkId", "type", "id")
    kind, network_id = get_text(body, "type"), get_text(body, "networkId")
    if kind not in PATHS:
        raise Refusal("BDC_1129", "type", f"{kind} (must be {' or '.join(PATHS)})")
    if all(one["id"] != network_id for one in DIRECTORY):
        raise Refusal("BDC_1205")
    set_status(call, kind, get_text(body, "id"), "CONNECTED", network_id)
    return reply(call, None)


def _serve(kind: str) -> None:
    path = f"/invitation/{kind.lower()}/{{}}"

    @routes.route("GET", path)
    @requires_session
    def read(call: Call, row_id: str) -> Answer:
        return reply(call, find_invitation(call, kind, row_id))

    @routes.route("POST", path)
    @requires_session
    def create(call: Call, row_id: str) -> Answer:
        body = call.json_object()
        require_fields(body, "networkId", "networkType")
        invite(call, kind, row_id, get_text(body, "networkId"))
        return reply(call, None)

    @routes.route("DELETE", path)
    @requires_session
    def delete(call: Call, row_id: str) -> Answer:
        get_row(call, PATHS[kind], row_id)
        set_status(call, kind, row_id, "NOT_CONNECTED")
        return reply(call, None)


for _kind in PATHS:
    _serve(_kind)


@routes.route("POST", "/invitation/vendor/{}/email")
@requires_session
def invite_by_email(call: Call, vendor_id: str) -> Answer:
    """Invite a vendor that is not in the network yet by e-mail."""
    require_fields(call.json_object(), "email")
    invite(call, "VENDOR", vendor_id)
    return reply(call, None)
