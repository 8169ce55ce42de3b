"""v2's MFA calls: MFAChallenge, MFAAuthenticate and MFAStatus."""

from __future__ import annotations

from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.mfa import start_challenge, trust_session
from airflow_provider_bill.sandbox.server.messages import Answer, Call, get_text, is_true
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v2.authentication import authenticate
from airflow_provider_bill.sandbox.v2.envelope import read_data, succeed

routes = Routes("/api/v2")


def _authenticate_user(call: Call) -> None:
    if authenticate(call).kind == "sync_token":
        raise Refusal("BDC_1361")


@routes.route("POST", "/MFAChallenge")
def challenge(call: Call) -> Answer:
    """Send a code to the registered phone."""
    _authenticate_user(call)
    return succeed({"challengeId": start_challenge(call, read_data(call).get("useBackup"), v2=True)})


@routes.route("POST", "/MFAAuthenticate")
def validate_challenge(call: Call) -> Answer:
    """Trust this session; without ``rememberMe`` the ``mfaId`` is good until the session ends."""
    _authenticate_user(call)
    data = read_data(call)
    for name in ("challengeId", "token"):
        if not data.get(name):
            raise Refusal("BDC_1108", name)
    remember, device = is_true(data.get("rememberMe")), get_text(data, "deviceId")
    if remember and not device:
        raise Refusal("BDC_1108", "deviceId")
    device_id = trust_session(call, get_text(data, "challengeId"), data["token"], device, remember=remember, v2=True)
    if device_id is None:
        device_id = call.state.mfa.note_session_device(call.session, device)
    return succeed({"mfaId": device_id})


@routes.route("POST", "/MFAStatus")
def read_status(call: Call) -> Answer:
    """Read whether a remembered device is still trusted."""
    _authenticate_user(call)
    session, data = call.session, read_data(call)
    device_id, label = get_text(data, "mfaId"), get_text(data, "deviceId")
    mfa = call.state.mfa
    known = mfa.is_remembered(session.user_id, session.organization_id, device_id, label, call.now)
    return succeed({"isTrusted": known or mfa.is_session_device(session, device_id, label)})
