"""Files that BILL's answers link to: which links are followed, and what stays of a file that does not arrive."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from upath import UPath

from airflow_provider_bill.client.downloads import Link, checked_link, is_link, link_in, written
from airflow_provider_bill.client.environments import resolve_environment
from airflow_provider_bill.exceptions import BillApiError, BillConfigurationError
from dev.misbehaving_server import http_answer

if TYPE_CHECKING:
    from tests.client.conftest import ClientOf, Serve

LOCAL = resolve_environment("sandbox", "http://127.0.0.1:8787")
PROXY = resolve_environment("sandbox", "https://proxy.example.com/bill")
SANDBOX, PRODUCTION = resolve_environment("sandbox"), resolve_environment("production")


@pytest.mark.parametrize(
    ("environment", "link", "own"),
    [
        (SANDBOX, "https://gateway.stage.bill.com/AttachDownload?id=1&sig=s3cret", True),
        (SANDBOX, "https://api-stage.bill.com/is/File?id=1", True),
        (SANDBOX, "https://api-stage.bill.com:443/is/File?id=1", True),
        (SANDBOX, "https://gateway.prod.bill.com/AttachDownload?id=1", False),
        (SANDBOX, "https://files.eu.bill.com/x?sig=s3cret", False),
        (SANDBOX, "https://FILES.Bill.com/x", False),
        (PRODUCTION, "https://gateway.prod.bill.com/AttachDownload?id=1", True),
        (PRODUCTION, "https://api.bill.com/File?id=1", True),
        (PRODUCTION, "https://gateway.stage.bill.com/File?id=1", False),
        (LOCAL, "http://127.0.0.1:8787/connect/download/s3cret", True),
        (LOCAL, "https://gateway.stage.bill.com/File", False),
        (PROXY, "https://proxy.example.com/File", True),
    ],
)
def test_a_link_to_bill_is_followed_and_only_the_apis_own_hosts_get_the_credentials(
    environment: Any, link: str, own: bool
) -> None:
    found = checked_link(link, environment)
    assert (found.address, found.own) == (link, own)
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("https://files.example.com/x?sig=s3cret", r"by https to files\.example\.com, which is none of BILL's"),
        ("https://bill.com.example.com/s3cret", r"to bill\.com\.example\.com"),
        ("https://evilbill.com/s3cret", r"to evilbill\.com"),
        ("https://bill.com/s3cret", r"to bill\.com"),
        ("https://x.bill.com./s3cret", r"to x\.bill\.com\."),
        ("http://files.bill.com/s3cret", r"by http to files\.bill\.com"),
        ("ftp://files.bill.com/s3cret", r"by ftp to files\.bill\.com"),
        ("https://files.bill.com:8443/s3cret", r"to files\.bill\.com"),
        ("http://127.0.0.1:8788/s3cret", r"to 127\.0\.0\.1"),
        ("https://127.0.0.1:8787/s3cret", r"to 127\.0\.0\.1"),
        ("http://localhost:8787/s3cret", r"to localhost"),
        ("http://169.254.169.254/s3cret", r"to 169\.254\.169\.254"),
        ("file:///etc/s3cret", "not an address"),
        ("https://u:s3cret@files.bill.com/x", "not an address"),
        ("https://files.example.com\\@s3cret.bill.com/x", "not an address"),
        ("https://files.example.com\\.bill.com/s3cret", "not an address"),
        ("https://files.bill.com/a b s3cret", "not an address"),
        ("https://files.bill.com/s3cret\r\nX-A: 1", "not an address"),
        ("https://\uff42ill.com/s3cret", "not an address"),
        ("https://files.bill.com:x/s3cret", "not an address"),
        ("https:///s3cret", "not an address"),
        ("//files.bill.com/s3cret", r"leads by  ?to files\.bill\.com"),
        ("/AttachDownload?id=s3cret", "not an address"),
        ("", "not an address"),
        (None, "not an address"),
        (7, "not an address"),
    ],
)
def test_a_link_that_leads_elsewhere_is_refused_naming_its_host_alone(link: Any, words: str) -> None:
    with pytest.raises(BillConfigurationError, match=words) as caught:
        checked_link(link, LOCAL)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "found"), [("https://x", True), ("//x", True), ("/v3/documents/1", False), (None, True), (7, True)]
)
def test_a_link_is_told_from_a_path(text: Any, found: bool) -> None:
    assert is_link(text) is found


@pytest.mark.parametrize(
    "body", [{"downloadLink": "l"}, {"url": "l", "id": "1"}, {"results": [{"downloadLink": "l"}, {"id": "1"}]}]
)
def test_the_link_of_an_answer_is_found(body: Any) -> None:
    assert link_in(body, "GET /v3/documents/1") == "l"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "holds no link"),
        ([], "holds no link"),
        (None, "holds no link"),
        ({"downloadLink": None}, "holds no link"),
        ({"downloadLink": ""}, "holds no link"),
        ({"results": []}, "holds no link"),
        ({"results": [{"downloadLink": "s3cret"}, {"downloadLink": "s3cret2"}]}, "holds 2 links"),
    ],
)
def test_an_answer_without_one_link_is_an_error_that_names_the_call(body: Any, words: str) -> None:
    with pytest.raises(BillApiError, match=f"GET /v3/documents/1 {words}") as caught:
        link_in(body, "GET /v3/documents/1")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("kind", [str, Path, lambda path: ObjectStoragePath(f"file://{path}")])
def test_a_file_appears_when_it_is_whole_and_takes_the_place_of_an_older_one(kind: Any, tmp_path: Path) -> None:
    target = tmp_path / "vendors.csv"
    target.write_bytes(b"old")
    with written(kind(target)) as file:
        file.write(b"new and ")
        assert target.read_bytes() == b"old"
        file.write(b"whole")
    assert target.read_bytes() == b"new and whole"
    assert os.listdir(tmp_path) == ["vendors.csv"]


@pytest.mark.parametrize("kind", [Path, lambda path: ObjectStoragePath(f"file://{path}")])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_file_that_is_broken_off_leaves_nothing(kind: Any, error: type[BaseException], tmp_path: Path) -> None:
    def break_off() -> None:
        with written(kind(tmp_path / "vendors.csv")) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        break_off()
    assert os.listdir(tmp_path) == []


def test_a_file_in_a_store_of_objects_is_written_there() -> None:
    target = UPath("memory://downloads/vendors.csv")
    target.parent.mkdir(exist_ok=True, parents=True)
    with written(target) as file:
        file.write(b"whole")
    assert target.read_bytes() == b"whole"
    assert [one.name for one in target.parent.iterdir()] == ["vendors.csv"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder, "is a directory"),
        (lambda folder: folder / "gone" / "x.csv", r"'x\.csv', cannot be written \(FileNotFoundError\)"),
        (lambda folder: ObjectStoragePath("memory://x/x.csv"), r"'x\.csv', cannot be written \(ValueError\)"),
        (lambda folder: "", "is str, not a path"),
        (lambda folder: None, "is NoneType, not a path"),
        (lambda folder: 7, "is int, not a path"),
    ],
)
def test_a_target_that_cannot_be_written_is_refused_with_a_sentence(make: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(BillConfigurationError, match=words), written(make(tmp_path)):
        pytest.fail("nothing is to be written")
    assert os.listdir(tmp_path) == []


class Full(io.BytesIO):
    """A file on a disk that is full."""

    def write(self, content: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_for_which_there_is_no_room_is_no_fault_of_bills(client_of: ClientOf, serve: Serve) -> None:
    server, client = serve(http_answer(200, b"content")), client_of("spend_token")
    with pytest.raises(BillConfigurationError, match=r"download from 127\.0\.0\.1 cannot be written \(OSError\)"):
        client.download(None, Link(f"{server.url}/s3cret", own=False), Full(), most=100)


@pytest.mark.parametrize("status", [200, 401])
def test_a_host_that_is_not_the_apis_gets_no_credentials_and_cannot_end_a_session(
    status: int, client_of: ClientOf, serve: Serve
) -> None:
    server, client, file = serve(http_answer(status, b"content")), client_of(), io.BytesIO()
    session, link = client.sign_in(), Link(f"{server.url}/file", own=False)
    if status == 200:
        assert client.download(session, link, file, most=100).size == 7
    else:
        with pytest.raises(BillApiError, match="HTTP 401") as caught:
            client.download(session, link, file, most=100)
        assert type(caught.value) is BillApiError
    (request,) = server.requests
    assert b"Accept: */*" in request
    assert not [name for name in (b"sessionid", b"devkey", b"authorization", b"cookie") if name in request.lower()]


@pytest.mark.parametrize("status", [202, 204, 206])
def test_an_answer_that_holds_no_whole_file_is_an_error(status: int, client_of: ClientOf, serve: Serve) -> None:
    body = b"" if status == 204 else b"half"
    server, client, file = serve(http_answer(status, body)), client_of("spend_token"), io.BytesIO()
    with pytest.raises(BillApiError, match=f"HTTP {status}"):
        client.download(None, Link(f"{server.url}/file", own=False), file, most=100)
    assert file.getvalue() == b""


class FullAtLast:
    """A target whose disk shows only at the end that it is full, as what is written is held back until then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name, self.parent = path.name, self

    def __truediv__(self, name: str) -> FullAtLast:
        return FullAtLast(self._path.parent / name)

    def is_dir(self) -> bool:
        return False

    def open(self, mode: str) -> Any:
        class File(io.FileIO):
            def close(self) -> None:
                super().close()
                raise OSError(errno.ENOSPC, "No space left on device")

        return File(self._path, mode)

    def unlink(self) -> None:
        self._path.unlink()


def test_a_disk_that_is_full_when_the_file_is_closed_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(BillConfigurationError, match=r"'x\.csv', cannot be written \(OSError\)"),
        written(FullAtLast(tmp_path / "x.csv")) as file,
    ):
        file.write(b"content")
    assert os.listdir(tmp_path) == []


def test_a_name_as_long_as_the_system_takes_is_taken(tmp_path: Path) -> None:
    name = "\u00fc" * 125 + ".csv"
    with written(tmp_path / name) as file:
        file.write(b"content")
    assert os.listdir(tmp_path) == [name]


def test_urllib3_logs_no_link_whose_answer_has_a_broken_header(
    client_of: ClientOf, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    server, client = serve(http_answer(200, b"content", extra="No-Colon-Here\r\n")), client_of("spend_token")
    client.download(None, Link(f"{server.url}/file?sig=s3cret", own=False), io.BytesIO(), most=100)
    assert len(server.requests) == 1
    assert "s3cret" not in caplog.text


def test_of_many_links_a_few_are_told_and_none_is_shown(client_of: ClientOf, serve: Serve, secrets: list[str]) -> None:
    server, client = serve(http_answer(404)), client_of("spend_token")
    before = len(secrets)
    for number in range(30):
        address = f"{server.url}/files/{number}?sig=s3cret-{number}"
        server.replies[0] = http_answer(404, f'{{"code":"BDC_1171","message":"no file at {address}"}}')
        with pytest.raises(BillApiError, match="no file at") as caught:
            client.download(None, Link(address, own=False), io.BytesIO(), most=100)
        assert "s3cret" not in str(caught.value)
    assert len(server.requests) == 30
    assert len(secrets) - before == 20, "the first ten, each whole and without its host"
