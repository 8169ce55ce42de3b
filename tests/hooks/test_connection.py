"""Reading an Airflow connection, where Airflow itself lets it through."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Connection, redact

from airflow_provider_bill.exceptions import BillConfigurationError
from airflow_provider_bill.get_provider_info import CONNECTION_FIELDS, SIGN_INS
from airflow_provider_bill.hooks.connection import PLACEHOLDERS, read_connection

GOOD = {
    "developer_api_key": "key-of-a",
    "organization_id": "008A",
    "app_api_key": "app-key",
    "partner_user_id": "006A",
}


NO_MAP = r'"Developer keys by organization" \(developer_api_keys\) is not a JSON object'


def made(*, extra: Any = GOOD, **own: Any) -> Any:
    """A connection as a secrets backend of one's own may hand it over: Airflow would refuse some of it."""
    fields = {"conn_id": "b", "login": "ada", "password": "secret", "host": "", "port": None, "schema": None, **own}
    return SimpleNamespace(**fields, extra=extra if isinstance(extra, str) else json.dumps(extra))


WRONG_TYPES = [7, 1.5, True, False, 0, ["a-secret"], [], {"a": "a-secret"}, {}, {"a": {"b": ["a-secret"]}}]


@pytest.mark.parametrize("value", WRONG_TYPES)
@pytest.mark.parametrize("name", [name for name in CONNECTION_FIELDS if name != "developer_api_keys"])
def test_an_extra_that_is_no_text_is_refused_by_the_label_of_its_field(name: str, value: object) -> None:
    with pytest.raises(BillConfigurationError) as caught:
        read_connection(made(extra={**GOOD, name: value}))
    said = str(caught.value)
    assert f'"{CONNECTION_FIELDS[name]["label"]}" ({name}) is ' in said
    assert " instead of text" in said
    assert "a-secret" not in said
    assert "\n" not in said


@pytest.mark.parametrize("value", [value for value in WRONG_TYPES if value])
@pytest.mark.parametrize("name", ["login", "password", "host"])
def test_a_field_of_airflows_own_that_is_no_text_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(BillConfigurationError, match=f"the connection's {name} is .* instead of text") as caught:
        read_connection(made(**{name: value}))
    assert "a-secret" not in str(caught.value)


def test_null_is_as_good_as_nothing() -> None:
    credentials, environment = read_connection(made(extra={**GOOD, "environment": None, "sign_in": None}))
    assert (credentials.kind, environment.name) == ("v3", "sandbox")
    with pytest.raises(BillConfigurationError, match="missing or blank"):
        read_connection(made(extra={**GOOD, "organization_id": None}))


def test_an_extra_too_deep_to_be_read_is_refused() -> None:
    with pytest.raises(BillConfigurationError, match="is not a JSON object"):
        read_connection(made(extra="[" * 100_000))


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        *((stored, stored.removeprefix("password_")) for stored in SIGN_INS),
        *((words, stored.removeprefix("password_")) for stored, words in SIGN_INS.items()),
        ("v3", "v3"),
        ("v2", "v2"),
        ("", "v3"),
        (" Console ", "console"),
    ],
)
def test_the_kind_of_sign_in_is_read_as_stored_by_its_words_and_by_its_short_name(written: str, kind: str) -> None:
    assert read_connection(made(extra={**GOOD, "sign_in": written}))[0].kind == kind


def test_a_kind_of_sign_in_that_does_not_exist_is_refused_naming_all_that_do() -> None:
    with pytest.raises(BillConfigurationError, match=r'"Kind of sign-in" \(sign_in\)') as caught:
        read_connection(made(extra={**GOOD, "sign_in": "saml"}))
    assert ", ".join(SIGN_INS) in str(caught.value)


def test_what_is_missing_is_named_by_its_label_and_the_words_of_the_kind() -> None:
    with pytest.raises(BillConfigurationError) as caught:
        read_connection(made(extra={"organization_id": "008A", "sign_in": "console"}))
    said = str(caught.value)
    assert '"Developer key" (developer_api_key) is missing or blank: for "Accountant Console" it is' in said
    assert "sign_in console" not in said


@pytest.mark.parametrize("shown", [*PLACEHOLDERS, f"{PLACEHOLDERS[0]}and-more", " *** "])
@pytest.mark.parametrize("name", ["password", "developer_api_key"])
def test_what_airflow_shows_in_place_of_a_secret_is_never_sent(name: str, shown: str) -> None:
    connection = made(password=shown) if name == "password" else made(extra={**GOOD, name: shown})
    with pytest.raises(BillConfigurationError, match="holds what Airflow shows in place of a secret") as caught:
        read_connection(connection)
    assert name in str(caught.value)


@pytest.mark.parametrize("as_text", [True, False], ids=["a text", "a map"])
def test_what_airflow_shows_in_place_of_the_key_of_one_organization_is_never_sent(as_text: bool) -> None:
    shown: Any = redact({"developer_api_keys": {"008A": "key-of-a", "008B": "key-of-b"}})
    keys = shown["developer_api_keys"]
    assert keys == {"008A": "***", "008B": "***"}
    keys = json.dumps(keys) if as_text else keys
    with pytest.raises(BillConfigurationError, match="holds what Airflow shows in place of a secret") as caught:
        read_connection(made(extra={**GOOD, "developer_api_keys": keys}))
    assert "developer_api_keys" in str(caught.value)


@pytest.mark.parametrize(
    ("host", "port", "base"),
    [
        ("127.0.0.1", 8787, "http://127.0.0.1:8787"),
        ("127.0.0.1:8787", 443, "http://127.0.0.1:8787"),
        ("http://127.0.0.1", 8787, "http://127.0.0.1:8787"),
        ("http://127.0.0.1:8787", 443, "http://127.0.0.1:8787"),
        ("http://127.0.0.1:8787", None, "http://127.0.0.1:8787"),
        ("::1", 8787, "http://[::1]:8787"),
        ("proxy.example.com", 443, "https://proxy.example.com"),
        ("https://proxy.example.com", 443, "https://proxy.example.com"),
        ("https://proxy.example.com/bill", 8443, "https://proxy.example.com:8443/bill"),
        ("proxy.example.com", 0, "https://proxy.example.com"),
        ("", 443, "https://gateway.stage.bill.com"),
        ("gateway.stage.bill.com", 443, "https://gateway.stage.bill.com"),
    ],
)
def test_the_port_is_joined_to_a_host_that_names_none(host: str, port: int | None, base: str) -> None:
    _, environment = read_connection(made(host=host, port=port))
    assert environment.v3_base == f"{base}/connect"


@pytest.mark.parametrize("extra", ["not json", "[1]", '"text"'])
def test_an_extra_that_is_no_json_object_is_refused(extra: str) -> None:
    # Airflow refuses it at some of its doors; a secrets backend of one's own can still hand it over.
    connection = SimpleNamespace(conn_id="bill_default", extra=extra, login="ada", password="secret", host="")
    with pytest.raises(BillConfigurationError, match="extra of connection 'bill_default' is not a JSON object"):
        read_connection(connection)  # type: ignore[arg-type]


@pytest.mark.parametrize("keys", [{"008A": "key-a"}, '{"008A": "key-a"}'])
def test_developer_keys_by_organization_may_be_a_map_or_its_text(keys: object) -> None:
    extra = json.dumps({"developer_api_keys": keys, "developer_api_key": "key-z"})
    connection = Connection(conn_id="b", conn_type="bill", login="ada", password="secret", extra=extra)
    found = [read_connection(connection, organization)[0].limit_key() for organization in ("008A", "008B")]
    assert found == ["key-a", "key-z"]


@pytest.mark.parametrize("keys", [["key-a"], 7, True])
def test_developer_keys_that_are_no_map_are_refused_by_name(keys: object) -> None:
    extra = json.dumps({"developer_api_keys": keys, "organization_id": "008A"})
    connection = Connection(conn_id="b", conn_type="bill", login="ada", password="secret", extra=extra)
    with pytest.raises(
        BillConfigurationError, match=r'"Developer keys by organization" \(developer_api_keys\) is not a JSON object'
    ) as caught:
        read_connection(connection)
    assert "key-a" not in str(caught.value)


def test_host_and_port_may_stand_in_their_own_fields() -> None:
    connection = Connection(
        conn_id="b",
        conn_type="bill",
        host="127.0.0.1",
        port=8787,
        login="ada",
        password="secret",
        extra='{"developer_api_key": "key", "organization_id": "008A"}',
    )
    _, environment = read_connection(connection)
    assert environment.v3_base == "http://127.0.0.1:8787/connect"
