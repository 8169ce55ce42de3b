"""Which path belongs to which dialect; checked before anything is sent."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from airflow_provider_bill.exceptions import BillConfigurationError

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
#: Beginnings of the v2 calls that change nothing.
V2_READS = ("/List", "/Crud/Read/", "/Bulk/Crud/Read/", "/Get", "/Search", "/MFAStatus.json", "/Errors.json")
#: Of an address's path, without ``;`` (some servers cut a segment there), and of percent-encoded characters those that
#: no server takes for more than a character: no control, no separator, no percent sign.
_CHARACTERS = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,=:@/-]|%(?![01]|7f|2[35f]|3[bf]|5c)[0-9a-f]{2})*", re.I)
#: Never as a query parameter: an address stands in logs of hosts and proxies
#: (https://developer.bill.com/v2/docs/api-login-best-practices).
_CREDENTIAL_NAMES = frozenset(
    {
        *("devkey", "sessionid", "username", "password", "appkey", "apitoken", "consoleapitoken"),
        *("remembermeid", "mfaid", "client_secret", "access_token", "authorization"),
    }
)


@lru_cache(maxsize=1024)
def v3_path(path: str) -> str:
    """Return a v3 path as it is sent, with its leading slash.

    :param path: such as ``/v3/vendors``, without host and query
    :raises BillConfigurationError: if it is none, naming the method that takes it
    """
    path = _plain(path, "/v3/vendors")
    if path.endswith(".json") or path.startswith(("/api/v2/", "/v2/")):
        raise BillConfigurationError(
            f"{path!r} is a v2 path, and request() makes v3 calls",
            advice="use call() for v2, or a v3 path such as /v3/vendors",
        )
    if not path.startswith("/v3/") or path == "/v3/":
        raise BillConfigurationError(
            f"{path!r} is not a v3 path",
            advice="begin it with /v3/, such as /v3/vendors; the base address is added",
        )
    return path


@lru_cache(maxsize=1024)
def v2_path(path: str) -> str:
    """Return a v2 path as it is sent, with its leading slash.

    :param path: such as ``/List/Vendor.json``, without host and query
    :raises BillConfigurationError: if it is none, naming the method that takes it
    """
    path = _plain(path, "/List/Vendor.json")
    if path.startswith("/v3/") or "/v3/" in path:
        raise BillConfigurationError(
            f"{path!r} is a v3 path, and call() makes v2 calls",
            advice="use request() for v3, or a v2 path such as /List/Vendor.json",
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


def check_params(params: Mapping[str, Any] | None) -> None:
    """Refuse query parameters that would put a credential into an address, or that are not plain.

    :raises BillConfigurationError: naming the parameter
    """
    if params is None:
        return
    if not isinstance(params, Mapping):
        raise BillConfigurationError(
            f"params is of type {type(params).__name__}", advice='give a mapping, such as {"max": 100}'
        )
    for name, value in params.items():
        if str(name).lower() in _CREDENTIAL_NAMES:
            raise BillConfigurationError(
                f"params names {name!r}, and no credential may stand in an address",
                advice="leave it out: the session sends its own credentials, in a header or the body",
            )
        values = value if isinstance(value, (list, tuple)) else [value]
        if not isinstance(name, str) or not all(_is_plain_value(one) for one in values):
            raise BillConfigurationError(
                f"params gives {str(name)[:40]!r} a value that has no place in an address",
                advice="give a text, a finite number, true or false, or a list of these",
            )


def _is_plain_value(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (str, int))


def _plain(path: str, example: str) -> str:
    """Return a path with a leading slash; refuse one that could lead elsewhere."""
    if not isinstance(path, str) or not path.strip():
        raise BillConfigurationError("the path is missing", advice=f"give one such as {example}")
    if "://" in path or path.startswith("//"):
        raise BillConfigurationError(
            "the path is a full address, and credentials go only to the connection's host",
            advice=f"give the path alone, such as {example}",
        )
    if "?" in path or "#" in path:
        raise BillConfigurationError(
            f"the path {path.split('?')[0].split('#')[0]!r} carries a query or fragment",
            advice="give its values as params (v3) or data (v2)",
        )
    path = path if path.startswith("/") else f"/{path}"
    segments = path.lower().replace("%2e", ".").split("/")[1:]
    # A last slash is harmless; an empty segment elsewhere, or one of dots, leads to another place.
    if not _CHARACTERS.fullmatch(path) or "" in segments[:-1] or any(part in (".", "..") for part in segments):
        raise BillConfigurationError(
            f"the path {path!r} is not a plain path",
            advice=f"give one such as {example}, with ids percent-encoded",
        )
    return path
