"""The commands as processes of their own: what they share with tasks, what they need, how Airflow takes them in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, task
from cryptography.fernet import Fernet

from airflow_provider_bill.cli.definition import COMMANDS, get_cli_commands
from airflow_provider_bill.get_provider_info import get_provider_info
from airflow_provider_bill.hooks.bill import BillHook
from dev.airflow_harness import airflow_version
from dev.dag_runner import DagResult
from dev.local_bill import LocalBill
from dev.paths import ROOT


def start(*arguments: str, module: str = "airflow_provider_bill.cli", **environment: str) -> Any:
    from airflow.configuration import conf

    # Without a file of settings, each process would make itself a key of its own.
    key = conf.get("core", "fernet_key")
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "AIRFLOW__CORE__FERNET_KEY": key, **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=100,
    )


def test_a_task_finds_the_session_that_a_command_has_opened(
    run_dag: Callable[..., DagResult], bill: LocalBill, connection: Callable[..., None], request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("at_midnight"):
        pytest.skip("the command has the real clock, the task here would have another")
    signed_in = start("sign-in", "bill_default")
    assert signed_in.returncode == 0, signed_in.stderr
    with DAG(re.sub(r"\W+", "_", request.node.name), schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:

        @task
        def read() -> int:
            return len(BillHook().request("GET", "/v3/vendors", params={"max": 1})["results"])

        read()
    assert run_dag(dag).state == "success"
    assert bill.stats()["sign_ins"] == 1


@pytest.mark.parametrize("arguments", [("sessions",), ("writes",), ("check",), ("sign-in", "bill_default")])
def test_without_a_database_a_command_is_one_sentence_and_sends_nothing(
    arguments: tuple[str, ...], bill: LocalBill, connection: Callable[..., None], tmp_path: Path
) -> None:
    ended = start(
        *arguments,
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{tmp_path}/empty.db",
        AIRFLOW__CORE__FERNET_KEY=Fernet.generate_key().decode(),  # else Airflow warns on stdout
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    said = ended.stderr.splitlines()[-1]
    assert "metadata database" in said
    assert "airflow db check" in said
    assert "Traceback" not in ended.stderr
    assert bill.stats()["requests"] == 0


@pytest.mark.skipif(airflow_version() < (3, 2), reason="Airflow takes commands of providers since 3.2")
def test_airflow_itself_takes_the_commands(airflow_db: Path, bill: LocalBill, connection: Callable[..., None]) -> None:
    ended = start("bill", "check", "bill_default", "--output", "json", module="airflow")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)[0]["state"] == "fine"


def test_airflows_group_has_every_command_with_its_options() -> None:
    (group,) = get_cli_commands()
    assert group.name == "bill"
    found = {one.name: {flag for arg in one.args for flag in arg.flags} for one in group.subcommands}
    assert found == {one.name: {flag for option in one.options for flag in option.flags} for one in COMMANDS}


def test_the_entry_points_lead_to_functions() -> None:
    (path,) = get_provider_info()["cli"]
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["airflow-bill"]
    for module, _, name in (path.rpartition("."), script.partition(":")):
        assert callable(getattr(import_module(module), name))


def test_the_page_about_the_command_line_has_every_command_and_option() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text()
    for one in COMMANDS:
        assert f"## `{one.name}" in page
        section = page.partition(f"## `{one.name}")[2].partition("\n## ")[0]
        flags = [option.flags[-1] for option in one.options if option.flags[-1].startswith("-")]
        assert [flag for flag in flags if flag not in section] == []


def test_what_anything_else_prints_is_not_among_what_a_command_prints(
    airflow_db: Path, bill: LocalBill, connection: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "airflow_local_settings.py").write_text("print('a noisy plugin')\n")
    ended = start("check", "bill_default", "--output", "json", PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)[0]["state"] == "fine"
    assert "a noisy plugin" in ended.stderr
