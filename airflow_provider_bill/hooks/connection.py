"""How a BILL connection is read: what each field of it means, and what cannot be right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_provider_bill.exceptions import BillConfigurationError
from airflow_provider_bill.hooks.connection_words import in_words, kind_of, label_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_bill.client.auth.base import Credentials
    from airflow_provider_bill.client.environments import Environment

#: The extras, and the spellings under which each is read. Airflow masks extras by the words in their names, so
#: the first one is the one to use: it holds "api_key" or "token" where the value is secret.
EXTRAS: dict[str, tuple[str, ...]] = {
    "developer_api_key": ("developer_api_key", "devKey", "dev_key", "developer_key"),
    "developer_api_keys": ("developer_api_keys",),
    "organization_id": ("organization_id", "organizationId", "orgId", "org_id"),
    "environment": ("environment",),
    "sign_in": ("sign_in",),
    "device": ("device", "deviceId"),
    "remembered_device_token": ("remembered_device_token", "rememberMeId", "mfaId"),
    "app_api_key": ("app_api_key", "appKey", "app_key"),
    "partner_user_id": ("partner_user_id",),
    "oauth_url": ("oauth_url",),
}
#: What Airflow's pages show and send in place of a stored secret: 2.11, and 3.
PLACEHOLDERS = ("RATHER_LONG_SENSITIVE_FIELD_PLACEHOLDER", "***")
#: What is said of a field that holds one of them.
SHOWN_INSTEAD = "holds what Airflow shows in place of a secret"


def read_connection(connection: Connection, organization_id: str | None = None) -> tuple[Credentials, Environment]:
    """Read credentials and environment from an Airflow connection; sends nothing.

    :param connection: an Airflow connection of type ``bill``
    :param organization_id: organization to use instead of the connection's own
    :raises BillConfigurationError: a field is missing, blank or impossible; the sentence names it as the form does
    """
    from airflow_provider_bill.client.auth import credentials_from
    from airflow_provider_bill.client.environments import resolve_environment

    try:
        fields = _fields(connection)
    finally:
        del connection  # its ``repr`` shows the password
    if organization_id is not None:
        fields["organization_id"] = organization_id
    kind = kind_of(fields["sign_in"] or "")
    try:
        environment = resolve_environment(
            fields["environment"] or "sandbox", fields["host"] or "", fields["oauth_url"] or ""
        )
        return credentials_from(kind, fields), environment
    except BillConfigurationError as error:
        error.args = (in_words(str(error)),)
        error.advice = in_words(error.advice)
        raise


def _fields(connection: Connection) -> dict[str, str | None]:
    from airflow_provider_bill.client.secret import Secret

    try:
        extras = {name: Secret(value) for name, value in _extras(connection).items()}
        own = {name: _text(name, getattr(connection, name)) for name in ("login", "password")}
        password = own["password"]
        return {**extras, **own, "password": None if password is None else Secret(password), "host": _host(connection)}
    finally:
        del connection


def _extras(connection: Connection) -> dict[str, str]:
    try:
        extra = json.loads(connection.extra) if connection.extra else {}
    except (ValueError, TypeError, RecursionError):
        extra = None
    if not isinstance(extra, Mapping):
        raise BillConfigurationError(
            f"extra of connection {connection.conn_id!r} is not a JSON object",
            advice='write it like {"developer_api_key": "...", "organization_id": "..."}',
        )
    found: dict[str, str] = {}
    for name, spellings in EXTRAS.items():
        value = next((extra[spelling] for spelling in spellings if extra.get(spelling) not in (None, "")), "")
        if name == "developer_api_keys":
            # A map may stand there as it is, or as a text, which the connection form makes of it.
            value = value if isinstance(value, str) else json.dumps(value)
            # Of a map Airflow shows the organizations, and this for each key.
            value = PLACEHOLDERS[1] if json.dumps(PLACEHOLDERS[1]) in value else value
        found[name] = (_text(name, value) or "").strip()
    return found


def _text(name: str, value: object) -> str | None:
    """Return the value of a field, if it is text or missing.

    :raises BillConfigurationError: it is something else, or what Airflow shows in place of a secret
    """
    if value is not None and not isinstance(value, str):
        raise BillConfigurationError(
            f"the connection's {label_of(name)} is {_JSON.get(type(value), 'no text')} instead of text",
            advice="put the value in quotes",
        )
    if value is not None and (PLACEHOLDERS[0] in value or value.strip() == PLACEHOLDERS[1]):
        raise BillConfigurationError(
            f"the connection's {label_of(name)} {SHOWN_INSTEAD}",
            advice="empty the field and enter the secret itself",
        )
    return value


#: Types as JSON calls them.
_JSON: dict[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


def _host(connection: Connection) -> str:
    host = (_text("host", connection.host) or "").strip()
    if not host:
        return ""
    port = connection.port or 0
    if "://" in host:
        return _with_port(host, port)
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"
    scheme = connection.schema if connection.schema in ("http", "https") else ""
    if not scheme:
        # The form asks for a port; https, which such a host gets, has this one anyway.
        return host if port == 443 else _with_port(f"//{host}", port)[2:]
    return _with_port(f"{scheme}://{host}", port)


def _with_port(address: str, port: int) -> str:
    """Return the address with the port, unless it names one or it is the usual one."""
    try:
        parts = urlsplit(address)
        if not port or not parts.hostname or parts.port is not None or (parts.scheme, port) == ("https", 443):
            return address
    except ValueError:  # It is refused later, by name.
        return address
    return parts._replace(netloc=f"{parts.netloc}:{port}").geturl()
