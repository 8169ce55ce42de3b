"""The seed as JSON, and Airflow connections that sign in with it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from airflow_provider_bill.sandbox.data.seed import (
    ADMIN,
    CONSOLE_ID,
    CONSOLE_USER,
    MAIN_ID,
    MAIN_KEY,
    PARTNER_USER,
    SYNC_NAME,
    Seed,
)

#: Kind of sign-in -> what the connection form stores for it, where that is another word.
_STORED = {"v3": "password_v3", "v2": "password_v2"}


def make_connections(seed: Seed, host: str) -> dict[str, dict[str, Any]]:
    """Return one Airflow connection for each kind of sign-in."""
    ada = seed.users[ADMIN]
    organization = {"developer_api_key": MAIN_KEY, "organization_id": MAIN_ID}
    clients = [row for row in seed.organizations.values() if row.console_id]
    client = clients[0] if clients else seed.organizations[CONSOLE_ID]
    console = seed.organizations[CONSOLE_ID]
    console_key = next(row.key for row in seed.developer_keys.values() if row.developer == console.developer)
    app = next(iter(seed.app_keys.values()))
    full = next(row for row in seed.oauth_clients.values() if row.scope == "full")
    spend = next(iter(seed.spend_tokens.values()))

    def make(kind: str, login: str | None, password: str, extra: dict[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {"conn_type": "bill", "host": host}
        if login is not None:
            row["login"] = login
        return {**row, "password": password, "extra": {"sign_in": _STORED.get(kind, kind), **extra}}

    return {
        "v3": make("v3", ada.username, ada.password, organization),
        "v2": make("v2", ada.username, ada.password, organization),
        "console": make(
            "console",
            CONSOLE_USER,
            seed.console_tokens[CONSOLE_USER].token,
            {"developer_api_key": console_key, "organization_id": client.id},
        ),
        "sync_token": make("sync_token", SYNC_NAME, seed.sync_tokens[SYNC_NAME].value, organization),
        "partner": make(
            "partner",
            PARTNER_USER,
            seed.users[PARTNER_USER].password,
            {**organization, "app_api_key": app.key, "partner_user_id": ada.id},
        ),
        "oauth": make("oauth", full.client_id, full.client_secret, {}),
        "spend_token": make("spend_token", None, spend.token, {}),
    }


def make_airflow_command(connection_id: str, connection: dict[str, Any]) -> str:
    """Return the command line that adds a connection to Airflow."""
    return f"airflow connections add {connection_id} --conn-json '{json.dumps(connection)}'"


def describe_seed(seed: Seed, host: str) -> dict[str, Any]:
    """Return the whole seed as JSON, secrets included: they are public constants."""
    keys = {row.developer: row.key for row in reversed(seed.developer_keys.values()) if row.state == "active"}
    connections = make_connections(seed, host)
    return {
        "organizations": [
            {**asdict(row), "developer_key": keys.get(row.developer)} for row in seed.organizations.values()
        ],
        "users": [asdict(row) for row in seed.users.values()],
        "developer_keys": [asdict(row) for row in seed.developer_keys.values()],
        "console_tokens": [asdict(row) for row in seed.console_tokens.values()],
        "sync_tokens": [asdict(row) for row in seed.sync_tokens.values()],
        "app_keys": [asdict(row) for row in seed.app_keys.values()],
        "oauth_clients": [asdict(row) for row in seed.oauth_clients.values()],
        "spend_tokens": [asdict(row) for row in seed.spend_tokens.values()],
        "base_urls": {
            "v2": f"{host}/api/v2",
            "v3": f"{host}/connect/v3",
            "oauth": f"{host}/connect/authx/token",
            "spend": f"{host}/connect/v3/spend",
        },
        "connections": connections,
        "commands": {kind: make_airflow_command(f"bill_{kind}", row) for kind, row in connections.items()},
    }
