"""The v2 dialect: forms, and an envelope that says whether it went well. Calls in a session, sign-out, details, MFA.

Sources: https://developer.bill.com/v2/reference/auth-logout.md,
https://developer.bill.com/v2/reference/auth-getsessioninfo,
https://developer.bill.com/v2/reference/auth-mfaauthenticate, https://developer.bill.com/v2/reference/auth-mfastatus.
"""

from __future__ import annotations

from airflow_provider_bill.client.answers import Answer
from airflow_provider_bill.client.auth.base import Credentials
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.request import BillRequest, Purpose, v2_request
from airflow_provider_bill.client.requester import Around, Requester
from airflow_provider_bill.client.results import MfaState, SessionDetails
from airflow_provider_bill.client.session import BillSession


class V2:
    """Makes v2 calls in a session.

    :param requester: sends
    :param credentials: of a kind that can make v2 calls
    """

    def __init__(self, requester: Requester, credentials: Credentials) -> None:
        self._requester = requester
        self._credentials = credentials

    def send(self, session: BillSession, request: BillRequest, around: Around | None = None) -> Answer:
        """Make a call in a session.

        :raises BillConfigurationError: if this kind of sign-in makes no v2 calls
        """
        self._requester.redactor.add([session.session_token])
        base = self._requester.environment.checked_endpoint(session.api_endpoint)
        fields = self._credentials.form(session.session_token)
        answer = self._requester.v2(request, fields, base=base, around=around)
        self._requester.redactor.add(answer.secrets())
        return answer

    def sign_out(self, session: BillSession) -> None:
        """End a session."""
        self.send(session, v2_request("/Logout.json", Purpose.STEP))

    def session_details(self, session: BillSession) -> SessionDetails:
        """Ask what BILL knows about a session; v2 says nothing of MFA."""
        answer = self.send(session, v2_request("/GetSessionInfo.json"))
        return SessionDetails(
            organization_id=answer.required_text("organizationId"),
            user_id=answer.text("userId"),
            mfa=MfaState.UNKNOWN,
            trusted=None,
            sent_at=answer.sent_at,
        )

    def challenge(self, session: BillSession) -> str:
        """Have a code sent to the user's phone and return the challenge's id."""
        answer = self.send(session, v2_request("/MFAChallenge.json", Purpose.STEP, body={}))
        return answer.required_text("challengeId")

    def validate(
        self,
        session: BillSession,
        challenge_id: str,
        code: str,
        *,
        device: str,
        machine_name: str,
        remember: bool,
    ) -> str:
        """Send the code and return the remembered device's id, empty if there is none."""
        data = {
            "challengeId": challenge_id,
            "token": code,
            "deviceId": device,
            "machineName": machine_name or device,
            "rememberMe": remember,
        }
        answer = self.send(session, v2_request("/MFAAuthenticate.json", Purpose.STEP, body=data))
        return answer.text("mfaId") or answer.text("rememberMeId")

    def is_trusted(self, session: BillSession, remembered: RememberedDevice | None) -> bool:
        """Ask whether the remembered device is trusted."""
        if remembered is None:
            return False
        data = {"mfaId": remembered.token, "deviceId": remembered.device}
        return self.send(session, v2_request("/MFAStatus.json", body=data)).required("isTrusted") in (True, "true", "1")
