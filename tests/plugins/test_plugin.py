"""Airflow loads the plugin everywhere; only where there are pages has it one."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from typing import Any

from airflow_provider_bill.plugins.bill import BillPlugin
from dev.airflow_harness import airflow_version
from dev.paths import ROOT


def test_the_entry_point_names_the_plugin() -> None:
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["airflow.plugins"]["bill"]
    module, _, name = entry.partition(":")
    assert getattr(importlib.import_module(module), name) is BillPlugin


def test_the_plugin_is_valid_and_adds_a_page_only_since_airflow_3_1() -> None:
    plugin: Any = BillPlugin  # Airflow's own class is untyped
    plugin.validate()
    pages = [(app["name"], app["url_prefix"]) for app in BillPlugin.fastapi_apps]
    views = [(view["url_route"], view["href"], view["destination"]) for view in BillPlugin.external_views]
    if airflow_version() < (3, 1):
        assert (pages, views) == ([], [])
    else:
        assert pages == [("BILL", "/bill")]
        assert views == [("bill", "bill/", "nav")]


def test_loading_the_plugin_loads_neither_the_page_nor_what_it_needs() -> None:
    script = (
        "import sys, airflow.plugins_manager; before = set(sys.modules); import airflow_provider_bill.plugins.bill; "
        "print(*(name for name in set(sys.modules) - before if not name.startswith('airflow_provider_bill')), "
        "'airflow_provider_bill.plugins.page' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split()[-1] == "False"
    assert not {"requests", "fastapi", "cryptography"} & set(done.stdout.split())
