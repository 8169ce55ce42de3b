"""Shared sessions that share a store before the local BILL."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_bill.client.answers import Answer
from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.environments import resolve_environment
from airflow_provider_bill.client.transport import Transport
from airflow_provider_bill.sessions.locks import ProcessLock
from airflow_provider_bill.sessions.shared import SharedSession
from airflow_provider_bill.sessions.stores import MemoryStore
from dev.clock import ManualClock
from dev.local_bill import LocalBill

MakeShared = Callable[..., SharedSession]
Vendors = Callable[[SharedSession], Answer]
Codes = Callable[[], list[str]]
PassMfa = Callable[..., None]
Pay = Callable[..., Answer]


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


class Notes(MemoryStore):
    """A store whose keys can be listed, as a person sees them on the page of Variables."""

    def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self._texts if key.startswith(prefix))


@pytest.fixture
def notes() -> Notes:
    """Where the guard and the devices keep what they know."""
    return Notes()


@pytest.fixture
def make_shared(bill: LocalBill, clock: ManualClock, store: MemoryStore, notes: MemoryStore) -> MakeShared:
    """Make shared sessions as so many tasks would: each with a client of its own, all with one store."""

    def make(
        kind: str = "v3", *, conn_id: str = "bill", fields: dict[str, str] | None = None, **kwargs: Any
    ) -> SharedSession:
        credentials = credentials_from(kind, bill.fields(kind, **(fields or {})))
        secrets: list[str] = kwargs.pop("secrets", [])
        client = BillClient(
            credentials,
            resolve_environment("sandbox", kwargs.pop("host", bill.url), kwargs.pop("oauth_url", "")),
            transport=Transport(
                clock=kwargs.get("clock", clock),
                sleep=kwargs.pop("sleep", time.sleep),
                timeout=kwargs.pop("timeout", (5.0, 60.0)),
            ),
            on_secret=secrets.append,
        )
        parts = {"store": store, "notes": notes, "lock": ProcessLock(), "clock": clock, **kwargs}
        return SharedSession(client, conn_id, on_secret=secrets.append, **parts)

    return make


@pytest.fixture
def vendors() -> Vendors:
    """Read vendors with a shared session, as a task would."""

    def read(shared: SharedSession) -> Answer:
        return shared.send(shared.client.prepare("GET", "/v3/vendors", params={"max": 1}))

    return read


@pytest.fixture
def codes(bill: LocalBill) -> Codes:
    """Read the codes that BILL has sent by text."""
    return bill.codes


@pytest.fixture
def pass_mfa(codes: Codes) -> PassMfa:
    """Enter the code of a new text, as a person would."""

    def enter(shared: SharedSession, *, remember: bool = True) -> None:
        session = shared.manager.acquire()
        challenge = shared.mfa.challenge(session)
        shared.mfa.validate(session, challenge, codes()[-1], device="airflow-test", remember=remember)

    return enter


@pytest.fixture
def pay() -> Pay:
    """Pay with a shared session, as a task would."""
    body = {"vendorId": "00901SBX000100000001", "amount": 1.5, "processDate": "2099-01-01"}

    def send(shared: SharedSession, *, trusted: bool = True) -> Answer:
        request = shared.client.prepare("POST", "/v3/payments", body=body)
        return shared.send(dataclasses.replace(request, needs_trust=trusted))

    return send
