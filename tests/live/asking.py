"""Asks BILL and remembers each answer, so that many tests share one call; and says which assumption was wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_bill.client.auth.base import Credentials
from airflow_provider_bill.client.environments import Environment
from airflow_provider_bill.client.operations import base_of
from airflow_provider_bill.client.request import BillRequest, Purpose, v2_request, v3_request
from airflow_provider_bill.client.transport import HttpResponse
from tests.live.budget import BudgetedTransport


@dataclass(frozen=True)
class Reply:
    """What BILL answered.

    :param status: HTTP status
    :param body: parsed JSON; None if it is none
    :param empty: whether there was no body
    """

    status: int
    body: Any = field(repr=False)
    empty: bool

    @property
    def rows(self) -> list[Any]:
        """The rows of a v3 list, or of a v2 one."""
        rows = self.body.get("results", self.body.get("response_data")) if isinstance(self.body, dict) else self.body
        return rows if isinstance(rows, list) else []

    @property
    def codes(self) -> list[str]:
        """BILL's codes, in the order of the answer."""
        if isinstance(self.body, dict) and isinstance(self.body.get("response_data"), dict):
            return [str(self.body["response_data"].get("error_code"))]
        return [str(row.get("code")) for row in self.rows if isinstance(row, dict)]

    @property
    def told(self) -> str:
        """Status and codes, without what may be somebody's data."""
        names = sorted(self.body) if isinstance(self.body, dict) else type(self.body).__name__
        return f"HTTP {self.status}, {', '.join(self.codes) or 'no code'}, with {names}"


class Asker:
    """Asks without trying again, and the same only once.

    :param credentials: of the account
    :param environment: where BILL is
    :param transport: counts and sends
    """

    def __init__(self, credentials: Credentials, environment: Environment, transport: BudgetedTransport) -> None:
        self._credentials = credentials
        self._environment = environment
        self._transport = transport
        self._known: dict[str, Reply] = {}

    def v3(self, token: str, path: str, *, again: str = "", **params: Any) -> Reply:
        """GET a path of v3; the same one is asked again only if `again` says why."""
        return self._once(f"{token} {path} {params} {again}", self.v3_request(path, params), token)

    def v2(self, token: str, path: str, data: Mapping[str, Any] | None = None) -> Reply:
        """Ask an operation of v2; with no token, without credentials."""
        return self._once(f"{token} {path} {data}", v2_request(path, body=data), token)

    def post(self, token: str, path: str, body: Any = None) -> Reply:
        """POST to a path of v3."""
        return self.now(v3_request("POST", path, Purpose.STEP, body=body), token)

    @staticmethod
    def v3_request(path: str, params: Mapping[str, Any] | None = None) -> BillRequest:
        """Return the request of a v3 path, as it stands: also one that BILL does not have."""
        return v3_request("GET", path, params=params or None, base=base_of(path))

    def now(self, request: BillRequest, token: str) -> Reply:
        """Send a request, once."""
        reply = read_reply(self.send(request, token))
        if reply.status >= 500:
            pytest.skip(f"BILL's sandbox answered {request.label} with HTTP {reply.status}: ask it another time")
        return reply

    def send(self, request: BillRequest, token: str) -> HttpResponse:
        """Send a request, once, and return the answer as it came."""
        if request.dialect == "v2":
            form = self._credentials.form(token) if token else {}
            if request.body is not None:
                form["data"] = json.dumps(request.body)
            return self._transport.send(request, self._environment.v2_base + request.path, form=form)
        base = self._environment.events_base if request.base == "events" else self._environment.v3_base
        return self._transport.send(request, base + request.path, headers=self._credentials.headers(token, request))

    def _once(self, key: str, request: BillRequest, token: str) -> Reply:
        if key not in self._known:
            self._known[key] = self.now(request, token)
        return self._known[key]


def read_reply(response: HttpResponse) -> Reply:
    """Return what an answer holds."""
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    return Reply(response.status, body, not response.content.strip())


def assume(holds: object, assumption: str, where: str, seen: object = "") -> None:
    """Fail with the assumption that was wrong and the places where it stands; no line of code, as it may show data."""
    if not holds:
        pytest.fail(
            f"BILL does not do what is assumed: {assumption}. Seen: {seen or 'nothing of it'}. "
            f"Correct it where it stands: {where}.",
            pytrace=False,
        )
