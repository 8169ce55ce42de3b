"""The form in which a person enters the code: its field, its buttons, and how long it stays open."""

from __future__ import annotations

from datetime import timedelta

#: Near the life of a code: who answers later gets a new one anyway.
RESPONSE_TIMEOUT = timedelta(minutes=5)
#: Airflow redacts names with "token" in the audit log.
FIELD = "mfa_token"
ENTER, NEW_TEXT = "Enter the code", "Send a new text"
#: In a form that may wait longer than a code lives: the text is sent when somebody has the phone at hand.
SEND = "Send me the code"
