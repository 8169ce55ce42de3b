"""How a BILL connection looks in Airflow: its fields, its form, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_bill.exceptions import BillConfigurationError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_bill.client.auth.base import Credentials
    from airflow_provider_bill.client.environments import Environment

#: The extras, and the spellings under which each is read. Airflow masks extras by the words in their names, so
#: the first one is the one to use: it holds "api_key" or "token" where the value is secret.
EXTRAS: dict[str, tuple[str, ...]] = {
    "developer_api_key": ("developer_api_key", "devKey", "dev_key", "developer_key"),
    "organization_id": ("organization_id", "organizationId", "orgId", "org_id"),
    "environment": ("environment",),
    "sign_in": ("sign_in",),
    "device": ("device", "deviceId"),
    "remembered_device_token": ("remembered_device_token", "rememberMeId", "mfaId"),
    "app_api_key": ("app_api_key", "appKey", "app_key"),
    "partner_user_id": ("partner_user_id",),
    "oauth_url": ("oauth_url",),
}


def read_connection(connection: Connection, organization_id: str | None = None) -> tuple[Credentials, Environment]:
    """Read credentials and environment from an Airflow connection; sends nothing.

    :param connection: an Airflow connection of type ``bill``
    :param organization_id: organization to use instead of the connection's own
    :raises BillConfigurationError: a field is missing, blank or impossible; the sentence names it
    """
    from airflow_provider_bill.client.auth import credentials_from
    from airflow_provider_bill.client.environments import resolve_environment

    try:
        fields = _fields(connection)
    finally:
        del connection  # its ``repr`` shows the password
    if organization_id is not None:
        fields["organization_id"] = organization_id
    environment = resolve_environment(
        fields["environment"] or "sandbox", fields["host"] or "", fields["oauth_url"] or ""
    )
    return credentials_from(fields["sign_in"] or "v3", fields), environment


def _fields(connection: Connection) -> dict[str, str | None]:
    from airflow_provider_bill.client.secret import Secret

    try:
        extras = {name: Secret(value) for name, value in _extras(connection).items()}
        password = None if connection.password is None else Secret(connection.password)
        return {**extras, "login": connection.login, "password": password, "host": _host(connection)}
    finally:
        del connection


def _extras(connection: Connection) -> dict[str, str]:
    try:
        extra = json.loads(connection.extra) if connection.extra else {}
    except ValueError:
        extra = None
    if not isinstance(extra, Mapping):
        raise BillConfigurationError(
            f"extra of connection {connection.conn_id!r} is not a JSON object",
            advice='write it like {"developer_api_key": "...", "organization_id": "..."}',
        )
    found: dict[str, str] = {}
    for name, spellings in EXTRAS.items():
        value = next((extra[spelling] for spelling in spellings if extra.get(spelling)), "")
        found[name] = str(value).strip()
    return found


def _host(connection: Connection) -> str:
    host = (connection.host or "").strip()
    if not host or "://" in host:
        return host
    if connection.port:
        host = f"{host}:{connection.port}"
    return f"{connection.schema}://{host}" if connection.schema in ("http", "https") else host


def form_widgets() -> dict[str, Any]:
    """Return the form fields for the connection page of Airflow 2."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import PasswordField, StringField

    from airflow_provider_bill.get_provider_info import CONNECTION_FIELDS

    widgets: dict[str, Any] = {}
    for name, item in CONNECTION_FIELDS.items():
        secret = item["schema"].get("format") == "password"
        kind, widget = (PasswordField, BS3PasswordFieldWidget) if secret else (StringField, BS3TextFieldWidget)
        widgets[name] = kind(lazy_gettext(item["label"]), widget=widget(), description=item.get("description", ""))
    return widgets
