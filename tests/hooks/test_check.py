"""Trying a connection out: what the Test button and the command line say."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_bill.get_provider_info import SIGN_INS
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.version_compat import AIRFLOW_V_3_0_PLUS
from dev.local_bill import LocalBill
from dev.misbehaving_server import MisbehavingServer, http_answer

Connect = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("v3", ("Harbor Books (00801SBX000100000000)", "ada@harborbooks.example (user 006", "and out again")),
        ("v2", ("00801SBX000100000000", "ada@harborbooks.example (user 006", "and out again")),
        ("console", ("Client 001 of Tally Firm (008", "cora@tallyfirm.example", "and out again")),
        ("sync_token", ("00801SBX000100000000", "sbxSyncTokenName-nightly", "and out again")),
        ("partner", ("Harbor Books (00801SBX000100000000)", "pia@partnerhub.example", "and out again")),
        ("oauth", ("sbxOAuthFull", "The token is good until ")),
        ("spend_token", ("BILL takes the token as Spender 1",)),
    ],
)
def test_a_success_names_organization_user_environment_and_kind(
    kind: str, parts: tuple[str, ...], connect: Connect, bill: LocalBill
) -> None:
    secrets = connect(kind)
    result = BillHook().check()
    assert result.works, result.message
    assert (result.kind, result.environment) == (kind, "sandbox")
    for part in (*parts, f"sandbox at {bill.url}", SIGN_INS.get(kind, SIGN_INS.get(f"password_{kind}", "?"))):
        assert part in result.message
    assert not [secret for secret in secrets if secret in result.message]


def test_the_result_tells_its_parts(connect: Connect, bill: LocalBill) -> None:
    connect("v3")
    result = BillHook().check()
    assert (result.organization_id, result.organization_name) == (bill.organization, "Harbor Books")
    assert (result.user, result.error) == (bill.username, None)


def test_a_connection_that_bill_signs_in_elsewhere_does_not_work(
    connect: Connect, serve: Callable[..., MisbehavingServer]
) -> None:
    server = serve(http_answer(200, json.dumps({"sessionId": "session-id-1", "organizationId": "00801OTHER"})))
    connect("v3", host=server.url)
    result = BillHook().check()
    assert not result.works
    assert "BILL signed in to organization 00801OTHER instead of 00801SBX000100000000" in result.message
    # Signed in, and out again.
    assert [call.split(b" ", 2)[1] for call in server.requests] == [b"/connect/v3/login", b"/connect/v3/logout"]


def test_a_spend_token_is_tried_out_by_one_read_call(connect: Connect, bill: LocalBill) -> None:
    connect("spend_token")
    assert BillHook().check().works
    assert bill.stats()["by_path"] == {"/connect/v3/spend/users/current": 1}
    connect("spend_token", password="another-token")
    result = BillHook().check()
    assert not result.works
    assert "refused the Spend & Expense token" in result.message
    assert "another-token" not in result.message


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"password": "not this one"}, ("BDC_1101", "Look at the connection's login, password")),
        ({"developer_api_key": "01NOTTHISONE"}, ("BDC_1102", '"Developer key" (developer_api_key)')),
        ({"organization_id": "00801XXX000100000000"}, ("BDC_1123", '"Organization id" (organization_id)')),
        ({"host": "http://127.0.0.1:9"}, ("was not sent to 127.0.0.1", "Look at the connection's host, port")),
        ({"developer_api_key": ""}, ('"Developer key" (developer_api_key) is missing or blank',)),
    ],
)
def test_a_mistake_is_named_by_the_fields_of_the_form(
    changes: dict[str, str], parts: tuple[str, ...], connect: Connect
) -> None:
    connect("v3", **changes)
    result = BillHook().check()
    assert not result.works
    for part in parts:
        assert part in result.message
    assert not [value for name, value in changes.items() if name in ("password", "developer_api_key") and value
                and value in result.message]  # fmt: skip
    assert result.error is not None


def test_what_bill_has_refused_is_not_sent_again(connect: Connect, bill: LocalBill) -> None:
    connect("v3", password="not this one")
    for _ in range(3):
        assert not BillHook().check().works
    assert bill.stats()["refused_sign_ins"] == 1


def test_an_organization_whose_name_cannot_be_read_is_named_by_its_id(connect: Connect, bill: LocalBill) -> None:
    connect("v3")
    bill.fault("/connect/v3/login/organizations", status=403, times=9)
    result = BillHook().check()
    assert result.works
    assert f"Signed in to {bill.organization}, sandbox" in result.message


def test_a_connection_that_does_not_exist_is_a_result_too() -> None:
    result = BillHook("there_is_none").check()
    assert not result.works
    assert "there_is_none" in result.message


@pytest.mark.parametrize(
    "changes", [{"password": ""}, {"developer_api_key": "RATHER_LONG_SENSITIVE_FIELD_PLACEHOLDER"}]
)
def test_on_airflow_2_the_page_is_told_that_its_button_gets_no_stored_secret(
    changes: dict[str, Any], connect: Connect
) -> None:
    connect("v3", **changes)
    works, message = BillHook().test_connection()
    assert not works
    assert ("enter password and keys once more" in message) is not AIRFLOW_V_3_0_PLUS
    connect("v3", environment="prod")
    assert "once more" not in BillHook().test_connection()[1]


@pytest.mark.parametrize("kind", ["v3", "v2", "console", "sync_token", "partner", "oauth", "spend_token"])
def test_airflow_finds_nothing_in_a_connection_that_is_too_short_to_be_masked(
    kind: str, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if AIRFLOW_V_3_0_PLUS:
        from airflow.sdk._shared.secrets_masker.secrets_masker import SecretsMasker

        monkeypatch.setattr(SecretsMasker, "_has_warned_short_secret", False)
    connect(kind)
    short = BillHook.get_connection("bill_default").extra_dejson  # as Airflow reads it for a task
    BillHook().session()
    assert not [value for value in short.values() if len(str(value)) < 5]
    assert "too short" not in caplog.text
