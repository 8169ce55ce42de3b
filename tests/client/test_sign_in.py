"""Signing in and out in every kind, against the local BILL; once, whatever happens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.results import MfaState
from airflow_provider_bill.client.session import IDLE_LIMIT, SYNC_TOKEN_IDLE_LIMIT
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillConfigurationError,
    BillError,
    BillMfaError,
    BillRateLimitError,
    BillSessionExpiredError,
    BillSignInRefusedError,
    BillUnavailableError,
)
from dev.clock import START
from dev.local_bill import LocalBill
from dev.misbehaving_server import http_answer
from tests.client.calls import v3_call

if TYPE_CHECKING:
    from tests.client.conftest import ClientOf, MakeClient, Serve

SESSION_KINDS = ["v3", "v2", "console", "sync_token", "partner"]
LOGIN = {"v3": "/connect/v3/login", "v2": "/api/v2/Login.json"}


def remember(client: BillClient, bill: LocalBill) -> RememberedDevice:
    """Pass MFA in a first session and give the remembered device."""
    session = client.sign_in()
    challenge = client.mfa.challenge(session)
    remembered = client.mfa.validate(
        session, challenge, bill.codes()[-1], device="airflow-tests", machine_name="tests", remember=True
    )
    assert remembered is not None
    return remembered


@pytest.mark.parametrize("kind", SESSION_KINDS)
def test_a_sign_in_opens_a_session_of_that_organization_and_user(
    bill: LocalBill, client_of: ClientOf, kind: str
) -> None:
    client = client_of(kind)
    session = client.sign_in()
    assert session.organization_id == client.credentials.organization_id
    assert session.user_id.startswith("006")
    assert (session.signed_in_at, session.last_used_at, session.ends_at) == (START, START, None)
    assert session.idle_limit == (SYNC_TOKEN_IDLE_LIMIT if kind == "sync_token" else IDLE_LIMIT)
    assert session.trusted is False
    details = client.session_details(session)
    assert (details.organization_id, details.user_id) == (session.organization_id, session.user_id)
    assert details.sent_at == START
    assert bill.stats()["sign_ins"] == (2 if kind == "partner" else 1)


@pytest.mark.parametrize("kind", SESSION_KINDS)
def test_signing_out_ends_the_session_and_a_second_time_finds_it_over(
    bill: LocalBill, client_of: ClientOf, kind: str
) -> None:
    client = client_of(kind)
    session = client.sign_in()
    assert client.sign_out(session) is True
    assert bill.stats()["open_sessions"] == 0
    assert client.sign_out(session) is False
    with pytest.raises(BillSessionExpiredError) as caught:
        client.session_details(session)
    assert caught.value.code == "BDC_1109"


@pytest.mark.parametrize(("kind", "path"), [("v3", "/connect/v3/logout"), ("v2", "/api/v2/Logout.json")])
@pytest.mark.parametrize("order", [{"kind": "reset"}, {"kind": "html"}])
def test_a_sign_out_that_is_not_heard_is_unavailable_and_not_repeated(
    bill: LocalBill, client_of: ClientOf, slept: list[float], kind: str, path: str, order: dict[str, Any]
) -> None:
    client = client_of(kind)
    session = client.sign_in()
    bill.fault(path, times=9, **order)
    with pytest.raises(BillUnavailableError):
        client.sign_out(session)
    assert (bill.count_calls(path), slept) == (1, [])


def test_a_partners_own_session_that_cannot_be_ended_fails_nobody(bill: LocalBill, client_of: ClientOf) -> None:
    client = client_of("partner")
    session = client.sign_in()
    bill.fault("/connect/v3/logout", skip=1, kind="status", status=500)
    assert client.sign_out(session) is True
    assert (bill.count_calls("/connect/v3/logout"), bill.stats()["open_sessions"]) == (2, 1)


def test_v2_keeps_the_endpoint_that_bill_names_only_where_it_is_bills(bill: LocalBill, client_of: ClientOf) -> None:
    assert client_of("v2").sign_in().api_endpoint == f"{bill.url}/api/v2"


@pytest.mark.parametrize("kind", ["v3", "v2", "partner"])
def test_a_remembered_device_makes_a_sign_in_trusted(bill: LocalBill, client_of: ClientOf, kind: str) -> None:
    remembered = remember(client_of("v2" if kind == "v2" else "v3"), bill)
    assert client_of(kind).sign_in(remembered).trusted is True
    assert client_of(kind).sign_in().trusted is False


def test_the_connections_own_device_is_not_sent_by_itself(bill: LocalBill, client_of: ClientOf) -> None:
    remembered = remember(client_of("v3"), bill)
    own = client_of("v3", remembered_device_token=remembered.token, device=remembered.device)
    assert own.sign_in().trusted is False
    assert own.sign_in(own.credentials.remembered_device).trusted is True


def test_v2_asks_for_the_trust_only_with_a_remembered_device(bill: LocalBill, client_of: ClientOf) -> None:
    client = client_of("v2")
    client.sign_in()
    assert bill.count_calls("/api/v2/MFAStatus.json") == 0
    client.sign_in(RememberedDevice(token="unknown-id", device="x"))
    assert bill.count_calls("/api/v2/MFAStatus.json") == 1


def test_a_v2_sign_in_is_kept_when_the_question_for_its_trust_fails(bill: LocalBill, client_of: ClientOf) -> None:
    bill.fault("/api/v2/MFAStatus.json", kind="html", times=9)
    session = client_of("v2").sign_in(RememberedDevice(token="unknown-id", device="x"))
    assert session.trusted is False
    assert bill.stats()["sign_ins"] == 1


@pytest.mark.parametrize("kind", ["v3", "v2"])
def test_where_bill_calls_a_bad_device_an_invalid_session_it_is_an_mfa_error(
    bill: LocalBill, client_of: ClientOf, kind: str
) -> None:
    bill.settings(bad_remember_me="refuse")
    with pytest.raises(BillMfaError, match="remembered device") as caught:
        client_of(kind).sign_in(RememberedDevice(token="unknown-id", device="x"))
    assert caught.value.code == "BDC_1109"


def test_a_device_with_a_kind_that_knows_no_mfa_is_refused_before_sending(bill: LocalBill, client_of: ClientOf) -> None:
    with pytest.raises(BillConfigurationError, match="sync_token"):
        client_of("sync_token").sign_in(RememberedDevice(token="unknown-id", device="x"))
    assert bill.stats()["requests"] == 0


@pytest.mark.parametrize("kind", ["v3", "v2", "console", "sync_token", "partner"])
def test_a_wrong_password_is_refused_once_and_not_tried_again(
    bill: LocalBill, client_of: ClientOf, kind: str, slept: list[float]
) -> None:
    with pytest.raises(BillSignInRefusedError, match="BDC_1101") as caught:
        client_of(kind, password="wrong-password-1").sign_in()
    assert not caught.value.retryable
    assert (bill.stats()["requests"], slept) == (1, [])


@pytest.mark.parametrize("kind", ["v3", "v2"])
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"developer_api_key": "sbxNoSuchKey"}, "BDC_1102"),
        ({"developer_api_key": "sbxDevKeyInactive6Pk4Vt2Xr8Ms"}, "BDC_1103"),
        ({"developer_api_key": "sbxDevKeyTerms9Ld3Bw7Qz5Yn1Cx"}, "BDC_1104"),
        ({"organization_id": "00801SBX000400000000"}, "BDC_1105"),
        ({"login": "ivan@harborbooks.example", "password": "sbxPasswordIvan-6tM5zDq3Hw8P"}, "BDC_1111"),
        ({"organization_id": "008NoSuchOrg"}, None),
    ],
)
def test_bills_refusals_keep_their_code_and_meaning(
    bill: LocalBill, client_of: ClientOf, kind: str, changes: dict[str, str], code: str | None
) -> None:
    with pytest.raises(BillSignInRefusedError) as caught:
        client_of(kind, **changes).sign_in()
    assert caught.value.code == (code or {"v3": "BDC_1123", "v2": "BDC_1129"}[kind])
    assert caught.value.code in str(caught.value)
    assert bill.stats()["requests"] == 1


@pytest.mark.parametrize("kind", ["v3", "v2"])
def test_a_locked_user_and_a_locked_organization_are_told_apart(
    bill: LocalBill, client_of: ClientOf, kind: str
) -> None:
    bill.settings(lock_after=1)
    with pytest.raises(BillSignInRefusedError, match="BDC_1101"):
        client_of(kind, password="wrong-password-1").sign_in()
    with pytest.raises(BillSignInRefusedError, match="BDC_1110"):
        client_of(kind).sign_in()
    bill.reset()
    with pytest.raises(BillRateLimitError, match="BDC_1107") as caught:
        client_of(kind, organization_id="00801SBX000300000000").sign_in()
    assert caught.value.retry_at == START.add(minutes=15)


@pytest.mark.parametrize("status", [422, 429, 400])
@pytest.mark.parametrize("kind", ["v3", "v2"])
def test_the_sign_ins_of_an_hour_used_up_say_when_to_come_back(
    bill: LocalBill, client_of: ClientOf, kind: str, status: int, slept: list[float]
) -> None:
    bill.settings(sign_ins_per_hour=1, limit_status=status)
    client = client_of(kind)
    client.sign_in()
    with pytest.raises(BillRateLimitError, match="BDC_1144") as caught:
        client.sign_in()
    assert caught.value.retry_at == pendulum.datetime(2026, 11, 21, 13)
    assert (bill.count_calls(LOGIN[kind]), slept) == (2, [])


@pytest.mark.parametrize("kind", ["v3", "v2"])
@pytest.mark.parametrize(
    "order",
    [
        {"kind": "reset"},
        {"kind": "html"},
        {"kind": "malformed"},
        {"status": 500},
        {"kind": "html", "status": 504},
    ],
)
def test_a_sign_in_is_never_sent_twice_by_the_client(
    bill: LocalBill, client_of: ClientOf, kind: str, order: dict[str, Any], slept: list[float]
) -> None:
    bill.fault(LOGIN[kind], times=9, **order)
    with pytest.raises(BillUnavailableError):
        client_of(kind).sign_in()
    assert (bill.count_calls(LOGIN[kind]), slept) == (1, [])


@pytest.mark.parametrize("kind", ["v3", "v2", "console", "partner"])
@pytest.mark.parametrize(
    "body", ["", "null", "{}", "[]", '{"organizationId":"008"}', '{"sessionId":""}', '{"sessionId":7}']
)
def test_an_answer_without_a_session_id_names_what_is_missing(
    bill: LocalBill, make_client: MakeClient, serve: Serve, kind: str, body: str
) -> None:
    v2 = f'{{"response_status":0,"response_message":"Success","response_data":{body or "null"}}}'
    server = serve(http_answer(200, v2 if kind == "v2" else body))
    client = make_client(credentials_from(kind, bill.fields(kind)), server.url)
    with pytest.raises(BillUnavailableError, match="sessionId"):
        client.sign_in()
    assert len(server.requests) == 1


@pytest.mark.parametrize("session_id", ["s\x00-1", "s\r\nX-Evil: 1", "s\u200b-1", "s\u00e9ance", "\x7f"])
@pytest.mark.parametrize("kind", ["v3", "v2"])
def test_a_session_id_that_no_header_can_carry_is_no_session(
    kind: str, session_id: str, bill: LocalBill, make_client: MakeClient, serve: Serve
) -> None:
    data: dict[str, Any] = {"sessionId": session_id, "organizationId": bill.organization, "orgId": bill.organization}
    body = data if kind == "v3" else {"response_status": 0, "response_message": "Success", "response_data": data}
    server = serve(http_answer(200, json.dumps(body)))
    client = make_client(credentials_from(kind, bill.fields(kind)), server.url)
    with pytest.raises(BillUnavailableError, match="no sessionId"):
        client.sign_in()
    assert len(server.requests) == 1


def test_partner_sign_in_sends_the_app_key_first_and_the_developer_key_after(
    bill: LocalBill, client_of: ClientOf
) -> None:
    client = client_of("partner")
    session = client.sign_in()
    assert v3_call(client, session, "GET", "/v3/vendors", params={"max": 1}).status == 200
    assert v3_call(client, session, "GET", "/v3/partner/users").status == 200
    first, second, third, fourth = bill.control("GET", "requests")
    assert (first["path"], set(first["credentials"])) == ("/connect/v3/partner/login", {"appKey", "password"})
    assert (second["path"], set(second["credentials"])) == (
        "/connect/v3/partner/login-as-user", {"appKey", "sessionId"},
    )  # fmt: skip
    assert set(third["credentials"]) == {"devKey", "sessionId"}
    # A partner's calls go in the partner's own session, which opened the other.
    assert set(fourth["credentials"]) == {"appKey", "sessionId"}
    assert fourth["credentials"]["sessionId"] == second["credentials"]["sessionId"]
    assert fourth["credentials"]["sessionId"] != third["credentials"]["sessionId"]


def test_an_oauth_token_has_a_fixed_end_and_goes_as_bearer_alone(bill: LocalBill, client_of: ClientOf) -> None:
    bill.settings(oauth_token_seconds=1234)
    client = client_of("oauth")
    session = client.sign_in()
    assert (session.idle_limit, session.ends_at) == (None, START.add(seconds=1234))
    assert v3_call(client, session, "GET", "/v3/vendors", params={"max": 1}).status == 200
    assert v3_call(client, session, "GET", "/v3/spend/cards").status == 200
    assert client.session_details(session).organization_id.startswith("008")
    assert client.sign_out(session) is False
    rows = bill.control("GET", "requests")
    assert [set(row["credentials"]) for row in rows] == [{"client_secret"}, *[{"authorization"}] * 3]


def test_an_oauth_token_that_is_over_is_an_expired_session(bill: LocalBill, client_of: ClientOf) -> None:
    client = client_of("oauth")
    session = client.sign_in()
    bill.advance(4000)
    with pytest.raises(BillSessionExpiredError):
        v3_call(client, session, "GET", "/v3/vendors")


def test_a_wrong_client_secret_is_a_refusal(bill: LocalBill, client_of: ClientOf) -> None:
    with pytest.raises(BillSignInRefusedError, match="client secret") as caught:
        client_of("oauth", password="wrong-secret-1").sign_in()
    assert caught.value.code == "invalid_client"
    assert bill.stats()["requests"] == 1


@pytest.mark.parametrize("life", [None, 0, -1, True, "soon", [], 1e300])
def test_an_oauth_token_without_a_life_is_an_error(
    bill: LocalBill, make_client: MakeClient, serve: Serve, life: Any
) -> None:
    server = serve(http_answer(200, json.dumps({"access_token": "opaque-token-1", "expires_in": life})))
    client = make_client(credentials_from("oauth", bill.fields("oauth")), server.url)
    with pytest.raises(BillApiError, match="expires_in"):
        client.sign_in()


@pytest.mark.parametrize("life", [60, "60", 60.0, 1])
def test_an_oauth_tokens_life_is_taken_as_bill_says_it(
    bill: LocalBill, make_client: MakeClient, serve: Serve, life: Any
) -> None:
    server = serve(http_answer(200, json.dumps({"access_token": "opaque-token-1", "expires_in": life})))
    client = make_client(credentials_from("oauth", bill.fields("oauth")), server.url)
    assert client.sign_in().ends_at == START.add(seconds=int(life))


def test_an_oauth_answer_without_a_token_names_what_is_missing(
    bill: LocalBill, make_client: MakeClient, serve: Serve
) -> None:
    server = serve(http_answer(200, '{"expires_in":60}'))
    client = make_client(credentials_from("oauth", bill.fields("oauth")), server.url)
    with pytest.raises(BillUnavailableError, match="access_token"):
        client.sign_in()


@pytest.mark.parametrize(("said", "organization_id"), [("00801OTHER", "00801OTHER"), ("", "00801SBX000100000000")])
def test_a_v2_session_is_of_the_organization_that_bill_names(
    said: str, organization_id: str, bill: LocalBill, make_client: MakeClient, serve: Serve
) -> None:
    data = {"sessionId": "session-id-1", "orgId": said, "usersId": "006A"}
    server = serve(http_answer(200, json.dumps({"response_status": 0, "response_data": data})))
    fields = {**bill.fields("v2"), "organization_id": "00801SBX000100000000"}
    assert make_client(credentials_from("v2", fields), server.url).sign_in().organization_id == organization_id


def test_the_token_call_may_be_at_an_address_of_its_own(bill: LocalBill, make_client: MakeClient, serve: Serve) -> None:
    server = serve(http_answer(200, '{"access_token":"opaque-token-1","expires_in":60}'))
    credentials = credentials_from("oauth", bill.fields("oauth"))
    make_client(credentials, bill.url, oauth_url=f"{server.url}/own/token").sign_in()
    assert server.requests[0].startswith(b"POST /own/token HTTP/1.1")
    assert bill.stats()["requests"] == 0


@pytest.mark.parametrize(
    ("reply", "cls"),
    [
        (http_answer(404, "<html>nothing here</html>", kind="text/html"), BillApiError),
        (http_answer(405, '{"message":"Method not allowed"}'), BillApiError),
        (http_answer(302, "", extra="Location: https://login.example.com/\r\n"), BillApiError),
        (http_answer(403, "<html>forbidden</html>", kind="text/html"), BillSignInRefusedError),
        (http_answer(200, "<html>sign in</html>", kind="text/html"), BillUnavailableError),
        (http_answer(502, ""), BillUnavailableError),
        ("reset", BillUnavailableError),
    ],
)
def test_a_host_that_is_not_that_of_the_token_call_is_an_error_that_names_the_extra_to_set(
    bill: LocalBill, make_client: MakeClient, serve: Serve, reply: bytes | str, cls: type[BillError]
) -> None:
    server = serve(reply)
    client = make_client(credentials_from("oauth", bill.fields("oauth")), server.url)
    with pytest.raises(cls, match=r"if 127\.0\.0\.1 is not the host .* set extra oauth_url") as caught:
        client.sign_in()
    assert type(caught.value) is cls
    assert str(caught.value).count(";") == 2
    assert len(server.requests) == 1


def test_a_token_host_that_cannot_be_reached_is_an_error_that_names_the_extra_to_set(
    bill: LocalBill, make_client: MakeClient, serve: Serve
) -> None:
    gone = serve("reset")
    gone.close()
    client = make_client(credentials_from("oauth", bill.fields("oauth")), bill.url, oauth_url=f"{gone.url}/token")
    with pytest.raises(BillUnavailableError, match=r"was not sent to 127\.0\.0\.1.*set extra oauth_url"):
        client.sign_in()


def test_a_refused_client_says_nothing_of_the_tokens_host(client_of: ClientOf) -> None:
    with pytest.raises(BillSignInRefusedError) as caught:
        client_of("oauth", password="wrong-secret-1").sign_in()
    assert "oauth_url" not in str(caught.value)


def test_a_spend_token_needs_no_sign_in_and_no_sign_out(bill: LocalBill, client_of: ClientOf) -> None:
    client = client_of("spend_token")
    session = client.sign_in()
    assert (session.idle_limit, session.ends_at) == (None, None)
    assert client.sign_out(session) is False
    assert bill.stats()["requests"] == 0
    assert v3_call(client, session, "GET", "/v3/spend/cards").body["results"]
    assert set(bill.control("GET", "requests")[-1]["credentials"]) == {"apiToken"}


def test_a_wrong_spend_token_is_a_refusal_and_no_expired_session(bill: LocalBill, client_of: ClientOf) -> None:
    client = client_of("spend_token", password="wrong-token-1")
    with pytest.raises(BillSignInRefusedError, match="Spend & Expense token"):
        v3_call(client, client.sign_in(), "GET", "/v3/spend/cards")


def test_the_organizations_of_v2_need_no_session(bill: LocalBill, client_of: ClientOf) -> None:
    found = client_of("v2").organizations()
    assert found[0].id == "00801SBX000100000000"
    assert found[0].name == "Harbor Books"
    assert bill.stats()["open_sessions"] == 0


def test_the_organizations_of_v3_are_read_to_the_last_page(bill: LocalBill, client_of: ClientOf) -> None:
    bill.control("POST", "organizations", {"count": 230})
    client = client_of("console")
    found = client.organizations(client.sign_in())
    assert len({organization.id for organization in found}) == len(found) >= 230
    assert any(organization.console_id for organization in found)
    assert bill.count_calls("/connect/v3/login/organizations") == 3
    with pytest.raises(BillConfigurationError, match="session"):
        client.organizations()


def test_a_wrong_password_at_v2_list_orgs_is_a_refused_sign_in(bill: LocalBill, client_of: ClientOf) -> None:
    with pytest.raises(BillSignInRefusedError):
        client_of("v2", password="wrong-password-1").organizations()
    assert bill.stats()["requests"] == 1


@pytest.mark.parametrize(
    ("mode", "state", "trusted"),
    [
        ("enforced", MfaState.CHALLENGE, False),
        ("off", MfaState.DISABLED, False),
        ("bypass", MfaState.BYPASS, False),
    ],
)
def test_the_details_tell_how_a_session_stands_to_mfa(
    bill: LocalBill, client_of: ClientOf, mode: str, state: MfaState, trusted: bool | None
) -> None:
    bill.settings(mfa_mode=mode)
    client = client_of()
    details = client.session_details(client.sign_in())
    assert (details.mfa, details.trusted) == (state, trusted)
    assert details.mfa.may_pay is (mode != "enforced")


def test_v2_does_not_say_how_a_session_stands_to_mfa(client_of: ClientOf) -> None:
    client = client_of("v2")
    details = client.session_details(client.sign_in())
    assert (details.mfa, details.trusted) == (MfaState.UNKNOWN, None)


@pytest.mark.parametrize(
    ("body", "state", "trusted"),
    [
        ({"mfaStatus": "COMPLETE", "mfaBypass": False}, MfaState.TRUSTED, True),
        ({"mfaStatus": "SETUP"}, MfaState.SETUP, False),
        ({"mfaStatus": "UNDEFINED"}, MfaState.UNKNOWN, None),
        ({"mfaStatus": 7, "mfaBypass": "yes"}, MfaState.UNKNOWN, None),
        ({}, MfaState.UNKNOWN, None),
    ],
)
def test_bills_words_for_mfa_are_understood(
    bill: LocalBill,
    client_of: ClientOf,
    make_client: MakeClient,
    serve: Serve,
    body: dict[str, Any],
    state: MfaState,
    trusted: bool | None,
) -> None:
    session = client_of().sign_in()
    server = serve(http_answer(200, json.dumps({"organizationId": "008", "userId": "006", **body})))
    details = make_client(credentials_from("v3", bill.fields("v3")), server.url).session_details(session)
    assert (details.mfa, details.trusted) == (state, trusted)


def test_a_refusal_is_always_of_the_family(client_of: ClientOf) -> None:
    with pytest.raises(BillError):
        client_of("v3", login="nobody@example.com").sign_in()


def test_a_partner_call_in_the_session_of_a_user_sends_the_app_key(
    make_client: MakeClient, bill: LocalBill, serve: Serve
) -> None:
    session = make_client(credentials_from("partner", bill.fields("partner")), bill.url).sign_in()
    server = serve(http_answer(200, "{}"))
    client = make_client(credentials_from("partner", bill.fields("partner")), server.url)
    for path in ("/v3/partner/organizations/1", "/v3/vendors"):
        v3_call(client, session, "GET", path)
    of_partner, other = (request.decode().lower() for request in server.requests)
    assert "appkey:" in of_partner
    assert "devkey:" not in of_partner
    assert "appkey:" not in other
