"""The v3 dialect: JSON over headers. Sign-in of every kind but the v2 ones, sign-out, details, MFA.

Sources: https://developer.bill.com/reference/login, https://developer.bill.com/reference/logout,
https://developer.bill.com/reference/getsessioninfo.md, https://developer.bill.com/reference/partnerlogin,
https://developer.bill.com/v3/reference/loginasuser, https://developer.bill.com/docs/oauth-client-credentials,
https://developer.bill.com/reference/generatechallenge, https://developer.bill.com/reference/validatechallenge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_bill.client.codes import Purpose
from airflow_provider_bill.client.credentials import (
    Console,
    Credentials,
    KeyedCredentials,
    OAuthClient,
    Partner,
    RememberedDevice,
    SpendToken,
    V3Password,
)
from airflow_provider_bill.client.dialect import MfaState, Organization, SessionDetails
from airflow_provider_bill.client.oauth import fetch_token
from airflow_provider_bill.client.paging import v3_rows
from airflow_provider_bill.client.paths import is_read
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.client.transport import Answer
from airflow_provider_bill.client.wire import Wire, optional_text, text_in
from airflow_provider_bill.exceptions import (
    BillConfigurationError,
    BillSessionExpiredError,
    BillSignInRefusedError,
)

#: Calls that need a trusted session (https://developer.bill.com/reference/setup): method, path, and
#: the field of the body that makes it one (empty: any body; a dot: a body that is not switched off).
PROTECTED: tuple[tuple[frozenset[str], re.Pattern[str], str], ...] = (
    (frozenset({"POST"}), re.compile(r"/v3/payments(/bulk)?/?"), ""),
    (frozenset({"POST"}), re.compile(r"/v3/funding-accounts/banks/?"), ""),
    (frozenset({"POST", "PUT", "PATCH"}), re.compile(r"/v3/vendors(/[^/]+)?/?"), "autoPay"),
    (frozenset({"POST", "PUT", "PATCH"}), re.compile(r"/v3/vendors/[^/]+/auto-?pay/?", re.I), "."),
    (
        frozenset({"POST", "PUT", "PATCH"}),
        re.compile(r"/v3/recurring-?bills(/[^/]+)?/?", re.I),
        "autoPayment",
    ),
)
#: Those that BILL's sandbox was seen to refuse too.
PROTECTED_IN_SANDBOX = re.compile(r"/v3/payments(/bulk)?/?")
#: A field of the body that says so is switched off.
_OFF: tuple[Any, ...] = (None, False, "", "false", "DISABLED", "OFF", [])

SPEND = "/v3/spend/"
PARTNER = "/v3/partner/"
MFA = "/v3/mfa/"
_MFA_STATES = {
    "COMPLETE": MfaState.TRUSTED,
    "CHALLENGE": MfaState.CHALLENGE,
    "SETUP": MfaState.SETUP,
    "DISABLED": MfaState.DISABLED,
}


def is_protected(method: str, path: str, body: Any = None) -> bool:
    """Tell whether a v3 call needs a trusted session."""
    for methods, pattern, name in PROTECTED:
        if method.upper() in methods and pattern.fullmatch(path):
            bodies = body if isinstance(body, list) else [body]
            if name in ("", "."):
                return not name or any(_is_on(item) for item in bodies)
            return any(isinstance(item, Mapping) and _is_on(item.get(name)) for item in bodies)
    return False


def _is_on(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(_is_on(value[key]) for key in ("enabled", "status") if key in value)
    return value not in _OFF


class V3:
    """Signs in and out, and passes MFA, in the v3 dialect.

    :param wire: the way to BILL
    :param credentials: of any kind
    """

    def __init__(self, wire: Wire, credentials: Credentials) -> None:
        self._wire = wire
        self._credentials = credentials
        self._cached: tuple[str, bool, dict[str, str]] | None = None

    def headers(self, session: BillSession, path: str) -> dict[str, str]:
        """Give the headers that prove who we are.

        :raises BillConfigurationError: if this kind of sign-in cannot make that call
        """
        credentials, spend = self._credentials, path.startswith(SPEND)
        if isinstance(credentials, SpendToken) and not spend:
            raise BillConfigurationError(
                f"{path} is not for sign_in {credentials.kind}: its token is only for {SPEND}...",
                advice="use a connection of another kind, such as oauth, for all other calls",
            )
        if spend and isinstance(credentials, KeyedCredentials):
            raise BillConfigurationError(
                f"{path} is a Spend & Expense call, which sign_in {credentials.kind} cannot make",
                advice="use a connection of kind oauth or spend_token",
            )
        by_partner = isinstance(credentials, Partner) and path.startswith(PARTNER)
        cached = self._cached
        if cached is None or cached[0] != session.session_token or cached[1] != by_partner:
            self._wire.redactor.add([session.session_token])
            cached = (
                session.session_token,
                by_partner,
                _headers(credentials, session.session_token, by_partner),
            )
            self._cached = cached
        return cached[2]

    def request(
        self,
        session: BillSession,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        purpose: Purpose | None = None,
    ) -> Answer:
        """Make a call in a session."""
        purpose = purpose or (Purpose.READ if is_read(path, method) else Purpose.WRITE)
        headers = self.headers(session, path)
        try:
            return self._wire.v3(method, path, headers, purpose=purpose, params=params, json=json)
        except BillSessionExpiredError as error:
            if self._credentials.signs_in:
                raise
            refusal = BillSignInRefusedError(
                f"BILL refused the Spend & Expense token on {method} {path}",
                advice="put a valid token into the connection's password",
                code=error.code,
                status=error.status,
            )
        raise refusal

    def sign_in(self, remembered: RememberedDevice | None) -> BillSession:
        credentials = self._credentials
        if isinstance(credentials, Partner):
            return self._sign_in_as_user(credentials, remembered)
        if isinstance(credentials, OAuthClient):
            return fetch_token(self._wire, credentials)
        if isinstance(credentials, SpendToken):
            now = self._wire.clock()
            return BillSession(
                session_token=credentials.api_token,
                organization_id=credentials.organization_id,
                signed_in_at=now,
                last_used_at=now,
                idle_limit=None,
            )
        body = {"organizationId": credentials.organization_id, **_device(remembered)}
        if isinstance(credentials, Console):
            body |= {"username": credentials.login, "consoleApiToken": credentials.console_token}
        elif isinstance(credentials, V3Password):
            body |= {"username": credentials.login, "password": credentials.password}
        if isinstance(credentials, KeyedCredentials):
            body["devKey"] = credentials.developer_key
        return self._opened(self._wire.v3("POST", "/v3/login", {}, purpose=Purpose.SIGN_IN, json=body), "/v3/login")

    def sign_out(self, session: BillSession) -> None:
        self.request(session, "POST", "/v3/logout", purpose=Purpose.STEP)

    def session_details(self, session: BillSession) -> SessionDetails:
        answer = self.request(session, "GET", "/v3/login/session")
        text_in(answer, "organizationId", "GET /v3/login/session", Purpose.READ)
        body = answer.body
        state = _MFA_STATES.get(optional_text(body, "mfaStatus"), MfaState.UNKNOWN)
        if body.get("mfaBypass") is True and state is not MfaState.TRUSTED:
            state = MfaState.BYPASS
        return SessionDetails(
            organization_id=body["organizationId"],
            user_id=optional_text(body, "userId"),
            mfa=state,
            trusted=None if state is MfaState.UNKNOWN else state is MfaState.TRUSTED,
            sent_at=answer.sent_at,
        )

    def organizations(self, session: BillSession | None) -> list[Organization]:
        if session is None:
            raise BillConfigurationError(
                "v3 lists organizations only in a session", advice="sign in first, or use sign_in v2"
            )

        def page(params: dict[str, Any]) -> Any:
            return self.request(session, "GET", "/v3/login/organizations", params=params).body

        rows = v3_rows(page, None, page_size=None)
        return [_organization(row) for row in rows if isinstance(row, Mapping)]

    def challenge(self, session: BillSession) -> str:
        answer = self.request(session, "POST", "/v3/mfa/challenge", json={}, purpose=Purpose.STEP)
        return text_in(answer, "challengeId", "POST /v3/mfa/challenge", Purpose.STEP)

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
        body: dict[str, Any] = {"challengeId": challenge_id, "token": code, "rememberMe": remember}
        if device:
            body |= {"device": device, "machineName": machine_name or device}
        answer = self.request(session, "POST", "/v3/mfa/challenge/validate", json=body, purpose=Purpose.STEP)
        return optional_text(answer.body, "rememberMeId") or optional_text(answer.body, "mfaId")

    def is_trusted(self, session: BillSession, remembered: RememberedDevice | None) -> bool:
        return self.session_details(session).trusted is True

    def step_up(self, session: BillSession, remembered: RememberedDevice) -> bool:
        """Make the session trusted with a remembered device; an unknown one is answered 200 and false.

        Source: https://developer.bill.com/hc/reference/stepupsession
        """
        answer = self.request(session, "POST", "/v3/mfa/step-up", json=_device(remembered), purpose=Purpose.STEP)
        return isinstance(answer.body, Mapping) and answer.body.get("trusted") is True

    def _sign_in_as_user(self, credentials: Partner, remembered: RememberedDevice | None) -> BillSession:
        """Sign in as the partner, then as a user of the organization."""
        partner = {
            "appKey": credentials.app_key,
            "username": credentials.login,
            "password": credentials.password,
        }
        path = "/v3/partner/login"
        first = self._wire.v3("POST", path, {}, purpose=Purpose.SIGN_IN, json=partner)
        partner_session = text_in(first, "sessionId", f"POST {path}", Purpose.SIGN_IN)
        self._wire.redactor.add([partner_session])
        path = "/v3/partner/login-as-user"
        headers = {"appKey": credentials.app_key, "sessionId": partner_session}
        body = {
            "organizationId": credentials.organization_id,
            "userId": credentials.partner_user_id,
            **_device(remembered),
        }
        answer = self._wire.v3("POST", path, headers, purpose=Purpose.SIGN_IN, json=body)
        return self._opened(answer, path, user_id=credentials.partner_user_id)

    def _opened(self, answer: Answer, path: str, user_id: str = "") -> BillSession:
        """Make the session of a sign-in's answer."""
        token = text_in(answer, "sessionId", f"POST {path}", Purpose.SIGN_IN)
        self._wire.redactor.add([token])
        return BillSession(
            session_token=token,
            organization_id=optional_text(answer.body, "organizationId") or self._credentials.organization_id,
            user_id=optional_text(answer.body, "userId") or user_id,
            trusted=answer.body.get("trusted") is True,
            signed_in_at=answer.sent_at,
            last_used_at=answer.sent_at,
            idle_limit=self._credentials.idle_limit,
        )


def _headers(credentials: Credentials, token: str, by_partner: bool) -> dict[str, str]:
    if isinstance(credentials, OAuthClient):
        return {"Authorization": f"Bearer {token}"}
    if isinstance(credentials, SpendToken):
        return {"apiToken": token}
    if by_partner and isinstance(credentials, Partner):
        return {"appKey": credentials.app_key, "sessionId": token}
    if isinstance(credentials, KeyedCredentials):
        return {"devKey": credentials.developer_key, "sessionId": token}
    raise BillConfigurationError(f"sign_in {credentials.kind} makes no v3 calls", advice="use another kind")


def _device(remembered: RememberedDevice | None) -> dict[str, str]:
    return {} if remembered is None else {"rememberMeId": remembered.token, "device": remembered.device}


def _organization(row: Mapping[str, Any]) -> Organization:
    console = row.get("consoleOrganization")
    return Organization(
        id=optional_text(row, "id") or optional_text(row, "organizationId"),
        name=optional_text(row, "name"),
        console_id=optional_text(console, "id"),
        console_name=optional_text(console, "name"),
    )
