"""BILL Accountant Console: the console user's e-mail and Console API token sign in to a client organization.

Source: https://developer.bill.com/docs/bill-accountant-console-operations.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_bill.client.auth.base import from_connection
from airflow_provider_bill.client.auth.login import V3Login


@dataclass(frozen=True, kw_only=True)
class Console(V3Login):
    """Console e-mail and Console API token, through v3."""

    kind = "console"
    login: str = from_connection("login", "the e-mail address of the console user")
    console_token: str = from_connection("password", "the Console API token", secret=True)

    def account(self) -> str:
        """Return the e-mail address."""
        return self.login

    def user(self) -> dict[str, str]:
        """Return e-mail and token."""
        return {"username": self.login, "consoleApiToken": self.console_token}
