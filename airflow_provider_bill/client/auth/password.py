"""User name and password, through v3 (``POST /v3/login``) or v2 (``Login.json``).

Sources: https://developer.bill.com/reference/login, https://developer.bill.com/v2/reference/auth-login.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_bill.client.auth.base import from_connection
from airflow_provider_bill.client.auth.login import V2Login, V3Login


@dataclass(frozen=True, kw_only=True)
class V3Password(V3Login):
    """User name and password, through v3."""

    kind = "v3"
    login: str = from_connection("login", "the BILL user name (an e-mail address)")
    password: str = from_connection("password", "that user's password", secret=True)

    def account(self) -> str:
        """Return the user name."""
        return self.login

    def user(self) -> dict[str, str]:
        """Return user name and password."""
        return {"username": self.login, "password": self.password}


@dataclass(frozen=True, kw_only=True)
class V2Password(V2Login):
    """User name and password, through v2."""

    kind = "v2"
    login: str = from_connection("login", "the BILL user name (an e-mail address)")
    password: str = from_connection("password", "that user's password", secret=True)

    def account(self) -> str:
        """Return the user name."""
        return self.login

    def user(self) -> dict[str, str]:
        """Return user name and password."""
        return {"userName": self.login, "password": self.password}
