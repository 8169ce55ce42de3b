"""Connections that break at the wrong moment, servers that are not BILL, and what leaves the machine."""

from __future__ import annotations

import dataclasses
import gzip
import ipaddress
import multiprocessing
import socket
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from airflow_provider_bill import __version__
from airflow_provider_bill.client.answers import Answer
from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.request import Purpose, v3_request
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.client.transport import MAX_ANSWER_BYTES, Transport
from airflow_provider_bill.exceptions import (
    BillAnswerTooLargeError,
    BillApiError,
    BillConfigurationError,
    BillError,
    BillOutcomeUnknownError,
    BillUnavailableError,
)
from dev.clock import START, ManualClock
from dev.misbehaving_server import http_answer
from tests.client.calls import v2_call, v3_call

if TYPE_CHECKING:
    from tests.client.conftest import MakeClient, Serve

ClientAt = Callable[..., BillClient]
Send = Callable[[BillClient], Answer]

FIELDS = {
    "login": "ada@example.com",
    "password": "pass-word-1",
    "developer_api_key": "dev-key-1",
    "organization_id": "008ABC",
}
SESSION = BillSession(session_token="session-token-1", organization_id="008ABC", signed_in_at=START, last_used_at=START)


@pytest.fixture
def client_at(make_client: MakeClient) -> ClientAt:
    """Make a client of a server that is not BILL."""
    return lambda url, **options: make_client(credentials_from("v3", FIELDS), url, **options)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def read(client: BillClient) -> Answer:
    return v3_call(client, SESSION, "GET", "/v3/vendors")


def write(client: BillClient) -> Answer:
    return v3_call(client, SESSION, "POST", "/v3/payments", json={"amount": 1})


@pytest.mark.parametrize("send", [read, write])
def test_a_refused_connection_means_that_nothing_was_sent(client_at: ClientAt, send: Send, slept: list[float]) -> None:
    with pytest.raises(BillUnavailableError, match="was not sent"):
        send(client_at(f"http://127.0.0.1:{closed_port()}"))
    assert len(slept) == (2 if send is read else 0)


@pytest.mark.parametrize("send", [read, write])
def test_an_unknown_host_means_that_nothing_was_sent(client_at: ClientAt, send: Send) -> None:
    with pytest.raises(BillUnavailableError, match=r"was not sent to no-such-host\.invalid"):
        send(client_at("https://no-such-host.invalid"))


@pytest.mark.parametrize("send", [read, write])
def test_no_connection_in_time_means_that_nothing_was_sent(client_at: ClientAt, send: Send) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = []
        for _ in range(4):  # fill the queue of connections that nobody accepts
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            waiting.append(one)
        try:
            with pytest.raises(BillUnavailableError, match="no connection within the time limit"):
                send(client_at(f"http://127.0.0.1:{port}", timeout=(0.2, 0.2)))
        finally:
            for one in waiting:
                one.close()


@pytest.mark.parametrize("send", [read, write])
def test_a_server_that_speaks_no_tls_is_not_trusted_with_a_call(client_at: ClientAt, serve: Serve, send: Send) -> None:
    server = serve(http_answer(200, "{}"))
    with pytest.raises(BillUnavailableError, match="was not sent"):
        send(client_at(server.url.replace("http://", "https://"), timeout=(0.3, 0.3)))
    assert server.requests == []


@pytest.mark.parametrize("misdeed", ["reset", "partial", "hang"])
def test_a_write_that_was_sent_and_not_answered_is_unknown_and_not_sent_again(
    client_at: ClientAt, serve: Serve, slept: list[float], misdeed: str
) -> None:
    server = serve(misdeed)
    with pytest.raises(BillOutcomeUnknownError, match="no answer came"):
        write(client_at(server.url, timeout=(5.0, 0.3)))
    assert (len(server.requests), slept) == (1, [])


@pytest.mark.parametrize("misdeed", ["reset", "partial", "hang"])
def test_a_read_that_was_not_answered_is_asked_three_times(
    client_at: ClientAt, serve: Serve, slept: list[float], misdeed: str
) -> None:
    server = serve(misdeed)
    with pytest.raises(BillUnavailableError, match="no answer came"):
        read(client_at(server.url, timeout=(5.0, 0.3)))
    assert (len(server.requests), len(slept)) == (3, 2)


@pytest.mark.parametrize("answer", ["drip", "drip headers"])
@pytest.mark.parametrize(("send", "error"), [(read, BillUnavailableError), (write, BillOutcomeUnknownError)])
def test_an_answer_that_drips_ends_with_the_time_limit_of_its_call_and_is_not_asked_for_again(
    client_at: ClientAt, serve: Serve, answer: str, send: Send, error: type[BillError]
) -> None:
    server = serve(answer)
    client = client_at(server.url, timeout=(0.3, 0.3))
    started = time.monotonic()
    with pytest.raises(error, match="no answer within the time limit"):
        send(client)
    assert 0.6 <= time.monotonic() - started < 20
    assert len(server.requests) == 1


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of this machine for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "local BILL")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), serial_number=1)
        .not_valid_before(datetime(2000, 1, 1))
        .not_valid_after(datetime(2200, 1, 1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = tmp_path_factory.mktemp("tls") / "certified.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    return file


@pytest.mark.parametrize("answer", ["drip", "drip headers"])
def test_an_answer_that_drips_over_tls_ends_with_the_time_limit_too(
    answer: str, client_at: ClientAt, serve: Serve, certified: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answer, certified=certified)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certified))
    started = time.monotonic()
    with pytest.raises(BillOutcomeUnknownError, match="no answer within the time limit"):
        write(client_at(server.url, timeout=(2.0, 0.5)))
    assert 2.5 <= time.monotonic() - started < 20
    assert len(server.requests) == 1


def test_a_write_whose_answer_is_cut_off_over_tls_is_unknown(
    client_at: ClientAt, serve: Serve, certified: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve("reset", certified=certified)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certified))
    with pytest.raises(BillOutcomeUnknownError, match="was sent and no answer came"):
        write(client_at(server.url))
    assert len(server.requests) == 1


@pytest.mark.parametrize(("send", "error"), [(read, BillUnavailableError), (write, BillOutcomeUnknownError)])
def test_an_error_of_the_system_after_a_call_has_left_does_not_make_it_look_unsent(
    client_at: ClientAt, serve: Serve, send: Send, error: type[BillError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(response: requests.Response) -> None:
        raise OSError("no file descriptors are left")

    server = serve(http_answer(200, "{}"))
    monkeypatch.setattr(requests.Response, "close", fail)
    with pytest.raises(error, match="was sent and no answer came"):
        send(client_at(server.url))
    assert len(server.requests) == (3 if send is read else 1)


def test_an_answer_that_drips_through_a_proxy_ends_with_the_time_limit_too(
    client_at: ClientAt, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve("drip")
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "")
    transport = Transport(timeout=(0.3, 0.3))
    with pytest.raises(BillOutcomeUnknownError, match="no answer within the time limit"):
        transport.send(v3_request("POST", "/v3/payments", Purpose.WRITE), "http://bill.test/v3/payments")
    assert len(proxy.requests) == 1


def test_a_kept_connection_that_is_reset_leaves_a_write_unknown(client_at: ClientAt, serve: Serve) -> None:
    server = serve(http_answer(200, '{"results":[]}'), "reset")
    client = client_at(server.url)
    read(client)
    with pytest.raises(BillOutcomeUnknownError):
        write(client)
    assert (server.connections, len(server.requests)) == (1, 2)


def test_an_error_that_the_caller_was_handling_does_not_make_a_write_look_unsent(
    client_at: ClientAt, serve: Serve
) -> None:
    server = serve("reset")
    client = client_at(server.url)
    try:
        requests.get(f"http://127.0.0.1:{closed_port()}", timeout=1)
    except requests.ConnectionError:
        with pytest.raises(BillOutcomeUnknownError):
            write(client)


@pytest.mark.parametrize("answer", [b"not http at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
def test_what_is_not_http_is_no_answer(client_at: ClientAt, serve: Serve, answer: bytes) -> None:
    server = serve(answer)
    with pytest.raises((BillOutcomeUnknownError, BillUnavailableError)):
        write(client_at(server.url, timeout=(5.0, 0.3)))
    assert len(server.requests) == 1


def test_a_body_in_an_encoding_that_lies_leaves_a_write_unknown(client_at: ClientAt, serve: Serve) -> None:
    server = serve(http_answer(200, b"not gzip", extra="Content-Encoding: gzip\r\n"))
    with pytest.raises(BillOutcomeUnknownError):
        write(client_at(server.url))


def bomb(encoding: str) -> bytes:
    """Return a body of few bytes that stands for 2.2 GB."""
    zeros, times = bytes(64 * 2**20), 35
    if encoding == "deflate":
        packer = zlib.compressobj(wbits=-15)
        return (packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)) * times + packer.flush()
    packed = gzip.compress(zeros) * times
    return gzip.compress(packed) if encoding == "gzip, gzip" else packed


def in_chunks(status: int, body: bytes, extra: str) -> bytes:
    """Return an HTTP answer whose length is not told beforehand."""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n{extra}\r\n"
    return head.encode() + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "deflate"])
@pytest.mark.parametrize("answer", [lambda *what: http_answer(*what[:2], extra=what[2]), in_chunks])
@pytest.mark.parametrize("status", [200, 400])
def test_a_small_answer_that_unpacks_to_gigabytes_never_does_so(
    client_at: ClientAt, serve: Serve, encoding: str, answer: Callable[..., bytes], status: int
) -> None:
    server = serve(answer(status, bomb(encoding), f"Content-Encoding: {encoding}\r\n"))
    client = client_at(server.url)
    tracemalloc.start()
    try:
        with pytest.raises(BillAnswerTooLargeError):
            read(client)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * MAX_ANSWER_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("send", "cls"), [(read, BillAnswerTooLargeError), (write, BillOutcomeUnknownError)])
def test_an_answer_over_the_limit_is_an_error_that_names_the_setting_and_no_second_call(
    client_at: ClientAt, serve: Serve, slept: list[float], send: Send, cls: type[BillError]
) -> None:
    server = serve(http_answer(200, f'"{"x" * 999}"'))
    with pytest.raises(cls, match=r"larger than 1000 bytes") as caught:
        send(client_at(server.url, max_answer_bytes=1000))
    assert isinstance(caught.value, BillOutcomeUnknownError) or "max_answer_bytes" in caught.value.advice
    assert (len(server.requests), slept, caught.value.retryable, caught.value.status) == (1, [], False, 200)


def test_an_answer_of_just_the_limit_is_read(client_at: ClientAt, serve: Serve) -> None:
    server = serve(http_answer(200, f'"{"x" * 998}"'))
    assert read(client_at(server.url, max_answer_bytes=1000)).body == "x" * 998


def test_a_connection_whose_answer_was_not_read_to_its_end_is_not_used_again(client_at: ClientAt, serve: Serve) -> None:
    server = serve(http_answer(200, f'"{"x" * 10**6}"'), http_answer(200, "[]"))
    client = client_at(server.url, max_answer_bytes=1000)
    with pytest.raises(BillAnswerTooLargeError):
        read(client)
    assert [read(client).body for _ in range(2)] == [[], []]
    assert server.connections == 2


@pytest.mark.parametrize("send", [read, write])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(client_at: ClientAt, serve: Serve, status: int, send: Send) -> None:
    elsewhere = serve(http_answer(200, '{"results":[]}'))
    server = serve(http_answer(status, "", extra=f"Location: {elsewhere.url}/connect/v3/vendors\r\n"))
    with pytest.raises(BillApiError, match="redirect"):
        send(client_at(server.url))
    assert (len(server.requests), elsewhere.requests) == (1, [])


def test_a_redirect_to_nonsense_is_the_same_error(client_at: ClientAt, serve: Serve) -> None:
    server = serve(http_answer(302, "", extra="Location: http://[\xff\r\n"))
    with pytest.raises(BillApiError, match="redirect"):
        read(client_at(server.url))


def test_a_session_goes_in_headers_and_nothing_else_does(
    client_at: ClientAt, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password netrc-secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(http_answer(200, '{"results":[]}', extra="Set-Cookie: sid=1; Path=/\r\n"))
    client = client_at(server.url)
    for _ in range(2):
        v3_call(client, SESSION, "GET", "/v3/vendors", params={"max": 1, "filters": 'name:eq:"a b"'})
    line, *headers = server.requests[1].decode().split("\r\n")
    assert line == "GET /connect/v3/vendors?max=1&filters=name%3Aeq%3A%22a+b%22 HTTP/1.1"
    names = {header.split(":")[0].lower() for header in headers if header}
    assert names == {
        "host", "user-agent", "accept-encoding", "accept", "connection", "devkey", "sessionid",
    }  # fmt: skip
    assert server.connections == 1


@pytest.mark.parametrize("token", ["a\r\nxyzzy: 1", "a\nxyzzy", "a\x00xyzzy", "\u20acxyzzy", "\xf6xyzzy"])
def test_a_session_that_cannot_be_a_header_is_refused_by_its_header_without_repeating_it(
    client_at: ClientAt, serve: Serve, token: str
) -> None:
    server = serve(http_answer(200, "[]"))
    session = dataclasses.replace(SESSION, session_token=token)
    with pytest.raises(BillConfigurationError, match="header sessionId") as caught:
        v3_call(client_at(server.url), session, "GET", "/v3/vendors")
    assert "xyzzy" not in str(caught.value)
    assert server.requests == []


def test_a_v2_call_is_a_form_without_a_query(client_at: ClientAt, serve: Serve) -> None:
    server = serve(http_answer(200, '{"response_status":0,"response_message":"Success","response_data":[]}'))
    v2_call(client_at(server.url), SESSION, "List/Vendor.json", {"start": 0})
    head, body = server.requests[0].decode().split("\r\n\r\n")
    assert head.startswith("POST /api/v2/List/Vendor.json HTTP/1.1\r\n")
    assert "Content-Type: application/x-www-form-urlencoded" in head
    assert body == "devKey=dev-key-1&sessionId=session-token-1&data=%7B%22start%22%3A+0%7D"


def test_a_v2_call_goes_only_to_an_endpoint_that_may_be_used(client_at: ClientAt, serve: Serve) -> None:
    server, elsewhere = (
        serve(http_answer(200, '{"response_status":0}')),
        serve(http_answer(200, '{"response_status":0}')),
    )
    session = dataclasses.replace(SESSION, api_endpoint=f"{elsewhere.url}/api/v2")
    v2_call(client_at(server.url), session, "List/Vendor.json")
    assert (len(server.requests), len(elsewhere.requests)) == (1, 0)


def test_the_user_agent_names_provider_requests_and_python(serve: Serve, clock: ManualClock) -> None:
    server = serve(http_answer(200, "{}"))
    transport = Transport(clock=clock, user_agent_suffix="airflow/3.1.0")
    transport.send(v3_request("GET", "/"), server.url)
    transport.close()
    python = ".".join(map(str, sys.version_info[:3]))
    versions = f"requests/{requests.__version__} python/{python} airflow/3.1.0"
    agent = f"User-Agent: airflow-provider-bill/{__version__} {versions}\r\n"
    assert agent.encode() in server.requests[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost", "127.0.0.2", "[::1]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_is_on_this_machine_is_never_reached_through_a_proxy(
    client_at: ClientAt, serve: Serve, monkeypatch: pytest.MonkeyPatch, host: str, scheme: str
) -> None:
    proxy, server = serve(http_answer(200, "[]")), serve(http_answer(200, "[]"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    address = server.url.replace("http://127.0.0.1", f"{scheme}://{host}")
    if (scheme, host.lower()) in (("http", "127.0.0.1"), ("http", "localhost")):
        assert read(client_at(address)).body == []
    else:  # nobody is there, or nobody who speaks TLS
        with pytest.raises(BillUnavailableError):
            read(client_at(address, timeout=(0.3, 0.3)))
    assert proxy.requests == []


def test_a_proxy_that_cannot_be_reached_means_that_nothing_was_sent(
    client_at: ClientAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(BillUnavailableError, match="proxy"):
        write(client_at("https://bill.example.com"))


def test_a_tunnel_that_the_proxy_refuses_means_that_nothing_was_sent(
    client_at: ClientAt, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    monkeypatch.setenv("https_proxy", proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(BillUnavailableError, match="proxy"):
        write(client_at("https://bill.example.com"))
    assert [request.split(b" ")[0] for request in proxy.requests] == [b"CONNECT"]


@pytest.mark.parametrize("reply", ["hang", "reset", "drip headers", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_proxy_that_makes_no_tunnel_means_that_nothing_was_sent(
    reply: str | bytes, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(reply)
    monkeypatch.setenv("https_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(BillUnavailableError, match=r"was not sent to bill\.test"):
        Transport(timeout=(0.3, 0.3)).send(
            v3_request("POST", "/v3/payments", Purpose.WRITE), "https://bill.test/v3/payments"
        )
    assert [request.split(b" ")[0] for request in proxy.requests] == [b"CONNECT"]


@pytest.mark.parametrize("proxy", ["http://", "socks5://127.0.0.1:9", "http://[::1", "http://user@:80"])
def test_a_proxy_that_cannot_be_one_means_that_nothing_was_sent(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(BillConfigurationError, match="was not sent") as caught:
        Transport().send(v3_request("POST", "/v3/payments", Purpose.WRITE), "http://bill.test/v3/payments")
    assert "proxy settings" in caught.value.advice


@pytest.mark.parametrize("host", ["api..example.com", f"{'a' * 64}.example.com"])
@pytest.mark.parametrize("is_proxy", [False, True])
def test_a_host_name_that_cannot_be_one_means_that_nothing_was_sent(
    host: str, is_proxy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_proxy:
        monkeypatch.setenv("https_proxy", f"http://{host}:80")
    monkeypatch.setenv("no_proxy", "")
    url = f"https://{'bill.test' if is_proxy else host}/v3/payments"
    with pytest.raises(BillConfigurationError, match="was not sent"):
        Transport().send(v3_request("POST", "/v3/payments", Purpose.WRITE), url)


def test_a_missing_file_of_certificates_means_that_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file.pem")
    with pytest.raises(BillConfigurationError, match="the file of trusted certificates is missing"):
        Transport().send(v3_request("POST", "/v3/payments", Purpose.WRITE), "https://bill.test/v3/payments")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_shares_no_connection_with_its_parent(client_at: ClientAt, serve: Serve) -> None:
    server = serve(http_answer(200, "[]"))
    client = client_at(server.url)
    read(client)
    child = multiprocessing.get_context("fork").Process(target=lambda: [read(client), read(client)])
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert (server.connections, len(server.requests)) == (2, 3)
    read(client)
    assert (server.connections, len(server.requests)) == (2, 4)


def test_threads_share_a_client_without_mixing_answers(client_at: ClientAt, serve: Serve) -> None:
    server = serve(http_answer(200, '{"results":[{"id":1}]}'))
    client = client_at(server.url)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: read(client).body, range(64)))
    assert answers == [{"results": [{"id": 1}]}] * 64
    assert len(server.requests) == 64
    assert server.connections <= 8
