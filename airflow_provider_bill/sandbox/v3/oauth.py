"""OAuth client credentials: ``POST /connect/authx/token``, with RFC 6749's answers."""

from __future__ import annotations

import base64
import binascii

from airflow_provider_bill.sandbox.operations.sign_in import count_sign_in, is_same_secret
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.errors import OAuthRefusal

routes = Routes("/connect/authx")

_NO_STORE = (("cache-control", "no-store"), ("pragma", "no-cache"))


def _read_client(call: Call) -> tuple[str, str]:
    header = call.headers.get("authorization", "")
    if header[:6].lower() == "basic ":
        try:
            client_id, _, secret = base64.b64decode(header[6:]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return client_id, secret
    return call.form.get("client_id", ""), call.form.get("client_secret", "")


@routes.route("POST", "/token")
def create_token(call: Call) -> Answer:
    """Hand out an access token of a fixed life."""
    state, form = call.state, call.form
    if not form:
        raise OAuthRefusal(400, "invalid_request", "Send grant_type, client_id and client_secret as a form.")
    if "grant_type" not in form:
        raise OAuthRefusal(400, "invalid_request", "The field grant_type is missing.")
    if form["grant_type"] != "client_credentials":
        raise OAuthRefusal(400, "unsupported_grant_type", "grant_type must be client_credentials.")
    client_id, secret = _read_client(call)
    client = state.seed.oauth_clients.get(client_id)
    if client is None or not is_same_secret(client.client_secret, secret):
        state.stats.refused_sign_ins += 1
        raise OAuthRefusal(
            401,
            "invalid_client",
            "Client authentication failed.",
            (("www-authenticate", 'Basic realm="bill"'),),
        )
    life = state.settings.oauth_token_seconds
    session = state.sessions.open(
        "oauth",
        client.organization_id,
        client.user_id,
        call.now,
        developer_key=client.client_id,
        scope=client.scope,
        ends_at=call.now + life,
    )
    call.organization_id = client.organization_id
    count_sign_in(state, session)
    body = {"access_token": session.token, "token_type": "Bearer", "expires_in": int(life)}
    return answer_json(body, headers=_NO_STORE)
