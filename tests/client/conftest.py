"""A local BILL as a process, a clock and a sleep that cost no time, and a server that misbehaves on order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.credentials import Credentials, credentials_from
from airflow_provider_bill.client.environments import resolve_environment
from airflow_provider_bill.client.transport import Transport
from tests.client.support import Bill, Clock, Server

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def bill_process() -> Iterator[Bill]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow_provider_bill.sandbox", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    assert process.stdout is not None
    try:
        ready = next(line for line in process.stdout if "is ready at" in line)
        found = re.search(r"http://\S+?:\d+", ready)
        assert found is not None
        yield Bill(found.group())
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@pytest.fixture
def bill(bill_process: Bill) -> Bill:
    bill_process.control("reset")
    return bill_process


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slept() -> list[float]:
    """The seconds that were waited for between tries."""
    return []


@pytest.fixture
def secrets() -> list[str]:
    """What ``on_secret`` was told."""
    return []


@pytest.fixture
def make_client(clock: Clock, slept: list[float], secrets: list[str]) -> Iterator[Callable[..., BillClient]]:
    clients: list[BillClient] = []

    def make(
        credentials: Credentials,
        host: str,
        *,
        timeout: tuple[float, float] = (5.0, 20.0),
        token_url: str = "",
    ) -> BillClient:
        transport = Transport(clock=clock, sleep=slept.append, timeout=timeout)
        environment = resolve_environment("sandbox", host, token_url)
        client = BillClient(credentials, environment, transport=transport, clock=clock, on_secret=secrets.append)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client_of(bill: Bill, make_client: Callable[..., BillClient]) -> Callable[..., BillClient]:
    """Make a client of the local BILL for a kind of sign-in."""

    def make(kind: str = "v3", **changes: str | None) -> BillClient:
        return make_client(credentials_from(kind, bill.fields(kind, **changes)), bill.url)

    return make


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*replies: bytes | str) -> Server:
        servers.append(Server(*replies))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
