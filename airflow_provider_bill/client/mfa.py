"""MFA steps that only v3 has, and what both dialects check before and after.

Sources: https://developer.bill.com/reference/setup, https://developer.bill.com/reference/validate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from airflow_provider_bill.client.codes import Purpose
from airflow_provider_bill.client.credentials import RememberedDevice
from airflow_provider_bill.client.dialect import Phone
from airflow_provider_bill.client.paging import v3_rows
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.client.v3 import V3
from airflow_provider_bill.client.wire import optional_text, text_in
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillConfigurationError,
    BillMfaError,
    BillSignInRefusedError,
)

_TYPES = ("TEXT", "VOICE")
#: Two spellings of one call: of BILL's reference, and of BILL's own request collection.
_VALIDATE_PATHS = ("/v3/mfa/validate", "/v3/mfa/setup/validate")


def six_digits(code: str) -> str:
    """Give an MFA code without spaces and dashes.

    :raises BillMfaError: if it is not six digits; so none of BILL's three tries is lost
    """
    digits = re.sub(r"[\s-]", "", code)
    if not re.fullmatch(r"[0-9]{6}", digits):
        raise BillMfaError("the MFA code is not six digits", advice="enter the code from the newest text message")
    return digits


def named_if_forgotten(sign_in: Callable[[], BillSession], remembered: RememberedDevice | None) -> BillSession:
    """Sign in; where BILL calls the remembered device an invalid session (BDC_1109), say that.

    :raises BillMfaError: instead of a refusal of the credentials, which were not the reason
    """
    failure: BillSignInRefusedError
    try:
        return sign_in()
    except BillSignInRefusedError as error:
        if remembered is None or error.code != "BDC_1109":
            raise
        failure = error
    raise BillMfaError(
        "BILL refused the sign-in because of the remembered device (BDC_1109)",
        advice="forget remembered_device_token, sign in without it, and pass MFA once more",
        code=failure.code,
        status=failure.status,
    )


def phones(dialect: V3, session: BillSession) -> list[Phone]:
    """List the registered phones."""
    rows = v3_rows(
        lambda params: dialect.request(session, "GET", "/v3/mfa/phones", params=params).body,
        None,
        page_size=None,
    )
    return [
        Phone(optional_text(row, "type"), optional_text(row, "last4digits"), row.get("primary") is True)
        for row in rows
        if isinstance(row, Mapping)
    ]


def setup(dialect: V3, session: BillSession, phone: str, kind: str) -> str:
    """Begin to register a phone and give the set-up's id."""
    if not phone.strip():
        raise BillConfigurationError("the phone number is missing", advice="give it with its country code")
    body = {"phone": phone.strip(), "type": _checked_type(kind)}
    answer = dialect.request(session, "POST", "/v3/mfa/setup", json=body, purpose=Purpose.STEP)
    return text_in(answer, "setupId", "POST /v3/mfa/setup", Purpose.STEP)


def setup_validate(dialect: V3, session: BillSession, setup_id: str, code: str, kind: str) -> None:
    """Finish registering a phone."""
    body = {"setupId": setup_id, "type": _checked_type(kind), "token": code}
    first, second = _VALIDATE_PATHS
    try:
        answer = dialect.request(session, "POST", first, json=body, purpose=Purpose.STEP)
    except BillApiError as error:
        if error.status != 404:
            raise
        answer = dialect.request(session, "POST", second, json=body, purpose=Purpose.STEP)
    status = optional_text(answer.body, "status")
    if status not in ("", "SUCCESS"):
        raise BillMfaError(
            "BILL did not take the code for the phone's set-up",
            advice="ask for a new code",
            status=answer.status,
        )


def _checked_type(kind: str) -> str:
    if kind not in _TYPES:
        raise BillConfigurationError(f"MFA type {kind!r} does not exist", advice=f"use one of: {', '.join(_TYPES)}")
    return kind
