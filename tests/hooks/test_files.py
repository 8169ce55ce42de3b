"""``BillHook.upload`` and ``download`` over real HTTP: what is sent, what is written, how much memory it takes."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, ObjectStoragePath, redact

from airflow_provider_bill.client.uploads import MAX_UPLOAD_BYTES
from airflow_provider_bill.exceptions import (
    BillAnswerTooLargeError,
    BillApiError,
    BillConfigurationError,
    BillError,
    BillOutcomeUnknownError,
    BillUnavailableError,
)
from airflow_provider_bill.hooks.bill import BillHook
from dev.local_bill import LocalBill
from dev.misbehaving_server import MisbehavingServer, http_answer

Connect = Callable[..., list[str]]
Serve = Callable[..., MisbehavingServer]

OWNER = "00n01SBX000100000001"
PATH = f"/v3/documents/bills/{OWNER}"
#: Bytes that an upload or a download may take of memory.
MOST_MEMORY = 20 * 2**20
FIFTY_MB = 50 * 2**20


@pytest.fixture
def hook(connect: Connect) -> Iterator[BillHook]:
    connect("v3")
    with BillHook() as hook:
        yield hook


@pytest.fixture
def spend_hook(connect: Connect) -> Callable[[str], BillHook]:
    """Make a hook for a server that is BILL for it; a token of Spend & Expense needs no sign-in."""

    def make(url: str) -> BillHook:
        connect("spend_token", host=url)
        return BillHook()

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds what a test puts there and nothing else."""
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


class Fountain:
    """A server whose only file has 50 MB, which it has nowhere as a whole."""

    def __init__(self) -> None:
        #: Bytes that were sent.
        self.sent = 0
        fountain = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(FIFTY_MB))
                self.end_headers()
                with contextlib.suppress(OSError):
                    for _ in range(FIFTY_MB // 2**16):
                        fountain.sent += self.wfile.write(bytes(2**16))

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def fountain() -> Iterator[Fountain]:
    server = Fountain()
    yield server
    server.close()


def peak_of(call: Callable[[], object]) -> int:
    """Return the bytes that a call takes at most, beyond what is there before."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def uploaded(bill: LocalBill) -> int:
    return sum("/documents/bills/" in row["path"] for row in bill.control("GET", "requests") if row["method"] == "POST")


# -- upload ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source_of",
    [
        str,
        Path,
        lambda path: f"file://{path}",
        lambda path: ObjectStoragePath(f"file://{path}"),
        lambda p: p.open("rb"),
    ],
)
def test_a_document_goes_to_a_bill_and_comes_back_byte_for_byte(
    source_of: Any, hook: BillHook, bill: LocalBill, folder: Path
) -> None:
    source, target = folder / "scan.pdf", folder / "back.pdf"
    source.write_bytes(os.urandom(100_000))
    made = hook.upload(PATH, source_of(source))
    assert made["name"] == "scan.pdf"
    assert hook.download(f"/v3/documents/{made['id']}", target) == 100_000
    assert target.read_bytes() == source.read_bytes()
    assert uploaded(bill) == 1
    assert bill.stats()["sign_ins"] == 1


def test_a_file_is_sent_raw_with_its_length_and_its_name_in_the_query(
    spend_hook: Callable[[str], BillHook], serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(http_answer(200, '{"id":"x"}'))
    spend_hook(server.url).upload(
        "/v3/spend/brand-new", io.BytesIO(b"%PDF\r\n\x00\xff"), name="a b.pdf", params={"x": 1}
    )
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /connect/v3/spend/brand-new?name=a+b.pdf&x=1 HTTP/1.1\r\n")
    assert b"\r\nContent-Length: 8\r\n" in head + b"\r\n"
    assert b"\r\nContent-Type: application/octet-stream\r\n" in head + b"\r\n"
    assert b"chunked" not in head.lower()
    assert body == b"%PDF\r\n\x00\xff"
    assert "8 bytes sent" in caplog.text


def test_a_name_of_ones_own_goes_before_that_of_the_file(hook: BillHook, folder: Path) -> None:
    (folder / "scan.pdf").write_bytes(b"x")
    assert hook.upload(PATH, folder / "scan.pdf", name="march.pdf")["name"] == "march.pdf"
    assert hook.upload(PATH, folder / "scan.pdf", params={"name": "april.pdf"})["name"] == "april.pdf"


@pytest.mark.parametrize("family", ["customers", "invoices", "vendors"])
def test_attachments_are_uploaded_too_and_deleted_again(family: str, hook: BillHook, bill: LocalBill) -> None:
    row = hook.request("GET", f"/v3/{family}", params={"max": 1})["results"][0]["id"]
    made = hook.upload(f"/v3/attachments/{family}/{row}", io.BytesIO(b"x"), name="x.txt")
    assert [one["id"] for one in hook.paginate(f"/v3/attachments/{family}/{row}")] == [made["id"]]
    assert hook.request("DELETE", f"/v3/attachments/{made['id']}") == {"status": "SUCCESS"}
    assert list(hook.paginate(f"/v3/attachments/{family}/{row}")) == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "gone.pdf", "does not exist"),
        (lambda folder: folder, "is a directory"),
        (lambda folder: io.BytesIO(b""), "is empty"),
        (lambda folder: io.BytesIO(bytes(MAX_UPLOAD_BYTES + 1)), "is larger than"),
        (lambda folder: io.BytesIO(b"x"), "has no name"),
        (lambda folder: "s4://bucket/x.pdf", "'s4' is no kind of store"),
    ],
)
def test_a_file_that_cannot_be_sent_costs_no_call_and_no_sign_in(
    make: Any, words: str, hook: BillHook, bill: LocalBill, folder: Path
) -> None:
    with pytest.raises(BillConfigurationError, match=words) as caught:
        hook.upload(PATH, make(folder))
    assert isinstance(caught.value, AirflowFailException)
    assert bill.stats()["requests"] == 0


def test_an_upload_whose_answer_is_lost_is_unknown_and_is_not_sent_again(hook: BillHook, bill: LocalBill) -> None:
    bill.fault(f"/connect{PATH}", kind="reset", after_effect=True)
    with pytest.raises(BillOutcomeUnknownError, match=f"POST {PATH} was sent and no answer came"):
        hook.upload(PATH, io.BytesIO(b"x" * 100_000), name="x.pdf")
    assert uploaded(bill) == 1
    assert len(list(hook.paginate(PATH))) == 1


def test_a_file_is_sent_whole_again_where_bill_refused_it_before_reading(hook: BillHook, bill: LocalBill) -> None:
    hook.session()
    bill.expire_sessions()
    content = os.urandom(50_000)
    hook.upload(PATH, io.BytesIO(content), name="x.pdf")
    assert uploaded(bill) == 2
    (row,) = hook.paginate(PATH)
    assert bill.http.get(row["downloadLink"], timeout=5).content == content


def test_an_upload_of_6_mb_takes_less_than_20_mb_of_memory(hook: BillHook, folder: Path) -> None:
    source = folder / "scan.pdf"
    source.write_bytes(bytes(MAX_UPLOAD_BYTES))
    hook.session()
    peak = peak_of(lambda: hook.upload(PATH, source))
    assert peak < MOST_MEMORY
    # It is streamed: not even the file itself is in memory at any moment.
    assert peak < MAX_UPLOAD_BYTES / 4


# -- download -------------------------------------------------------------------------------------------------


def test_a_download_of_50_mb_takes_less_than_20_mb_of_memory(
    spend_hook: Callable[[str], BillHook], fountain: Fountain, folder: Path
) -> None:
    hook, target = spend_hook(fountain.url), folder / "large.bin"
    peak = peak_of(lambda: hook.download(f"{fountain.url}/large", target))
    assert target.stat().st_size == FIFTY_MB
    assert peak < MOST_MEMORY


def test_a_download_larger_than_wanted_is_broken_off_and_leaves_nothing(
    spend_hook: Callable[[str], BillHook], fountain: Fountain, folder: Path
) -> None:
    hook = spend_hook(fountain.url)
    with pytest.raises(BillAnswerTooLargeError, match=r"than 1000000 bytes; pass a higher max_bytes to download\("):
        hook.download(f"{fountain.url}/large", folder / "x.bin", max_bytes=1_000_000)
    assert os.listdir(folder) == []
    assert fountain.sent < FIFTY_MB / 2
    assert hook.download(f"{fountain.url}/large", folder / "x.bin", max_bytes=FIFTY_MB) == FIFTY_MB


def test_an_export_is_downloaded_by_the_path_that_answers_with_its_link(hook: BillHook, folder: Path) -> None:
    (export,) = hook.paginate("/v3/exports")
    target = folder / "vendors.csv"
    size = hook.download(f"/v3/exports/{export['exportId']}/download-link", f"file://{target}")
    assert size == target.stat().st_size
    assert len(target.read_text().splitlines()) == 261


def test_no_log_shows_a_link_and_airflow_masks_it(
    hook: BillHook, bill: LocalBill, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    link = hook.upload(PATH, io.BytesIO(b"x"), name="x.pdf")["downloadLink"]
    caplog.clear()
    hook.download(link, folder / "x.pdf")
    assert link.rpartition("/")[2] not in caplog.text
    assert redact(f"{link} and {link.removeprefix(bill.url)}") == "*** and ***"
    hook.request("GET", "/v3/vendors", params={"max": 1})
    assert "/connect/v3/vendors" in caplog.text, "other calls are logged as ever"


def test_a_link_that_is_over_says_so_without_showing_itself(hook: BillHook, bill: LocalBill, folder: Path) -> None:
    link = hook.upload(PATH, io.BytesIO(b"x"), name="x.pdf")["downloadLink"]
    bill.advance(900)
    with pytest.raises(
        BillApiError, match=r"GET download from 127\.0\.0\.1: BDC_1120.*too old: read the object"
    ) as error:
        hook.download(link, folder / "x.pdf")
    assert link.rpartition("/")[2] not in str(error.value)
    assert os.listdir(folder) == []


@pytest.mark.parametrize("kind", ["v3", "console", "sync_token", "partner", "oauth", "spend_token"])
def test_the_apis_own_host_gets_the_sessions_headers_and_no_other_host_is_asked(
    kind: str, connect: Connect, bill: LocalBill, folder: Path
) -> None:
    connect(kind)
    with pytest.raises(BillApiError):
        BillHook().download(f"{bill.url}/connect/download/unheard-of", folder / "x")
    row = bill.control("GET", "requests")[-1]
    keyed = {"devKey", "sessionId"}
    assert set(row["credentials"]) == {"oauth": {"authorization"}, "spend_token": set()}.get(kind, keyed)
    before = bill.stats()["requests"]
    for foreign in ("https://files.example.com/x", bill.url.replace("127.0.0.1", "localhost") + "/x"):
        with pytest.raises(BillConfigurationError, match="none of BILL's hosts"):
            BillHook().download(foreign, folder / "x")
    assert bill.stats()["requests"] == before
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("reply", "cls", "words"),
    [
        (http_answer(302, extra="Location: https://files.bill.com/s3cret\r\n"), BillApiError, "redirect"),
        (http_answer(403, "<Error>s3cret</Error>", kind="application/xml"), BillApiError, "HTTP 403.*too old"),
        (http_answer(404), BillApiError, "HTTP 404.*too old"),
        (http_answer(410), BillApiError, "HTTP 410.*too old"),
        (http_answer(503), BillUnavailableError, "HTTP 503"),
        ("reset", BillUnavailableError, "no answer came"),
        ("partial", BillUnavailableError, "no answer came"),
    ],
)
def test_a_download_that_fails_leaves_no_file_and_shows_no_link(
    reply: Any, cls: type[BillError], words: str, spend_hook: Callable[[str], BillHook], serve: Serve, folder: Path
) -> None:
    server, target = serve(reply), folder / "x.pdf"
    target.write_bytes(b"older")
    with pytest.raises(cls, match=words) as caught:
        spend_hook(server.url).download(f"{server.url}/file?sig=s3cret", target)
    assert "s3cret" not in str(caught.value)
    assert len(server.requests) == 1
    assert os.listdir(folder) == ["x.pdf"]
    assert target.read_bytes() == b"older"


def test_a_download_in_a_session_that_is_over_renews_it_once(
    connect: Connect, serve: Serve, bill: LocalBill, folder: Path
) -> None:
    signed_in = '{"sessionId":"session-%d","organizationId":"' + bill.organization + '"}'
    refused = http_answer(401, '[{"code":"BDC_1109","message":"Session is invalid."}]')
    server = serve(
        http_answer(200, signed_in % 1), refused, refused, http_answer(200, signed_in % 2), http_answer(200, b"content")
    )
    connect("v3", host=server.url)
    assert BillHook().download(f"{server.url}/file", folder / "x.pdf") == 7
    assert (folder / "x.pdf").read_bytes() == b"content"
    lines = [request.split(b"\r\n")[0].decode() for request in server.requests]
    assert lines.count("POST /connect/v3/login HTTP/1.1") == 2
    assert lines.count("GET /file HTTP/1.1") == 2
    assert b"session-2" in server.requests[-1]


def test_a_target_that_cannot_be_written_costs_no_call(hook: BillHook, bill: LocalBill, folder: Path) -> None:
    with pytest.raises(BillConfigurationError, match="cannot be written"):
        hook.download("/v3/documents/00h1", folder / "gone" / "x.pdf")
    assert bill.stats()["requests"] == 0


def test_an_answer_without_a_link_is_an_error(hook: BillHook, folder: Path) -> None:
    with pytest.raises(BillApiError, match="GET /v3/vendors holds no link"):
        hook.download("/v3/vendors", folder / "x.pdf")
    assert os.listdir(folder) == []


def test_the_operations_are_listed_as_plain_dicts() -> None:
    rows = BillHook.operations()
    assert len(rows) == 307
    names = ["method", "path", "base", "caller", "paging", "body", "write", "protected"]
    assert all(list(row) == names for row in rows)
    (payments,) = (row for row in rows if (row["method"], row["path"]) == ("POST", "/v3/payments/mass"))
    assert list(payments.values()) == [
        "POST", "/v3/payments/mass", "connect", "session", None, "json", True, "always",
    ]  # fmt: skip
