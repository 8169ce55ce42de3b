"""OAuth client credentials: ``POST /connect/authx/token``, with RFC 6749's answers."""

from __future__ import annotations

import base64
import binascii

from airflow_provider_bill.sandbox.errors import SingleObject
from airflow_provider_bill.sandbox.operations import sign_in as signin
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json
from airflow_provider_bill.sandbox.server.routing import Routes

routes = Routes()

_NO_STORE = (("cache-control", "no-store"), ("pragma", "no-cache"))


class OAuthError(SingleObject):
    """``error`` and ``error_description`` instead of BILL's error objects."""


def _client(call: Call) -> tuple[str, str]:
    header = call.headers.get("authorization", "")
    if header[:6].lower() == "basic ":
        try:
            client_id, _, secret = base64.b64decode(header[6:]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return client_id, secret
    return call.form.get("client_id", ""), call.form.get("client_secret", "")


@routes.on("POST", "/connect/authx/token")
def token(call: Call) -> Answer:
    """An access token of a fixed life."""
    world, form = call.world, call.form
    if not form:
        raise OAuthError(400, "invalid_request", "Send grant_type, client_id and client_secret as a form.")
    if "grant_type" not in form:
        raise OAuthError(400, "invalid_request", "The field grant_type is missing.")
    if form["grant_type"] != "client_credentials":
        raise OAuthError(400, "unsupported_grant_type", "grant_type must be client_credentials.")
    client_id, secret = _client(call)
    client = world.seed.oauth_clients.get(client_id)
    if client is None or not signin.same(client.client_secret, secret):
        world.stats.refused_sign_ins += 1
        raise OAuthError(
            401,
            "invalid_client",
            "Client authentication failed.",
            (("www-authenticate", 'Basic realm="bill"'),),
        )
    life = world.settings.oauth_token_seconds
    session = world.sessions.open(
        "oauth",
        client.organization_id,
        client.user_id,
        call.now,
        developer_key=client.client_id,
        trusted=False,
        scope=client.scope,
        ends_at=call.now + life,
    )
    call.organization_id = client.organization_id
    signin.opened(world, session)
    body = {"access_token": session.token, "token_type": "Bearer", "expires_in": int(life)}
    return answer_json(body, headers=_NO_STORE)
