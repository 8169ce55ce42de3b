"""The v2 dialect: forms and an envelope that says whether it went well. Sign-in, sign-out, details, MFA.

Sources: https://developer.bill.com/v2/reference/auth-login, https://developer.bill.com/v2/reference/auth-logout.md,
https://developer.bill.com/v2/reference/auth-getsessioninfo, https://developer.bill.com/v2/docs/api-sandbox-sign-in,
https://developer.bill.com/v2/reference/auth-mfaauthenticate, https://developer.bill.com/v2/reference/auth-mfastatus.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_bill.client.codes import Purpose
from airflow_provider_bill.client.credentials import (
    Credentials,
    KeyedCredentials,
    RememberedDevice,
    SyncToken,
    V2Password,
)
from airflow_provider_bill.client.dialect import MfaState, Organization, SessionDetails
from airflow_provider_bill.client.paths import is_read
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.client.transport import Answer
from airflow_provider_bill.client.wire import Wire, optional_text, text_in
from airflow_provider_bill.exceptions import BillConfigurationError, BillError, BillUnavailableError

log = logging.getLogger(__name__)

#: Calls that need a trusted session (https://developer.bill.com/v2/reference/auth-login).
PROTECTED = frozenset(
    {
        "/SendVendorInvite.json",
        "/SendInvite.json",
        "/VendorBankAccount.json",
        "/Crud/Create/VendorBankAccount.json",
        "/Bulk/Crud/Create/VendorBankAccount.json",
        "/PayBills.json",
    }
)
#: Calls of MFA, which a sync token may not make.
MFA = "/MFA"


def is_protected(path: str) -> bool:
    """Tell whether a v2 call needs a trusted session."""
    return path in PROTECTED


class V2:
    """Signs in and out, and passes MFA, in the v2 dialect.

    :param wire: the way to BILL
    :param credentials: of any kind for calls in a session; of a v2 kind to sign in
    """

    def __init__(self, wire: Wire, credentials: Credentials) -> None:
        self._wire = wire
        self._credentials = credentials
        self._cached: tuple[str, str, str] | None = None

    def call(self, session: BillSession, path: str, data: Any = None, *, purpose: Purpose | None = None) -> Answer:
        """Make a call in a session.

        :raises BillConfigurationError: if this kind of sign-in makes no v2 calls
        """
        credentials = self._credentials
        if not isinstance(credentials, KeyedCredentials):
            raise BillConfigurationError(
                f"{path} is a v2 call, which sign_in {credentials.kind} cannot make",
                advice="use request() with a v3 path, or a connection of kind v2, v3, console or sync_token",
            )
        cached = self._cached
        if cached is None or cached[:2] != (session.session_token, session.api_endpoint):
            self._wire.redactor.add([session.session_token])
            base = self._wire.environment.checked_endpoint(session.api_endpoint)
            self._cached = cached = (session.session_token, session.api_endpoint, base)
        fields = {"devKey": credentials.developer_key, "sessionId": session.session_token}
        purpose = purpose or (Purpose.READ if is_read(path) else Purpose.WRITE)
        return self._wire.v2(path, fields, purpose=purpose, data=data, base=cached[2])

    def sign_in(self, remembered: RememberedDevice | None) -> BillSession:
        credentials, path = self._keyed(), "/Login.json"
        fields = {
            **self._user(),
            "orgId": credentials.organization_id,
            "devKey": credentials.developer_key,
        }
        if remembered is not None:
            fields |= {"deviceId": remembered.device, "mfaId": remembered.token}
        answer = self._wire.v2(path, fields, purpose=Purpose.SIGN_IN)
        token = text_in(answer, "sessionId", f"POST {path}", Purpose.SIGN_IN)
        self._wire.redactor.add([token])
        session = BillSession(
            session_token=token,
            organization_id=optional_text(answer.body, "orgId") or credentials.organization_id,
            user_id=optional_text(answer.body, "usersId"),
            api_endpoint=self._wire.environment.checked_endpoint(optional_text(answer.body, "apiEndPoint")),
            signed_in_at=answer.sent_at,
            last_used_at=answer.sent_at,
            idle_limit=credentials.idle_limit,
        )
        if remembered is None:
            return session
        try:  # v2 names no trust at sign-in; the session is worth keeping even if this question fails
            return replace(session, trusted=self.is_trusted(session, remembered))
        except BillError as error:
            log.debug("MFAStatus after sign-in: %s", type(error).__name__)
            return session

    def sign_out(self, session: BillSession) -> None:
        self.call(session, "/Logout.json", purpose=Purpose.STEP)

    def session_details(self, session: BillSession) -> SessionDetails:
        path = "/GetSessionInfo.json"
        answer = self.call(session, path)
        return SessionDetails(
            organization_id=text_in(answer, "organizationId", f"POST {path}", Purpose.READ),
            user_id=optional_text(answer.body, "userId"),
            mfa=MfaState.UNKNOWN,
            trusted=None,
            sent_at=answer.sent_at,
        )

    def organizations(self, session: BillSession | None) -> list[Organization]:
        fields = {**self._user(), "devKey": self._keyed().developer_key}
        answer = self._wire.v2("/ListOrgs.json", fields, purpose=Purpose.SIGN_IN)
        if not isinstance(answer.body, list):
            raise BillUnavailableError(
                "the answer to POST /ListOrgs.json holds no list",
                advice="try again later",
                status=answer.status,
            )
        rows = (row for row in answer.body if isinstance(row, Mapping))
        return [Organization(id=optional_text(row, "orgId"), name=optional_text(row, "orgName")) for row in rows]

    def challenge(self, session: BillSession) -> str:
        path = "/MFAChallenge.json"
        answer = self.call(session, path, {}, purpose=Purpose.STEP)
        return text_in(answer, "challengeId", f"POST {path}", Purpose.STEP)

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
        data = {
            "challengeId": challenge_id,
            "token": code,
            "deviceId": device,
            "machineName": machine_name or device,
            "rememberMe": remember,
        }
        answer = self.call(session, "/MFAAuthenticate.json", data, purpose=Purpose.STEP)
        return optional_text(answer.body, "mfaId") or optional_text(answer.body, "rememberMeId")

    def is_trusted(self, session: BillSession, remembered: RememberedDevice | None) -> bool:
        if remembered is None:
            return False
        data = {"mfaId": remembered.token, "deviceId": remembered.device}
        answer = self.call(session, "/MFAStatus.json", data)
        return isinstance(answer.body, Mapping) and answer.body.get("isTrusted") in (True, "true", "1")

    def _keyed(self) -> KeyedCredentials:
        if isinstance(self._credentials, KeyedCredentials):
            return self._credentials
        raise BillConfigurationError(f"sign_in {self._credentials.kind} is not for v2", advice="use v2 or sync_token")

    def _user(self) -> dict[str, str]:
        """Give the two fields that name the user; a sync token stands in for name and password."""
        credentials = self._credentials
        if isinstance(credentials, SyncToken):
            return {"userName": credentials.token_name, "password": credentials.token_value}
        if isinstance(credentials, V2Password):
            return {"userName": credentials.login, "password": credentials.password}
        raise BillConfigurationError(f"sign_in {credentials.kind} is not for v2", advice="use v2 or sync_token")
