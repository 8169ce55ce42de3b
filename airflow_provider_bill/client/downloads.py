"""Files that BILL's answers link to: which links are followed, and how a file is written so that no half one stays.

BILL wants the session's headers for links to its own API (https://developer.bill.com/reference/getdocument); nobody
else gets them. No message, log or ``repr`` shows a link: it opens its file to whoever has it.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import SplitResult, urlsplit

from pendulum import DateTime

from airflow_provider_bill.client.environments import Environment, origin
from airflow_provider_bill.client.secret import Secret
from airflow_provider_bill.exceptions import BillApiError, BillConfigurationError

#: Bytes of a file that are written at most, unless more are asked for.
MAX_DOWNLOAD_BYTES = 100 * 2**20
#: Fields in which answers hold the link to a file.
_LINK_FIELDS = ("downloadLink", "url")
#: What no address holds unescaped, and what some read as another character.
_UNFIT = frozenset(' \\"<>')
_HOST = re.compile(r"[a-z0-9.:_-]+", re.I)
_BILL_HOST = re.compile(r"(?:[a-z0-9-]+\.)+bill\.com", re.I)


@dataclass(frozen=True)
class Link:
    """A link that may be followed.

    :param address: as BILL gave it
    :param own: whether it leads to the API's own host, which gets the credentials
    """

    address: str = field(repr=False)
    own: bool


@dataclass(frozen=True)
class Download:
    """A file that was written.

    :param size: in bytes
    :param sent_at: moment the call was sent, UTC
    """

    size: int
    sent_at: DateTime


def is_link(text: Any) -> bool:
    """Return whether something is to be a whole address, and no path of the API."""
    return not isinstance(text, str) or "://" in text or text.startswith("//")


def checked_link(address: Any, environment: Environment) -> Link:
    """Return a link that may be followed: to the API's own hosts, or by https to others of BILL's.

    :raises BillConfigurationError: it leads elsewhere; the sentence names its host alone
    """
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except (ValueError, TypeError, AttributeError):
        parts, host = SplitResult("", "", "", "", ""), ""
    is_plain = isinstance(address, str) and address.isascii() and address.isprintable()
    if not host or not is_plain or set(address) & _UNFIT or "@" in parts.netloc or not _HOST.fullmatch(host):
        raise BillConfigurationError(
            "the download link is not an address",
            advice="give it as BILL's answer holds it, or the path of that answer",
        )
    if origin(parts) in (origin(urlsplit(environment.v3_base)), origin(urlsplit(environment.v2_base))):
        return Link(Secret(address), own=True)
    if parts.scheme == "https" and (parts.port or 443) == 443 and _BILL_HOST.fullmatch(host):
        return Link(Secret(address), own=False)
    raise BillConfigurationError(
        f"the download link leads by {parts.scheme} to {host}, which is none of BILL's hosts",
        advice="nothing was sent there; only https links to hosts that end in .bill.com are followed, and those to the "
        "connection's host",
    )


def link_in(body: Any, label: str) -> str:
    """Return the one link that an answer holds.

    :param label: of the call
    :raises BillApiError: there is none, or there are several
    """
    rows = body.get("results") if isinstance(body, Mapping) else None
    objects = rows if isinstance(rows, list) else [body]
    found = [
        one[name]
        for one in objects
        if isinstance(one, Mapping)
        for name in _LINK_FIELDS
        if isinstance(one.get(name), str) and one[name]
    ]
    if len(found) == 1:
        return Secret(found[0])
    if found:
        raise BillApiError(
            f"the answer to {label} holds {len(found)} links to files",
            advice="read it with a call of its own, and download each link for itself",
        )
    raise BillApiError(
        f"the answer to {label} holds no link to a file",
        advice="after an upload BILL takes some minutes until there is one; otherwise check the path",
    )


@contextmanager
def written(target: Any) -> Iterator[IO[bytes]]:
    """Write a file under another name, and give it its own once it is whole.

    :param target: a path (text, ``os.PathLike``, or an object with ``open`` such as Airflow's ``ObjectStoragePath``);
        a file that is there is replaced
    :raises BillConfigurationError: it is a directory, or cannot be written
    """
    path = _path_of(target)
    part = path.parent / f".{path.name[:50]}.{uuid.uuid4().hex[:8]}.part"  # 255 bytes at most, 4 for a character
    failure = ""
    try:
        if path.is_dir():
            failure = "is a directory"
        else:
            file = part.open("wb")
    except (OSError, ValueError, ImportError) as error:  # a kind of store that this Airflow lacks is one of the latter
        failure = f"cannot be written ({type(error).__name__})"
    if failure:
        raise _unwritable(path, failure)
    try:
        with _closing(file):
            yield file
        try:
            file.close()  # what was held back is written here, and what goes to a store of objects is sent
            # The paths of older Airflows cannot rename in every kind of store; what is below them can.
            part.fs.mv(part.path, path.path) if hasattr(part, "fs") else part.replace(path)
        except OSError as error:
            failure = f"cannot be written ({type(error).__name__})"
        if failure:
            raise _unwritable(path, failure)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


@contextmanager
def _closing(file: IO[bytes]) -> Iterator[None]:
    """Close a file that is broken off; the error by which it was is the one to be seen."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            file.close()
        raise


def _unwritable(path: Any, failure: str) -> BillConfigurationError:
    return BillConfigurationError(
        f"the file to write, {path.name!r}, {failure}",
        advice="give the path of a file in a folder that is there, where this worker may write and there is room",
    )


def _path_of(target: Any) -> Any:
    if isinstance(target, str) and target.strip():
        return Path(target)
    if hasattr(target, "open") and hasattr(target, "parent"):
        return target
    if isinstance(target, os.PathLike):
        return Path(os.fsdecode(target))
    raise BillConfigurationError(
        f"the file to write is {type(target).__name__}, not a path", advice="give a path or an ObjectStoragePath"
    )
