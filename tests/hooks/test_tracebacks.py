"""No frame of an error that leaves the hook shows a secret: not to a traceback with locals, not to Sentry."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path, PosixPath
from types import FrameType
from typing import Any

import pendulum
import pytest
import sentry_sdk

from airflow_provider_bill.exceptions import BillError, BillSignInRefusedError, BillUnavailableError
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.hooks.errors import airflow_errors
from dev.clock import START
from dev.local_bill import LocalBill
from dev.misbehaving_server import MisbehavingServer, http_answer
from dev.processes import wait_until

CODE = "918273"
PASSWORD = 'pass"word\\ with ümlauts & 100%'


class Interrupted(Exception):
    """What Airflow raises into a task that has run for too long."""


@pytest.fixture
def sentry_events() -> Iterator[list[dict[str, Any]]]:
    """What an application with Sentry's defaults would send."""
    events: list[dict[str, Any]] = []

    def keep(event: Any, _hint: Any) -> None:
        events.append(event)

    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", before_send=keep, default_integrations=False)
    yield events
    sentry_sdk.init(default_integrations=False)


def interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


def stop_once_asked(server: MisbehavingServer) -> None:
    """Stop this process's task when it has sent its call, however slow the machine is."""
    wait_until(lambda: server.requests, 60, "the sign-in")
    os.kill(os.getpid(), signal.SIGALRM)


def error_of(call: Callable[[], object]) -> BaseException:
    """Return the error that a call raises; of the test's own frames it holds none but this one."""
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("it did not fail")


def shown(error: BaseException, events: list[dict[str, Any]]) -> str:
    """Return all that the two show of an error."""
    sentry_sdk.capture_exception(error)
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert events, "Sentry has seen nothing"
    return "".join(whole.format()) + json.dumps(events, default=repr)


def assert_hidden(text: str, secrets: list[str]) -> None:
    for secret in map(str, secrets):
        for form in {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}:
            assert form not in text


@pytest.fixture
def fails(bill: LocalBill, connect: Callable[..., list[str]]) -> Callable[[str], tuple[BaseException, list[str]]]:
    """Let a call fail in a way, and return the error with all secrets that were about."""

    def fail(how: str) -> tuple[BaseException, list[str]]:
        secrets = connect("v3")
        hook = BillHook()
        if how == "refused":
            secrets = [*connect("v3", password=PASSWORD), PASSWORD]
        elif how == "unreachable":
            secrets = connect("v3", host="http://127.0.0.1:9")
        elif how == "refused in a session":
            secrets.append(hook.session().session_token)
            bill.fault("/connect/v3/vendors", code="BDC_1144", times=9)
        elif how == "a defect of ours":
            calls = iter(range(100))

            def clock() -> pendulum.DateTime:
                if next(calls) > 2:
                    raise ZeroDivisionError("not an error of BILL")
                return START

            hook = BillHook(clock=clock)
        return error_of(lambda: hook.request("GET", "/v3/vendors")), secrets

    return fail


@pytest.mark.parametrize(
    ("how", "cls"),
    [
        ("refused", BillSignInRefusedError),
        ("unreachable", BillUnavailableError),
        ("refused in a session", BillError),
        ("a defect of ours", ZeroDivisionError),
    ],
)
def test_neither_tracebacks_with_locals_nor_sentry_show_a_secret(
    how: str,
    cls: type[Exception],
    fails: Callable[[str], tuple[BaseException, list[str]]],
    sentry_events: list[dict[str, Any]],
) -> None:
    error, secrets = fails(how)
    assert isinstance(error, cls)
    assert len(secrets) >= 2
    text = shown(error, sentry_events)
    assert type(error).__name__ in text
    assert_hidden(text, secrets)


def test_a_task_that_is_stopped_while_it_signs_in_shows_no_secret(
    connect: Callable[..., list[str]], sentry_events: list[dict[str, Any]]
) -> None:
    server = MisbehavingServer("hang")
    secrets = connect("v3", host=server.url)
    before = signal.signal(signal.SIGALRM, interrupt)
    stopper = threading.Thread(target=stop_once_asked, args=(server,))
    stopper.start()
    try:
        error = error_of(lambda: BillHook().session())
    finally:
        stopper.join()
        signal.signal(signal.SIGALRM, before)
        server.close()
    assert len(server.requests) == 1
    assert isinstance(error, Interrupted)
    assert_hidden(shown(error, sentry_events), secrets)


def test_a_code_that_bill_refuses_is_in_no_frame(
    bill: LocalBill, connect: Callable[..., list[str]], sentry_events: list[dict[str, Any]]
) -> None:
    secrets = connect("v3")
    hook = BillHook()
    challenge = hook.mfa.challenge()
    entered = iter([CODE])
    error = error_of(lambda: hook.mfa.validate(challenge, next(entered)))
    assert isinstance(error, BillError)
    assert_hidden(shown(error, sentry_events), [*secrets, CODE, hook.session().session_token])


@pytest.mark.parametrize("kind", ["v3", "v2"])
def test_a_task_that_is_stopped_while_it_enters_a_code_shows_neither_code_nor_password(
    kind: str,
    connect: Callable[..., list[str]],
    sentry_events: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(*_args: Any, **_more: Any) -> None:
        raise Interrupted

    secrets = connect(kind)
    hook = BillHook()
    challenge = hook.mfa.challenge()
    token = hook.session().session_token
    entered = iter([CODE])
    monkeypatch.setattr("requests.Session.send", stop)
    error = error_of(lambda: hook.mfa.validate(challenge, next(entered)))
    assert isinstance(error, Interrupted)
    assert_hidden(shown(error, sentry_events), [*secrets, token, CODE])


def test_an_error_of_ours_keeps_the_line_of_the_task_that_called(
    fails: Callable[[str], tuple[BaseException, list[str]]],
) -> None:
    error, _ = fails("refused")
    frames = traceback.extract_tb(error.__traceback__)
    assert "hook.request" in str(frames[1].line)


def fail_with(error: Exception) -> None:
    kept_here = f"{CODE} in a local variable"
    if kept_here:
        raise error


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        (ValueError("inner"), BillUnavailableError("outer")),
        (BillUnavailableError("inner"), ValueError("outer")),
        (BillUnavailableError("inner"), BillSignInRefusedError("outer")),
    ],
    ids=["ours from another", "another from ours", "ours from ours"],
)
def test_an_error_that_was_being_handled_shows_nothing_either(
    inner: Exception, outer: Exception, sentry_events: list[dict[str, Any]]
) -> None:
    @airflow_errors()
    def call() -> None:
        try:
            fail_with(inner)
        except Exception:
            raise outer  # noqa: B904  # what is to be seen is its context

    error = error_of(call)
    assert str(error) == "outer"
    assert CODE not in shown(error, sentry_events)
    if isinstance(error, BillError):  # not for those either who look at what is suppressed
        assert (error.__context__, error.__cause__) == (None, None)


class Stopping(PosixPath):
    """A target that is being written when Airflow stops the task."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        class File(io.BytesIO):
            def write(self, content: Any) -> int:
                raise Interrupted

        return File()


@pytest.mark.parametrize("how", ["link", "path"])
def test_a_task_that_is_stopped_while_it_downloads_shows_no_link(
    how: str, connect: Callable[..., list[str]], sentry_events: list[dict[str, Any]], tmp_path: Path
) -> None:
    server = MisbehavingServer(http_answer(200, b"content"))
    address = f"{server.url}/files/{CODE}?signature={CODE}"
    if how == "path":
        login = http_answer(200, '{"sessionId":"session-id-1","organizationId":"00801SBX000100000000"}')
        server.replies[:0] = [login, http_answer(200, json.dumps({"downloadLink": address}))]
    secrets = connect("v3" if how == "path" else "spend_token", host=server.url)
    links = iter(["/v3/documents/00h1" if how == "path" else address])
    hook = BillHook()
    error = error_of(lambda: hook.download(next(links), Stopping(tmp_path / "x.pdf")))
    server.close()
    assert isinstance(error, Interrupted)
    assert CODE.encode() in server.requests[-1]
    assert_hidden(shown(error, sentry_events), [*secrets, CODE])


@pytest.mark.parametrize("changes", [{}, {"host": "***"}], ids=["refused", "not readable"])
def test_the_error_that_a_check_hands_out_shows_no_secret(
    changes: dict[str, str], connect: Callable[..., list[str]], sentry_events: list[dict[str, Any]]
) -> None:
    secrets = [*connect("v3", password=PASSWORD, **changes), PASSWORD]
    error = BillHook().check().error
    assert isinstance(error, BillError)
    assert_hidden(shown(error, sentry_events), secrets)
