"""v3 sign-in, sign-out and session details, the partner's sign-in included."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations import sign_in as signin
from airflow_provider_bill.sandbox.operations.paging import page_of
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json, text_of
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.state.sessions import Session
from airflow_provider_bill.sandbox.v3.authentication import (
    authenticate,
    counted_sign_in,
    organization_of,
    require,
    signed_in,
)

routes = Routes()

_NAMES: frozenset[str] = frozenset()


@routes.on("POST", "/connect/v3/login")
@counted_sign_in
def login(call: Call) -> Answer:
    """Password or Console API token, with an optional remembered device."""
    body = call.json_object()
    require(body, "devKey", "username", "organizationId")
    key, username, organization_id = (text_of(body, name) for name in ("devKey", "username", "organizationId"))
    if not body.get("password") and not body.get("consoleApiToken"):
        raise Refusal("BDC_1108", "password")
    remember, device = remembered_pair(body)
    world = call.world
    call.organization_id = organization_id
    world.limits.take_sign_in(key, call.now)
    signin.check_developer_key(world, key)
    if body.get("consoleApiToken"):
        kind, user = "console", signin.check_console_token(world, username, text_of(body, "consoleApiToken"))
    elif world.settings.sync_token_on_v3 and username in world.seed.sync_tokens:
        session = open_sync_session(call, key, username, text_of(body, "password"), organization_id, v2=False)
        return _answer(session)
    else:
        kind, user = "v3", signin.check_password(world, username, text_of(body, "password"))
    signin.check_organization(world, organization_id, key, user, v2=False)
    signin.check_active(user, organization_id)
    trusted = signin.is_trusted(world, user, organization_id, remember, device, call.now)
    session = world.sessions.open(kind, organization_id, user.id, call.now, developer_key=key, trusted=trusted)
    return _answer(signin.opened(world, session))


def _answer(session: Session) -> Answer:
    return answer_json(
        {
            "sessionId": session.token,
            "organizationId": session.organization_id,
            "userId": session.user_id,
            "trusted": session.trusted,
        }
    )


def remembered_pair(body: Row) -> tuple[str, str]:
    """``rememberMeId`` and ``device``: both or neither."""
    remember, device = text_of(body, "rememberMeId"), text_of(body, "device")
    if bool(remember) != bool(device):
        missing = "device" if remember else "rememberMeId"
        raise Refusal("BDC_1108", fields=(f"{missing}: must be sent with {'rememberMeId' if remember else 'device'}",))
    return remember, device


def open_sync_session(call: Call, key: str, name: str, value: str, organization_id: str, *, v2: bool) -> Session:
    """A sync token's session: long-lived, and without payments and MFA."""
    world = call.world
    token = signin.check_sync_token(world, name, value)
    user = world.seed.find_user(token.user_id) if token else None
    if token is None or user is None:
        raise Refusal("BDC_1101", signing_in=True)
    if token.organization_id != organization_id:
        raise Refusal("BDC_1129", "orgId", organization_id) if v2 else Refusal("BDC_1123", signing_in=True)
    signin.check_organization(world, organization_id, key, user, v2=v2)
    signin.check_active(user, organization_id)
    session = world.sessions.open("sync_token", organization_id, user.id, call.now, developer_key=key, v2=v2)
    return signin.opened(world, session)


@routes.on("POST", "/connect/v3/logout")
def logout(call: Call) -> Answer:
    """End the session at once; the body is empty."""
    session = authenticate(call)
    call.world.sessions.close(session)
    call.world.stats.sign_outs += 1
    return Answer(200)


@routes.on("GET", "/connect/v3/login/session")
@signed_in
def session_details(call: Call) -> Answer:
    """Organization, user and MFA state."""
    session = call.known_session
    world = call.world
    return answer_json(
        {
            "organizationId": session.organization_id,
            "userId": session.user_id,
            "mfaStatus": world.mfa.status(session, world.user(session)),
            "mfaBypass": world.settings.mfa_mode == "bypass",
        }
    )


@routes.on("GET", "/connect/v3/login/organizations")
@signed_in
def login_organizations(call: Call) -> Answer:
    """The organizations that the user reaches, 100 to a page."""
    session = call.known_session
    seed = call.world.seed
    user = call.world.user(session)
    rows: list[Row] = []
    for organization in seed.organizations_of(user) if user else [organization_of(call)]:
        row: Row = {"id": organization.id, "name": organization.name}
        if organization.console_id:
            console = seed.organizations[organization.console_id]
            row["consoleOrganization"] = {"id": console.id, "name": console.name}
        rows.append(row)
    query = {"page": call.query["page"]} if "page" in call.query else {}
    return answer_json(page_of(rows, "login/organizations", query, _NAMES, 100))


@routes.on("POST", "/connect/v3/partner/login")
@counted_sign_in
def partner_login(call: Call) -> Answer:
    """The partner's own session."""
    body = call.json_object()
    require(body, "appKey", "username", "password")
    world = call.world
    key, username = text_of(body, "appKey"), text_of(body, "username")
    world.limits.take_sign_in(key, call.now)
    app = world.seed.app_keys.get(key)
    if app is None:
        raise Refusal("BDC_1102", message="Application key is invalid.", signing_in=True)
    user = signin.check_password(world, username, text_of(body, "password"))
    if user.username != app.username:
        raise Refusal("BDC_1106", signing_in=True)
    session = world.sessions.open("partner", "", user.id, call.now, app_key=key)
    return answer_json({"sessionId": signin.opened(world, session).token})


@routes.on("POST", "/connect/v3/partner/login-as-user")
@counted_sign_in
def login_as_user(call: Call) -> Answer:
    """A session of one of the partner's users in one of its organizations."""
    world = call.world
    session = authenticate(call)
    if session.kind != "partner" or call.headers.get("appkey", "") != session.app_key:
        raise Refusal("BDC_1109")
    body = call.json_object()
    require(body, "organizationId", "userId")
    remember, device = remembered_pair(body)
    organization_id, user_id = text_of(body, "organizationId"), text_of(body, "userId")
    call.organization_id = organization_id
    app = world.seed.app_keys[session.app_key or ""]
    user = world.seed.find_user(user_id)
    if organization_id not in app.organizations:
        raise Refusal("BDC_1123", signing_in=True)
    if user is None or organization_id not in user.organizations or not user.active:
        raise Refusal("BDC_1111", user_id, organization_id, signing_in=True)
    trusted = signin.is_trusted(world, user, organization_id, remember, device, call.now)
    opened = world.sessions.open(
        "login_as_user", organization_id, user.id, call.now, app_key=session.app_key, trusted=trusted
    )
    signin.opened(world, opened)
    return answer_json({"sessionId": opened.token, "trusted": trusted})
