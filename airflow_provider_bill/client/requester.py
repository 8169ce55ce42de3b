"""Sends one request in either dialect: address, headers or form, the moment it is sent, retries, reading."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_bill.client.answers import Answer, read_v2, read_v3
from airflow_provider_bill.client.environments import Environment
from airflow_provider_bill.client.redaction import Redactor
from airflow_provider_bill.client.request import BillRequest, Purpose, v3_request
from airflow_provider_bill.client.retries import with_retries
from airflow_provider_bill.client.secret import Secret
from airflow_provider_bill.client.session import Clock
from airflow_provider_bill.client.transport import HttpResponse, Transport

#: Called for each single sending, with what sends once; returns its answer.
Around = Callable[[Callable[[], Answer]], Answer]


class Requester:
    """Sends the requests of both dialects and of OAuth.

    :param environment: where BILL is
    :param transport: sends
    :param redactor: knows the secrets
    :param clock: gives the moment of a call
    """

    def __init__(self, environment: Environment, transport: Transport, redactor: Redactor, clock: Clock) -> None:
        self.environment = environment
        self.redactor = redactor
        self.clock = clock
        self._transport = transport
        self._before: Callable[[], None] = lambda: None

    def telling(self, before: Callable[[], None]) -> Requester:
        """Return a requester that calls something before each single sending; what that raises stops it."""
        other = copy.copy(self)
        other._before = before
        return other

    def v3(self, request: BillRequest, headers: Mapping[str, str], around: Around | None = None) -> Answer:
        """Send a v3 request.

        :param headers: those that prove who we are
        :param around: called for each single sending
        :raises BillError: see ``exceptions.py``
        """
        url = self.environment.v3_base + request.path
        return self._send(request, url, read_v3, around, headers=headers)

    def v2(
        self, request: BillRequest, fields: Mapping[str, str], *, base: str = "", around: Around | None = None
    ) -> Answer:
        """Send a v2 request: a form with the given fields and, if there is a body, that as JSON text.

        :param fields: those that prove who we are
        :param base: what the path is appended to; empty for the environment's own
        :param around: called for each single sending
        :raises BillError: see ``exceptions.py``
        """
        form = dict(fields)
        if request.body is not None:
            form["data"] = Secret(json.dumps(request.body, allow_nan=False))
        return self._send(request, (base or self.environment.v2_base) + request.path, read_v2, around, form=form)

    def token(self, fields: Mapping[str, str]) -> Answer:
        """Send the OAuth token request.

        :raises BillError: see ``exceptions.py``
        """
        request = v3_request("POST", "/authx/token", Purpose.SIGN_IN, label="POST OAuth token")
        return self._send(request, self.environment.token_url, read_v3, None, form=fields)

    def _send(
        self,
        request: BillRequest,
        url: str,
        read: Callable[[HttpResponse, Callable[[str], str]], Answer],
        around: Around | None,
        **what: Any,
    ) -> Answer:
        def once() -> Answer:
            self._before()
            response = self._transport.send(request, url, sent_at=self.clock(), **what)
            return read(response, self.redactor.redact)

        return with_retries(
            once if around is None else lambda: around(once),
            request,
            self._transport.sleep,
            seconds=self._transport.call_seconds,
        )
