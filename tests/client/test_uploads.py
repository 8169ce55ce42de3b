"""A file that is sent to BILL: where it may come from, and what is refused before anything is sent."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import IO, Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bill.client.request import prepare
from airflow_provider_bill.client.uploads import MAX_UPLOAD_BYTES, opened
from airflow_provider_bill.exceptions import BillConfigurationError

CONTENT = bytes(range(256)) * 400


class Pipe(io.RawIOBase):
    """A file object that can be read once, and says so."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def seek(self, *args: Any) -> int:
        raise io.UnsupportedOperation("seek")

    def readinto(self, buffer: Any) -> int:
        return self._content.readinto(buffer)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "scan.pdf"
    path.write_bytes(CONTENT)
    return path


class Named:
    """What is a path to the operating system only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


@pytest.mark.parametrize(
    ("source_of", "name"),
    [
        (str, "scan.pdf"),
        (Path, "scan.pdf"),
        (Named, "scan.pdf"),
        (lambda path: ObjectStoragePath(f"file://{path}"), "scan.pdf"),
        (lambda path: path.open("rb"), "scan.pdf"),
        (lambda path: io.BytesIO(path.read_bytes()), ""),
        (lambda path: Pipe(path.read_bytes()), ""),
        (lambda path: os.fdopen(os.open(path, os.O_RDONLY), "rb"), ""),
    ],
)
def test_a_file_may_come_from_anywhere_and_can_be_read_as_often_as_it_is_sent(
    source_of: Any, name: str, file: Path
) -> None:
    source = source_of(file)
    with opened(source) as upload:
        assert (upload.name, upload.size, upload.digest) == (name, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
        assert upload.stream().read() == upload.stream().read() == CONTENT
    if hasattr(source, "close"):
        assert not source.closed
        source.close()


def test_a_file_object_is_read_from_where_it_stands(file: Path) -> None:
    with file.open("rb") as source:
        source.seek(1000)
        with opened(source) as upload:
            assert upload.stream().read() == CONTENT[1000:]


def test_what_is_sent_is_what_was_looked_at_also_if_the_file_changes_meanwhile(file: Path) -> None:
    with opened(file) as upload:
        file.write_bytes(b"something else")
        assert upload.stream().read() == CONTENT


def test_the_largest_file_that_bill_takes_is_taken(file: Path) -> None:
    file.write_bytes(bytes(MAX_UPLOAD_BYTES))
    with opened(file) as upload:
        assert upload.size == 6 * 1024 * 1024


def at_its_end(path: Path) -> IO[bytes]:
    file = path.open("rb")
    file.seek(0, os.SEEK_END)
    return file


def closed(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        return file


class NotReady:
    """A pipe that does not wait: after its pieces it has nothing yet, which is not its end."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def read(self, size: int) -> bytes | None:
        return self._pieces.pop(0) if self._pieces else None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.parent / "gone.pdf", r"'gone\.pdf', does not exist"),
        (lambda path: str(path.parent / "gone.pdf"), r"'gone\.pdf', does not exist"),
        (lambda path: ObjectStoragePath(f"file://{path.parent}/gone.pdf"), r"'gone\.pdf', does not exist"),
        (lambda path: path.parent, r", is a directory"),
        (lambda path: ObjectStoragePath(f"file://{path.parent}"), r", is a directory"),
        (lambda path: path / "below", r"'below', cannot be read \(NotADirectoryError\)"),
        (lambda path: ObjectStoragePath("memory://x/x.pdf"), r"'x\.pdf', cannot be read \(ValueError\)"),
        (lambda path: io.BytesIO(b""), r"the file to upload is empty"),
        (lambda path: at_its_end(path), r"'scan\.pdf', is empty"),
        (lambda path: closed(path), r"'scan\.pdf', cannot be read \(ValueError\)"),
        (lambda path: NotReady([b"half"]), r"the file to upload cannot be read \(it was not ready\)"),
        (lambda path: iter([b"content"]), r"is list_iterator, not a file"),
        (lambda path: io.StringIO("text"), r"is open for text"),
        (lambda path: io.BytesIO(bytes(MAX_UPLOAD_BYTES + 1)), r"is larger than the 6291456 bytes"),
        (lambda path: "", r"is str, not a file"),
        (lambda path: "  ", r"is str, not a file"),
        (lambda path: None, r"is NoneType, not a file"),
        (lambda path: b"%PDF", r"is bytes, not a file"),
        (lambda path: 7, r"is int, not a file"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_a_sentence(make: Any, words: str, file: Path) -> None:
    with pytest.raises(BillConfigurationError, match=words) as caught, opened(make(file)):
        pass
    assert "\n" not in str(caught.value)
    assert caught.value.advice


@pytest.mark.parametrize(("content", "words"), [(b"", "is empty"), (bytes(MAX_UPLOAD_BYTES + 1), "is larger than")])
def test_an_empty_or_too_large_file_is_named(content: bytes, words: str, file: Path) -> None:
    file.write_bytes(content)
    with pytest.raises(BillConfigurationError, match=rf"'scan\.pdf', {words}"), opened(file):
        pass


def test_a_call_takes_a_file_only_where_bill_does_and_only_a_file_there(file: Path) -> None:
    with opened(file) as upload:
        assert prepare("POST", "/v3/documents/bills/00n1", file=upload).is_write
        assert prepare("POST", "/v3/brand-new", file=upload).file is upload
        with pytest.raises(BillConfigurationError, match=r"POST /v3/vendors takes no file.*JSON"):
            prepare("POST", "/v3/vendors", file=upload)
    with pytest.raises(BillConfigurationError, match=r"bills/00n1 takes a file, not JSON.*upload\(\)"):
        prepare("POST", "/v3/documents/bills/00n1", body={})
