"""Calls in a session against the local BILL: what is sent, what is tried again, what is not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_bill.client.answers import Answer
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.paging import v2_rows, v3_rows
from airflow_provider_bill.client.paths import is_read
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillConcurrencyError,
    BillConfigurationError,
    BillMfaRequiredError,
    BillOutcomeUnknownError,
    BillRateLimitError,
    BillSessionExpiredError,
    BillUnavailableError,
)
from dev.clock import START
from dev.local_bill import LocalBill
from tests.client.calls import v2_call, v3_call

if TYPE_CHECKING:
    from tests.client.conftest import ClientOf

SignedIn = tuple[BillClient, BillSession]
Call = Callable[[BillClient, BillSession], Answer]
Send = Callable[[BillClient, BillSession], object]

VENDORS, VENDORS_V2 = "/connect/v3/vendors", "/api/v2/List/Vendor.json"
VENDOR = {
    "name": "Quay Supplies",
    "address": {"line1": "1 Quay", "city": "San Jose", "zipOrPostalCode": "95002", "country": "US"},
}
CREATE_V2 = {"obj": {"entity": "Vendor", "name": "Quay Supplies"}}

READS: dict[str, Call] = {
    VENDORS: lambda client, session: v3_call(client, session, "GET", "/v3/vendors"),
    VENDORS_V2: lambda client, session: v2_call(client, session, "List/Vendor.json", {"start": 0, "max": 5}),
}
WRITES: dict[str, Call] = {
    VENDORS: lambda client, session: v3_call(client, session, "POST", "/v3/vendors", json=VENDOR),
    "/api/v2/Crud/Create/Vendor.json": lambda client, session: v2_call(
        client, session, "Crud/Create/Vendor.json", CREATE_V2
    ),
}


@pytest.fixture(params=["v3", "v2"])
def signed_in(request: pytest.FixtureRequest, client_of: ClientOf) -> SignedIn:
    """A client of either dialect, with a session."""
    client = client_of(request.param)
    return client, client.sign_in()


def test_both_dialects_serve_any_session(bill: LocalBill, signed_in: SignedIn) -> None:
    client, session = signed_in
    v3 = v3_call(client, session, "get", "v3/vendors", params={"max": 3})
    v2 = v2_call(client, session, "List/Vendor.json", {"start": 0, "max": 3})
    assert (v3.status, len(v3.body["results"]), v3.sent_at) == (200, 3, START)
    assert (v2.status, len(v2.body), v2.sent_at) == (200, 3, START)
    assert bill.stats()["credentials_in_urls"] == 0


def test_a_created_row_is_given_back(signed_in: SignedIn) -> None:
    client, session = signed_in
    answers = [write(client, session) for write in WRITES.values()]
    assert [answer.body["id"][:3] for answer in answers] == ["009", "009"]


def test_all_rows_of_a_list_come_in_full_pages(bill: LocalBill, signed_in: SignedIn) -> None:
    client, session = signed_in
    v3 = list(v3_rows(lambda params: v3_call(client, session, "GET", "/v3/vendors", params=params).body, None))
    v2 = list(v2_rows(lambda data: v2_call(client, session, "List/Vendor.json", data).body, None))
    assert len({row["id"] for row in v3}) == len({row["id"] for row in v2}) == 260
    assert (bill.count_calls(VENDORS), bill.count_calls(VENDORS_V2)) == (3, 1)


def test_all_rows_of_a_v2_list_come_page_after_page(bill: LocalBill, signed_in: SignedIn) -> None:
    client, session = signed_in
    rows = v2_rows(lambda data: v2_call(client, session, "List/Vendor.json", data).body, None, page_size=100)
    assert len({row["id"] for row in rows}) == 260
    assert bill.count_calls(VENDORS_V2) == 3


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("order", [{"kind": "html"}, {"kind": "reset"}, {"kind": "malformed"}, {"status": 500}])
def test_a_read_is_asked_up_to_three_times(
    bill: LocalBill, signed_in: SignedIn, slept: list[float], path: str, order: dict[str, Any]
) -> None:
    client, session = signed_in
    bill.fault(path, times=2, **order)
    assert READS[path](client, session).status == 200
    assert (bill.count_calls(path), len(slept)) == (3, 2)
    assert all(0 <= seconds <= 2 for seconds in slept)


@pytest.mark.parametrize("path", READS)
def test_a_read_gives_up_after_three_times(bill: LocalBill, signed_in: SignedIn, slept: list[float], path: str) -> None:
    client, session = signed_in
    bill.fault(path, times=9, kind="html")
    with pytest.raises(BillUnavailableError, match="502"):
        READS[path](client, session)
    assert (bill.count_calls(path), len(slept)) == (3, 2)


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    "order",
    [{"kind": "html"}, {"kind": "reset"}, {"kind": "malformed"}, {"status": 500}, {"code": "BDC_1001"}],
)
def test_a_write_whose_outcome_is_unheard_is_never_sent_again(
    bill: LocalBill, signed_in: SignedIn, slept: list[float], path: str, order: dict[str, Any]
) -> None:
    client, session = signed_in
    bill.fault(path, times=9, after_effect=True, **order)
    with pytest.raises(BillOutcomeUnknownError) as caught:
        WRITES[path](client, session)
    assert not caught.value.retryable
    assert "look in BILL" in caught.value.advice
    assert (bill.count_calls(path), slept) == (1, [])


@pytest.mark.parametrize("path", [*READS, "/api/v2/Crud/Create/Vendor.json"])
def test_a_call_refused_for_concurrency_waits_longer_each_time_and_goes_through(
    bill: LocalBill, signed_in: SignedIn, slept: list[float], caplog: pytest.LogCaptureFixture, path: str
) -> None:
    client, session = signed_in
    bill.fault(path, times=5, code="BDC_1322")
    with caplog.at_level(logging.WARNING):
        assert {**WRITES, **READS}[path](client, session).status == 200
    assert bill.count_calls(path) == 6
    assert len(slept) == 5
    assert all(0 <= seconds <= 2**n for n, seconds in enumerate(slept, start=1))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "bill_api" in caplog.text


@pytest.mark.parametrize("path", READS)
def test_a_call_refused_for_concurrency_gives_up_after_six_times(
    bill: LocalBill, signed_in: SignedIn, slept: list[float], path: str
) -> None:
    client, session = signed_in
    bill.fault(path, times=9, code="BDC_1322")
    with pytest.raises(BillConcurrencyError) as caught:
        READS[path](client, session)
    assert caught.value.retryable
    assert (bill.count_calls(path), len(slept)) == (6, 5)


def test_each_sort_of_failure_is_counted_for_itself(bill: LocalBill, signed_in: SignedIn, slept: list[float]) -> None:
    client, session = signed_in
    bill.fault(VENDORS, times=4, code="BDC_1322")
    bill.fault(VENDORS, times=2, kind="html")
    assert READS[VENDORS](client, session).status == 200
    assert len(slept) == 6


def test_a_sign_in_refused_for_concurrency_may_be_sent_again(
    bill: LocalBill, client_of: ClientOf, slept: list[float]
) -> None:
    bill.fault("/connect/v3/login", code="BDC_1322")
    assert client_of().sign_in().organization_id
    assert len(slept) == 1


@pytest.mark.parametrize("path", READS)
def test_the_hourly_limit_is_never_waited_for(
    bill: LocalBill, signed_in: SignedIn, slept: list[float], path: str
) -> None:
    client, session = signed_in
    bill.settings(calls_per_hour=0)
    with pytest.raises(BillRateLimitError, match="BDC_1144") as caught:
        READS[path](client, session)
    assert caught.value.retry_at == START.start_of("hour").add(hours=1)
    assert (bill.count_calls(path), slept) == (1, [])


@pytest.mark.parametrize("path", READS)
def test_a_session_that_is_over_is_told_at_once(
    bill: LocalBill, signed_in: SignedIn, slept: list[float], path: str
) -> None:
    client, session = signed_in
    bill.expire_sessions()
    with pytest.raises(BillSessionExpiredError, match="BDC_1109"):
        READS[path](client, session)
    assert (bill.count_calls(path), slept) == (1, [])


def test_a_session_serves_only_its_own_developer_key(bill: LocalBill, client_of: ClientOf) -> None:
    session = client_of().sign_in()
    with pytest.raises(BillSessionExpiredError):
        client_of(developer_api_key="sbxDevKeySecond3Hb8Zc5Nf1Jg9Wq").session_details(session)


@pytest.mark.parametrize(
    ("method", "path", "params", "code"),
    [("GET", "/v3/vendorz", None, "BDC_1121"), ("GET", "/v3/vendors", {"max": 101}, None)],
)
def test_a_wrong_call_is_an_error_that_is_not_tried_again(
    bill: LocalBill,
    signed_in: SignedIn,
    slept: list[float],
    method: str,
    path: str,
    params: dict[str, Any] | None,
    code: str | None,
) -> None:
    client, session = signed_in
    with pytest.raises(BillApiError) as caught:
        v3_call(client, session, method, path, params=params)
    assert type(caught.value) is BillApiError
    assert code is None or caught.value.code == code
    assert (bill.count_calls(f"/connect{path}"), slept) == (1, [])


def test_a_payment_in_an_untrusted_session_asks_for_mfa(
    bill: LocalBill, signed_in: SignedIn, slept: list[float]
) -> None:
    client, session = signed_in
    with pytest.raises(BillMfaRequiredError, match="BDC_1361"):
        v3_call(client, session, "POST", "/v3/payments", json={})
    with pytest.raises(BillMfaRequiredError, match="BDC_1361"):
        v2_call(client, session, "PayBills.json", {})
    assert (bill.stats()["sign_ins"], slept) == (1, [])


@pytest.mark.parametrize(
    "send",
    [
        lambda client, session: v3_call(client, session, "POST", "/v3/payments", json={}),
        lambda client, session: v3_call(client, session, "POST", "/v3/mfa/challenge", json={}),
        lambda client, session: v2_call(client, session, "PayBills.json", {}),
        lambda client, session: v2_call(client, session, "MFAChallenge.json", {}),
        lambda client, session: client.mfa.challenge(session),
        lambda client, session: client.mfa.phones(session),
    ],
)
def test_a_sync_token_sends_no_protected_and_no_mfa_call(bill: LocalBill, client_of: ClientOf, send: Send) -> None:
    client = client_of("sync_token")
    session = client.sign_in()
    with pytest.raises(BillConfigurationError):
        send(client, session)
    assert bill.stats()["requests"] == 1


@pytest.mark.parametrize(
    ("kind", "send", "words"),
    [
        ("v3", lambda c, s: v3_call(c, s, "GET", "/v3/spend/cards"), "oauth or spend_token"),
        ("v2", lambda c, s: v3_call(c, s, "GET", "/v3/spend/cards"), "oauth or spend_token"),
        ("spend_token", lambda c, s: v3_call(c, s, "GET", "/v3/vendors"), "spend_token"),
        ("spend_token", lambda c, s: c.session_details(s), "spend_token"),
        ("sync_token", lambda c, s: v3_call(c, s, "GET", "/v3/spend/cards"), "oauth or spend_token"),
        ("partner", lambda c, s: v3_call(c, s, "GET", "/v3/spend/cards"), "oauth or spend_token"),
        ("spend_token", lambda c, s: v2_call(c, s, "List/Vendor.json"), "v2 call"),
        ("oauth", lambda c, s: v2_call(c, s, "List/Vendor.json"), "v2 call"),
        ("v3", lambda c, s: v3_call(c, s, "GET", "/List/Vendor.json"), r"use call\(\)"),
        ("v3", lambda c, s: v2_call(c, s, "/v3/vendors"), r"use request\(\)"),
        ("v3", lambda c, s: v3_call(c, s, "GET", "/v3/vendors?max=1"), "query parameters"),
        ("v3", lambda c, s: v3_call(c, s, "GET", "/v3/vendors", params={"sessionId": "x"}), "sessionId"),
        ("v3", lambda c, s: v3_call(c, s, "FETCH", "/v3/vendors"), "FETCH"),
        ("v3", lambda c, s: v3_call(c, s, "POST", "/v3/vendors", json={"a": object()}), "the body of POST"),
        ("v3", lambda c, s: v3_call(c, s, "POST", "/v3/vendors", json={"a": float("nan")}), "the body of POST"),
        ("v3", lambda c, s: v2_call(c, s, "Crud/Create/Vendor.json", {"a": object()}), "JSON"),
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_is_sent(
    bill: LocalBill, client_of: ClientOf, kind: str, send: Send, words: str
) -> None:
    client = client_of(kind)
    session = client.sign_in()
    before = bill.stats()["requests"]
    with pytest.raises(BillConfigurationError, match=words) as caught:
        send(client, session)
    assert bill.stats()["requests"] == before
    assert "\n" not in str(caught.value)


def test_the_client_knows_reads_and_protected_calls_of_both_dialects(client_of: ClientOf) -> None:
    client = client_of()
    assert is_read("/v3/vendors")
    assert is_read("List/Vendor.json", "POST")
    assert not is_read("/v3/vendors", "post")
    assert not is_read("PayBills.json")
    assert client.prepare("POST", "/v3/payments", body={}).is_protected
    assert client.prepare("POST", "PayBills.json").is_protected
    assert not client.prepare("GET", "/v3/payments").is_protected
    assert client.prepare("GET", "v3/vendors").path == "/v3/vendors"
    assert client.prepare("POST", "List/Vendor.json").path == "/List/Vendor.json"


def test_connections_are_kept_and_cookies_are_not(bill: LocalBill, client_of: ClientOf) -> None:
    bill.settings(v2_cookies=True)
    client = client_of("v2")
    session = client.sign_in()
    v2_call(client, session, "List/Vendor.json", {"max": 1})
    assert not list(client._transport._session.cookies)
