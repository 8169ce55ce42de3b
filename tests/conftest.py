"""Fixtures for every test. Airflow's home is set here, before anything imports Airflow."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="bill-tests-"))


def _isolate_airflow() -> None:
    """Give the in-process Airflow an empty home, whatever the caller's environment says."""
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]
    (AIRFLOW_HOME / "dags").mkdir()
    # The guard's file locks lie in the temporary folder: test runs side by side must not wait for one another.
    (AIRFLOW_HOME / "tmp").mkdir()
    os.environ["TMPDIR"] = tempfile.tempdir = str(AIRFLOW_HOME / "tmp")
    os.environ.update(
        {
            "AIRFLOW_HOME": str(AIRFLOW_HOME),
            "AIRFLOW__CORE__DAGS_FOLDER": str(AIRFLOW_HOME / "dags"),
            # `airflow db migrate` writes one into airflow.cfg; Airflow 3.2 runs no DAG without it.
            "AIRFLOW__API_AUTH__JWT_SECRET": "0123456789abcdef0123456789abcdef",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
            "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{AIRFLOW_HOME}/airflow.db",
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            # There is no other host whose writes a sign-in would have to wait for.
            "AIRFLOW__BILL__SIGN_IN_SETTLE_SECONDS": "0.01",
        }
    )


_isolate_airflow()

from dev.clock import START, ManualClock  # noqa: E402
from dev.dag_runner import DagResult, forget_masked_secrets, forget_variables, migrate, run_dag_in_process  # noqa: E402
from dev.local_bill import LocalBill  # noqa: E402
from dev.misbehaving_server import MisbehavingServer  # noqa: E402
from dev.processes import PATIENCE, interrupt_on_sigterm  # noqa: E402
from dev.sandbox_process import SandboxProcess  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the year turn in every test."""
    parser.addoption("--at-midnight", action="store_true", help="begin every test just before the end of a year")


def pytest_configure() -> None:
    """Stop servers also when the test run is told to end."""
    interrupt_on_sigterm()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test as much more time as the machine is to be waited for."""
    for item in items:
        marker = item.get_closest_marker("timeout")
        seconds = float(marker.args[0] if marker else config.getini("timeout"))
        item.add_marker(pytest.mark.timeout(seconds * PATIENCE), append=False)


#: Of the supervised tests, those that wait for a person, an hour or a session; the others take as long together.
WAITING = ("test_mfa", "test_many_organizations", "test_session_asset")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Send the supervised tests to two processes, each with one Airflow; others to whichever process is free."""
    from xdist.scheduler import LoadScopeScheduling

    def scope(nodeid: str) -> str:
        if not nodeid.startswith("tests/supervised/"):
            return nodeid
        return "supervised, waiting" if any(name in nodeid for name in WAITING) else "supervised"

    scheduling = LoadScopeScheduling(config, log)
    scheduling._split_scope = scope
    return scheduling


def pytest_unconfigure() -> None:
    """Leave no temporary home behind."""
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def nothing_masked() -> None:
    """Begin each test with no secret of those before it: Airflow compiles all that it masks anew for each new one."""
    forget_masked_secrets()


@pytest.fixture(autouse=True)
def all_lines_are_made() -> None:
    """Have each line of our log made, also one at DEBUG: pytest fails a test in which one cannot be."""
    logging.getLogger("airflow_provider_bill").setLevel(logging.DEBUG)


@pytest.fixture(autouse=True)
def midnight(request: pytest.FixtureRequest) -> Iterator[None]:
    """With `--at-midnight`: hour, day, month and year turn while the test runs, in this process."""
    if not request.config.getoption("at_midnight"):
        yield
        return
    import time_machine

    with time_machine.travel(datetime(2026, 12, 31, 23, 59, 59, 980_000, tzinfo=UTC)):
        yield


@pytest.fixture(scope="session")
def sandbox() -> Iterator[LocalBill]:
    """One `bill-sandbox` process for the whole test run; tests take `bill`."""
    with SandboxProcess() as bill:
        yield bill


@pytest.fixture
def bill(sandbox: LocalBill) -> LocalBill:
    """The local BILL in its seeded state. Its clock stands still, so that no hour turns unless the test moves it."""
    sandbox.reset()
    sandbox.stop_clock(START)
    return sandbox


@pytest.fixture
def clock(bill: LocalBill) -> ManualClock:
    """A clock for everything that takes one; it moves BILL's along."""
    return ManualClock(bill)


@pytest.fixture(scope="session")
def airflow_db() -> Path:
    """Airflow's home with a migrated metadata database, for this process."""
    migrate()
    return AIRFLOW_HOME


@pytest.fixture
def run_dag(airflow_db: Path) -> Callable[..., DagResult]:
    """Run a DAG object in this process: `run_dag(dag, conf={...}) -> DagResult`; no Variables at first."""
    forget_variables()

    def run(dag: Any, conf: dict[str, Any] | None = None) -> DagResult:
        return run_dag_in_process(dag, conf)

    return run


@pytest.fixture
def connect(bill: LocalBill, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[str]]:
    """Set up an Airflow connection to the local BILL: `connect(kind, conn_id=..., **changes) -> its secrets`.

    Changes go to the connection's own fields, or else to its extra; `rename` renames extras.
    """
    from airflow_provider_bill.hooks import wiring
    from airflow_provider_bill.sessions.stores import MemoryStore

    monkeypatch.setattr(wiring, "PROCESS_MEMORY", MemoryStore())
    # Outside a task this process is a script without an Airflow, on a host that knows nothing yet.
    monkeypatch.setattr(wiring, "variables_reachable", lambda: False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def set_up(
        kind: str = "v3", conn_id: str = "bill_default", rename: dict[str, str] | None = None, **changes: Any
    ) -> list[str]:
        connection = json.loads(json.dumps(bill.connections[kind]))
        extra = connection.setdefault("extra", {})
        for name, value in changes.items():
            target = connection if name in ("host", "login", "password", "extra") else extra
            target[name] = value
        if isinstance(connection["extra"], dict):
            for old, new in (rename or {}).items():
                extra[new] = extra.pop(old)
            connection["extra"] = json.dumps(extra)
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        secrets = [connection.get("password"), extra.get("developer_api_key"), extra.get("app_api_key")]
        return [secret for secret in secrets if secret]

    return set_up


@pytest.fixture
def serve() -> Iterator[Callable[..., MisbehavingServer]]:
    """Start servers that give these replies, one after the other."""
    servers: list[MisbehavingServer] = []

    def start(*replies: bytes | str, certified: Path | None = None) -> MisbehavingServer:
        servers.append(MisbehavingServer(*replies, certified=certified))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
