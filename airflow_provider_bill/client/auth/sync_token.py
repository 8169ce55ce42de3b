"""AP & AR sync token, through v2; 48 idle hours, no MFA and so no protected calls.

Source: https://developer.bill.com/docs/token-based-sign-in.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_bill.client.auth.base import from_connection
from airflow_provider_bill.client.auth.login import V2Login
from airflow_provider_bill.client.request import BillRequest
from airflow_provider_bill.client.session import SYNC_TOKEN_IDLE_LIMIT
from airflow_provider_bill.exceptions import BillConfigurationError

_MFA_CALLS = ("/v3/mfa/", "/MFA")


@dataclass(frozen=True, kw_only=True)
class SyncToken(V2Login):
    """Name and value of a sync token, in place of user name and password."""

    kind = "sync_token"
    idle_limit = SYNC_TOKEN_IDLE_LIMIT
    has_mfa = False
    token_name: str = from_connection("login", "the name of the AP & AR sync token")
    token_value: str = from_connection("password", "the value of the AP & AR sync token", secret=True)

    def account(self) -> str:
        """Return the name of the token."""
        return self.token_name

    def user(self) -> dict[str, str]:
        """Return name and value of the token."""
        return {"userName": self.token_name, "password": self.token_value}

    def check(self, request: BillRequest) -> None:
        """Refuse MFA and protected calls too."""
        super().check(request)
        if request.path.startswith(_MFA_CALLS) or request.is_protected:
            raise BillConfigurationError(
                f"{request.path} is an MFA or MFA-protected call, and BILL lets no sync token make it",
                advice="use a connection of kind v3, v2 or console for it",
            )
