"""What Airflow reads about this provider at every start; imports nothing."""

from typing import Any

CONNECTION_FIELDS: dict[str, dict[str, Any]] = {
    "developer_api_key": {
        "label": "Developer key",
        "description": "In BILL: Settings > Sync & Integrations > Manage Developer Keys",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "organization_id": {
        "label": "Organization id",
        "description": "Begins with 008; tasks may name another one",
        "schema": {"type": ["string", "null"]},
    },
    "environment": {
        "label": "Environment",
        "schema": {
            "type": ["string", "null"],
            "default": "sandbox",
            "enum": ["sandbox", "production"],
        },
    },
    "sign_in": {
        "label": "Kind of sign-in",
        "schema": {
            "type": ["string", "null"],
            "default": "v3",
            "enum": ["v3", "v2", "console", "sync_token", "partner", "oauth", "spend_token"],
        },
    },
    "device": {
        "label": "Device",
        "description": "Label of a remembered device that you bring yourself; goes with its token",
        "schema": {"type": ["string", "null"]},
    },
    "remembered_device_token": {
        "label": "Remembered device token",
        "description": "BILL's rememberMeId (v3) or mfaId (v2) of that device",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "app_api_key": {
        "label": "App key",
        "description": "Only for sign-in as a partner",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "partner_user_id": {
        "label": "User id",
        "description": "Only for sign-in as a partner: the user to act as, begins with 006",
        "schema": {"type": ["string", "null"]},
    },
    "oauth_url": {
        "label": "OAuth address",
        "description": "Only for OAuth, and only if BILL gave you another one than its usual",
        "schema": {"type": ["string", "null"]},
    },
}

FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["schema", "port"],
    "relabeling": {
        "host": "Host (only to override BILL's own)",
        "login": "User name, console e-mail, token name or client id",
        "password": "Password, console token, token value or client secret",
    },
    "placeholders": {
        "host": "leave empty for BILL; http://127.0.0.1:8787 for a local bill-sandbox",
        "login": "finance-api@example.com",
    },
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the shape of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-bill",
        "name": "BILL",
        "description": "BILL (bill.com): one session, shared by every task.",
        "integrations": [
            {
                "integration-name": "BILL",
                "external-doc-url": "https://developer.bill.com/docs",
                "tags": ["service"],
            }
        ],
        "hooks": [{"integration-name": "BILL", "python-modules": ["airflow_provider_bill.hooks.bill"]}],
        "operators": [
            {
                "integration-name": "BILL",
                "python-modules": ["airflow_provider_bill.operators.bill", "airflow_provider_bill.operators.mfa"],
            }
        ],
        "sensors": [{"integration-name": "BILL", "python-modules": ["airflow_provider_bill.sensors.bill"]}],
        "triggers": [{"integration-name": "BILL", "python-modules": ["airflow_provider_bill.triggers.mfa"]}],
        "config": {
            "bill": {
                "description": "How the tasks of BILL share their sign-in.",
                "options": {
                    "sign_in_lease_seconds": {
                        "description": "How long the tasks of other hosts wait for one that has died while it was "
                        "signing in. Longer than the longest sign-in, which is 65 seconds.",
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "120",
                        "default": "75",
                    }
                },
            }
        },
        "connection-types": [
            {
                "connection-type": "bill",
                "hook-class-name": "airflow_provider_bill.hooks.bill.BillHook",
                "hook-name": "BILL",
                "ui-field-behaviour": FIELD_BEHAVIOUR,
                "conn-fields": CONNECTION_FIELDS,
            }
        ],
    }
