"""Which path belongs to which dialect; checked before anything is sent."""

from __future__ import annotations

import json
import math
import re
import string
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from airflow_provider_bill.exceptions import BillConfigurationError

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
#: Beginnings of the v2 calls that change nothing.
V2_READS = ("/List", "/Crud/Read/", "/Bulk/Crud/Read/", "/Get", "/Search", "/MFAStatus.json", "/Errors.json")
_CHARACTERS = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,=:@/-]|%[0-9A-Fa-f]{2})*")
#: What never needs an escape (https://www.rfc-editor.org/rfc/rfc3986#section-2.3): who escapes it hides something.
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
#: What ends a path or a segment of it, or begins another escape, for some server or proxy.
_DELIMITERS = frozenset("?#;\\%")
#: Never as a query parameter, however it is spelt: an address stands in logs of hosts and proxies
#: (https://developer.bill.com/v2/docs/api-login-best-practices).
_CREDENTIAL_NAMES = frozenset(
    {
        *("devkey", "sessionid", "username", "password", "appkey", "apitoken", "consoleapitoken"),
        *("remembermeid", "mfaid", "clientsecret", "accesstoken", "authorization"),
    }
)


@lru_cache(maxsize=1024)
def v3_path(path: str) -> str:
    """Return a v3 path as it is sent, with its leading slash and without one at its end.

    :param path: such as ``/v3/vendors``, without host and query
    :raises BillConfigurationError: if it is none, naming the method that takes it
    """
    path = _plain(path, "/v3/vendors").rstrip("/")
    if path.endswith(".json"):  # only who calls request() gets here: elsewhere the end decides for v2
        raise BillConfigurationError(
            f"{path!r} is a v2 path, and request() makes v3 calls",
            advice="use call() for v2, or a v3 path such as /v3/vendors",
        )
    if path.startswith(("/api/v2/", "/v2/")):
        raise BillConfigurationError(
            f"{path!r} is neither a v2 path nor a v3 path",
            advice="give a v2 path such as /List/Vendor.json, without the base address, or a v3 path such as "
            "/v3/vendors",
        )
    if not path.startswith("/v3/"):
        raise BillConfigurationError(
            f"{path!r} is not a v3 path",
            advice="begin it with /v3/ in small letters, such as /v3/vendors; the base address is added",
        )
    return path


@lru_cache(maxsize=1024)
def v2_path(path: str) -> str:
    """Return a v2 path as it is sent, with its leading slash.

    :param path: such as ``/List/Vendor.json``, without host and query
    :raises BillConfigurationError: if it is none, naming the method that takes it
    """
    path = _plain(path, "/List/Vendor.json")
    if "/v3/" in path:
        # Without .json at its end, only who calls call() gets here.
        advice = "leave .json out for v3" if path.endswith(".json") else "use request() for v3"
        raise BillConfigurationError(
            f"{path!r} is a v3 path, and this would be a v2 call",
            advice=f"{advice}, or give a v2 path such as /List/Vendor.json",
        )
    if path.startswith(("/api/v2/", "/v2/")):
        raise BillConfigurationError(
            f"{path!r} holds the base address", advice="leave it out: a v2 path is like /List/Vendor.json"
        )
    if not path.endswith(".json"):
        raise BillConfigurationError(
            f"{path!r} is not a v2 path", advice="end it with .json, such as /List/Vendor.json"
        )
    return path


def is_v2(path: str) -> bool:
    """Return whether a path is of the v2 dialect, by its end."""
    return path.endswith(".json")


def is_read(path: str, method: str = "GET") -> bool:
    """Return whether a call changes nothing at BILL.

    :param path: of either dialect; v2 has only POST, so there the path decides
    :param method: of a v3 call
    """
    if is_v2(path):
        return f"/{path.lstrip('/')}".startswith(V2_READS)
    return method.upper() in ("GET", "HEAD")


def check_method(method: str) -> str:
    """Return an HTTP method in capitals.

    :raises BillConfigurationError: if BILL has no call of that method
    """
    upper = method.upper()
    if upper not in METHODS:
        raise BillConfigurationError(
            f"method {method!r} does not exist", advice=f"use one of: {', '.join(sorted(METHODS))}"
        )
    return upper


def check_mapping(params: Any) -> None:
    """Refuse parameters that are no mapping.

    :raises BillConfigurationError: saying what they are instead
    """
    if params is not None and not isinstance(params, Mapping):
        raise BillConfigurationError(
            f"the query is {type(params).__name__}, not a mapping",
            advice='give a mapping of names to values: {"max": 100}',
        )


def check_params(params: Any) -> None:
    """Refuse query parameters that would put a credential into an address, or that have no one form in it.

    :raises BillConfigurationError: naming the parameter
    """
    check_mapping(params)
    for name, value in (params or {}).items():
        if not isinstance(name, str):
            raise BillConfigurationError(
                f"the query has a name that is {type(name).__name__}, not text",
                advice='give a mapping of names to values: {"max": 100}',
            )
        if "".join(filter(str.isalnum, name.lower())) in _CREDENTIAL_NAMES:
            raise BillConfigurationError(
                f"the query names {name!r}, and no credential may stand in an address",
                advice="leave it out: the session sends its own credentials, in a header or the body",
            )
        items = value if isinstance(value, list | tuple) else [] if value is None else [value]
        if not all(map(_is_plain_value, items)):
            raise BillConfigurationError(
                f"the query gives {name!r} a value that cannot stand in an address",
                advice="give text, a finite number, a bool, or a list of them",
            )


def _is_plain_value(value: Any) -> bool:
    return math.isfinite(value) if isinstance(value, float) else isinstance(value, str | int)


def check_body(body: Any, label: str) -> None:
    """Refuse a body that is not JSON.

    :param label: method and path
    :raises BillConfigurationError: naming the call
    """
    try:
        json.dumps(body, allow_nan=False)
        return
    except (TypeError, ValueError, RecursionError) as error:
        failure = type(error).__name__
    raise BillConfigurationError(
        f"the body of {label} is not JSON ({failure})", advice="give finite numbers, texts, lists and objects"
    )


def _plain(path: str, example: str) -> str:
    """Return a path with a leading slash; refuse one that could lead elsewhere."""
    if not isinstance(path, str) or not path.strip():
        raise BillConfigurationError("the path is missing", advice=f"give one such as {example}")
    if "://" in path or path.startswith("//"):
        raise BillConfigurationError(
            "the path is a full address, and credentials go only to the connection's host",
            advice=f"give the path alone, such as {example}",
        )
    # A message repeats no more than what stands before all that could be a query.
    shown = re.split("[?#;%]", path, maxsplit=1)[0]
    if "?" in path or "#" in path:
        raise BillConfigurationError(
            f"the path {shown!r} carries a query or fragment",
            advice="give its values as query parameters (v3) or data (v2)",
        )
    path = path if path.startswith("/") else f"/{path}"
    if not _is_plain(path):
        raise BillConfigurationError(
            f"the path that begins with {shown!r} is not a plain path",
            advice=f"give one such as {example}; in an id, percent-encode once what is no letter or digit, "
            "and use no slash, backslash, semicolon, percent sign or control character at all",
        )
    return path


def _is_plain(path: str) -> bool:
    """Return whether every server and proxy takes a path for the same one, whether it decodes escapes or not."""
    if not _CHARACTERS.fullmatch(path):
        return False
    try:
        # Normalized, as some make a slash of a fullwidth slash; strict, as some make one of an overlong sequence.
        decoded = unicodedata.normalize("NFKC", unquote(path, errors="strict"))
    except UnicodeDecodeError:
        return False
    escaped = {chr(int(code, 16)) for code in re.findall("%(..)", path)}
    return (
        decoded.isprintable()
        and not escaped & _UNRESERVED
        and not _DELIMITERS & set(decoded)
        and decoded.count("/") == path.count("/")
        and "//" not in decoded
        and all(segment.strip(". ") for segment in decoded.split("/") if segment)
    )
