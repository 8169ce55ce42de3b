"""The log of BILL calls: who called what and what was answered, with no readable secret in it."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Any

from airflow_provider_bill.sandbox.state.clock import to_iso

MAX_ROWS = 50_000

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


def fingerprint(secret: str) -> str:
    """Return a short digest by which equal secrets are recognized and none is read."""
    if len(secret) < 12:
        return "fp:short"  # the digest of a six-digit code would give the code away
    return "fp:" + hashlib.sha256(b"bill-sandbox:" + secret.encode()).hexdigest()[:12]


class RequestLog:
    """The latest calls.

    :param is_secret: tells whether a word is a secret wherever it stands.
    """

    def __init__(self, is_secret: Callable[[str], bool]) -> None:
        self.is_secret = is_secret
        self.rows: deque[dict[str, Any]] = deque(maxlen=MAX_ROWS)
        self.last_id = 0

    def begin(self, now: float, method: str, path: str, user_agent: str) -> dict[str, Any]:
        """Add a row for a call that has arrived."""
        self.last_id += 1
        row: dict[str, Any] = {
            "id": self.last_id,
            "time": to_iso(now),
            "method": method,
            "path": self._hide_secrets(path, "/"),
            "status": None,
            "code": None,
            "organization": None,
            "user_agent": self._hide_secrets(user_agent, " "),
            "credentials": None,
            "query": None,
            "fault": None,
        }
        self.rows.append(row)
        return row

    def end(
        self,
        row: dict[str, Any],
        organization_id: str,
        credentials: dict[str, str],
        query: dict[str, str] | None,
        answer: tuple[int, str | None] | None,
    ) -> None:
        """Complete a row.

        :param credentials: the credentials that the call carried.
        :param query: its query string's fields, or None when it has none.
        :param answer: HTTP status and code of its answer, or None when the connection was dropped.
        """
        row["organization"] = organization_id or None
        row["credentials"] = {name: fingerprint(value) for name, value in credentials.items()}
        if query is not None:
            row["query"] = {
                name: fingerprint(value) if name.lower() in SECRET_NAMES else self._hide_secrets(value, " ")
                for name, value in query.items()
            }
        if answer is not None:
            row["status"], row["code"] = answer

    def _hide_secrets(self, text: str, separator: str) -> str:
        return separator.join([fingerprint(word) if self.is_secret(word) else word for word in text.split(separator)])
