from __future__ import annotations

import json
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema

from airflow_provider_bill.get_provider_info import get_provider_info
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.hooks.connection import EXTRAS


def test_the_metadata_fits_the_schema_of_this_airflow() -> None:
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_airflow_finds_the_provider_by_its_entry_point() -> None:
    (entry,) = [e for e in entry_points(group="apache_airflow_provider") if "bill" in e.value]
    assert entry.load()()["package-name"] == "airflow-provider-bill"


def test_the_metadata_and_the_hook_agree() -> None:
    (connection,) = get_provider_info()["connection-types"]
    assert connection["connection-type"] == BillHook.conn_type
    assert connection["hook-name"] == BillHook.hook_name
    assert set(connection["conn-fields"]) == set(EXTRAS)


def test_airflow_lists_the_hook(airflow_db: Path) -> None:
    from airflow.providers_manager import ProvidersManager

    manager: Any = ProvidersManager  # untyped in Airflow 3.3
    hook = manager().hooks["bill"]
    assert (hook.hook_name, hook.connection_id_attribute_name) == ("BILL", "bill_conn_id")
