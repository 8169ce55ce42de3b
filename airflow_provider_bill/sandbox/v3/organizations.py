"""Organizations: those that a user reaches, one of them in full, its plan and its statements."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.accounts import Organization
from airflow_provider_bill.sandbox.data.catalog import Row, parse_filters
from airflow_provider_bill.sandbox.data.seed_organization import INDUSTRIES
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_organization, get_user
from airflow_provider_bill.sandbox.operations.entities import mask
from airflow_provider_bill.sandbox.operations.filters import apply_filters
from airflow_provider_bill.sandbox.operations.shape import read_fields, row_schema
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import requires_session
from airflow_provider_bill.sandbox.v3.paging import make_page
from airflow_provider_bill.sandbox.v3.paging import parse_filters as read_filters

routes = Routes("/connect/v3")

#: What no body changes.
_OWN = frozenset({"id", "archived", "createdTime", "updatedTime", "partnerName"})
_STATEMENTS = "organizations/billing-statements"
_STATEMENT_FILTERS = parse_filters("invoiceDate:gte,lte")


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
    return answer_json(make_page(rows, "login/organizations", query, default=100))


@routes.route("GET", "/organizations/industries")
@requires_session
def list_industries(call: Call) -> Answer:
    """List the industries that an organization may be of."""
    return reply(call, {"results": list(INDUSTRIES)})


@routes.route("GET", "/organizations/{}")
@requires_session
def read_organization(call: Call, organization_id: str) -> Answer:
    """Read one organization that the user reaches."""
    return reply(call, get_details(call, _find(call, organization_id)))


@routes.route("PATCH", "/organizations/{}")
@requires_session
def change_organization(call: Call, organization_id: str) -> Answer:
    """Change the details of an organization."""
    organization = _find(call, organization_id)
    row = get_details(call, organization)
    given = read_details(call.json_object())
    call.state.stats.writes += 1
    call.state.ledger.update(row, {name: value for name, value in given.items() if name not in _OWN}, call.now)
    organization.name = row["name"]
    return reply(call, row)


@routes.route("GET", "/organizations/{}/price-plan")
@requires_session
def read_price_plan(call: Call, organization_id: str) -> Answer:
    """Read the plan that an organization pays for."""
    organization = _find(call, organization_id)
    return reply(call, call.state.ledger.get_rows(organization, "organizations/price-plan")[organization.id])


@routes.route("GET", "/organizations/{}/billing-statements")
@requires_session
def list_statements(call: Call, organization_id: str) -> Answer:
    """List what an organization pays BILL for, by the day of the invoice if so asked."""
    rows = list(call.state.ledger.get_rows(_find(call, organization_id), _STATEMENTS).values())
    query = call.query
    bounds = [("gte", query.get("invoiceDateFrom")), ("lte", query.get("invoiceDateTo"))]
    text = ",".join(f"invoiceDate:{how}:{day}" for how, day in bounds if day)
    if text:
        rows = apply_filters(rows, read_filters(text, _STATEMENT_FILTERS))
    return reply(call, make_page(rows, f"{_STATEMENTS}|{text}", query))


@routes.route("GET", "/organizations/{}/billing-statements/{}")
@requires_session
def read_statement(call: Call, organization_id: str, statement_id: str) -> Answer:
    """Read one statement; the local BILL has no files of it."""
    row = call.state.ledger.get_rows(_find(call, organization_id), _STATEMENTS).get(statement_id)
    if row is None:
        raise Refusal("BDC_1205")
    return reply(call, row)


def get_details(call: Call, organization: Organization) -> Row:
    """Return the row of an organization itself."""
    return call.state.ledger.get_rows(organization, "organizations")[organization.id]


def read_details(body: Row) -> Row:
    """Return what a body says of an organization; of a tax id only the last four digits are kept."""
    given: Row = read_fields(row_schema("organizations"), body)
    if given.get("taxId"):
        given["taxId"] = mask(given["taxId"])
    return given


def _find(call: Call, organization_id: str) -> Organization:
    for row in call.state.seed.organizations_of(get_user(call)):
        if row.id == organization_id:
            return row
    raise Refusal("BDC_1205")
