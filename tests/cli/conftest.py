"""Commands in this process, on a real metadata database, with the local BILL's running clock."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from airflow_provider_bill.cli.__main__ import main
from dev.dag_runner import forget_masked_secrets, forget_variables
from dev.local_bill import LocalBill

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests here."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.interface)


class Result(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


Command = Callable[..., Result]


@pytest.fixture
def bill(sandbox: LocalBill) -> LocalBill:
    sandbox.reset()
    return sandbox


@pytest.fixture
def connection(bill: LocalBill, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Define a connection in the environment: `connection("clients", kind="v3", password=...)`."""

    def define(conn_id: str, kind: str = "v3", **changes: Any) -> None:
        row = json.loads(json.dumps(bill.connections[kind]))
        for name, value in changes.items():
            (row if name in ("login", "password", "host", "conn_type") else row["extra"])[name] = value
        row["extra"] = json.dumps(row["extra"])
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(row))

    define("bill_default")
    return define


@pytest.fixture
def command(
    airflow_db: Path,
    bill: LocalBill,
    connection: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Iterator[Command]:
    """Run a command: `command("sessions", "-o", "json", stdin="") -> Result`."""
    forget_variables()
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    # What `dag.test()` of another test has left in this process, which a command's process does not have.
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    if runner is not None:
        monkeypatch.delattr(runner, "SUPERVISOR_COMMS", raising=False)

    def run(*arguments: str, stdin: str = "", terminal: bool = False) -> Result:
        monkeypatch.setattr(sys, "stdin", _Terminal() if terminal else io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Result(code, out, err)

    yield run
    forget_variables()
    forget_masked_secrets()
