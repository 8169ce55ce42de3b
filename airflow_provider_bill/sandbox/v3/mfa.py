"""v3's MFA calls: set-up, challenge, step-up and phones."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_organization, get_user
from airflow_provider_bill.sandbox.operations.fields import require_fields
from airflow_provider_bill.sandbox.operations.mfa import start_challenge, trust_session
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json, get_text, is_false, is_true
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.authentication import authenticate
from airflow_provider_bill.sandbox.v3.sign_in import read_remembered_device

routes = Routes("/connect/v3/mfa")


def _authenticate_user(call: Call) -> str:
    """Return the organization of a call; only a user's own session can make MFA calls."""
    session = authenticate(call)
    organization = get_organization(call)
    if session.kind in ("sync_token", "oauth"):
        raise Refusal("BDC_1361")
    return organization.id


def _read_type(body: Row) -> str:
    kind = get_text(body, "type")
    if kind not in ("TEXT", "VOICE"):
        raise Refusal("BDC_1129", "type", f"{kind} (must be TEXT or VOICE)")
    return kind


@routes.route("POST", "/setup")
def start_setup(call: Call) -> Answer:
    """Send a code to a new phone."""
    organization_id, body = _authenticate_user(call), call.json_object()
    require_fields(body, "phone", "type")
    if is_false(body.get("primary")):
        raise Refusal("BDC_1129", "primary", "false (backup phones are no longer supported)")
    kind = _read_type(body)
    found = call.state.mfa.start_setup(get_user(call), organization_id, get_text(body, "phone"), kind, call.now)
    return answer_json({"setupId": found})


@routes.route("POST", "/validate")
@routes.route("POST", "/setup/validate")
def validate_setup(call: Call) -> Answer:
    """Register the phone with its code; BILL writes this path in two ways."""
    organization_id, body = _authenticate_user(call), call.json_object()
    require_fields(body, "setupId", "type", "token")
    _read_type(body)
    setup_id, code = get_text(body, "setupId"), str(body["token"])
    call.state.mfa.check_code(get_user(call), organization_id, "setupId", setup_id, code, call.now)
    return answer_json({"status": "SUCCESS"})


@routes.route("POST", "/challenge")
def challenge(call: Call) -> Answer:
    """Send a code to the registered phone."""
    _authenticate_user(call)
    return answer_json({"challengeId": start_challenge(call, call.json_object().get("useBackup"), v2=False)})


@routes.route("POST", "/challenge/validate")
def validate_challenge(call: Call) -> Answer:
    """Trust this session, and remember the device if asked to."""
    _authenticate_user(call)
    body = call.json_object()
    require_fields(body, "challengeId", "token")
    remember = is_true(body.get("rememberMe"))
    if remember:
        require_fields(body, "device")
    device_id = trust_session(
        call, get_text(body, "challengeId"), body["token"], get_text(body, "device"), remember=remember, v2=False
    )
    if device_id is None:
        return answer_json({})
    field = call.state.settings.remember_field
    names = ("rememberMeId", "mfaId") if field == "both" else (field,)
    return answer_json(dict.fromkeys(names, device_id))


@routes.route("POST", "/step-up")
def step_up(call: Call) -> Answer:
    """Trust this session by a remembered device; a bad one is no error."""
    organization_id, body = _authenticate_user(call), call.json_object()
    require_fields(body, "rememberMeId", "device")
    device_id, label = read_remembered_device(body)
    if call.state.mfa.is_remembered(call.session.user_id, organization_id, device_id, label, call.now):
        call.session.trusted = True
    return answer_json({"trusted": call.session.trusted})


@routes.route("GET", "/phones")
def list_phones(call: Call) -> Answer:
    """List the registered phone, its last four digits only."""
    _authenticate_user(call)
    phone = get_user(call).phone
    rows = [{"type": "MOBILE", "last4digits": phone[-4:], "primary": True}] if phone else []
    return answer_json({"results": rows})
