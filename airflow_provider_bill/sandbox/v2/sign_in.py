"""v2's session calls: Login, Logout, GetSessionInfo and ListOrgs."""

from __future__ import annotations

from airflow_provider_bill.sandbox.errors import Headers, Refusal
from airflow_provider_bill.sandbox.operations.sign_in import (
    check_developer_key,
    check_password,
    count_refused_sign_ins,
    open_session,
    open_sync_session,
)
from airflow_provider_bill.sandbox.server.messages import Answer, Call
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v2.authentication import authenticate, requires_session
from airflow_provider_bill.sandbox.v2.envelope import require_form_fields, succeed

routes = Routes("/api/v2")


@routes.route("POST", "/Login")
@count_refused_sign_ins
def login(call: Call) -> Answer:
    """Sign in with a password or a sync token, and perhaps with a remembered device."""
    form, state = call.form, call.state
    key, username, password, organization_id = require_form_fields(form, "devKey", "userName", "password", "orgId")
    device = form.get("mfaId", ""), form.get("deviceId", "")
    if any(device) and not all(device):
        raise Refusal("BDC_1108", "deviceId" if device[0] else "mfaId")
    call.organization_id = organization_id
    state.limits.take_sign_in(key, call.now)
    check_developer_key(state, key)
    if username in state.seed.sync_tokens:
        session = open_sync_session(call, key, username, password, organization_id, v2=True)
    else:
        user = check_password(state, username, password)
        session = open_session(call, "v2", user, key, organization_id, remembered_device=device, v2=True)
    cookie: Headers = ()
    if state.settings.v2_cookies:
        cookie = (("set-cookie", f"sid={session.token}; Path=/; HttpOnly"),)
    host = call.headers.get("host", "127.0.0.1")
    return succeed(
        {
            "sessionId": session.token,
            "orgId": organization_id,
            "apiEndPoint": f"http://{host}/api/v2",
            "usersId": session.user_id,
        },
        cookie,
    )


@routes.route("POST", "/Logout")
def logout(call: Call) -> Answer:
    """End the session."""
    call.state.sessions.close(authenticate(call))
    call.state.stats.sign_outs += 1
    return succeed({})


@routes.route("POST", "/GetSessionInfo")
@requires_session
def read_session(call: Call) -> Answer:
    """Read who is signed in; the names differ from Login's."""
    return succeed({"organizationId": call.session.organization_id, "userId": call.session.user_id})


@routes.route("POST", "/ListOrgs")
@count_refused_sign_ins
def list_organizations(call: Call) -> Answer:
    """List the user's organizations without a session; it counts as a sign-in."""
    state = call.state
    key, username, password = require_form_fields(call.form, "devKey", "userName", "password")
    state.limits.take_sign_in(key, call.now)
    check_developer_key(state, key)
    user = check_password(state, username, password)
    developer = state.seed.developer_keys[key].developer
    rows = [row for row in state.seed.organizations_of(user) if row.developer == developer]
    return succeed([{"orgId": row.id, "orgName": row.name} for row in rows])
