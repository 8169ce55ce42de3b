"""The benchmark of import time finds by itself what DAG files and Airflow import."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_bill.get_provider_info import get_provider_info
from benchmarks.import_time import PACKAGE, our_modules
from dev.paths import ROOT


def found(metadata: dict[str, Any] | None = None, plugins: tuple[str, ...] = ()) -> list[str]:
    return [name.removeprefix(f"{PACKAGE}.") for name in our_modules(metadata or {}, plugins)]


@pytest.mark.parametrize("folder", ["operators", "sensors", "triggers"])
def test_every_module_that_dag_files_import_is_measured(folder: str) -> None:
    files = {f"{folder}.{path.stem}" for path in (ROOT / PACKAGE / folder).glob("*.py") if path.stem != "__init__"}
    assert files - {*found()} <= {"operators.mfa_hitl"}  # measured as the class that it holds


def test_what_the_metadata_names_is_measured_whatever_its_key() -> None:
    assert "hooks.bill" not in found()
    assert "hooks.bill" in found(get_provider_info())
    assert "hooks.files" in found({"anything": [{"of": [f"{PACKAGE}.hooks.files.get_commands"]}]})


def test_the_module_of_a_plugin_is_measured() -> None:
    assert "plugins.bill" in found(plugins=(f"{PACKAGE}.plugins.bill:BillPlugin",))
    assert found(plugins=("another.plugin:Plugin",)) == found()


def test_what_is_imported_when_it_runs_is_not_measured() -> None:
    floors = ("client", "sessions", "sandbox")
    assert [name for name in found(get_provider_info()) if name.startswith(floors)] == []
