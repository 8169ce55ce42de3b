"""BILL's hosts, and what may stand in their place.

Sources: https://developer.bill.com/docs/environmental-differences (v3 and web hosts),
https://developer.bill.com/v2/docs/api-sandbox-sign-in (v2 host),
https://developer.bill.com/openapi/o-auth-authentication.json (OAuth token call).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import SplitResult, urlsplit

from airflow_provider_bill.exceptions import BillConfigurationError

#: Of the OAuth token call, where a local BILL or a proxy takes the place of BILL's hosts.
TOKEN_PATH = "/connect/authx/token"  # noqa: S105

#: Host -> the environment it belongs to.
_BILL_HOSTS = {
    "gateway.stage.bill.com": "sandbox",
    "api-stage.bill.com": "sandbox",
    "gateway.prod.bill.com": "production",
    "api.bill.com": "production",
}
#: Hosts of the OAuth token call; production's is a guess, as BILL names the sandbox's only.
_TOKEN_HOSTS = {"auth.stage.bill.com": "sandbox", "auth.bill.com": "production"}
_V2_HOSTS = {"sandbox": "api-stage.bill.com", "production": "api.bill.com"}

#: Hosts that circulate and do not serve the API -> the right one.
_WRONG_HOSTS = {
    "gateway.bill.com": "gateway.prod.bill.com",
    "app.bill.com": "api.bill.com",
    "login.us.bill.com": "gateway.prod.bill.com",
    "api-sandbox.bill.com": "api-stage.bill.com",
    "app-sandbox.bill.com": "api-stage.bill.com",
    "app-stage.bill.com": "api-stage.bill.com",
    "login.stage.us.bill.com": "gateway.stage.bill.com",
    "auth.bill.com": "gateway.prod.bill.com",
    "auth.stage.bill.com": "gateway.stage.bill.com",
}


@dataclass(frozen=True)
class Environment:
    """Where BILL is reached.

    :param name: ``sandbox`` or ``production``
    :param v3_base: what v3 paths are appended to, such as ``https://gateway.stage.bill.com/connect``
    :param events_base: what the v3 paths of webhooks are appended to
    :param v2_base: what v2 paths are appended to, such as ``https://api-stage.bill.com/api/v2``
    :param token_url: address of the OAuth token call
    """

    name: str
    v3_base: str
    events_base: str
    v2_base: str
    token_url: str

    def checked_endpoint(self, url: str) -> str:
        """Return the ``apiEndPoint`` that BILL's v2 sign-in named, if it may be used, else an empty string.

        It may if it has the origin of ``v2_base``: neither a proxy nor a local BILL is ever left behind.

        :param url: what the answer held; anything that is not a plain address is ignored
        """
        try:
            parts, own = urlsplit(url), urlsplit(self.v2_base)
            if parts.username is not None or parts.query or parts.fragment or ".." in parts.path:
                return ""
            return url.rstrip("/") if origin(parts) == origin(own) else ""
        except (ValueError, TypeError, AttributeError):
            return ""


ENVIRONMENTS: dict[str, Environment] = {
    name: Environment(
        name,
        f"https://{gateway}/connect",
        f"https://{gateway}/connect-events",
        f"https://{_V2_HOSTS[name]}/api/v2",
        f"https://{next(host for host, of in _TOKEN_HOSTS.items() if of == name)}/authx/token",
    )
    for name, gateway in (("sandbox", "gateway.stage.bill.com"), ("production", "gateway.prod.bill.com"))
}


def resolve_environment(name: str, host: str = "", oauth_url: str = "") -> Environment:
    """Return the environment of that name, at BILL's own hosts or at the given one.

    :param name: ``sandbox`` or ``production``
    :param host: full address, or bare host with or without port, of a local BILL (plain http only to
        loopback) or of a proxy (https); empty for BILL's own
    :param oauth_url: full address of the OAuth token call; empty for the usual one
    :raises BillConfigurationError: if a name or an address cannot be right
    """
    environment = ENVIRONMENTS.get(name)
    if environment is None:
        raise BillConfigurationError(
            f"the connection's extra environment is {name!r}, which BILL does not have",
            advice=f"use one of: {', '.join(ENVIRONMENTS)}",
        )
    if host.strip():
        field = "the connection's host"
        parts = _checked_address(host.strip(), environment.name, field)
        path = parts.path.rstrip("/")
        if parts.hostname in _BILL_HOSTS and path:
            raise BillConfigurationError(
                f"{field} has the path {path!r}", advice="give the host alone, or leave the field empty"
            )
        if path.endswith(("/connect", "/v3", "/v2")):
            raise BillConfigurationError(
                f"{field} ends in {path!r}", advice="leave that out: /connect and /api/v2 are added"
            )
        if parts.hostname not in _BILL_HOSTS:
            base = f"{parts.scheme}://{parts.netloc}{path}"
            environment = Environment(
                name, f"{base}/connect", f"{base}/connect-events", f"{base}/api/v2", base + TOKEN_PATH
            )
    if oauth_url.strip():
        field = "the connection's extra oauth_url"
        parts = _checked_address(oauth_url.strip(), environment.name, field, {**_BILL_HOSTS, **_TOKEN_HOSTS})
        if parts.path in ("", "/"):
            raise BillConfigurationError(
                f"{field} has no path", advice=f"give the full address, such as {environment.token_url}"
            )
        environment = replace(environment, token_url=f"{parts.scheme}://{parts.netloc}{parts.path}")
    return environment


def is_loopback(host: str) -> bool:
    """Return whether a host name or address, without port, can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port, the port never left open."""
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _checked_address(
    text: str, environment: str, field: str, hosts: Mapping[str, str] = MappingProxyType(_BILL_HOSTS)
) -> SplitResult:
    """Return the parts of an address that credentials may be sent to; the text itself is never repeated.

    :param hosts: BILL's own that may stand there -> the environment that each belongs to
    """
    try:
        parts = _split(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = SplitResult("", "", "", "", ""), ""
    if not host or any(c.isspace() or c in "\\%" for c in host + parts.path):
        raise BillConfigurationError(
            f"{field} is not an address",
            advice="give a host, or a full address such as https://proxy.example.com",
        )
    if "@" in parts.netloc or parts.query or parts.fragment or "?" in text or "#" in text:
        raise BillConfigurationError(
            f"{field} holds a user, a query or a fragment",
            advice="give the address alone; the credentials belong in login, password and extra",
        )
    right = None if host in hosts else _WRONG_HOSTS.get(host)
    if right is not None:
        fitting = right if _BILL_HOSTS[right] == environment else urlsplit(ENVIRONMENTS[environment].v3_base).hostname
        raise BillConfigurationError(
            f"{field} {host} does not serve BILL's API",
            advice=f"the right host is {fitting}; leave the field empty to use it",
        )
    if hosts.get(host, environment) != environment:
        raise BillConfigurationError(
            f"{field} {host} is BILL's {hosts[host]}, but environment is {environment}",
            advice=f"set extra environment to {hosts[host]}, with its own keys, or empty the field",
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise BillConfigurationError(
            f"{field} would carry credentials over {parts.scheme} to {host}",
            advice="use https; plain http is only for this machine (localhost, 127.0.0.1, ::1)",
        )
    if host in hosts and (parts.port or 443) != 443:
        raise BillConfigurationError(f"{field} names port {parts.port} of {host}", advice="leave the port out")
    return parts


def _split(text: str) -> SplitResult:
    """Split an address; a bare host gets http if it is loopback, else https."""
    if "://" in text:
        return urlsplit(text)
    if text.count(":") > 1 and not text.startswith("["):
        text = f"[{text}]"
    bare = urlsplit(f"//{text}")
    return bare._replace(scheme="http" if is_loopback(bare.hostname or "") else "https")
