"""A call of each dialect, prepared and sent."""

from __future__ import annotations

from typing import Any

from airflow_provider_bill.client.answers import Answer
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.session import BillSession


def v3_call(
    client: BillClient, session: BillSession, method: str, path: str, *, params: Any = None, json: Any = None
) -> Answer:
    """Make a v3 call."""
    return client.send(session, client.prepare(method, path, params=params, body=json, dialect="v3"))


def v2_call(client: BillClient, session: BillSession, path: str, data: Any = None) -> Answer:
    """Make a v2 call."""
    return client.send(session, client.prepare("POST", path, body=data, dialect="v2"))
