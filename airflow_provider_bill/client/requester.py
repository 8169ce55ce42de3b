"""Sends one request in either dialect: address, headers or form, the moment it is sent, retries, reading."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import IO, Any
from urllib.parse import urlsplit

from airflow_provider_bill.client.answers import Answer, read_v2, read_v3, refusal_of
from airflow_provider_bill.client.environments import Environment
from airflow_provider_bill.client.observer import CallObserver
from airflow_provider_bill.client.redaction import Redactor
from airflow_provider_bill.client.request import BillRequest, Purpose, v3_request
from airflow_provider_bill.client.retries import with_retries
from airflow_provider_bill.client.secret import Secret
from airflow_provider_bill.client.session import Clock
from airflow_provider_bill.client.transport import HttpResponse, Transport
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillConcurrencyError,
    BillRateLimitError,
    BillSessionExpiredError,
    BillUnavailableError,
)

#: Characters of a link's path and query that are masked also where they stand alone.
SHORTEST_PATH = 16
#: So many links are told as secrets: for each, Airflow makes its one pattern of all that it masks anew. We show none
#: anyway, so that the mask is for what others log.
LINKS_TOLD = 10
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
        #: Hears of each call.
        self.observer = CallObserver()
        self._transport = transport
        self._before: Callable[[], None] = lambda: None
        self._links_told = 0

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
        base = self.environment.events_base if request.base == "events" else self.environment.v3_base
        url = base + request.path
        if request.idempotency_key:
            headers = {**headers, "X-Idempotent-Key": request.idempotency_key}
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

        :raises BillError: see ``exceptions.py``; what is no answer of a token call says which extra may be wrong
        """
        request = v3_request("POST", "/authx/token", Purpose.SIGN_IN, label="POST OAuth token")
        try:
            return self._send(request, self.environment.token_url, read_v3, None, form=fields)
        except (BillApiError, BillUnavailableError) as error:
            # RFC 6749's codes, and BILL's, say that the host was right.
            if error.code is not None or isinstance(error, BillRateLimitError):
                raise
            failure = error
        host = urlsplit(self.environment.token_url).hostname
        raise type(failure)(
            str(failure).removesuffix(f"; {failure.advice}"),
            advice=f"if {host} is not the host of BILL's token call, set extra oauth_url of the connection to its full "
            "address; otherwise try again later",
            status=failure.status,
        )

    def download(
        self, link: str, own: bool, target: IO[bytes], headers: Mapping[str, str], *, most: int
    ) -> tuple[HttpResponse, int]:
        """Get a file from a link that was checked; see ``Transport.download``.

        :param own: whether it leads to the API's own host
        :raises BillError: the one that the answer's code or status means
        """
        own_words = Redactor()
        own_words.add(_secrets_of(link))
        if self._links_told < LINKS_TOLD:
            self._links_told += 1
            self.redactor.add(_secrets_of(link))
        request = v3_request("GET", "/download", label=f"GET download from {urlsplit(link).hostname}")
        response, size = self._transport.download(
            request, link, target, headers=headers, most=most, sent_at=self.clock()
        )
        if response.status == 200:
            self.observer.answered(request, None, size=size)
            return response, size
        if 200 < response.status < 300:
            raise BillApiError(
                f"the answer to {request.label} (HTTP {response.status}) holds no whole file",
                advice="nothing was written; try again in some minutes",
                status=response.status,
            )
        error = refusal_of(response, lambda words: own_words.redact(self.redactor.redact(words)))
        if response.status in (403, 404, 410) or (isinstance(error, BillSessionExpiredError) and not own):
            error = BillApiError(
                str(error).removesuffix(f"; {error.advice}"),
                advice="the link may be too old: read the object that it belongs to again, and use the link in there",
                code=error.code,
                status=error.status,
            )
        raise error

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
            try:
                answer = read(response, self.redactor.redact)
            except (BillRateLimitError, BillConcurrencyError) as error:
                self.observer.limited(error)
                raise
            self.observer.answered(request, answer.body, size=len(response.content))
            return answer

        return with_retries(
            once if around is None else lambda: around(once),
            request,
            self._transport.sleep,
            observer=self.observer,
            seconds=self._transport.call_seconds,
        )


def _secrets_of(link: str) -> list[str]:
    """Return what is as good as a password for a file; a short path would tear holes into ordinary words."""
    parts = urlsplit(link)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return [link, path] if len(path) >= SHORTEST_PATH else [link]
