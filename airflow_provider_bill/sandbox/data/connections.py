"""What the seed looks like from outside: ``GET /_sandbox/seed`` and ready Airflow connections."""

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


def connections(seed: Seed, host: str) -> dict[str, dict[str, Any]]:
    """One Airflow connection for each kind of sign-in."""
    ada = seed.users[ADMIN]
    organization = {"developer_api_key": MAIN_KEY, "organization_id": MAIN_ID}
    clients = [row for row in seed.organizations.values() if row.console_id]
    client = clients[0] if clients else seed.organizations[CONSOLE_ID]
    console = seed.organizations[CONSOLE_ID]
    console_key = next(row.key for row in seed.developer_keys.values() if row.developer == console.developer)
    app = next(iter(seed.app_keys.values()))
    full = next(row for row in seed.oauth_clients.values() if row.scope == "full")
    spend = next(iter(seed.spend_tokens.values()))

    def one(kind: str, login: str | None, password: str, extra: dict[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {"conn_type": "bill", "host": host}
        if login is not None:
            row["login"] = login
        return {**row, "password": password, "extra": {"sign_in": kind, **extra}}

    return {
        "v3": one("v3", ada.username, ada.password, organization),
        "v2": one("v2", ada.username, ada.password, organization),
        "console": one(
            "console",
            CONSOLE_USER,
            seed.console_tokens[CONSOLE_USER].token,
            {"developer_api_key": console_key, "organization_id": client.id},
        ),
        "sync_token": one("sync_token", SYNC_NAME, seed.sync_tokens[SYNC_NAME].value, organization),
        "partner": one(
            "partner",
            PARTNER_USER,
            seed.users[PARTNER_USER].password,
            {**organization, "app_api_key": app.key, "partner_user_id": ada.id},
        ),
        "oauth": one("oauth", full.client_id, full.client_secret, {}),
        "spend_token": one("spend_token", None, spend.token, {}),
    }


def airflow_command(connection_id: str, connection: dict[str, Any]) -> str:
    """The line that adds a connection to Airflow."""
    return f"airflow connections add {connection_id} --conn-json '{json.dumps(connection)}'"


def seed_as_json(seed: Seed, host: str) -> dict[str, Any]:
    """The whole seed, secrets included: this is a local sandbox."""
    keys = {row.developer: row.key for row in reversed(seed.developer_keys.values()) if row.state == "active"}
    found = connections(seed, host)
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
        "connections": found,
        "commands": {kind: airflow_command(f"bill_{kind}", row) for kind, row in found.items()},
    }
