"""Developer keys by organization: which one a connection uses, and what is said when there is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.exceptions import BillConfigurationError
from tests.client.test_credentials import FIELDS

KEYS = json.dumps({"008ABC": " key-of-abc ", "008XYZ": "key-of-xyz"})
KEYED = ["v3", "v2", "console", "sync_token", "partner"]


def developer_key(kind: str, **changes: Any) -> str:
    credentials: Any = credentials_from(kind, {**FIELDS, **changes})
    return str(credentials.developer_key)


@pytest.mark.parametrize("kind", KEYED)
def test_an_organization_has_its_own_key_or_else_the_connections(kind: str) -> None:
    assert developer_key(kind, developer_api_keys=KEYS) == "key-of-abc"
    assert developer_key(kind, developer_api_keys=KEYS, organization_id="008XYZ") == "key-of-xyz"
    assert developer_key(kind, developer_api_keys=KEYS, organization_id="008NEW") == "dev-key-1"
    assert developer_key(kind, developer_api_keys=KEYS, developer_api_key=None) == "key-of-abc"
    for none in ("", "  ", "{}", None):
        assert developer_key(kind, developer_api_keys=none) == "dev-key-1"


@pytest.mark.parametrize("kind", KEYED)
def test_an_organization_without_any_key_is_named(kind: str) -> None:
    with pytest.raises(BillConfigurationError, match=r"no developer key for organization '008NEW'.*developer_api_keys"):
        developer_key(kind, developer_api_keys=KEYS, developer_api_key="", organization_id="008NEW")


def test_a_missing_organization_is_named_first() -> None:
    with pytest.raises(BillConfigurationError, match="extra organization_id is missing"):
        developer_key("v3", developer_api_keys=KEYS, organization_id="")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("key-of-abc", "is not a JSON object"),
        ('["s3cret"]', "is not a JSON object"),
        ('"s3cret"', "is not a JSON object"),
        ("[" * 100_000, "is not a JSON object"),
        ('{"008XYZ": 12}', "'008XYZ' int instead of a key"),
        ('{"008XYZ": null}', "'008XYZ' NoneType instead of a key"),
        ('{"008XYZ": {"a": "s3cret"}}', "'008XYZ' dict instead of a key"),
        ('{"008XYZ": "  "}', "'008XYZ' a blank key"),
        ('{"008XYZ": "s3cret key"}', "'008XYZ' a space or a character"),
        ('{"008XYZ": "s3crét"}', "'008XYZ' a space or a character"),
        ('{" ": "s3cret"}', "for no organization"),
        ('{"008XYZ": "s3cret", "008XYZ": "s3cret2"}', "'008XYZ' two keys"),
        ('{"008XYZ": "s3cret", " 008XYZ ": "s3cret2"}', "'008XYZ' two keys"),
    ],
)
def test_a_map_that_cannot_be_one_is_refused_without_repeating_a_key(keys: str, words: str) -> None:
    with pytest.raises(BillConfigurationError, match=f"developer_api_keys.*{words}") as caught:
        developer_key("v3", developer_api_keys=keys)
    assert "s3cr" not in str(caught.value)
    assert "key-of-abc" not in str(caught.value)


@pytest.mark.parametrize("kind", KEYED)
def test_every_key_of_the_map_is_a_secret_and_stands_in_no_repr(kind: str) -> None:
    credentials = credentials_from(kind, {**FIELDS, "developer_api_keys": KEYS})
    secrets = credentials.secrets()
    assert {"key-of-abc", "key-of-xyz"} <= set(secrets)
    assert len(secrets) == len(set(secrets))
    assert "key-of" not in repr(credentials)
    assert "key-of-xyz" not in credentials.sealing_secrets()


def test_sealing_and_hourly_limit_follow_the_key_in_use() -> None:
    plain = credentials_from("v3", {**FIELDS, "developer_api_key": "key-of-abc"})
    mapped = credentials_from("v3", {**FIELDS, "developer_api_keys": KEYS})
    assert mapped.sealing_secrets() == plain.sealing_secrets()
    assert mapped.limit_key() == "key-of-abc"


def test_kinds_without_a_developer_key_do_not_look_at_the_map() -> None:
    for kind in ("oauth", "spend_token"):
        assert credentials_from(kind, {**FIELDS, "developer_api_keys": "nonsense"}).kind == kind
