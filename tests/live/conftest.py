"""An account at BILL's sandbox, and what may be asked with it: see docs/live-tests.md."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import pytest

from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.environments import is_loopback, resolve_environment
from airflow_provider_bill.client.session import BillSession
from tests.live.asking import Asker
from tests.live.budget import Budget, BudgetedTransport

#: Environment variable -> the field of a connection that it stands for.
VARIABLES = {
    "BILL_LIVE_USER": "login",
    "BILL_LIVE_PASSWORD": "password",
    "BILL_LIVE_ORGANIZATION": "organization_id",
    "BILL_LIVE_DEV_KEY": "developer_api_key",
}
BUDGET = pytest.StashKey[Budget]()


class Sessions:
    """The two sessions of a run, each opened when it is first needed.

    :param clients: one for each kind of sign-in
    """

    def __init__(self, clients: dict[str, BillClient]) -> None:
        self.clients = clients
        self.open: dict[str, BillSession] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the live tests be tried on a local BILL."""
    parser.addoption("--live-at", default="", metavar="URL", help="a local BILL in place of BILL's own sandbox")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was asked of BILL."""
    if (budget := config.stash.get(BUDGET, None)) is not None:
        where = "the local BILL" if budget.address else "BILL's sandbox"
        terminalreporter.write_line(f"{where} was sent {budget.calls} calls, {budget.sign_ins} of them sign-ins")


def why_not(environ: Mapping[str, str], selected: str) -> str:
    """Return why BILL is not asked now; empty if it is.

    :param selected: what `-m` says
    """
    if selected != "live":
        return "BILL itself is asked by `make live` only"
    missing = [name for name in VARIABLES if not environ.get(name, "").strip()]
    return f"no account at BILL's sandbox: set {', '.join(missing)} (docs/live-tests.md says from where)" * bool(
        missing
    )


def what_is_wrong(environ: Mapping[str, str], address: str) -> str:
    """Return why BILL must not be asked in this way; empty if it may."""
    if "PYTEST_XDIST_WORKER" in environ:
        return "the calls of a run are counted in one process: leave out -n"
    if address and not is_loopback(urlsplit(address).hostname or ""):
        return "--live-at is for a local BILL on this machine; leave it out for BILL's sandbox"
    return ""


@pytest.fixture(scope="session")
def fields(request: pytest.FixtureRequest) -> dict[str, str]:
    """The account, as fields of a connection."""
    if reason := why_not(os.environ, str(request.config.getoption("markexpr"))):
        if os.environ.get("LIVE_REQUIRED"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return {field: os.environ[name] for name, field in VARIABLES.items()}


@pytest.fixture(scope="session")
def budget(request: pytest.FixtureRequest, fields: dict[str, str]) -> Budget:
    """What this run may still ask."""
    address = str(request.config.getoption("live_at", ""))
    if wrong := what_is_wrong(os.environ, address):
        pytest.fail(wrong, pytrace=False)
    budget = request.config.stash[BUDGET] = Budget(address)
    return budget


@pytest.fixture(scope="session")
def sessions(fields: dict[str, str], budget: Budget) -> Iterator[Sessions]:
    """A client for each dialect; what they have opened is ended after the last test."""
    environment = resolve_environment("sandbox", budget.address)
    transport = BudgetedTransport(budget, settings="BILL's sandbox")
    clients = {
        kind: BillClient(credentials_from(kind, fields), environment, transport=transport) for kind in ("v3", "v2")
    }
    sessions = Sessions(clients)
    yield sessions
    for kind, session in sessions.open.items():
        clients[kind].sign_out(session)
    transport.close()


@pytest.fixture(scope="session")
def ask(sessions: Sessions) -> Asker:
    """Asks BILL."""
    client = sessions.clients["v3"]
    transport = client._transport
    assert isinstance(transport, BudgetedTransport)
    return Asker(client.credentials, client.environment, transport)


@pytest.fixture(scope="session")
def v3(sessions: Sessions) -> BillSession:
    """The first sign-in, by v3."""
    return sessions.open.setdefault("v3", sessions.clients["v3"].sign_in())


@pytest.fixture(scope="session")
def v2(sessions: Sessions, v3: BillSession) -> BillSession:
    """The second sign-in, by v2; not tried with credentials that the first one was refused with."""
    return sessions.open.setdefault("v2", sessions.clients["v2"].sign_in())
