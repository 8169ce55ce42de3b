from __future__ import annotations

import json
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema

from airflow_provider_bill.client.auth import kinds
from airflow_provider_bill.get_provider_info import CONNECTION_FIELDS, FIELD_BEHAVIOUR, SIGN_INS, get_provider_info
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.hooks.connection import EXTRAS
from airflow_provider_bill.hooks.connection_words import kind_of, words_of


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


def test_the_form_begins_with_the_kind_of_sign_in_and_offers_every_kind_by_its_words() -> None:
    assert next(iter(CONNECTION_FIELDS)) == "sign_in"
    schema = CONNECTION_FIELDS["sign_in"]["schema"]
    assert schema["values_display"] == SIGN_INS
    assert {kind_of(stored) for stored in schema["enum"]} == set(kinds())
    assert [words_of(kind_of(stored)) for stored in schema["enum"]] == list(SIGN_INS.values())


def test_no_value_that_the_form_offers_is_too_short_for_airflow_to_mask() -> None:
    offered = [value for field in CONNECTION_FIELDS.values() for value in field["schema"].get("enum", ())]
    assert len(offered) == len(SIGN_INS) + 2
    assert [value for value in offered if len(value) < 5] == []


def test_every_field_says_what_it_is_for() -> None:
    assert [name for name, field in CONNECTION_FIELDS.items() if not field.get("description")] == []


def test_the_port_is_shown_without_which_airflow_3_3_tests_no_stored_connection() -> None:
    assert "port" not in FIELD_BEHAVIOUR["hidden-fields"]
    assert "needed to test" in FIELD_BEHAVIOUR["relabeling"]["port"]
