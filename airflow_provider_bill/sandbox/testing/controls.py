"""The controls of a running local BILL, called from another process."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT = 30  # seconds


class Controls:
    """A local BILL at an address.

    Each call has a connection of its own, which no forked process shares, and uses neither a proxy nor ``requests``,
    which a test may have replaced.

    :param url: where it listens, such as ``http://127.0.0.1:8787``
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Use a control below ``/_sandbox/`` and return its answer.

        :param method: HTTP method
        :param path: what stands behind ``/_sandbox/``, such as ``faults``
        :param body: what is sent as JSON; None for nothing
        :raises RuntimeError: the local BILL refuses it; the message says why
        :raises OSError: no local BILL answers
        """
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT)
        try:
            sent = None if body is None else json.dumps(body)
            headers = {} if sent is None else {"Content-Type": "application/json"}
            connection.request(method, f"{parts.path}/_sandbox/{path}", sent, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"bill-sandbox {method} {path}: {answer.status} {text[:500]}")
        return json.loads(text)

    def reset(self) -> None:
        """Go back to the seeded state: clock, settings, counters, faults and sessions."""
        self.control("POST", "reset")

    def stats(self) -> dict[str, Any]:
        """Return the counters since the last reset, such as ``sign_ins``, ``payments`` and ``by_path``."""
        return dict(self.control("GET", "stats"))

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change the named settings, and return all of them.

        :param changes: fields of ``airflow_provider_bill.sandbox.state.settings.Settings``, such as ``mfa_mode="off"``
        :raises RuntimeError: there is no such setting, or it cannot have that value
        """
        return dict(self.control("PUT", "settings", changes))
