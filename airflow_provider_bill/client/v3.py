"""The v3 dialect: JSON over headers. Calls in a session, sign-out, details, MFA.

Sources: https://developer.bill.com/reference/logout, https://developer.bill.com/reference/getsessioninfo.md,
https://developer.bill.com/reference/generatechallenge, https://developer.bill.com/reference/validatechallenge,
https://developer.bill.com/hc/reference/stepupsession.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_bill.client.answers import Answer, no_answer, text_in
from airflow_provider_bill.client.auth.base import Credentials
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.paging import v3_list
from airflow_provider_bill.client.request import BillRequest, Purpose, v3_request
from airflow_provider_bill.client.requester import Around, Requester
from airflow_provider_bill.client.results import MfaState, Organization, SessionDetails
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.exceptions import BillError, BillSessionExpiredError

_MFA_STATES = {
    "COMPLETE": MfaState.TRUSTED,
    "CHALLENGE": MfaState.CHALLENGE,
    "SETUP": MfaState.SETUP,
    "DISABLED": MfaState.DISABLED,
}


class V3:
    """Makes v3 calls in a session.

    :param requester: sends
    :param credentials: of any kind
    """

    def __init__(self, requester: Requester, credentials: Credentials) -> None:
        self._requester = requester
        self._credentials = credentials

    def send(self, session: BillSession, request: BillRequest, around: Around | None = None) -> Answer:
        """Make a call in a session."""
        self._requester.redactor.add(session.secrets())
        headers = self._credentials.headers(self._credentials.token_for(session, request), request)
        failure: BillError
        try:
            answer = self._requester.v3(request, headers, around)
            self._requester.redactor.add(answer.secrets())
            return answer
        except BillSessionExpiredError as error:
            failure = self._credentials.session_refused(error, request)
            if failure is error:
                raise
        raise failure

    def sign_out(self, session: BillSession) -> None:
        """End a session, and what the sign-in has opened beside it."""
        try:
            self.send(session, v3_request("POST", "/v3/logout", Purpose.STEP))
        finally:
            self._credentials.sign_out_beside(self._requester, session)

    def session_details(self, session: BillSession) -> SessionDetails:
        """Ask what BILL knows about a session."""
        answer = self.send(session, v3_request("GET", "/v3/login/session"))
        organization_id = answer.required_text("organizationId")
        state = _MFA_STATES.get(answer.text("mfaStatus"), MfaState.UNKNOWN)
        if answer.body.get("mfaBypass") is True and state is not MfaState.TRUSTED:
            state = MfaState.BYPASS
        return SessionDetails(
            organization_id=organization_id,
            user_id=answer.text("userId"),
            mfa=state,
            trusted=None if state is MfaState.UNKNOWN else state is MfaState.TRUSTED,
            sent_at=answer.sent_at,
        )

    def organizations(self, session: BillSession) -> list[Organization]:
        """List the organizations that can be signed in to."""
        return [_organization(row) for row in self.rows(session, "/v3/login/organizations")]

    def rows(self, session: BillSession, path: str) -> list[Mapping[str, Any]]:
        """Return all rows of a list."""

        def page(params: dict[str, Any]) -> Any:
            return self.send(session, v3_request("GET", path, params=params)).body

        return [row for row in v3_list(page, path) if isinstance(row, Mapping)]

    def challenge(self, session: BillSession) -> str:
        """Have a code sent to the user's phone and return the challenge's id."""
        answer = self.send(session, v3_request("POST", "/v3/mfa/challenge", Purpose.STEP, body={}))
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
        body: dict[str, Any] = {"challengeId": challenge_id, "token": code, "rememberMe": remember}
        if device:
            body |= {"device": device, "machineName": machine_name or device}
        answer = self.send(session, v3_request("POST", "/v3/mfa/challenge/validate", Purpose.STEP, body=body))
        if answer.body is None:  # it does not say that the code was taken
            raise no_answer(answer.request, answer.status, "an empty body")
        return answer.text("rememberMeId") or answer.text("mfaId")

    def is_trusted(self, session: BillSession, remembered: RememberedDevice | None) -> bool:
        """Ask whether the session is trusted."""
        return self.session_details(session).trusted is True

    def step_up(self, session: BillSession, remembered: RememberedDevice) -> bool:
        """Make the session trusted with a remembered device; BILL answers an unknown one with a plain no.

        :raises BillUnavailableError: the answer says neither yes nor no
        """
        request = v3_request("POST", "/v3/mfa/step-up", Purpose.STEP, body=device_fields(remembered))
        return self.send(session, request).required("trusted") is True


def device_fields(remembered: RememberedDevice | None) -> dict[str, str]:
    """Return the fields by which v3 takes a remembered device."""
    return {} if remembered is None else {"rememberMeId": remembered.token, "device": remembered.device}


def _organization(row: Mapping[str, Any]) -> Organization:
    console = row.get("consoleOrganization")
    return Organization(
        id=text_in(row, "id") or text_in(row, "organizationId"),
        name=text_in(row, "name"),
        console_id=text_in(console, "id"),
        console_name=text_in(console, "name"),
    )
