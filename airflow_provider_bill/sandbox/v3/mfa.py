"""v3's MFA calls: set-up, challenge, step-up and phones."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json, is_false, is_true, text_of
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.state.mfa import DEVICE_LENGTH
from airflow_provider_bill.sandbox.v3.authentication import authenticate, organization_of, require, user_of
from airflow_provider_bill.sandbox.v3.sign_in import remembered_pair

routes = Routes()


def begin(call: Call) -> tuple[str, Row]:
    """The organization and the body of an MFA call; only a user's own session may make one."""
    session = authenticate(call)
    organization = organization_of(call)
    if session.kind in ("sync_token", "oauth"):
        raise Refusal("BDC_1361")
    return organization.id, call.json_object()


def check_kind(body: Row) -> str:
    """``type`` is TEXT or VOICE."""
    kind = text_of(body, "type")
    if kind not in ("TEXT", "VOICE"):
        raise Refusal("BDC_1129", "type", f"{kind} (must be TEXT or VOICE)")
    return kind


def check_device(device: str) -> None:
    """A device label has at most 100 characters."""
    if len(device) > DEVICE_LENGTH:
        raise Refusal("BDC_1129", "device", f"{len(device)} characters (at most {DEVICE_LENGTH})")


@routes.on("POST", "/connect/v3/mfa/setup")
def setup(call: Call) -> Answer:
    """Send a code to a new phone."""
    organization_id, body = begin(call)
    require(body, "phone", "type")
    if is_false(body.get("primary")):
        raise Refusal("BDC_1129", "primary", "false (backup phones are no longer supported)")
    kind = check_kind(body)
    found = call.world.mfa.setup(user_of(call), organization_id, text_of(body, "phone"), kind, call.now)
    return answer_json({"setupId": found})


def validate(call: Call) -> Answer:
    """Register the phone with its code; BILL writes this path in two ways."""
    organization_id, body = begin(call)
    require(body, "setupId", "type", "token")
    check_kind(body)
    call.world.mfa.answer(
        user_of(call), organization_id, "setupId", text_of(body, "setupId"), str(body["token"]), call.now
    )
    return answer_json({"status": "SUCCESS"})


routes.add("POST", "/connect/v3/mfa/validate", validate)
routes.add("POST", "/connect/v3/mfa/setup/validate", validate)


@routes.on("POST", "/connect/v3/mfa/challenge")
def challenge(call: Call) -> Answer:
    """Send a code to the registered phone."""
    organization_id, body = begin(call)
    if is_true(body.get("useBackup")):
        raise Refusal("BDC_1129", "useBackup", "true (backup phones are no longer supported)")
    found = call.world.mfa.challenge(user_of(call), organization_id, call.now, v2=False)
    return answer_json({"challengeId": found})


@routes.on("POST", "/connect/v3/mfa/challenge/validate")
def validate_challenge(call: Call) -> Answer:
    """Trust this session, and remember the device when asked to."""
    organization_id, body = begin(call)
    require(body, "challengeId", "token")
    remember = is_true(body.get("rememberMe"))
    device = text_of(body, "device")
    if remember:
        require(body, "device")
    check_device(device)
    world, user = call.world, user_of(call)
    world.mfa.answer(user, organization_id, "challengeId", text_of(body, "challengeId"), str(body["token"]), call.now)
    call.known_session.trusted = True
    if not remember:
        return answer_json({})
    found = world.mfa.remember(user, organization_id, device, call.now, v2=False)
    field = world.settings.remember_field
    names = ("rememberMeId", "mfaId") if field == "both" else (field,)
    return answer_json(dict.fromkeys(names, found))


@routes.on("POST", "/connect/v3/mfa/step-up")
def step_up(call: Call) -> Answer:
    """Trust this session by a remembered device; a bad one is no error."""
    organization_id, body = begin(call)
    require(body, "rememberMeId", "device")
    remember, device = remembered_pair(body)
    if call.world.mfa.knows(call.known_session.user_id, organization_id, remember, device, call.now):
        call.known_session.trusted = True
    return answer_json({"trusted": call.known_session.trusted})


@routes.on("GET", "/connect/v3/mfa/phones")
def phones(call: Call) -> Answer:
    """The registered phone, its last four digits only."""
    session = authenticate(call)
    organization_of(call)
    if session.kind in ("sync_token", "oauth"):
        raise Refusal("BDC_1361")
    phone = user_of(call).phone
    rows = [{"type": "MOBILE", "last4digits": phone[-4:], "primary": True}] if phone else []
    return answer_json({"results": rows})
