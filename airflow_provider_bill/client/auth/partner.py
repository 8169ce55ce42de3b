"""Partner sign-in (``appKey``), then sign-in as a user of an organization.

Sources: https://developer.bill.com/reference/partnerlogin, https://developer.bill.com/v3/reference/loginasuser.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from airflow_provider_bill.client.auth.base import KeyedCredentials, from_connection
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.auth.login import opened_v3_session
from airflow_provider_bill.client.operations import PARTNER_PATHS
from airflow_provider_bill.client.request import BillRequest, Purpose, v3_request
from airflow_provider_bill.client.requester import Requester
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.client.v3 import device_fields
from airflow_provider_bill.exceptions import BillError


@dataclass(frozen=True, kw_only=True)
class Partner(KeyedCredentials):
    """The partner's user name, password and app key, and the user to sign in as."""

    kind = "partner"
    login: str = from_connection("login", "the partner's user name")
    password: str = from_connection("password", "the partner's password", secret=True)
    app_key: str = from_connection("app_api_key", "the partner's application key", secret=True, header=True)
    partner_user_id: str = from_connection("partner_user_id", "the id (006...) of the user to sign in as")

    def account(self) -> str:
        """Return the partner's user name."""
        return self.login

    def mfa_user(self) -> str:
        """Return the id of the user to sign in as."""
        return self.partner_user_id

    def sign_in(self, requester: Requester, remembered: RememberedDevice | None) -> BillSession:
        """Sign in as the partner, then as a user of the organization."""
        partner = {"appKey": self.app_key, "username": self.login, "password": self.password}
        first = requester.v3(v3_request("POST", f"{PARTNER_PATHS}login", Purpose.SIGN_IN, body=partner), {})
        token = first.required_text("sessionId")
        requester.redactor.add([token])
        user = {"organizationId": self.organization_id, "userId": self.partner_user_id, **device_fields(remembered)}
        request = v3_request("POST", f"{PARTNER_PATHS}login-as-user", Purpose.SIGN_IN, body=user)
        answer = requester.v3(request, self.headers(token, request))
        session = opened_v3_session(self, requester, answer, user_id=self.partner_user_id)
        return replace(session, partner_token=token)

    def sign_out_beside(self, requester: Requester, session: BillSession) -> None:
        """End the partner's own session, which dies of itself after 35 idle minutes: if it cannot be, nothing fails."""
        headers = {"appKey": self.app_key, "sessionId": session.partner_token}
        with suppress(BillError):
            requester.v3(v3_request("POST", "/v3/logout", Purpose.STEP), headers)

    def token_for(self, session: BillSession, request: BillRequest) -> str:
        """Return the partner's own session id for calls of partners and of webhooks, else that of the user's."""
        return session.partner_token if _is_partners(request) else session.session_token

    def headers(self, token: str, request: BillRequest) -> dict[str, str]:
        """Return session id and developer key; for calls of partners and of webhooks the app key in its place."""
        if not _is_partners(request):
            return super().headers(token, request)
        headers = {"appKey": self.app_key, "sessionId": token}
        if request.operation is not None and request.operation.organization:
            headers["organizationId"] = self.organization_id
        return headers


def _is_partners(request: BillRequest) -> bool:
    return request.base == "events" or request.path.startswith(PARTNER_PATHS)
