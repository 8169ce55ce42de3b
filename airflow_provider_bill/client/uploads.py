"""A file that is sent to BILL: read once, into a temporary file, so that what is sent is what was looked at.

Source: https://developer.bill.com/docs/documents-attachments (up to 6 MB).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from airflow_provider_bill.exceptions import BillConfigurationError

#: Bytes that BILL takes at most.
MAX_UPLOAD_BYTES = 6 * 2**20
#: Bytes that are read at once.
CHUNK_BYTES = 2**16


@dataclass(frozen=True)
class Upload:
    """What is sent as a body.

    :param name: of the file, as its source has it; empty if that has none
    :param size: in bytes
    :param digest: SHA-256 of the content, in hexadecimal
    :param content: the bytes, in a temporary file
    """

    name: str
    size: int
    digest: str
    content: IO[bytes] = field(repr=False, compare=False)

    def stream(self) -> IO[bytes]:
        """Return the content, to be read from its beginning."""
        self.content.seek(0)
        return self.content


@contextmanager
def opened(source: Any, *, most: int = MAX_UPLOAD_BYTES) -> Iterator[Upload]:
    """Read a file for an upload, and forget it in the end.

    :param source: a path (text, ``os.PathLike``, or an object with ``open`` such as Airflow's ``ObjectStoragePath``),
        or a binary file object, which is read from where it stands
    :param most: bytes that BILL takes
    :raises BillConfigurationError: it is missing, a directory, empty, too large, or cannot be read
    """
    with tempfile.TemporaryFile() as content:
        if hasattr(source, "read"):
            name = _name_of(getattr(source, "name", ""))
            size, digest = _copy(source, content, name, most)
        else:
            path = _path_of(source)
            name = path.name
            size, digest = _copy_path(path, content, most)
        yield Upload(name, size, digest, content)


def _path_of(source: Any) -> Any:
    if isinstance(source, str) and source.strip():
        return Path(source)
    if hasattr(source, "open") and hasattr(source, "name"):
        return source
    if isinstance(source, os.PathLike):
        return Path(os.fsdecode(source))
    raise BillConfigurationError(
        f"the file to upload is {type(source).__name__}, not a file",
        advice="give a path, a file that is open for reading bytes, or an ObjectStoragePath",
    )


def _name_of(name: Any) -> str:
    """Return the name of an open file; what the system opened by a number has none."""
    return os.path.basename(name) if isinstance(name, str) else ""


def _copy_path(path: Any, content: IO[bytes], most: int) -> tuple[int, str]:
    failure = ""
    try:
        if path.is_dir():
            failure = "is a directory"
        else:
            with path.open("rb") as file:
                return _copy(file, content, path.name, most)
    except FileNotFoundError:
        failure = "does not exist"
    except (OSError, ValueError, ImportError) as error:  # a kind of store that this Airflow lacks is one of the latter
        failure = f"cannot be read ({type(error).__name__})"
    raise BillConfigurationError(
        f"the file to upload, {path.name!r}, {failure}",
        advice="nothing was sent; give a file that this worker can read",
    )


def _piece(file: Any, shown: str) -> Any:
    failure = "it was not ready"  # a file that does not wait gives nothing at all, and that is not its end
    try:
        if (piece := file.read(CHUNK_BYTES)) is not None:
            return piece
    except (OSError, ValueError) as error:  # one that is closed, too
        failure = type(error).__name__
    raise BillConfigurationError(
        f"{shown} cannot be read ({failure})", advice="nothing was sent; give a file that is open, or its path"
    )


def _copy(file: Any, content: IO[bytes], name: str, most: int) -> tuple[int, str]:
    """Copy a file, and return its size and digest."""
    shown = f"the file to upload, {name!r}," if name else "the file to upload"
    size, digest = 0, hashlib.sha256()
    while piece := _piece(file, shown):
        if not isinstance(piece, bytes):
            raise BillConfigurationError(f"{shown} is open for text", advice='open it for bytes: open(path, "rb")')
        size += len(piece)
        if size > most:
            raise BillConfigurationError(
                f"{shown} is larger than the {most} bytes that BILL takes", advice="nothing was sent; make it smaller"
            )
        digest.update(piece)
        content.write(piece)
    if not size:
        raise BillConfigurationError(f"{shown} is empty", advice="nothing was sent; see what should have written it")
    return size, digest.hexdigest()
