"""Managers that share a store before the local BILL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.credentials import credentials_from
from airflow_provider_bill.client.environments import resolve_environment
from airflow_provider_bill.sessions.devices import Devices
from airflow_provider_bill.sessions.guard import Guard
from airflow_provider_bill.sessions.identity import Identity
from airflow_provider_bill.sessions.manager import SessionManager
from airflow_provider_bill.sessions.mfa import Mfa
from airflow_provider_bill.sessions.stores import MemoryStore
from airflow_provider_bill.sessions.turns import ProcessTurns


class CountingStore(MemoryStore):
    """A store that counts its writes."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    def write(self, key: str, text: str) -> None:
        self.writes += 1
        super().write(key, text)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def notes() -> MemoryStore:
    """Where the guard and the devices keep what they know."""
    return MemoryStore()


@pytest.fixture
def make_manager(bill, clock, store, notes) -> Callable[..., SessionManager]:
    """Make managers as so many tasks would: each with a client of its own, all with one store."""

    def make(kind: str = "v3", *, conn_id: str = "bill", fields: dict[str, str] | None = None, **kwargs: Any):
        connection = bill.connections[kind]
        given = {
            "login": connection.get("login"),
            "password": connection.get("password"),
            **connection["extra"],
        }
        credentials = credentials_from(kind, {**given, **(fields or {})})
        environment = resolve_environment("sandbox", bill.url)
        secrets: list[str] = kwargs.pop("secrets", [])
        client = BillClient(credentials, environment, clock=clock, on_secret=secrets.append)
        identity = Identity(conn_id, credentials.organization_id, kind, environment.v3_base)
        where = kwargs.pop("store", store)
        noted = kwargs.pop("notes", notes)
        guard = Guard(noted, identity, credentials, turns=ProcessTurns(), clock=clock)
        devices = Devices(noted, identity, credentials, clock=clock, on_secret=secrets.append)
        return SessionManager(client, where, guard, devices, identity, clock=clock, on_secret=secrets.append, **kwargs)

    return make


@pytest.fixture
def vendors() -> Callable[[SessionManager], Any]:
    """Read vendors through a manager, as a task would."""

    def read(manager: SessionManager) -> Any:
        return manager.run(lambda session: manager.client.request(session, "GET", "/v3/vendors", params={"max": 1}))

    return read


@pytest.fixture
def make_mfa(notes) -> Callable[[SessionManager], Mfa]:
    """Make what passes MFA for the session of a manager; the open challenge lies beside the devices."""
    return lambda manager: Mfa(manager, notes, ProcessTurns())


@pytest.fixture
def codes(bill) -> Callable[[], list[str]]:
    """Read the codes that BILL has sent by text."""
    return bill.codes


@pytest.fixture
def pass_mfa(make_mfa, codes) -> Callable[..., None]:
    """Enter the code of a new text, as a person would."""

    def enter(manager: SessionManager, *, remember: bool = True) -> None:
        mfa, session = make_mfa(manager), manager.acquire()
        challenge = mfa.challenge(session)
        mfa.validate(session, challenge, codes()[-1], device="airflow-test", remember=remember)

    return enter


@pytest.fixture
def pay() -> Callable[[SessionManager], Any]:
    """Pay through a manager, as a task would."""
    body = {"vendorId": "00901SBX000100000001", "amount": 1.5, "processDate": "2099-01-01"}

    def send(manager: SessionManager, *, trusted: bool = True) -> Any:
        client = manager.client
        return manager.run(lambda session: client.request(session, "POST", "/v3/payments", json=body), trusted=trusted)

    return send
