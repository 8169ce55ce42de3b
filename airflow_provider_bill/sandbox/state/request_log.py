"""The journal of BILL calls: who called what and what was answered, with no readable secret in it."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING, Any

from airflow_provider_bill.sandbox.state.clock import iso

if TYPE_CHECKING:
    from airflow_provider_bill.sandbox.server.messages import Answer, Call
    from airflow_provider_bill.sandbox.state.state import World

KEPT = 50_000

SECRET_NAMES = frozenset(
    {
        "access_token",
        "apitoken",
        "appkey",
        "authorization",
        "client_secret",
        "consoleapitoken",
        "devkey",
        "mfaid",
        "password",
        "remembermeid",
        "sessionid",
        "token",
        "username",
    }
)
"""Names, in lower case, whose values are credentials and do not belong in a URL."""

_HEADERS = {"devkey": "devKey", "sessionid": "sessionId", "appkey": "appKey", "apitoken": "apiToken"}
_FIELDS = (
    "devKey",
    "sessionId",
    "password",
    "consoleApiToken",
    "appKey",
    "rememberMeId",
    "mfaId",
    "client_secret",
)


def fingerprint(secret: str) -> str:
    """A short digest by which equal secrets are recognized and none is read."""
    if len(secret) < 12:
        return "fp:short"  # the digest of a six-digit code would give the code away
    return "fp:" + hashlib.sha256(b"bill-sandbox:" + secret.encode()).hexdigest()[:12]


class Journal:
    """The last calls."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rows: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.number = 0

    def begin(self, call: Call) -> dict[str, Any]:
        """Note a call as it arrives."""
        self.number += 1
        row: dict[str, Any] = {
            "id": self.number,
            "time": iso(call.now),
            "method": call.method,
            "path": self._path(call.path),
            "status": None,
            "code": None,
            "organization": None,
            "user_agent": self._words(call.headers.get("user-agent", "")),
            "credentials": None,
            "query": None,
            "fault": None,
        }
        self.rows.append(row)
        return row

    def end(self, row: dict[str, Any], call: Call, answer: Answer | None) -> None:
        """Note how it was answered; no answer means that the connection was dropped."""
        row["organization"] = call.organization_id or None
        row["credentials"] = self._credentials(call)
        if call.query_string:
            row["query"] = {
                name: fingerprint(value) if name.lower() in SECRET_NAMES else self._words(value)
                for name, value in call.query.items()
            }
        if answer is not None:
            row["status"] = answer.status
            row["code"] = answer.code

    def _credentials(self, call: Call) -> dict[str, str]:
        found: dict[str, str] = {}
        headers = call.headers
        for name, shown in _HEADERS.items():
            if name in headers:
                found[shown] = fingerprint(headers[name])
        if "authorization" in headers:
            found["authorization"] = fingerprint(headers["authorization"].removeprefix("Bearer "))
        if call.method == "POST":
            body = call.form or call.json_or_none
            if isinstance(body, dict):
                for name in _FIELDS:
                    value = body.get(name)
                    if isinstance(value, str) and value:
                        found[name] = fingerprint(value)
        return found

    def _known(self, word: str) -> bool:
        world = self.world
        seed = world.seed
        return (
            word in world.sessions.by_token
            or word in seed.developer_keys
            or word in seed.app_keys
            or word in seed.spend_tokens
            or word in world.mfa.remembered
            or word.startswith("sbx")
        )

    def _path(self, path: str) -> str:
        return "/".join(fingerprint(word) if self._known(word) else word for word in path.split("/"))

    def _words(self, text: str) -> str:
        return " ".join(fingerprint(word) if self._known(word) else word for word in text.split(" "))
