"""Organizations: those that a user reaches, and one of them in full."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.seed_rows import make_address, make_time
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_organization, get_user
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import requires_session
from airflow_provider_bill.sandbox.v3.paging import make_page

routes = Routes("/connect/v3")


@routes.route("GET", "/login/organizations")
@requires_session
def list_organizations(call: Call) -> Answer:
    """List the organizations that the user reaches, 100 to a page."""
    seed, user = call.state.seed, call.state.find_user(call.session)
    rows: list[Row] = []
    for organization in seed.organizations_of(user) if user else [get_organization(call)]:
        row: Row = {"id": organization.id, "name": organization.name}
        if organization.console_id:
            console = seed.organizations[organization.console_id]
            row["consoleOrganization"] = {"id": console.id, "name": console.name}
        rows.append(row)
    query = {"page": call.query["page"]} if "page" in call.query else {}
    return answer_json(make_page(rows, "login/organizations", query, frozenset(), 100))


@routes.route("GET", "/organizations/{}")
@requires_session
def read_organization(call: Call, organization_id: str) -> Answer:
    """Read one organization that the user reaches."""
    for row in call.state.seed.organizations_of(get_user(call)):
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
