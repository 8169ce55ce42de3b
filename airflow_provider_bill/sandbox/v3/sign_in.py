"""v3 sign-in, sign-out and session details, and the partner's sign-in."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.fields import require_fields
from airflow_provider_bill.sandbox.operations.sign_in import (
    check_console_token,
    check_developer_key,
    check_password,
    count_refused_sign_ins,
    count_sign_in,
    is_active,
    open_session,
    open_sync_session,
    starts_trusted,
)
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json, get_text
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import authenticate, requires_session

routes = Routes("/connect/v3")


@routes.route("POST", "/login")
@count_refused_sign_ins
def login(call: Call) -> Answer:
    """Sign in with a password, a Console API token or a sync token, and perhaps with a remembered device."""
    body = call.json_object()
    require_fields(body, "devKey", "username", "organizationId")
    key, username, organization_id = (get_text(body, name) for name in ("devKey", "username", "organizationId"))
    if not body.get("password") and not body.get("consoleApiToken"):
        raise Refusal("BDC_1108", "password")
    device = read_remembered_device(body)
    state, password = call.state, get_text(body, "password")
    call.organization_id = organization_id
    state.limits.take_sign_in(key, call.now)
    check_developer_key(state, key)
    if body.get("consoleApiToken"):
        user = check_console_token(state, username, get_text(body, "consoleApiToken"))
        session = open_session(call, "console", user, key, organization_id, remembered_device=device)
    elif state.settings.sync_token_on_v3 and username in state.seed.sync_tokens:
        session = open_sync_session(call, key, username, password, organization_id, v2=False)
    else:
        user = check_password(state, username, password)
        session = open_session(call, "v3", user, key, organization_id, remembered_device=device)
    return answer_json(
        {
            "sessionId": session.token,
            "organizationId": session.organization_id,
            "userId": session.user_id,
            "trusted": session.trusted,
        }
    )


def read_remembered_device(body: Row) -> tuple[str, str]:
    """Return ``rememberMeId`` and ``device``: both or neither."""
    device_id, label = get_text(body, "rememberMeId"), get_text(body, "device")
    if bool(device_id) != bool(label):
        missing, given = ("device", "rememberMeId") if device_id else ("rememberMeId", "device")
        raise Refusal("BDC_1108", fields=(f"{missing}: must be sent with {given}",))
    return device_id, label


@routes.route("POST", "/logout")
def logout(call: Call) -> Answer:
    """End the session at once; the body is empty."""
    call.state.sessions.close(authenticate(call))
    call.state.stats.sign_outs += 1
    return Answer(200)


@routes.route("GET", "/login/session")
@requires_session
def read_session(call: Call) -> Answer:
    """Read the session's organization, user and MFA status."""
    session, state = call.session, call.state
    return answer_json(
        {
            "organizationId": session.organization_id,
            "userId": session.user_id,
            "mfaStatus": state.mfa.read_status(session, state.find_user(session)),
            "mfaBypass": state.settings.mfa_mode == "bypass",
        }
    )


@routes.route("POST", "/partner/login")
@count_refused_sign_ins
def partner_login(call: Call) -> Answer:
    """Open the partner's own session."""
    body = call.json_object()
    require_fields(body, "appKey", "username", "password")
    state, key = call.state, get_text(body, "appKey")
    state.limits.take_sign_in(key, call.now)
    app = state.seed.app_keys.get(key)
    if app is None:
        raise Refusal("BDC_1102", message="Application key is invalid.", signing_in=True)
    user = check_password(state, get_text(body, "username"), get_text(body, "password"))
    if user.username != app.username:
        raise Refusal("BDC_1106", signing_in=True)
    session = count_sign_in(state, state.sessions.open("partner", "", user.id, call.now, app_key=key))
    return answer_json({"sessionId": session.token})


@routes.route("POST", "/partner/login-as-user")
@count_refused_sign_ins
def login_as_user(call: Call) -> Answer:
    """Open a session of one of the partner's users in one of its organizations."""
    state, own = call.state, authenticate(call)
    app_key = call.headers.get("appkey", "")
    if own.kind != "partner" or app_key != own.app_key:
        raise Refusal("BDC_1109")
    body = call.json_object()
    require_fields(body, "organizationId", "userId")
    device = read_remembered_device(body)
    organization_id, user_id = get_text(body, "organizationId"), get_text(body, "userId")
    call.organization_id = organization_id
    user = state.seed.find_user(user_id)
    if organization_id not in state.seed.app_keys[app_key].organizations:
        raise Refusal("BDC_1123", signing_in=True)
    organization = state.seed.organizations[organization_id]
    if user is None or organization_id not in user.organizations or not is_active(state, user, organization):
        raise Refusal("BDC_1111", user_id, organization_id, signing_in=True)
    session = state.sessions.open(
        "login_as_user",
        organization_id,
        user.id,
        call.now,
        app_key=app_key,
        trusted=starts_trusted(call, user, organization_id, device),
    )
    count_sign_in(state, session)
    return answer_json({"sessionId": session.token, "trusted": session.trusted})
