"""OAuth client credentials: a Bearer token with a fixed end, and no session behind it.

Sources: https://developer.bill.com/docs/oauth-client-credentials,
https://developer.bill.com/reference/createaccesstoken (fields as in RFC 6749).
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_bill.client.answers import Answer
from airflow_provider_bill.client.auth.base import Credentials, from_connection
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.environments import Environment
from airflow_provider_bill.client.request import BillRequest
from airflow_provider_bill.client.requester import Requester
from airflow_provider_bill.client.secret import Secret
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.exceptions import BillApiError, BillConfigurationError


@dataclass(frozen=True, kw_only=True)
class OAuthClient(Credentials):
    """Client id and client secret of a developer app."""

    kind = "oauth"
    idle_limit = None
    signs_out = False
    has_mfa = False
    needs_organization = False
    client_id: str = from_connection("login", "the client id of the developer app")
    client_secret: str = from_connection("password", "the client secret of the developer app", secret=True)

    def sign_in(self, requester: Requester, remembered: RememberedDevice | None) -> BillSession:
        """Get an access token; its life is what BILL says, never a constant.

        :raises BillApiError: if the answer does not say how long the token lives
        """
        fields = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        answer = requester.token(fields)
        token = answer.required_text("access_token")
        requester.redactor.add([token])
        return self.opened_session(token, answer, ends_at=answer.sent_at.add(seconds=_life(answer)))

    def headers(self, token: str, request: BillRequest) -> dict[str, str]:
        """Return the access token."""
        return {"Authorization": Secret(f"Bearer {token}")}

    def check(self, request: BillRequest) -> None:
        """Refuse the calls of webhooks too."""
        super().check(request)
        if request.base == "events":
            raise BillConfigurationError(
                f"{request.path} is a call of webhooks, and BILL takes no OAuth token for it",
                advice="use a connection of kind v3, console or partner, or spend_token for Spend & Expense",
            )

    def account(self) -> str:
        """Return the client id."""
        return self.client_id

    def addresses(self, environment: Environment) -> tuple[str, ...]:
        """Return where it gets its token, too."""
        return *super().addresses(environment), environment.token_url

    def limit_key(self) -> str:
        """Return the client id."""
        return self.client_id


def _life(answer: Answer) -> int:
    """Return the seconds an access token lives."""
    value = answer.body.get("expires_in")
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 1 <= value < 10**9:
        return int(value)
    raise BillApiError(
        "the answer of the OAuth token call holds no expires_in that is a number of seconds over 0",
        advice="check the connection's extra oauth_url; it must be BILL's token call",
        status=answer.status,
    )
