"""Spend & Expense API token: a header on each call, no sign-in.

Source: https://developer.bill.com/docs/spend-expense-api.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_bill.client.auth.base import Credentials, from_connection
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.operations import SPEND_PATHS
from airflow_provider_bill.client.request import BillRequest
from airflow_provider_bill.client.requester import Requester
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.exceptions import (
    BillConfigurationError,
    BillError,
    BillSessionExpiredError,
    BillSignInRefusedError,
)


@dataclass(frozen=True, kw_only=True)
class SpendToken(Credentials):
    """The API token of Spend & Expense."""

    kind = "spend_token"
    idle_limit = None
    signs_in = False
    signs_out = False
    has_mfa = False
    needs_organization = False
    api_token: str = from_connection("password", "the Spend & Expense API token", secret=True, header=True)

    def sign_in(self, requester: Requester, remembered: RememberedDevice | None) -> BillSession:
        """Return the token as a session; nothing is sent."""
        now = requester.clock()
        return BillSession(
            session_token=self.api_token,
            organization_id=self.organization_id,
            signed_in_at=now,
            last_used_at=now,
            idle_limit=None,
        )

    def headers(self, token: str, request: BillRequest) -> dict[str, str]:
        """Return the token.

        :raises BillConfigurationError: if it is no call for it
        """
        self.check(request)
        return {"apiToken": token}

    def download_headers(self, token: str) -> dict[str, str]:
        """Return nothing: the links of Spend & Expense are signed, and its token is for its calls alone."""
        return {}

    def check(self, request: BillRequest) -> None:
        """Refuse all but the calls of Spend & Expense and of webhooks."""
        super().check(request)
        if request.base != "events" and not request.path.startswith(SPEND_PATHS):
            raise BillConfigurationError(
                f"{request.path} is not for sign_in {self.kind}: its token is only for {SPEND_PATHS}... and webhooks",
                advice="use a connection of another kind, such as oauth, for all other calls",
            )

    def session_refused(self, error: BillSessionExpiredError, request: BillRequest) -> BillError:
        """Return a refusal of the token: there is no sign-in that could renew it."""
        return BillSignInRefusedError(
            f"BILL refused the Spend & Expense token on {request.label}",
            advice="put a valid token into the connection's password",
            code=error.code,
            status=error.status,
        )
