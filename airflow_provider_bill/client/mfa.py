"""MFA at BILL: the challenge and its code, the remembered device, the phones.

Sources: https://developer.bill.com/reference/generatechallenge, https://developer.bill.com/reference/validatechallenge,
https://developer.bill.com/hc/reference/stepupsession, https://developer.bill.com/reference/setup,
https://developer.bill.com/reference/validate.
"""

from __future__ import annotations

import re

from airflow_provider_bill.client.answers import text_in
from airflow_provider_bill.client.auth.base import Credentials
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.device_label import check_device
from airflow_provider_bill.client.redaction import Redactor
from airflow_provider_bill.client.request import Purpose, v3_request
from airflow_provider_bill.client.results import MfaState, Phone
from airflow_provider_bill.client.secret import Secret
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.client.v2 import V2
from airflow_provider_bill.client.v3 import V3
from airflow_provider_bill.exceptions import BillApiError, BillConfigurationError, BillMfaError

_TYPES = ("TEXT", "VOICE")
#: Two spellings of one call: of BILL's reference, and of BILL's own request collection.
_VALIDATE_PATHS = ("/v3/mfa/validate", "/v3/mfa/setup/validate")


class ClientMfa:
    """Passes MFA in the dialect that the kind of sign-in speaks; what only v3 has, in v3.

    Every method raises ``BillConfigurationError`` where sessions of this kind cannot pass MFA; nothing is sent then.

    :param credentials: of any kind
    :param dialect: that of the kind
    :param v3: takes a v2 session too
    :param redactor: told codes and ids the moment they are known
    """

    def __init__(self, credentials: Credentials, dialect: V2 | V3, v3: V3, redactor: Redactor) -> None:
        self._credentials = credentials
        self._dialect = dialect
        self._v3 = v3
        self._redactor = redactor

    def check(self) -> None:
        """Refuse a kind of sign-in whose sessions cannot pass MFA.

        :raises BillConfigurationError: naming a kind that can
        """
        self._credentials.check_mfa()

    def challenge(self, session: BillSession) -> str:
        """Have a code sent to the user's phone; sent once, as each call sends a text.

        :return: the challenge's id
        :raises BillMfaError: if no phone is registered

        Sources: https://developer.bill.com/reference/generatechallenge,
        https://developer.bill.com/v2/reference/auth-mfachallenge
        """
        self.check()
        return self._dialect.challenge(session)

    def validate(
        self,
        session: BillSession,
        challenge_id: str,
        code: str,
        *,
        device: str,
        machine_name: str,
        remember: bool,
    ) -> RememberedDevice | None:
        """Send the code; the session is trusted afterwards.

        :param code: six digits; spaces and dashes are dropped
        :param device: label of this installation, up to 100 characters, the same at later sign-ins
        :param machine_name: free text that BILL shows for the device
        :param remember: whether the device stays trusted for 30 days
        :return: the remembered device, None if BILL gave none
        :raises BillMfaError: if the code is wrong or too old, or not six digits

        Sources: https://developer.bill.com/reference/validatechallenge,
        https://developer.bill.com/v2/reference/auth-mfaauthenticate
        """
        self.check()
        digits = self._six_digits(code)
        if remember:
            check_device(device)  # before a code is used up
        token = self._dialect.validate(
            session, challenge_id, digits, device=device, machine_name=machine_name, remember=remember
        )
        self._redactor.add([token])
        return RememberedDevice(token=token, device=device) if token and remember else None

    def step_up(self, session: BillSession, remembered: RememberedDevice) -> bool:
        """Make a session trusted with a remembered device; a v2 session is taken by v3's call, as v2 has none.

        :return: whether it is trusted now; BILL answers an unknown device with a plain no

        Source: https://developer.bill.com/hc/reference/stepupsession
        """
        self.check()
        self._redactor.add([remembered.token])
        return self._v3.step_up(session, remembered)

    def status(self, session: BillSession, remembered: RememberedDevice | None) -> bool:
        """Return whether the session (v3), or the remembered device (v2), is trusted, as BILL says.

        Sources: https://developer.bill.com/reference/getsessioninfo.md,
        https://developer.bill.com/v2/reference/auth-mfastatus
        """
        self.check()
        self._redactor.add([remembered.token] if remembered is not None else [])
        return self._dialect.is_trusted(session, remembered)

    def state(self, session: BillSession) -> MfaState:
        """Return how a session stands to MFA; a v2 session is taken by v3's call, as v2 does not say.

        Source: https://developer.bill.com/reference/getsessioninfo.md; that v3 takes a v2 session, clients have seen
        """
        self.check()
        return self._v3.session_details(session).mfa

    def phones(self, session: BillSession) -> list[Phone]:
        """List the phones registered for MFA.

        Source: BILL's own request collection (``GET /v3/mfa/phones``)
        """
        self.check()
        return [
            Phone(text_in(row, "type"), text_in(row, "last4digits"), row.get("primary") is True)
            for row in self._v3.rows(session, "/v3/mfa/phones")
        ]

    def set_up(self, session: BillSession, phone: str, type: str = "TEXT") -> str:
        """Begin to register a phone: a code is sent to it.

        :param phone: its number
        :param type: ``TEXT`` or ``VOICE``
        :return: the set-up's id
        :raises BillMfaError: if a phone is registered already

        Source: https://developer.bill.com/reference/setup
        """
        self.check()
        if not phone.strip():
            raise BillConfigurationError("the phone number is missing", advice="give it with its country code")
        body = {"phone": phone.strip(), "type": _checked_type(type)}
        answer = self._v3.send(session, v3_request("POST", "/v3/mfa/setup", Purpose.STEP, body=body))
        return answer.required_text("setupId")

    def validate_set_up(self, session: BillSession, setup_id: str, code: str, type: str = "TEXT") -> None:
        """Finish registering a phone with the code sent to it.

        :raises BillMfaError: if the code is wrong or too old, or not six digits

        Source: https://developer.bill.com/reference/validate
        """
        self.check()
        body = {"setupId": setup_id, "type": _checked_type(type), "token": self._six_digits(code)}
        first, second = (v3_request("POST", path, Purpose.STEP, body=body) for path in _VALIDATE_PATHS)
        try:
            answer = self._v3.send(session, first)
        except BillApiError as error:
            if error.status != 404:
                raise
            answer = self._v3.send(session, second)
        if answer.text("status") not in ("", "SUCCESS"):
            raise BillMfaError(
                "BILL did not take the code for the phone's set-up",
                advice="ask for a new code",
                status=answer.status,
            )

    def _six_digits(self, code: str) -> str:
        """Return an MFA code without spaces and dashes.

        :raises BillMfaError: if it is not six digits; so none of BILL's three tries is lost
        """
        code = Secret(code)
        digits = Secret(re.sub(r"[\s-]", "", code))
        if not re.fullmatch(r"[0-9]{6}", digits):
            raise BillMfaError("the MFA code is not six digits", advice="enter the code from the newest text message")
        self._redactor.add([code, digits])
        return digits


def _checked_type(kind: str) -> str:
    if kind not in _TYPES:
        raise BillConfigurationError(f"MFA type {kind!r} does not exist", advice=f"use one of: {', '.join(_TYPES)}")
    return kind
