"""One ``requests.Session``: sends a call, keeps connections, tells "never sent" from "never heard"."""

from __future__ import annotations

import logging
import os
import platform
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from pendulum import DateTime
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NewConnectionError, ReadTimeoutError

from airflow_provider_bill import __version__
from airflow_provider_bill.client.codes import ADVICE, unanswered
from airflow_provider_bill.client.deadline import DeadlineAdapter, begin_call, may_have_left
from airflow_provider_bill.client.environments import is_loopback
from airflow_provider_bill.client.request import BillRequest
from airflow_provider_bill.client.session import Clock, utc_now
from airflow_provider_bill.exceptions import (
    BillAnswerTooLargeError,
    BillConfigurationError,
    BillError,
    BillOutcomeUnknownError,
    BillUnavailableError,
)

log = logging.getLogger(__name__)

#: Connections kept for each host. BILL takes three calls at once, the rest is room for other organizations.
POOL_SIZE = 8
#: Bytes of an answer's body, unpacked, that are read at most: a full page of a list is a small part of it.
MAX_ANSWER_BYTES = 64 * 2**20
#: Bytes of a body that are unpacked at once.
CHUNK_BYTES = 2**16


@dataclass(frozen=True)
class HttpResponse:
    """An HTTP response as it came.

    :param request: the call that it answers
    :param status: HTTP status
    :param content: the body, undecoded
    :param sent_at: moment the call was sent, UTC
    """

    request: BillRequest
    status: int
    content: bytes = field(repr=False)
    sent_at: DateTime


class _Session(requests.Session):
    """A session that looks at no redirect, not even to note where it leads."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class Transport:
    """Sends calls over kept-alive connections; safe to share between threads.

    It follows no redirect, keeps no cookie, reads no ``~/.netrc``, and reaches this machine through no proxy; none of
    its errors holds the request.

    :param timeout: seconds to wait for a connection, and for an answer; a whole call takes no longer than both
    :param max_answer_bytes: bytes of an answer's body, unpacked, that are read at most
    :param clock: gives the moment a call is sent
    :param user_agent_suffix: appended to the User-Agent, such as the Airflow version
    :param sleep: waits for so many seconds between tries
    """

    def __init__(
        self,
        *,
        timeout: tuple[float, float] = (5.0, 60.0),
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        clock: Clock = utc_now,
        user_agent_suffix: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock = clock
        self.sleep = sleep
        #: Seconds that one sending takes at most, from its connection to the last byte of its answer.
        self.call_seconds = sum(timeout)
        self._timeout = timeout
        self._max_answer_bytes = max_answer_bytes
        self._session = _Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, DeadlineAdapter(pool_connections=POOL_SIZE, pool_maxsize=POOL_SIZE))
        versions = f"requests/{requests.__version__} python/{platform.python_version()}"
        self._headers = {
            "User-Agent": f"airflow-provider-bill/{__version__} {versions} {user_agent_suffix}".strip(),
            "Accept-Encoding": "gzip, deflate",
            "Accept": "application/json",
            "Connection": "keep-alive",
        }
        self._settings: dict[str, Mapping[str, Any]] = {}
        self._process = os.getpid()
        self._leaving = threading.Lock()

    def send(
        self,
        request: BillRequest,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        sent_at: DateTime | None = None,
    ) -> HttpResponse:
        """Send one call, once.

        :param request: the call; its purpose decides what a broken connection means
        :param url: address without query
        :param headers: those that prove who we are
        :param form: fields to send as a form, in place of the request's JSON body
        :param sent_at: moment to note as sent; by default the clock's
        :raises BillConfigurationError: if its headers, parameters or body cannot be sent
        :raises BillUnavailableError: if it was not sent, or no answer came and that does no harm
        :raises BillAnswerTooLargeError: if the answer is too large to be read
        :raises BillOutcomeUnknownError: if a write was sent and no answer came, or one that is too large
        """
        for name, value in (headers or {}).items():
            if not (value.isascii() and value.isprintable()):
                raise BillConfigurationError(
                    f"header {name} of {request.label} holds a character that no header can",
                    advice="check the key or token that it is made of; nothing was sent",
                )
        prepared = requests.PreparedRequest()
        failure: BillError | None = None
        try:
            prepared.prepare(
                request.method,
                url,
                headers={**self._headers, **(headers or {})},
                params=request.params,
                data=form,
                json=request.body if form is None else None,
            )
            settings = self._settings_for(url)
        except (requests.RequestException, ValueError, TypeError) as error:
            failure = BillConfigurationError(
                f"json or params of {request.label} cannot be sent ({type(error).__name__})",
                advice="json takes finite numbers, texts, lists and objects; params take plain values",
            )
        if failure is not None:
            raise failure
        self._leave_parent()
        moment = sent_at or self.clock()
        started = time.perf_counter()
        begin_call(self.call_seconds)
        try:
            response = self._session.send(prepared, timeout=self._timeout, allow_redirects=False, **settings)
            content = self._content(response)
        except (requests.RequestException, LocationParseError) as error:
            failure = _failure(request, error)
        except OSError as error:
            failure = _unnamed_failure(request, error)
        if failure is not None:  # raised here, where no context can carry the request and its headers along
            log.debug("%s: %s after %.3f s", request.label, type(failure).__name__, time.perf_counter() - started)
            raise failure
        if content is None:
            raise _too_large(request, response.status_code, self._max_answer_bytes)
        if log.isEnabledFor(logging.DEBUG):
            seconds, sent_bytes = time.perf_counter() - started, len(prepared.body or b"")
            log.debug(
                "%s: HTTP %d in %.3f s, %d bytes sent, %d received",
                request.label, response.status_code, seconds, sent_bytes, len(content),
            )  # fmt: skip
        return HttpResponse(request, response.status_code, content, moment)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _leave_parent(self) -> None:
        """In a forked process, let go of the connections that its parent goes on using: answers would go astray."""
        if self._process == os.getpid():
            return
        with self._leaving:
            if self._process != os.getpid():
                self.close()
                self._process = os.getpid()

    def _content(self, response: requests.Response) -> bytes | None:
        """Return the body, or None if it is too large; then the connection is closed, as the rest is still to come."""
        pieces, size = [], 0
        with response:
            for piece in response.iter_content(CHUNK_BYTES):
                size += len(piece)
                if size > self._max_answer_bytes:
                    return None
                pieces.append(piece)
        return b"".join(pieces)

    def _settings_for(self, url: str) -> Mapping[str, Any]:
        """Return proxies and certificates of the process environment, worked out once for each origin.

        Bodies are streamed: what an answer unpacks to is seen before it is kept.
        """
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        settings = self._settings.get(origin)
        if settings is None:
            settings = self._session.merge_environment_settings(url, {}, True, None, None)
            if is_loopback(parts.hostname or ""):
                settings["proxies"] = {}
            self._settings[origin] = settings
        return settings


def _failure(request: BillRequest, error: requests.RequestException | LocationParseError) -> BillError:
    """Return our error of one of requests', or of one that it lets through; the old one carries the request."""
    if isinstance(error, ValueError) and not may_have_left():  # an address that requests cannot use
        return BillConfigurationError(
            f"{request.label} was not sent: requests cannot use an address on the way ({type(error).__name__})",
            advice="check the proxy settings in the environment of the worker, and the connection's host",
        )
    causes = list(_causes(error))
    reason = next((word for kind, word in _REASONS if any(isinstance(c, kind) for c in causes)), "the connection broke")
    if not may_have_left() or any(isinstance(cause, _NEVER_SENT) for cause in causes):
        asked = getattr(error, "request", None)
        host = urlsplit(asked.url or "").hostname if asked is not None else None
        advice = "check the connection's host, the network and the proxy, then try again"
        return BillUnavailableError(f"{request.label} was not sent to {host or 'BILL'}: {reason}", advice=advice)
    cls = unanswered(request.purpose)
    return cls(f"{request.label} was sent and no answer came: {reason}", advice=ADVICE[cls])


def _unnamed_failure(request: BillRequest, error: OSError) -> BillError:
    """Return our error of one that is not requests': a file that it looks for beforehand, as a rule."""
    if not may_have_left():
        return BillConfigurationError(
            f"{request.label} was not sent: the file of trusted certificates is missing ({type(error).__name__})",
            advice="correct the environment variable REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE of the worker",
        )
    cls = unanswered(request.purpose)
    return cls(f"{request.label} was sent and no answer came: {type(error).__name__}", advice=ADVICE[cls])


def _too_large(request: BillRequest, status: int, limit: int) -> BillError:
    """Return the error of an answer that was not read to its end."""
    said = f"the answer to {request.label} (HTTP {status}) is larger than {limit} bytes"
    if unanswered(request.purpose) is BillOutcomeUnknownError:
        return BillOutcomeUnknownError(said, advice=ADVICE[BillOutcomeUnknownError], status=status)
    advice = "ask for fewer rows at once, or pass a higher max_answer_bytes to BillHook"
    return BillAnswerTooLargeError(said, advice=advice, status=status)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk through all that an error wraps, itself first.

    ``__context__`` is left out: it may hold an error that the caller was handling, of quite another call.
    """
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = [getattr(cause, "reason", None), getattr(cause, "original_error", None), *cause.args]
        waiting.extend(item for item in inner if isinstance(item, BaseException))


#: Where the connection itself does not tell whether anything has left, as to a SOCKS proxy, these do.
_NEVER_SENT = (NewConnectionError, ConnectTimeoutError, ssl.SSLCertVerificationError)
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (requests.exceptions.ProxyError, "the proxy could not be reached or refused"),
    (ssl.SSLCertVerificationError, "its certificate could not be verified"),
    (ConnectTimeoutError, "no connection within the time limit"),
    (NewConnectionError, "no connection (unknown host or connection refused)"),
    (requests.exceptions.ReadTimeout, "no answer within the time limit"),
    (ReadTimeoutError, "no answer within the time limit"),  # in the middle of an answer
    (TimeoutError, "no answer within the time limit"),
    (ConnectionResetError, "the connection was reset"),
)
