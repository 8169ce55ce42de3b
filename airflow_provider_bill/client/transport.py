"""One ``requests.Session``: sends a call, keeps connections, tells "never sent" from "never heard"."""

from __future__ import annotations

import logging
import os
import platform
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import IO, Any
from urllib.parse import urlsplit

import requests
from pendulum import DateTime
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)

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
#: Seconds that a download takes at most.
DOWNLOAD_SECONDS = 600.0
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
    :param settings: what names the host, for messages, such as ``connection 'bill_default'``
    """

    def __init__(
        self,
        *,
        timeout: tuple[float, float] = (5.0, 60.0),
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        clock: Clock = utc_now,
        user_agent_suffix: str = "",
        sleep: Callable[[float], None] = time.sleep,
        settings: str = "the connection",
    ) -> None:
        self.clock = clock
        self.sleep = sleep
        self._where = settings
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
        file = request.file
        kind = {} if file is None else {"Content-Type": "application/octet-stream"}
        try:
            prepared.prepare(
                request.method,
                url,
                headers={**self._headers, **kind, **(headers or {})},
                params=request.params,
                data=form if file is None else file.stream(),
                json=request.body if form is None else None,
            )
            settings = self._settings_for(url)
        except (requests.RequestException, ValueError, TypeError) as error:
            failure = BillConfigurationError(
                f"the body or the query of {request.label} cannot be sent ({type(error).__name__})",
                advice="a body takes finite numbers, texts, lists and objects; a query takes plain values",
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
            failure = _failure(request, error, self._where)
        except OSError as error:
            failure = _unnamed_failure(request, error)
        if failure is not None:  # raised here, where no context can carry the request and its headers along
            log.debug("%s: %s after %.3f s", request.label, type(failure).__name__, time.perf_counter() - started)
            raise failure
        if content is None:
            raise _too_large(request, response.status_code, self._max_answer_bytes)
        if log.isEnabledFor(logging.DEBUG):
            seconds = time.perf_counter() - started
            sent_bytes = len(prepared.body or b"") if file is None else file.size
            log.debug(
                "%s: HTTP %d in %.3f s, %d bytes sent, %d received",
                request.label, response.status_code, seconds, sent_bytes, len(content),
            )  # fmt: skip
        return HttpResponse(request, response.status_code, content, moment)

    def download(
        self,
        request: BillRequest,
        url: str,
        target: IO[bytes],
        *,
        headers: Mapping[str, str],
        most: int,
        sent_at: DateTime,
    ) -> tuple[HttpResponse, int]:
        """Get a file, and write it piece by piece; no log shows the address, which is signed.

        :param request: names the call; its label holds no address
        :param url: the whole address
        :param target: open for writing
        :param headers: those that prove who we are, if its host may have them
        :param most: bytes that are written at most
        :param sent_at: moment to note as sent
        :return: the answer, whose content is empty if it was a success, and how many bytes were written
        :raises BillConfigurationError: the address cannot be used, or what is to be written cannot
        :raises BillUnavailableError: it was not sent, or no whole answer came
        :raises BillAnswerTooLargeError: the file is too large
        """
        failure: BillError | None = None
        size = 0
        self._leave_parent()
        begin_call(DOWNLOAD_SECONDS)
        try:
            prepared = requests.Request("GET", url, headers={**self._headers, "Accept": "*/*", **headers}).prepare()
            with (
                _unlogged(),
                self._session.send(
                    prepared, timeout=self._timeout, allow_redirects=False, **self._settings_for(url)
                ) as response,
            ):
                status = response.status_code
                if status != 200:
                    return HttpResponse(request, status, next(response.iter_content(CHUNK_BYTES), b""), sent_at), 0
                for piece in response.iter_content(CHUNK_BYTES):
                    size += len(piece)
                    if size > most or (failure := _written(target, piece, request)) is not None:
                        break
        except (requests.RequestException, LocationParseError) as error:
            failure = _failure(request, error, self._where)
        except OSError as error:
            failure = _unnamed_failure(request, error)
        if failure is not None:
            raise failure
        if size > most:
            raise BillAnswerTooLargeError(
                f"the file of {request.label} is larger than {most} bytes",
                advice="pass a higher max_bytes to download() of BillHook",
            )
        return HttpResponse(request, status, b"", sent_at), size

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


class _Unlogged(logging.Filter):
    """Drops what urllib3 logs in this thread while a file is downloaded: the address, with its signature."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(self.thread, "silent", False)


_UNLOGGED = _Unlogged()
for _name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_UNLOGGED)


@contextmanager
def _unlogged() -> Iterator[None]:
    _UNLOGGED.thread.silent = True
    try:
        yield
    finally:
        _UNLOGGED.thread.silent = False


def _written(target: IO[bytes], piece: bytes, request: BillRequest) -> BillError | None:
    """Write a piece of a file, and return the error if that is not possible."""
    try:
        target.write(piece)
    except OSError as error:
        return BillConfigurationError(
            f"the file of {request.label} cannot be written ({type(error).__name__})",
            advice="see whether there is room, and whether this worker may write there",
        )
    return None


def _failure(request: BillRequest, error: requests.RequestException | LocationParseError, settings: str) -> BillError:
    """Return our error of one of requests', or of one that it lets through; the old one carries the request.

    :param settings: what names the host
    """
    if isinstance(error, ValueError) and not may_have_left():  # an address that requests cannot use
        return BillConfigurationError(
            f"{request.label} was not sent: requests cannot use an address on the way ({type(error).__name__})",
            advice=f"check the proxy settings in the environment of the worker, and the host of {settings}",
        )
    causes = list(_causes(error))
    reason = next((word for kind, word in _REASONS if any(isinstance(c, kind) for c in causes)), "the connection broke")
    if not may_have_left() or any(isinstance(cause, _NEVER_SENT) for cause in causes):
        asked = getattr(error, "request", None)
        host = _address(asked.url or "") if asked is not None else "BILL"
        advice = f"check the host and port of {settings}, the network and the proxy, then try again"
        return BillUnavailableError(f"{request.label} was not sent to {host}: {reason}", advice=advice)
    cls = unanswered(request.purpose)
    return cls(f"{request.label} was sent and no answer came: {reason}", advice=ADVICE[cls])


def _address(url: str) -> str:
    """Return host and port of an address; what else is in there may be a secret."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'BILL'}:{parts.port or (80 if parts.scheme == 'http' else 443)}"


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
        if isinstance(cause, NewConnectionError):  # raised from what the socket has said
            inner.append(cause.__cause__)
        waiting.extend(item for item in inner if isinstance(item, BaseException))


#: Where the connection itself does not tell whether anything has left, as to a SOCKS proxy, these do.
_NEVER_SENT = (NewConnectionError, ConnectTimeoutError, ssl.SSLCertVerificationError)
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (requests.exceptions.ProxyError, "the proxy could not be reached or refused"),
    (ssl.SSLCertVerificationError, "its certificate could not be verified"),
    # Before the time limit: urllib3 counts these as one of its kinds.
    (NameResolutionError, "no host of that name is known"),
    (ConnectionRefusedError, "the connection was refused, as nothing listens on that port"),
    (NewConnectionError, "no connection"),
    (ConnectTimeoutError, "no connection within the time limit"),
    (requests.exceptions.ReadTimeout, "no answer within the time limit"),
    (ReadTimeoutError, "no answer within the time limit"),  # in the middle of an answer
    (TimeoutError, "no answer within the time limit"),
    (ConnectionResetError, "the connection was reset"),
)
