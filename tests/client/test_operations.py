"""The catalogue of BILL's operations: what is found in it, and what follows for a call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.environments import resolve_environment
from airflow_provider_bill.client.operations import base_of, find, operations, spelt_right
from airflow_provider_bill.client.request import prepare
from airflow_provider_bill.exceptions import BillConfigurationError
from dev.catalogue import CATALOGUE
from dev.operations_page import PAGE, page
from tests.client.test_credentials import FIELDS


def test_the_page_of_operations_is_up_to_date() -> None:
    assert PAGE.read_text() == page(json.loads(CATALOGUE.read_text()))


def test_each_operation_stands_in_the_catalogue_once_and_is_found_by_its_own_path() -> None:
    names = [(one.method, one.path) for one in operations()]
    assert len(names) == len(set(names)) == 307
    assert [find(*name) for name in names] == list(operations())


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/v3/vendors", "/v3/vendors"),
        ("GET", "/v3/vendors/", "/v3/vendors"),
        ("GET", "/v3/vendors/009A", "/v3/vendors/{vendorId}"),
        ("POST", "/v3/payments/mass", "/v3/payments/mass"),
        ("GET", "/v3/payments/options", "/v3/payments/options"),
        ("GET", "/v3/payments/stp1", "/v3/payments/{paymentId}"),
        ("GET", "/v3/spend/users/current", "/v3/spend/users/current"),
        ("GET", "/v3/spend/users/7", "/v3/spend/users/{userId}"),
        ("PATCH", "/v3/recurring-bills/1", "/v3/recurringbills/{recurringBillId}"),
        ("GET", "/v3/recurringbills", "/v3/recurringbills"),
        ("PUT", "/v3/vendors/009A", None),
        ("GET", "/v3/unheard-of", None),
        ("GET", "/v3/vendors/009A/unheard-of", None),
    ],
)
def test_a_literal_segment_wins_over_an_id(method: str, path: str, found: str | None) -> None:
    operation = find(method, path)
    assert (operation and operation.path) == found


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/v3/Vendors", "/v3/vendors"),
        ("/v3/vendors/009Ab/Bank-Account", "/v3/vendors/009Ab/bank-account"),
        ("/v3/vendors/009Ab/bank-account", ""),
        ("/v3/vendors/009Ab/autoPay", ""),
        ("/v3/Unheard-Of", ""),
        ("/v3/Recurring-Bills", "/v3/recurringbills"),
        ("/v3/RecurringBills/1", "/v3/recurringbills/1"),
        ("/v3/recurring-bills/1", ""),
    ],
)
def test_capitals_alone_are_told_from_another_path(path: str, right: str) -> None:
    assert spelt_right(path) == right


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("get", "/v3/Vendors", r"GET /v3/Vendors.*capitals.*give /v3/vendors$"),
        ("POST", "/v3/Payments", r"capitals.*/v3/payments$"),
        ("get", "/V3/Vendors", r"small letters, such as /v3/vendors"),
        ("GET", "/v3/vendors?max=1", r"carries a query"),
        ("POST", "/v3/Recurring-Bills", r"capitals.*/v3/recurringbills$"),
        ("GET", "/v3/List/Vendor.json/", r"is a v2 path"),
    ],
)
def test_a_path_with_capitals_or_a_query_is_refused_with_the_right_one(method: str, path: str, words: str) -> None:
    with pytest.raises(BillConfigurationError, match=words):
        prepare(method, path)


def test_a_trailing_slash_and_a_small_method_change_nothing() -> None:
    assert prepare("post", "v3/payments/mass/", body={}) == prepare("POST", "/v3/payments/mass", body={})


def test_a_path_that_the_catalogue_lacks_is_called_by_the_general_rules() -> None:
    request = prepare("POST", "/v3/brand-new", body={"a": 1})
    assert (request.is_write, request.base, request.operation, request.is_protected) == (True, "connect", None, False)
    assert not request.may_be_empty
    assert prepare("DELETE", "/v3/brand-new/1").may_be_empty


@pytest.mark.parametrize(
    ("path", "base"),
    [
        ("/v3/subscriptions", "events"),
        ("/v3/subscriptions/1/brand-new", "events"),
        ("/v3/events/catalog", "events"),
        ("/v3/eventsource", "connect"),
        ("/v3/subscriptions-of-old", "connect"),
        ("/v3/vendors", "connect"),
    ],
)
def test_webhooks_have_a_base_of_their_own(path: str, base: str) -> None:
    assert base_of(path) == prepare("GET", path).base == base


def test_the_catalogue_and_the_general_rule_agree_on_the_base() -> None:
    assert all(base_of(one.path) == one.base for one in operations())


KINDS = {"v3", "v2", "console", "sync_token", "partner", "oauth", "spend_token"}
#: Who may make which calls.
CALLERS = [
    ("GET", "/v3/vendors", KINDS - {"spend_token"}),
    ("GET", "/v3/spend/cards", {"oauth", "spend_token"}),
    ("GET", "/v3/spend/brand-new", {"oauth", "spend_token"}),
    ("GET", "/v3/partner/users", {"partner"}),
    ("POST", "/v3/partner/brand-new", {"partner"}),
    ("GET", "/v3/subscriptions", KINDS - {"oauth"}),
    ("GET", "/v3/events/brand-new", KINDS - {"oauth"}),
]


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(("method", "path", "kinds"), CALLERS)
def test_a_kind_of_sign_in_makes_its_calls_and_for_others_names_a_kind_that_can(
    kind: str, method: str, path: str, kinds: set[str]
) -> None:
    credentials, request = credentials_from(kind, FIELDS), prepare(method, path)
    if kind in kinds:
        credentials.check(request)
        return
    with pytest.raises(BillConfigurationError, match="use a connection of") as caught:
        credentials.check(request)
    assert any(other in caught.value.advice for other in kinds)
    assert "dev-key-1" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "path", "headers"),
    [
        ("v3", "/v3/vendors", {"devKey": "dev-key-1", "sessionId": "s"}),
        ("v3", "/v3/subscriptions", {"devKey": "dev-key-1", "sessionId": "s"}),
        ("partner", "/v3/vendors", {"devKey": "dev-key-1", "sessionId": "s"}),
        ("partner", "/v3/subscriptions", {"appKey": "app-key-1", "sessionId": "s"}),
        ("partner", "/v3/partner/organizations", {"appKey": "app-key-1", "sessionId": "s"}),
        ("partner", "/v3/partner/users", {"appKey": "app-key-1", "sessionId": "s", "organizationId": "008ABC"}),
        ("spend_token", "/v3/subscriptions", {"apiToken": "s"}),
        ("spend_token", "/v3/spend/cards", {"apiToken": "s"}),
        ("oauth", "/v3/spend/cards", {"Authorization": "Bearer s"}),
    ],
)
def test_each_call_carries_the_credentials_that_bill_takes_for_it(
    kind: str, path: str, headers: dict[str, str]
) -> None:
    assert credentials_from(kind, FIELDS).headers("s", prepare("GET", path)) == headers


@pytest.mark.parametrize(
    ("method", "path", "body", "protected"),
    [
        ("POST", "/v3/payments/mass", {}, True),
        ("POST", "/v3/payments", [], True),
        ("GET", "/v3/payments/mass/1", None, False),
        ("POST", "/v3/vendors/bulk", [{"autoPay": {"enabled": False}}, {"autoPay": {"enabled": True}}], True),
        ("POST", "/v3/vendors/bulk", [{"autoPay": {"enabled": False}}], False),
        ("POST", "/v3/vendors/bulk", ({"name": "a"}, {"autoPay": {"enabled": True}}), True),
        ("POST", "/v3/vendors/bulk", ({"autoPay": {"enabled": False}},), False),
        ("PATCH", "/v3/vendors/009A", {"autoPay": {"enabled": True}}, True),
        ("PATCH", "/v3/vendors/009A", {"autoPay": {"status": "ENABLED"}}, True),
        ("PATCH", "/v3/vendors/009A", {"autoPay": {"status": "DISABLED"}}, False),
        ("PATCH", "/v3/vendors/009A", {"autoPay": {"enabled": True, "status": "DISABLED"}}, False),
        ("PUT", "/v3/vendors/009A", {"autoPay": {"enabled": True}}, True),
        ("PUT", "/v3/vendors/009A/autopay", {"enabled": True}, True),
        ("GET", "/v3/vendors/009A/autopay", {"enabled": True}, False),
        *[
            (method, path, body, on)
            for path in ("/v3/recurringbills", "/v3/recurring-bills")
            for method, path in (("POST", path), ("PUT", f"{path}/1"), ("PATCH", f"{path}/1"))
            for body, on in [
                ({"processingOptions": {"autoPayment": {"enabled": True}}}, True),
                ({"processingOptions": {"autoPayment": True}}, True),
                ({"processingOptions": {"autoPayment": {"enabled": False}}}, False),
                ({"processingOptions": {"autoBill": True}}, False),
                ({"processingOptions": None}, False),
                ({"autoPayment": {"enabled": True}}, True),
                ({"autoPayment": {"enabled": False}}, False),
            ]
        ],
    ],
)
def test_what_the_catalogue_protects_is_protected_for_what_a_body_sets(
    method: str, path: str, body: Any, protected: bool
) -> None:
    assert prepare(method, path, body=body).is_protected is protected


def test_a_protected_call_is_sent_unprotected_in_the_sandbox_only() -> None:
    for path in ("/v3/payments/mass", "/v3/funding-accounts/banks"):
        assert not prepare("POST", path, body={}, environment="sandbox").needs_trust
        assert prepare("POST", path, body={}, environment="production").needs_trust


@pytest.mark.parametrize(
    ("path", "empty"),
    [
        ("/v3/invoices/00e1/email", True),
        ("/v3/network/invitation/accept", True),
        ("/v3/network/invitation/vendor/0091/email", True),
        ("/v3/partner/risk-verifications/0061/phone", True),
        ("/v3/risk-verifications/phone", True),
        ("/v3/invoices", False),
        ("/v3/payments", False),
    ],
)
def test_an_empty_answer_is_one_only_where_bill_documents_it(path: str, empty: bool) -> None:
    assert prepare("POST", path, body={}).may_be_empty is empty


@pytest.mark.parametrize(
    ("name", "host", "base"),
    [
        ("sandbox", "", "https://gateway.stage.bill.com/connect-events"),
        ("production", "", "https://gateway.prod.bill.com/connect-events"),
        ("sandbox", "127.0.0.1:8787", "http://127.0.0.1:8787/connect-events"),
    ],
)
def test_the_base_of_webhooks_goes_with_the_environment(name: str, host: str, base: str) -> None:
    assert resolve_environment(name, host).events_base == base


@pytest.mark.parametrize("path", ["/v3/login", "/v3/login/", "/v3/partner/login", "Login.json", "/login.json"])
def test_a_sign_in_is_no_call_as_any_other_as_it_would_pass_what_counts_wrong_passwords(path: str) -> None:
    with pytest.raises(BillConfigurationError, match=r"is a sign-in.*sign_in\(\)") as caught:
        prepare("POST", path, body={"password": "s3cret"})
    assert "s3cret" not in str(caught.value)
