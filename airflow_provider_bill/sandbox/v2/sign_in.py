"""v2's session calls: Login, Logout, GetSessionInfo, ListOrgs and MFA."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from http.cookies import CookieError, SimpleCookie

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal, v2_success
from airflow_provider_bill.sandbox.operations import sign_in as signin
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json, is_true, text_of
from airflow_provider_bill.sandbox.state.sessions import Session
from airflow_provider_bill.sandbox.v3.authentication import bind_key, counted_sign_in, user_of
from airflow_provider_bill.sandbox.v3.mfa import check_device
from airflow_provider_bill.sandbox.v3.sign_in import open_sync_session

V2 = dict[str, Callable[[Call], Answer]]

handlers: V2 = {}


def ok(data: object, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """The success envelope."""
    return answer_json(v2_success(data), headers=headers)


def needed(form: dict[str, str], *names: str) -> list[str]:
    """Form fields that must be there; the developer key has a message of its own."""
    for name in names:
        if not form.get(name):
            raise Refusal("BDC_1178") if name == "devKey" else Refusal("BDC_1108", name)
    return [form[name] for name in names]


def data_of(call: Call) -> Row:
    """The ``data`` field: a JSON object as text."""
    text = call.form.get("data")
    if text is None or text == "":
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        raise Refusal("BDC_1122") from None
    if not isinstance(value, dict):
        raise Refusal("BDC_1122")
    return value


def _cookie(call: Call) -> str:
    if not call.world.settings.v2_cookies:
        return ""
    try:
        found = SimpleCookie(call.headers.get("cookie", "")).get("sid")
    except CookieError:
        return ""
    return found.value if found else ""


def authenticate_v2(call: Call) -> Session:
    """The session of a v2 call; using it slides its idle life."""
    (key,) = needed(call.form, "devKey")
    token = call.form.get("sessionId") or _cookie(call)
    session = call.world.sessions.find(token, call.now)
    if session is None or session.ends_at is not None or not session.organization_id:
        raise Refusal("BDC_1109")
    bind_key(call, session, key)
    session.used_at = call.now
    call.session = session
    call.organization_id = session.organization_id
    return session


def with_session(handler: Callable[..., Answer]) -> Callable[..., Answer]:
    """Let only signed-in calls through."""

    @wraps(handler)
    def checked(call: Call, *params: str) -> Answer:
        authenticate_v2(call)
        return handler(call, *params)

    return checked


def on(name: str) -> Callable[[Callable[[Call], Answer]], Callable[[Call], Answer]]:
    """Serve ``/api/v2/<name>.json``."""

    def register(handler: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        handlers[f"/api/v2/{name}.json"] = handler
        return handler

    return register


@on("Login")
@counted_sign_in
def login(call: Call) -> Answer:
    """User and password, or a sync token's name and value; ``mfaId`` and ``deviceId`` begin it trusted."""
    form, world = call.form, call.world
    key, username, password, organization_id = needed(form, "devKey", "userName", "password", "orgId")
    remember, device = form.get("mfaId", ""), form.get("deviceId", "")
    if bool(remember) != bool(device):
        raise Refusal("BDC_1108", "deviceId" if remember else "mfaId")
    call.organization_id = organization_id
    world.limits.take_sign_in(key, call.now)
    signin.check_developer_key(world, key)
    if username in world.seed.sync_tokens:
        session = open_sync_session(call, key, username, password, organization_id, v2=True)
    else:
        user = signin.check_password(world, username, password)
        signin.check_organization(world, organization_id, key, user, v2=True)
        signin.check_active(user, organization_id)
        trusted = signin.is_trusted(world, user, organization_id, remember, device, call.now)
        session = world.sessions.open(
            "v2", organization_id, user.id, call.now, developer_key=key, trusted=trusted, v2=True
        )
        signin.opened(world, session)
    cookie: tuple[tuple[str, str], ...] = ()
    if world.settings.v2_cookies:
        cookie = (("set-cookie", f"sid={session.token}; Path=/; HttpOnly"),)
    host = call.headers.get("host", "127.0.0.1")
    return ok(
        {
            "sessionId": session.token,
            "orgId": organization_id,
            "apiEndPoint": f"http://{host}/api/v2",
            "usersId": session.user_id,
        },
        cookie,
    )


@on("Logout")
def logout(call: Call) -> Answer:
    """End the session."""
    call.world.sessions.close(authenticate_v2(call))
    call.world.stats.sign_outs += 1
    return ok({})


@on("GetSessionInfo")
@with_session
def session_info(call: Call) -> Answer:
    """Who is signed in; the names differ from Login's."""
    return ok({"organizationId": call.known_session.organization_id, "userId": call.known_session.user_id})


@on("ListOrgs")
@counted_sign_in
def list_organizations(call: Call) -> Answer:
    """The user's organizations, without a session; it counts as a sign-in."""
    world = call.world
    key, username, password = needed(call.form, "devKey", "userName", "password")
    world.limits.take_sign_in(key, call.now)
    signin.check_developer_key(world, key)
    user = signin.check_password(world, username, password)
    developer = world.seed.developer_keys[key].developer
    rows = [row for row in world.seed.organizations_of(user) if row.developer == developer]
    return ok([{"orgId": row.id, "orgName": row.name} for row in rows])


def _mfa_session(call: Call) -> Session:
    session = authenticate_v2(call)
    if session.kind == "sync_token":
        raise Refusal("BDC_1361")
    return session


@on("MFAChallenge")
def mfa_challenge(call: Call) -> Answer:
    """Send a code to the registered phone."""
    session = _mfa_session(call)
    if is_true(data_of(call).get("useBackup")):
        raise Refusal("BDC_1129", "useBackup", "true (backup phones are no longer supported)")
    found = call.world.mfa.challenge(user_of(call), session.organization_id, call.now, v2=True)
    return ok({"challengeId": found})


@on("MFAAuthenticate")
def mfa_authenticate(call: Call) -> Answer:
    """Trust this session; ``mfaId`` comes back only when the device is to be remembered."""
    session = _mfa_session(call)
    data, world = data_of(call), call.world
    for name in ("challengeId", "token"):
        if not data.get(name):
            raise Refusal("BDC_1108", name)
    remember, device = is_true(data.get("rememberMe")), text_of(data, "deviceId")
    if remember and not device:
        raise Refusal("BDC_1108", "deviceId")
    check_device(device)
    user = user_of(call)
    challenge_id = text_of(data, "challengeId")
    world.mfa.answer(user, session.organization_id, "challengeId", challenge_id, str(data["token"]), call.now)
    session.trusted = True
    if not remember:
        return ok({})
    return ok({"mfaId": world.mfa.remember(user, session.organization_id, device, call.now, v2=True)})


@on("MFAStatus")
def mfa_status(call: Call) -> Answer:
    """Whether a remembered device is still trusted."""
    session = _mfa_session(call)
    data = data_of(call)
    remember, device = text_of(data, "mfaId"), text_of(data, "deviceId")
    known = call.world.mfa.knows(session.user_id, session.organization_id, remember, device, call.now)
    return ok({"isTrusted": known})
