"""The steps of MFA that both dialects share."""

from __future__ import annotations

from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.operations.access import get_user
from airflow_provider_bill.sandbox.server.messages import Call, is_true
from airflow_provider_bill.sandbox.state.mfa import DEVICE_LENGTH


def start_challenge(call: Call, use_backup: object, *, v2: bool) -> str:
    """Send a code to the user's registered phone, and return the challenge's id."""
    if is_true(use_backup):
        raise Refusal("BDC_1129", "useBackup", "true (backup phones are no longer supported)")
    return call.state.mfa.start_challenge(get_user(call), call.session.organization_id, call.now, v2=v2)


def trust_session(call: Call, challenge_id: str, code: object, device: str, *, remember: bool, v2: bool) -> str | None:
    """Trust the session if the code is right, and return the device's id if it is to be remembered."""
    if len(device) > DEVICE_LENGTH:
        raise Refusal("BDC_1129", "device", f"{len(device)} characters (at most {DEVICE_LENGTH})")
    mfa, user, organization_id = call.state.mfa, get_user(call), call.session.organization_id
    mfa.check_code(user, organization_id, "challengeId", challenge_id, str(code), call.now)
    call.session.trusted = True
    return mfa.remember_device(user, organization_id, device, call.now, v2=v2) if remember else None
