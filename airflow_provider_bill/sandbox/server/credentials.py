"""The credentials that a call carries: which there are, and that none of them stands in a URL."""

from __future__ import annotations

from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.server.messages import Call
from airflow_provider_bill.sandbox.state.request_log import SECRET_NAMES

_HEADERS = {"devkey": "devKey", "sessionid": "sessionId", "appkey": "appKey", "apitoken": "apiToken"}
_FIELDS = ("devKey", "sessionId", "password", "consoleApiToken", "appKey", "rememberMeId", "mfaId", "client_secret")


def find_credentials(call: Call) -> dict[str, str]:
    """Return the credentials in the headers and the body of a call by name."""
    headers = call.headers
    found = {shown: headers[name] for name, shown in _HEADERS.items() if name in headers}
    if "authorization" in headers:
        found["authorization"] = headers["authorization"].removeprefix("Bearer ")
    if call.method == "POST":
        body = call.form or call.json_or_none
        if isinstance(body, dict):
            for name in _FIELDS:
                value = body.get(name)
                if isinstance(value, str) and value:
                    found[name] = value
    return found


def has_credentials_in_url(call: Call, right_place: str) -> bool:
    """Return whether a call has credentials in its URL, count it, and refuse it unless it is allowed.

    URLs end up in logs; credentials do not belong there.

    :param right_place: where the message says that they belong.
    """
    if not call.query_string:
        return False
    found = [name for name in call.query if name.lower() in SECRET_NAMES]
    if not found:
        return False
    call.state.stats.credentials_in_urls += 1
    if call.state.settings.credentials_in_urls == "refuse":
        raise Refusal(
            "BDC_1002", message=f"Credentials must not be in the URL: send {', '.join(found)} in the {right_place}."
        )
    return True
