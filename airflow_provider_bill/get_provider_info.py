"""What Airflow reads about this provider at every start; imports nothing."""

from typing import Any

#: Kinds of sign-in as a connection stores them, and their words. None is shorter than five characters: Airflow would
#: take a shorter one for a secret that it cannot mask, and warn of it in every task's log.
SIGN_INS: dict[str, str] = {
    "password_v3": "User name and password (v3)",
    "password_v2": "User name and password (v2)",
    "console": "Accountant Console",
    "sync_token": "AP & AR sync token",
    "partner": "Partner",
    "oauth": "OAuth",
    "spend_token": "Spend & Expense token",
}

CONNECTION_FIELDS: dict[str, dict[str, Any]] = {
    "sign_in": {
        "label": "Kind of sign-in",
        "description": "Decides which of the other fields are needed; empty for user name and password (v3)",
        "schema": {
            "type": ["string", "null"],
            "default": "password_v3",
            "enum": [*SIGN_INS],
            "values_display": SIGN_INS,
        },
    },
    "environment": {
        "label": "Environment",
        "description": "For all kinds: BILL's sandbox, or production with real money; empty for sandbox",
        "schema": {
            "type": ["string", "null"],
            "default": "sandbox",
            "enum": ["sandbox", "production"],
        },
    },
    "developer_api_key": {
        "label": "Developer key",
        "description": "For all kinds but OAuth and Spend & Expense token. "
        "In BILL: Settings > Sync & Integrations > Manage Developer Keys",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "organization_id": {
        "label": "Organization id",
        "description": "For the same kinds as the developer key. Begins with 008; tasks may name another one",
        "schema": {"type": ["string", "null"]},
    },
    "developer_api_keys": {
        "label": "Developer keys by organization",
        "description": "Mostly for Accountant Console, where each client has a key of its own: "
        '{"008...": "key"}; all other organizations use the developer key above',
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "app_api_key": {
        "label": "App key",
        "description": "For Partner only",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "partner_user_id": {
        "label": "User id",
        "description": "For Partner only: the user to act as, begins with 006",
        "schema": {"type": ["string", "null"]},
    },
    "device": {
        "label": "Device",
        "description": "Rarely needed, and only with MFA (user name and password, Accountant Console, Partner): label "
        "of a remembered device that you bring yourself; goes with its token",
        "schema": {"type": ["string", "null"]},
    },
    "remembered_device_token": {
        "label": "Remembered device token",
        "description": "Goes with the device: BILL's rememberMeId (v3) or mfaId (v2)",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "oauth_url": {
        "label": "OAuth address",
        "description": "For OAuth only, and only if BILL gave you another one than its usual",
        "schema": {"type": ["string", "null"]},
    },
}

FIELD_BEHAVIOUR: dict[str, Any] = {
    # Airflow 3.3 cannot test a stored connection that has no port: so the form shows it and says so.
    "hidden-fields": ["schema"],
    "relabeling": {
        "host": "Host (empty for BILL's own)",
        "port": "Port (443, or that of your host; needed to test)",
        "login": "Login: user name, console e-mail, token name or client id",
        "password": "Password, console token, token value or client secret",
    },
    "placeholders": {
        "host": "http://127.0.0.1 for a local bill-sandbox",
        "port": "443",
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
        "triggers": [
            {
                "integration-name": "BILL",
                "python-modules": ["airflow_provider_bill.triggers.mfa", "airflow_provider_bill.triggers.session"],
            }
        ],
        "extra-links": [
            "airflow_provider_bill.operators.links.BillReferenceLink",
            "airflow_provider_bill.operators.links.BillErrorLink",
        ],
        "cli": ["airflow_provider_bill.cli.definition.get_cli_commands"],
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
                    },
                    "sign_in_settle_seconds": {
                        "description": "How long a sign-in waits for the writes of other hosts to be seen. Longer than "
                        "Airflow's database takes for a write, or several hosts may sign in at once.",
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "3",
                        "default": "1",
                    },
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
