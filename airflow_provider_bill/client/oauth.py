"""OAuth client credentials: a Bearer token with a fixed end, and no session behind it.

Sources: https://developer.bill.com/docs/oauth-client-credentials,
https://developer.bill.com/reference/createaccesstoken (fields as in RFC 6749).
"""

from __future__ import annotations

from airflow_provider_bill.client.codes import Purpose
from airflow_provider_bill.client.credentials import OAuthClient
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.client.transport import Answer
from airflow_provider_bill.client.wire import Wire, text_in
from airflow_provider_bill.exceptions import BillApiError


def fetch_token(wire: Wire, credentials: OAuthClient) -> BillSession:
    """Get an access token; its life is what BILL says, never a constant.

    :raises BillSignInRefusedError: if BILL refuses client id or secret
    :raises BillApiError: if the answer does not say how long the token lives
    """
    fields = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
    }
    answer = wire.token(fields)
    token = text_in(answer, "access_token", "POST OAuth token", Purpose.SIGN_IN)
    wire.redactor.add([token])
    return BillSession(
        session_token=token,
        organization_id=credentials.organization_id,
        signed_in_at=answer.sent_at,
        last_used_at=answer.sent_at,
        idle_limit=None,
        ends_at=answer.sent_at.add(seconds=_life(answer)),
    )


def _life(answer: Answer) -> int:
    """Give the seconds an access token lives."""
    value = answer.body.get("expires_in")
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 1 <= value < 10**9:
        return int(value)
    raise BillApiError(
        "the answer of the OAuth token call holds no expires_in that is a number of seconds over 0",
        advice="check the connection's extra token_url; it must be BILL's token call",
        status=answer.status,
    )
