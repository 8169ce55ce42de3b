"""What each kind of sign-in needs, and what is said when it is not there."""

from __future__ import annotations

import pytest

from airflow_provider_bill.client.auth import credentials_from, kinds
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.session import IDLE_LIMIT, SYNC_TOKEN_IDLE_LIMIT
from airflow_provider_bill.exceptions import BillConfigurationError

FIELDS = {
    "login": "ada@example.com",
    "password": "pass-word-1",
    "developer_api_key": "dev-key-1",
    "organization_id": "008ABC",
    "app_api_key": "app-key-1",
    "partner_user_id": "006ABC",
}
NEEDED = {
    "v3": ["login", "password", "developer_api_key", "organization_id"],
    "v2": ["login", "password", "developer_api_key", "organization_id"],
    "console": ["login", "password", "developer_api_key", "organization_id"],
    "sync_token": ["login", "password", "developer_api_key", "organization_id"],
    "partner": [
        "login",
        "password",
        "developer_api_key",
        "organization_id",
        "app_api_key",
        "partner_user_id",
    ],
    "oauth": ["login", "password"],
    "spend_token": ["password"],
}
MFA_KINDS = ["v3", "v2", "console", "partner"]
OTHER_KINDS = ["sync_token", "oauth", "spend_token"]


def test_every_kind_is_tested_here() -> None:
    assert set(NEEDED) == set(kinds())


@pytest.mark.parametrize("kind", NEEDED)
def test_a_kind_takes_what_it_needs_and_nothing_else(kind: str) -> None:
    credentials = credentials_from(kind, {name: FIELDS[name] for name in NEEDED[kind]})
    assert credentials.kind == kind
    assert credentials.signs_in is (kind != "spend_token")
    assert credentials.has_mfa is (kind in MFA_KINDS)
    limit = {"sync_token": SYNC_TOKEN_IDLE_LIMIT, "oauth": None, "spend_token": None}.get(kind, IDLE_LIMIT)
    assert credentials.idle_limit == limit


@pytest.mark.parametrize("blank", [None, "", "  "])
@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NEEDED.items() for name in names])
def test_a_missing_or_blank_field_is_named_with_the_kind_and_the_fix(kind: str, name: str, blank: str | None) -> None:
    with pytest.raises(BillConfigurationError) as caught:
        credentials_from(kind, {**FIELDS, name: blank})
    message = str(caught.value)
    assert (name if name in ("login", "password") else f"extra {name}") in message
    assert f"sign_in {kind}" in message
    assert "missing or blank" in message
    assert message.count("\n") == 0


def test_a_kind_that_does_not_exist_is_refused_naming_the_valid_ones() -> None:
    with pytest.raises(BillConfigurationError) as caught:
        credentials_from("saml", FIELDS)
    assert all(str(kind) in str(caught.value) for kind in kinds())


def test_spaces_around_keys_are_dropped_but_not_around_a_password() -> None:
    spaced = {name: f"  {value}\n" for name, value in FIELDS.items()}
    credentials = credentials_from("partner", spaced)
    assert credentials.sealing_secrets() == (
        "partner", "008ABC", "dev-key-1", "ada@example.com", "  pass-word-1\n", "app-key-1", "006ABC",
    )  # fmt: skip
    assert credentials_from("spend_token", {"password": " tok-1 "}).secrets() == ("tok-1",)


@pytest.mark.parametrize("value", ["key one", "key\r\nX: y", "kéy"])
def test_a_key_that_cannot_be_a_header_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(BillConfigurationError, match="developer_api_key") as caught:
        credentials_from("v3", {**FIELDS, "developer_api_key": value})
    assert value not in str(caught.value)


@pytest.mark.parametrize("value", ["008__1", "a b", "008/1", "_008", "x" * 65, "008\n1"])
def test_an_organization_id_that_could_not_be_one_is_refused(value: str) -> None:
    with pytest.raises(BillConfigurationError, match="organization_id"):
        credentials_from("v3", {**FIELDS, "organization_id": value})


def test_an_organization_is_kept_where_a_kind_does_not_need_it() -> None:
    assert credentials_from("oauth", FIELDS).organization_id == "008ABC"


@pytest.mark.parametrize("kind", NEEDED)
def test_no_secret_stands_in_a_repr(kind: str) -> None:
    fields = dict(FIELDS)
    if kind in MFA_KINDS:
        fields |= {"device": "airflow", "remembered_device_token": "remember-me-1"}
    credentials = credentials_from(kind, fields)
    assert credentials.secrets()
    assert not [secret for secret in credentials.secrets() if secret in repr(credentials)]
    assert ("remember-me-1" in credentials.secrets()) is (kind in MFA_KINDS)


@pytest.mark.parametrize("kind", MFA_KINDS)
def test_the_remembered_device_is_no_part_of_the_sealing(kind: str) -> None:
    device = {"device": "airflow", "remembered_device_token": "remember-me-1"}
    with_device = credentials_from(kind, {**FIELDS, **device})
    assert with_device.remembered_device == RememberedDevice(token="remember-me-1", device="airflow")
    assert with_device.sealing_secrets() == credentials_from(kind, FIELDS).sealing_secrets()


@pytest.mark.parametrize("kind", ["v3", "v2", "console", "sync_token", "partner"])
def test_every_field_of_a_kind_changes_the_sealing(kind: str) -> None:
    before = credentials_from(kind, FIELDS).sealing_secrets()
    for name in NEEDED[kind]:
        assert credentials_from(kind, {**FIELDS, name: FIELDS[name] + "2"}).sealing_secrets() != before


@pytest.mark.parametrize(
    ("given", "named"),
    [({"device": "airflow"}, "remembered_device_token"), ({"remembered_device_token": "t"}, "device")],
)
def test_half_a_remembered_device_is_refused_naming_the_other_half(given: dict[str, str], named: str) -> None:
    with pytest.raises(BillConfigurationError, match=f"^{named} of the remembered device is missing"):
        credentials_from("v3", {**FIELDS, **given})


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_a_kind_without_mfa_takes_no_remembered_device(kind: str) -> None:
    with pytest.raises(BillConfigurationError, match=f"sign_in {kind} cannot pass MFA"):
        credentials_from(kind, {**FIELDS, "device": "airflow", "remembered_device_token": "t"})


def test_a_device_label_over_100_characters_is_refused() -> None:
    with pytest.raises(BillConfigurationError, match="100"):
        RememberedDevice(token="t", device="x" * 101)


@pytest.mark.parametrize("kind", NEEDED)
def test_the_sign_ins_of_an_hour_are_counted_by_developer_key_or_client_id(kind: str) -> None:
    counted_by = {"oauth": FIELDS["login"], "spend_token": ""}.get(kind, FIELDS["developer_api_key"])
    assert credentials_from(kind, FIELDS).limit_key() == counted_by
