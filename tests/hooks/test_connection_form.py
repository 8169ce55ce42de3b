"""The fields of the connection form before Airflow 3.2."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from airflow_provider_bill.get_provider_info import CONNECTION_FIELDS, SIGN_INS
from airflow_provider_bill.version_compat import AIRFLOW_V_3_0_PLUS

SECRETS = [name for name, field in CONNECTION_FIELDS.items() if field["schema"].get("format") == "password"]
PLACEHOLDER = "RATHER_LONG_SENSITIVE_FIELD_PLACEHOLDER"

pytestmark = pytest.mark.skipif(AIRFLOW_V_3_0_PLUS, reason="the form of Airflow 2")


class _Sent(dict[str, str]):
    """What a browser has sent, as a form reads it."""

    def getlist(self, name: str) -> list[str]:
        """Return the values of a field."""
        return [self[name]] if name in self else []


def page(stored: dict[str, Any] | None = None, sent: dict[str, str] | None = None) -> Any:
    """Make the form as Airflow does: opened with what is stored, or come back with what was sent."""
    from wtforms import Form

    from airflow_provider_bill.hooks.connection_form import form_widgets

    form = type("ConnectionForm", (Form,), form_widgets())(_Sent(sent) if sent else None)
    for name, value in (stored or {}).items():
        form[name].data = value
    return form


@pytest.mark.parametrize("name", SECRETS)
def test_a_stored_secret_is_handed_back_by_airflows_placeholder(name: str) -> None:
    html = str(page({name: "the-secret"})[name]())
    assert f'value="{PLACEHOLDER}"' in html
    assert 'type="password"' in html
    assert "the-secret" not in html


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_not_stored_has_an_empty_field(name: str) -> None:
    assert 'value=""' in str(page()[name]())


def test_a_secret_just_typed_comes_back_with_a_mistake_in_another_field() -> None:
    assert 'value="typed"' in str(page(sent={"developer_api_key": "typed"})["developer_api_key"]())
    assert 'value=""' in str(page(sent={"developer_api_key": ""})["developer_api_key"]())


def test_airflow_takes_its_placeholder_for_the_one_that_is_known_here() -> None:
    views = importlib.import_module("airflow.www.views")  # only Airflow 2 has it
    assert views.SENSITIVE_FIELD_PLACEHOLDER == PLACEHOLDER


def test_airflow_takes_the_form_and_knows_its_secrets(airflow_db: object) -> None:
    from airflow.providers_manager import ProvidersManager

    manager: Any = ProvidersManager  # untyped in Airflow 3.3
    widgets = manager().connection_form_widgets
    ours = {info.field_name: info.is_sensitive for name, info in widgets.items() if name.startswith("extra__bill__")}
    assert ours == {name: name in SECRETS for name in CONNECTION_FIELDS}


def test_the_help_of_each_field_says_what_it_takes() -> None:
    form = page()
    for name, field in CONNECTION_FIELDS.items():
        assert field["description"] in form[name].description
    for value, words in SIGN_INS.items():
        assert f"{value} ({words})" in form["sign_in"].description
    assert "One of: sandbox, production" in form["environment"].description
