"""What a partner does with its application key: organizations, their users and roles.

Sources: https://developer.bill.com/docs/bill-partner-operations, https://developer.bill.com/docs/partner-organizations.
"""

from __future__ import annotations

from functools import wraps

from airflow_provider_bill.sandbox.data.accounts import AppKey, Organization, User
from airflow_provider_bill.sandbox.data.catalog import COLLECTIONS, Collection, Row, parse_filters
from airflow_provider_bill.sandbox.data.seed_organization import make_plan
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.ids import make_session_id
from airflow_provider_bill.sandbox.operations.fields import require_fields
from airflow_provider_bill.sandbox.server.messages import Answer, Call, get_text, reply
from airflow_provider_bill.sandbox.server.routing import Handler, Routes
from airflow_provider_bill.sandbox.state.clock import to_iso
from airflow_provider_bill.sandbox.v3.authentication import authenticate
from airflow_provider_bill.sandbox.v3.organizations import get_details, read_details
from airflow_provider_bill.sandbox.v3.paging import make_page
from airflow_provider_bill.sandbox.v3.risk_verifications import PHONES, save_phone

routes = Routes("/connect/v3/partner")

_TIMES = "createdTime:gt,gte,lt,lte updatedTime:gt,gte,lt,lte"
_ORGANIZATION_FILTERS = parse_filters(f"id:eq,ne,in archived:eq,ne name:eq,sw {_TIMES}")
_ORGANIZATION_SORTS = ("name", "createdTime", "updatedTime")
_NEEDED = ("name", "address", "phone", "taxId", "taxIdType", "companyOwner", "industry", "businessCategory")
_FIRST_NUMBER = 5000
"""Number of the first organization that a partner creates."""


def _serves_partner(handler: Handler) -> Handler:
    @wraps(handler)
    def checked(call: Call, *params: str) -> Answer:
        session = authenticate(call)
        if session.kind != "partner" or call.headers.get("appkey") != session.app_key:
            raise Refusal("BDC_1109")
        return handler(call, *params)

    return checked


def _get_app(call: Call) -> AppKey:
    return call.state.seed.app_keys[call.session.app_key or ""]


def _find_organization(call: Call, organization_id: str) -> Organization:
    if organization_id not in _get_app(call).organizations:
        raise Refusal("BDC_1123", status=403)
    return call.state.seed.organizations[organization_id]


def _get_named_organization(call: Call) -> Organization:
    """Return the organization that the call's header names."""
    organization_id = call.headers.get("organizationid", "")
    if not organization_id:
        raise Refusal("BDC_1108", fields=("organizationId: must not be null",))
    return _find_organization(call, organization_id)


@routes.route("GET", "/organizations")
@_serves_partner
def list_organizations(call: Call) -> Answer:
    """List the partner's organizations."""
    seed = call.state.seed
    rows = [get_details(call, seed.organizations[one]) for one in _get_app(call).organizations]
    return reply(call, make_page(rows, "partner/organizations", call.query, _ORGANIZATION_FILTERS, _ORGANIZATION_SORTS))


@routes.route("POST", "/organizations")
@_serves_partner
def create_organization(call: Call) -> Answer:
    """Create an organization of the partner's."""
    seed, app, body = call.state.seed, _get_app(call), call.json_object()
    given = read_details(body)
    require_fields(given, *_NEEDED)
    developer = seed.organizations[app.organizations[0]].developer
    number = _FIRST_NUMBER + sum(1 for row in seed.organizations.values() if row.number >= _FIRST_NUMBER)
    organization = Organization(number, given["name"], developer, "created by the partner")
    seed.organizations[organization.id] = organization
    app.organizations.append(organization.id)
    call.state.stats.writes += 1
    row, now = get_details(call, organization), to_iso(call.now)
    partner = next(user for user in seed.users.values() if user.username == app.username)
    kept = {"id": organization.id, "archived": False, "createdTime": now, "updatedTime": now}
    row |= {**given, **kept, "partnerName": f"{partner.first_name} {partner.last_name}"}
    return reply(call, row)


@routes.route("PATCH", "/organizations/{}/price-plan")
@_serves_partner
def change_price_plan(call: Call, organization_id: str) -> Answer:
    """Put an organization on another price plan."""
    organization, body = _find_organization(call, organization_id), call.json_object()
    require_fields(body, "pricePlanType")
    call.state.stats.writes += 1
    plans = call.state.ledger.get_rows(organization, "organizations/price-plan")
    plans[organization.id] = make_plan(organization.number, get_text(body, "pricePlanType"))
    return reply(call, {"status": "SUCCESS"})


def _list(call: Call, collection: Collection) -> Answer:
    rows = call.state.ledger.get_rows(_get_named_organization(call), collection.path).values()
    name = f"partner/{collection.path}"
    return reply(call, make_page(rows, name, call.query, collection.filters, collection.sorts))


def _find(call: Call, path: str, row_id: str) -> Row:
    row = call.state.ledger.get_rows(_get_named_organization(call), path).get(row_id)
    if row is None:
        raise Refusal("BDC_1205")
    return row


@routes.route("GET", "/roles")
@_serves_partner
def list_roles(call: Call) -> Answer:
    """List the roles of an organization's users."""
    return _list(call, COLLECTIONS["roles"])


@routes.route("GET", "/roles/{}")
@_serves_partner
def read_role(call: Call, role_id: str) -> Answer:
    """Read a role."""
    return reply(call, _find(call, "roles", role_id))


@routes.route("GET", "/users")
@_serves_partner
def list_users(call: Call) -> Answer:
    """List the users of an organization."""
    return _list(call, COLLECTIONS["users"])


@routes.route("GET", "/users/{}")
@_serves_partner
def read_user(call: Call, user_id: str) -> Answer:
    """Read a user of an organization."""
    return reply(call, _find(call, "users", user_id))


@routes.route("POST", "/users")
@_serves_partner
def create_user(call: Call) -> Answer:
    """Create a user of an organization, as whom the partner can sign in; nobody knows a password."""
    organization, body = _get_named_organization(call), call.json_object()
    require_fields(body, "firstName", "lastName", "email", "roleId", "username")
    role, seed = _find(call, "roles", get_text(body, "roleId")), call.state.seed
    username = get_text(body, "username")
    if username in seed.users:
        raise Refusal("BDC_1129", "username", f"{username} (is taken)", status=422)
    names = get_text(body, "firstName"), get_text(body, "lastName")
    user = User(_FIRST_NUMBER + len(seed.users), username, make_session_id(), *names, [organization.id])
    seed.users[username] = user
    call.state.stats.writes += 1
    now = to_iso(call.now)
    row: Row = {"id": user.id, "archived": False, "firstName": names[0], "lastName": names[1]}
    row |= {"email": get_text(body, "email"), "role": {name: role[name] for name in ("id", "type", "description")}}
    row |= {"createdTime": now, "updatedTime": now}
    call.state.ledger.get_rows(organization, "users")[user.id] = row
    return reply(call, row)


@routes.route("PATCH", "/users/{}")
@_serves_partner
def change_user(call: Call, user_id: str) -> Answer:
    """Change the names, the e-mail address or the role of a user."""
    row, body = _find(call, "users", user_id), call.json_object()
    given: Row = {name: get_text(body, name) for name in ("firstName", "lastName", "email") if body.get(name)}
    if body.get("roleId"):
        role = _find(call, "roles", get_text(body, "roleId"))
        given["role"] = {name: role[name] for name in ("id", "type", "description")}
    return _change(call, row, given)


@routes.route("POST", "/users/{}/archive")
@_serves_partner
def archive_user(call: Call, user_id: str) -> Answer:
    """Archive a user, who can no longer sign in."""
    return _set_archived(call, user_id, archived=True)


@routes.route("POST", "/users/{}/restore")
@_serves_partner
def restore_user(call: Call, user_id: str) -> Answer:
    """Take a user out of the archive."""
    return _set_archived(call, user_id, archived=False)


def _set_archived(call: Call, user_id: str, *, archived: bool) -> Answer:
    return _change(call, _find(call, "users", user_id), {"archived": archived})


def _change(call: Call, row: Row, fields: Row) -> Answer:
    call.state.stats.writes += 1
    call.state.ledger.update(row, fields, call.now)
    return reply(call, row)


@routes.route("POST", "/risk-verifications/{}/phone")
@_serves_partner
def add_phone(call: Call, user_id: str) -> Answer:
    """Store a user's phone for checks."""
    _find(call, "users", user_id)
    save_phone(call, call.state.ledger.get_rows(_get_named_organization(call), PHONES), user_id)
    return reply(call, None)
