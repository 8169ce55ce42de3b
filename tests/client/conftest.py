"""Clients whose waiting costs no time, and servers that misbehave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.auth.base import Credentials
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.environments import resolve_environment
from airflow_provider_bill.client.transport import Transport
from dev.clock import ManualClock
from dev.local_bill import LocalBill
from dev.misbehaving_server import MisbehavingServer

MakeClient = Callable[..., BillClient]
ClientOf = Callable[..., BillClient]
Serve = Callable[..., MisbehavingServer]


@pytest.fixture
def slept() -> list[float]:
    """The seconds that were waited for between tries."""
    return []


@pytest.fixture
def secrets() -> list[str]:
    """What ``on_secret`` was told."""
    return []


@pytest.fixture
def make_client(clock: ManualClock, slept: list[float], secrets: list[str]) -> Iterator[MakeClient]:
    clients: list[BillClient] = []

    def make(
        credentials: Credentials,
        host: str,
        *,
        timeout: tuple[float, float] = (5.0, 20.0),
        oauth_url: str = "",
        **options: Any,
    ) -> BillClient:
        transport = Transport(clock=clock, sleep=slept.append, timeout=timeout, **options)
        environment = resolve_environment("sandbox", host, oauth_url)
        client = BillClient(credentials, environment, transport=transport, clock=clock, on_secret=secrets.append)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client_of(bill: LocalBill, make_client: MakeClient) -> ClientOf:
    """Make a client of the local BILL for a kind of sign-in."""

    def make(kind: str = "v3", **changes: str | None) -> BillClient:
        return make_client(credentials_from(kind, bill.fields(kind, **changes)), bill.url)

    return make
