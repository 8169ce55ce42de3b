"""``BillHook`` outside a task: the session stays in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from pendulum import DateTime

from airflow_provider_bill.exceptions import (
    BillAnswerTooLargeError,
    BillConfigurationError,
    BillHandleError,
    BillSignInRefusedError,
    BillUnavailableError,
)
from airflow_provider_bill.hooks.bill import BillHook
from dev.clock import ManualClock
from dev.local_bill import LocalBill

Connect = Callable[..., list[str]]


def test_two_hooks_of_a_connection_share_one_session(connect: Connect, bill: LocalBill) -> None:
    connect("v3")
    assert BillHook().request("GET", "/v3/vendors", params={"max": 2})["results"]
    assert BillHook().request("GET", "/v3/bills", params={"max": 2})["results"]
    assert bill.stats()["sign_ins"] == 1


def test_outside_a_task_one_line_says_that_the_session_stays_here(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    connect("v3")
    caplog.set_level("INFO")
    hook = BillHook()
    hook.session()
    hook.session()
    assert caplog.text.count("kept in this process only") == 1


@pytest.mark.parametrize("kind", ["v3", "console", "sync_token", "partner", "oauth"])
def test_all_pages_of_a_v3_list_come_one_after_the_other(kind: str, connect: Connect) -> None:
    connect(kind)
    rows = list(BillHook().paginate("/v3/vendors", {"sort": "createdTime:asc"}))
    assert len(rows) == len({row["id"] for row in rows})
    assert (len(rows) > 250) == (kind != "console")


@pytest.mark.parametrize("kind", ["v2", "v3", "sync_token"])
def test_all_pages_of_a_v2_list_come_one_after_the_other(kind: str, connect: Connect) -> None:
    connect(kind)
    rows = list(BillHook().paginate("List/Vendor.json", page_size=100))
    assert len({row["id"] for row in rows}) == len(rows) > 250


@pytest.mark.parametrize(
    ("path", "params"),
    [("/v3/vendors", {"filters": 'name:eq:"{}"'}), ("List/Vendor.json", {"filters": [{"field": "name", "op": "="}]})],
)
def test_pages_are_those_of_what_was_asked_for(path: str, params: dict[str, Any], connect: Connect) -> None:
    connect("v3")
    name = next(iter(BillHook().paginate(path)))["name"]
    filled = json.loads(json.dumps(params).replace("{}", name))
    if isinstance(filled["filters"], list):
        filled["filters"][0]["value"] = name
    assert {row["name"] for row in BillHook().paginate(path, filled)} == {name}


def test_a_page_has_as_many_rows_as_were_asked_for(connect: Connect, bill: LocalBill) -> None:
    connect("v3")
    rows = len(list(BillHook().paginate("/v3/vendors", page_size=50)))
    assert bill.count_calls("/connect/v3/vendors") == -(-rows // 50) > 3


def test_an_answer_larger_than_the_hook_reads_fails_the_task_without_a_retry(connect: Connect, bill: LocalBill) -> None:
    connect("v3")
    hook = BillHook(max_answer_bytes=5000)
    assert hook.request("GET", "/v3/vendors", params={"max": 1})["results"]
    with pytest.raises(BillAnswerTooLargeError, match="max_answer_bytes") as caught:
        hook.request("GET", "/v3/vendors", params={"max": 100})
    assert isinstance(caught.value, AirflowFailException)


def test_a_spend_token_reads_spend_lists_only(connect: Connect, bill: LocalBill) -> None:
    connect("spend_token")
    assert list(BillHook().paginate("/v3/spend/transactions"))
    before = bill.stats()["requests"]
    with pytest.raises(BillConfigurationError, match="spend"):
        BillHook().request("GET", "/v3/vendors")
    assert bill.stats()["requests"] == before


@pytest.mark.parametrize(
    ("kind", "path", "able"),
    [
        ("v3", "/v3/spend/cards", "oauth or spend_token"),
        ("partner", "/v3/spend/cards", "oauth or spend_token"),
        ("v3", "/v3/partner/users", "kind partner"),
        ("oauth", "/v3/partner/users", "kind partner"),
        ("oauth", "/v3/subscriptions", "kind v3, console or partner"),
        ("spend_token", "/v3/partner/users", "kind partner"),
    ],
)
def test_a_call_that_the_kind_of_sign_in_cannot_make_costs_no_sign_in(
    kind: str, path: str, able: str, connect: Connect, bill: LocalBill
) -> None:
    connect(kind)
    for call in (lambda: BillHook().request("GET", path), lambda: list(BillHook().paginate(path))):
        with pytest.raises(BillConfigurationError, match=able):
            call()
    assert bill.stats()["requests"] == 0


@pytest.mark.parametrize("path", ["/v3/vendors/", "v3/vendors", "/v3/vendors"])
def test_a_path_may_end_in_a_slash_and_a_method_be_in_small_letters(
    path: str, connect: Connect, bill: LocalBill
) -> None:
    connect("v3")
    assert BillHook().request("get", path, params={"max": 1})["results"]
    assert len(list(BillHook().paginate(path))) == 260
    assert bill.count_calls("/connect/v3/vendors") == 4


@pytest.mark.parametrize("path", ["/V3/vendors", "/v3/Vendors", "/v3/vendors?max=1"])
def test_a_path_that_cannot_be_meant_costs_no_sign_in(path: str, connect: Connect, bill: LocalBill) -> None:
    connect("v3")
    with pytest.raises(BillConfigurationError):
        BillHook().request("GET", path)
    assert bill.stats()["requests"] == 0


@pytest.mark.parametrize("kind", ["v3", "v2", "console", "sync_token", "partner", "oauth", "spend_token"])
def test_the_connection_test_signs_in_and_out_once_and_stores_nothing(
    kind: str, connect: Connect, bill: LocalBill
) -> None:
    connect(kind)
    worked, message = BillHook().test_connection()
    assert worked, message
    stats = bill.stats()
    assert stats["sign_ins"] == {"partner": 2, "spend_token": 0}.get(kind, 1)
    assert stats["sms_sent"] == 0
    assert BillHook().peek() is None


def test_the_connection_test_succeeds_where_only_signing_out_fails(connect: Connect, bill: LocalBill) -> None:
    connect("v3")
    bill.fault("/connect/v3/logout", kind="reset")
    worked, message = BillHook().test_connection()
    assert worked
    assert "Signing out failed: POST /v3/logout" in message


def test_the_connection_test_tells_why_it_failed_and_names_no_secret(connect: Connect) -> None:
    connect("v3", password="the wrong password")
    worked, message = BillHook().test_connection()
    assert not worked
    assert "BDC_1101" in message
    assert "the wrong password" not in message


def test_signing_out_ends_the_session_and_a_second_time_does_nothing(connect: Connect, bill: LocalBill) -> None:
    connect("v3")
    BillHook().sign_in()
    assert BillHook().sign_out() is True
    assert BillHook().sign_out() is False
    stats = bill.stats()
    assert (stats["sign_outs"], stats["open_sessions"]) == (1, 0)


def test_signing_out_of_a_session_that_bill_ended_is_a_success(connect: Connect, bill: LocalBill) -> None:
    connect("v3")
    BillHook().sign_in()
    bill.expire_sessions()
    assert BillHook().sign_out() is False
    assert BillHook().peek() is None


def test_a_handle_leads_another_hook_to_the_session_and_holds_no_secret(connect: Connect, bill: LocalBill) -> None:
    secrets = connect("v3")
    handle = BillHook().sign_in()
    token = BillHook().session().session_token
    text = json.dumps(handle)
    assert not [secret for secret in (*secrets, token) if secret in text]
    assert BillHook.from_handle(handle).session().session_token == token
    assert bill.stats()["sign_ins"] == 1


def test_each_client_of_a_console_is_entered_with_its_own_developer_key_by_one_connection(
    connect: Connect, bill: LocalBill
) -> None:
    clients = [row for row in bill.seed["organizations"] if row["console_id"]][:2]
    keys = {row["id"]: row["developer_key"] for row in clients}
    secrets = connect("console", developer_api_key="", organization_id=clients[0]["id"], developer_api_keys=keys)
    facts = ("id", "name", "console_id")
    for row in clients:
        assert {name: row[name] for name in facts} in BillHook().organizations()
    for row in clients:
        handle = BillHook(organization_id=row["id"]).sign_in()
        assert BillHook.from_handle(handle).request("GET", "/v3/vendors", params={"max": 1})["results"]
        assert not [key for key in (*secrets, *keys.values()) if key in json.dumps(handle)]
    used = [row["credentials"]["devKey"] for row in bill.control("GET", "requests") if "login" in row["path"]]
    assert len(set(used)) == 2
    assert bill.stats()["sign_ins"] == 2


def test_an_organization_that_has_no_developer_key_is_named_and_nobody_signs_in(
    connect: Connect, bill: LocalBill
) -> None:
    connect("console", developer_api_key="", developer_api_keys={"008OTHER": "key-of-other-1"})
    with pytest.raises(BillConfigurationError, match="no developer key for organization '008"):
        BillHook().session()
    assert bill.stats()["requests"] == 0


def test_a_handle_of_another_connection_is_refused(connect: Connect) -> None:
    connect("v3")
    handle = BillHook().sign_in()
    with pytest.raises(BillHandleError, match="'bill_default', not of 'other'"):
        BillHook.from_handle(handle, bill_conn_id="other")


def test_a_handle_older_than_the_connection_is_refused(connect: Connect) -> None:
    connect("v3")
    handle = BillHook().sign_in()
    connect("oauth")
    with pytest.raises(BillHandleError, match="run the login task again"):
        BillHook.from_handle(handle)


def test_what_must_not_be_retried_is_told_so_to_airflow_and_stays_what_it_was(connect: Connect) -> None:
    connect("v3", password="the wrong password")
    with pytest.raises(BillSignInRefusedError) as caught:
        BillHook().session()
    assert isinstance(caught.value, AirflowFailException)
    assert caught.value.code == "BDC_1101"


def test_a_refusal_in_the_middle_of_asking_for_trust_is_not_retried_either(
    connect: Connect, bill: LocalBill, clock: ManualClock
) -> None:
    connect("v3")
    bill.fault("/v3/login", skip=1, code="BDC_1101")

    def late() -> DateTime:
        """Let the session end between the question for its trust and its next use."""
        return clock.now.add(hours=2) if bill.count_calls("/connect/v3/login/session") else clock.now

    with pytest.raises(AirflowFailException, match="BDC_1101"):
        BillHook(clock=late).mfa.is_trusted()


def test_a_refused_password_is_not_sent_again_until_it_is_corrected(connect: Connect, bill: LocalBill) -> None:
    connect("v3", password="the wrong password")
    for _ in range(3):
        with pytest.raises(BillSignInRefusedError, match="BDC_1101"):
            BillHook().session()
    assert bill.stats()["refused_sign_ins"] == 1
    connect("v3")
    BillHook().session()
    assert bill.stats()["sign_ins"] == 1


@pytest.mark.parametrize(
    ("kind", "changes", "named"),
    [
        ("v3", {"developer_api_key": ""}, "developer_api_key"),
        ("v3", {"developer_api_key": "   "}, "developer_api_key"),
        ("v3", {"organization_id": None}, "organization_id"),
        ("v3", {"login": ""}, "login"),
        ("v3", {"password": ""}, "password"),
        ("console", {"password": ""}, "Console API token"),
        ("partner", {"app_api_key": ""}, "app_api_key"),
        ("partner", {"partner_user_id": ""}, "partner_user_id"),
        ("oauth", {"password": ""}, "client secret"),
        ("spend_token", {"password": ""}, "API token"),
        ("v3", {"sign_in": "v4"}, "password_v3, password_v2, console, sync_token, partner, oauth, spend_token"),
        ("v3", {"environment": "prod"}, "sandbox, production"),
        ("v3", {"device": "airflow"}, "remembered_device_token"),
        ("v3", {"remembered_device_token": "abc"}, "device"),
        ("sync_token", {"device": "airflow", "remembered_device_token": "abc"}, "MFA"),
        ("v3", {"host": "http://bill.example.com"}, "https"),
        ("v3", {"host": "https://gateway.bill.com"}, "gateway.stage.bill.com"),
        ("v3", {"host": "https://gateway.prod.bill.com"}, "environment"),
    ],
)
def test_a_connection_that_cannot_work_is_refused_before_anything_is_sent(
    kind: str, changes: dict[str, Any], named: str, connect: Connect, bill: LocalBill
) -> None:
    connect(kind, **changes)
    with pytest.raises(BillConfigurationError) as caught:
        BillHook().session()
    assert named in str(caught.value)
    assert bill.stats()["requests"] == 0


@pytest.mark.parametrize("spelling", ["developer_api_key", "devKey", "dev_key", "developer_key"])
def test_the_developer_key_is_read_under_each_of_its_spellings(
    spelling: str, connect: Connect, bill: LocalBill
) -> None:
    connect("v3", rename={"developer_api_key": spelling})
    BillHook().session()
    assert bill.stats()["sign_ins"] == 1


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda hook: hook.request("GET", "List/Vendor.json"), "call"),
        (lambda hook: hook.call("/v3/vendors"), "request"),
        (
            lambda hook: hook.request("GET", "https://gateway.prod.bill.com/connect/v3/vendors"),
            "full address",
        ),
        (lambda hook: hook.request("GET", "/v3/vendors?max=5"), "query"),
        (lambda hook: list(hook.paginate("vendors")), "/v3/"),
    ],
)
def test_a_path_of_the_wrong_dialect_is_refused_before_anything_is_sent(
    call: Callable[[BillHook], Any], named: str, connect: Connect, bill: LocalBill
) -> None:
    connect("v3")
    with pytest.raises(BillConfigurationError) as caught:
        call(BillHook())
    assert named in str(caught.value)
    assert bill.stats()["requests"] == 0


@pytest.mark.parametrize("path", ["/v3/vendors", "List/Vendor.json"])
@pytest.mark.parametrize("params", ["sort=name", [("sort", "name")], b"", 7])
def test_pages_are_asked_for_with_a_mapping(path: str, params: Any, connect: Connect, bill: LocalBill) -> None:
    connect("v3")
    with pytest.raises(BillConfigurationError, match=r"query.*mapping of names"):
        next(BillHook().paginate(path, params))
    assert bill.stats()["requests"] == 0


def test_an_organization_that_the_key_cannot_enter_is_passed_on_with_bills_code(
    connect: Connect, bill: LocalBill
) -> None:
    connect("v3")
    with pytest.raises(BillSignInRefusedError, match="BDC_11"):
        BillHook(organization_id="00801XXX000100000000").session()
    assert BillHook(organization_id="00801XXX000100000000").peek() is None


def test_an_unknown_store_is_refused_by_name() -> None:
    with pytest.raises(BillConfigurationError, match="'variable', 'xcom' or 'memory'"):
        BillHook(store="redis")


def test_a_hook_reads_nothing_before_it_is_used() -> None:
    BillHook("there_is_no_such_connection")


def test_a_session_whose_sign_out_is_not_answered_is_picked_up_by_nobody(connect: Connect, bill: LocalBill) -> None:
    connect("v3")
    BillHook().sign_in()
    bill.fault("/v3/logout", kind="reset")
    with pytest.raises(BillUnavailableError):
        BillHook().sign_out()
    assert BillHook().peek() is None


def test_a_hook_that_was_not_used_has_opened_no_session_and_reads_nothing_to_say_so(connect: Connect) -> None:
    assert BillHook("there_is_none").has_opened_session is False
    connect("v3")
    hook = BillHook()
    assert hook.has_opened_session is False
    hook.session()
    assert hook.has_opened_session is True
