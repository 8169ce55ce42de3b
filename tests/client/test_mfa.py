"""Passing MFA in both dialects, against the local BILL: one text, one code, no attempt wasted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.results import MfaState
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillConfigurationError,
    BillMfaError,
    BillRateLimitError,
    BillUnavailableError,
)
from dev.clock import START
from dev.local_bill import LocalBill
from dev.misbehaving_server import http_answer
from tests.client.calls import v3_call

if TYPE_CHECKING:
    from tests.client.conftest import ClientOf, MakeClient, Serve

CHALLENGE = {"v3": "/connect/v3/mfa/challenge", "v2": "/api/v2/MFAChallenge.json"}
VALIDATE = {"v3": "/connect/v3/mfa/challenge/validate", "v2": "/api/v2/MFAAuthenticate.json"}
NORA = {"login": "nora@harborbooks.example", "password": "sbxPasswordNora-2gJ7bYs9Fk4W"}
KINDS = ["v3", "v2"]


def validate(
    client: BillClient,
    session: BillSession,
    challenge: str,
    code: str,
    *,
    remember: bool = True,
    device: str = "airflow-tests",
) -> RememberedDevice | None:
    return client.mfa.validate(session, challenge, code, device=device, machine_name="tests", remember=remember)


def pay(client: BillClient, session: BillSession) -> str | None:
    """Try a protected call; an untrusted session never gets to BILL's complaint about the body."""
    with pytest.raises(BillApiError) as caught:
        v3_call(client, session, "POST", "/v3/payments", json={})
    return caught.value.code


@pytest.mark.parametrize("kind", KINDS)
def test_a_code_makes_the_session_trusted_and_the_device_remembered(
    bill: LocalBill, client_of: ClientOf, kind: str
) -> None:
    client = client_of(kind)
    session = client.sign_in()
    assert pay(client, session) == "BDC_1361"
    challenge = client.mfa.challenge(session)
    remembered = validate(client, session, challenge, bill.codes()[-1])
    assert remembered is not None
    assert remembered.device == "airflow-tests"
    assert pay(client, session) != "BDC_1361"
    assert client.mfa.status(session, remembered) is True
    assert (bill.stats()["sms_sent"], bill.stats()["sign_ins"]) == (1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_without_remembering_the_session_alone_is_trusted(bill: LocalBill, client_of: ClientOf, kind: str) -> None:
    client = client_of(kind)
    session = client.sign_in()
    challenge = client.mfa.challenge(session)
    assert validate(client, session, challenge, bill.codes()[-1], remember=False) is None
    assert pay(client, session) != "BDC_1361"


@pytest.mark.parametrize("field", ["rememberMeId", "mfaId", "both"])
def test_the_remembered_device_is_found_under_either_name(bill: LocalBill, client_of: ClientOf, field: str) -> None:
    bill.settings(remember_field=field)
    client = client_of()
    session = client.sign_in()
    remembered = validate(client, session, client.mfa.challenge(session), bill.codes()[-1])
    assert client.sign_in(remembered).trusted is True


@pytest.mark.parametrize("field", ["rememberMeId", "mfaId"])
def test_a_device_that_v2_remembers_is_found_under_either_name_too(
    field: str, bill: LocalBill, make_client: MakeClient, serve: Serve
) -> None:
    data = ({"sessionId": "s-1", "orgId": "008"}, {field: "an-id"})
    answers = [{"response_status": 0, "response_message": "Success", "response_data": one} for one in data]
    server = serve(*(http_answer(200, json.dumps(answer)) for answer in answers))
    client = make_client(credentials_from("v2", bill.fields("v2")), server.url)
    assert validate(client, client.sign_in(), "c", "123456") == RememberedDevice("an-id", "airflow-tests")


@pytest.mark.parametrize("kind", KINDS)
def test_a_code_may_be_written_with_dash_and_spaces(bill: LocalBill, client_of: ClientOf, kind: str) -> None:
    client = client_of(kind)
    session = client.sign_in()
    challenge = client.mfa.challenge(session)
    code = bill.codes()[-1]
    assert validate(client, session, challenge, f" {code[:3]}-{code[3:]} ") is not None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", ["", "12345", "1234567", "12a456", "\u0661\u0662\u0663\u0664\u0665\u0666"])
def test_what_is_no_code_is_not_sent(bill: LocalBill, client_of: ClientOf, kind: str, code: str) -> None:
    client = client_of(kind)
    session = client.sign_in()
    with pytest.raises(BillMfaError, match="six digits"):
        validate(client, session, "challenge-1", code)
    assert bill.count_calls(VALIDATE[kind]) == 0


@pytest.mark.parametrize("device", ["", " ", "x" * 101])
def test_a_device_that_cannot_be_remembered_costs_no_code(bill: LocalBill, client_of: ClientOf, device: str) -> None:
    client = client_of()
    session = client.sign_in()
    with pytest.raises(BillConfigurationError, match="device"):
        validate(client, session, "challenge-1", "123456", device=device)
    assert bill.count_calls(VALIDATE["v3"]) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_late_and_too_many_codes_are_told_apart(bill: LocalBill, client_of: ClientOf, kind: str) -> None:
    bill.settings(mfa_code="123456")
    client = client_of(kind)
    session = client.sign_in()
    challenge = client.mfa.challenge(session)
    codes = []
    for _ in range(4):
        with pytest.raises(BillMfaError) as caught:
            validate(client, session, challenge, "654321")
        codes.append(caught.value.code)
    assert codes == ["BDC_1355", "BDC_1355", "BDC_1358", "BDC_1358"]
    challenge = client.mfa.challenge(session)
    bill.advance(301)
    with pytest.raises(BillMfaError, match="new code") as caught:
        validate(client, session, challenge, "123456")
    assert caught.value.code == "BDC_1356"


@pytest.mark.parametrize("kind", KINDS)
def test_no_phone_is_an_mfa_error(bill: LocalBill, client_of: ClientOf, kind: str) -> None:
    client = client_of(kind, **NORA)
    with pytest.raises(BillMfaError, match="BDC_1354"):
        client.mfa.challenge(client.sign_in())
    assert bill.stats()["sms_sent"] == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [{"kind": "reset"}, {"kind": "html"}, {"status": 500}])
def test_a_challenge_is_never_sent_twice_by_itself(
    bill: LocalBill, client_of: ClientOf, kind: str, order: dict[str, Any], slept: list[float]
) -> None:
    client = client_of(kind)
    session = client.sign_in()
    bill.fault(CHALLENGE[kind], times=9, after_effect=True, **order)
    with pytest.raises(BillUnavailableError):
        client.mfa.challenge(session)
    assert (bill.count_calls(CHALLENGE[kind]), bill.stats()["sms_sent"], slept) == (1, 1, [])


def test_the_limit_of_texts_ends_within_a_minute(bill: LocalBill, client_of: ClientOf) -> None:
    bill.settings(sms_per_minute=1)
    client = client_of()
    session = client.sign_in()
    client.mfa.challenge(session)
    with pytest.raises(BillRateLimitError) as caught:
        client.mfa.challenge(session)
    assert caught.value.retry_at == START.add(minutes=1)


@pytest.mark.parametrize("kind", KINDS)
def test_step_up_trusts_a_session_with_a_remembered_device_and_says_no_to_another(
    bill: LocalBill, client_of: ClientOf, kind: str
) -> None:
    client = client_of(kind)
    session = client.sign_in()
    assert client.mfa.step_up(session, RememberedDevice(token="unknown-id", device="airflow-tests")) is False
    assert pay(client, session) == "BDC_1361"
    remembered = validate(client, session, client.mfa.challenge(session), bill.codes()[-1])
    assert remembered is not None
    fresh = client.sign_in()
    assert client.mfa.step_up(fresh, remembered) is True
    assert pay(client, fresh) != "BDC_1361"


def test_v2_status_is_of_the_device_and_v3s_of_the_session(bill: LocalBill, client_of: ClientOf) -> None:
    unknown = RememberedDevice(token="unknown-id", device="x")
    for kind in KINDS:
        client = client_of(kind)
        session = client.sign_in()
        assert client.mfa.status(session, unknown) is False
        assert client.mfa.status(session, None) is False
    assert bill.count_calls("/api/v2/MFAStatus.json") == 1


@pytest.mark.parametrize("second_spelling", [False, True])
def test_a_phone_is_set_up_under_either_spelling_of_the_path(
    bill: LocalBill, client_of: ClientOf, second_spelling: bool
) -> None:
    client = client_of(**NORA)
    session = client.sign_in()
    assert client.session_details(session).mfa is MfaState.SETUP
    assert client.mfa.phones(session) == []
    setup = client.mfa.set_up(session, "+14085550199")
    if second_spelling:
        bill.fault("/connect/v3/mfa/validate", status=404, code="BDC_1121")
    client.mfa.validate_set_up(session, setup, bill.codes()[-1])
    (phone,) = client.mfa.phones(session)
    assert (phone.type, phone.last_digits, phone.primary) == ("MOBILE", "0199", True)
    assert bill.count_calls("/connect/v3/mfa/setup/validate") == int(second_spelling)


def test_a_second_phone_is_refused_as_bill_does(client_of: ClientOf) -> None:
    client = client_of()
    with pytest.raises(BillMfaError, match="BDC_5324"):
        client.mfa.set_up(client.sign_in(), "+14085550199")


def test_a_wrong_code_at_the_set_up_is_not_sent_to_the_other_path(bill: LocalBill, client_of: ClientOf) -> None:
    bill.settings(mfa_code="123456")
    client = client_of(**NORA)
    session = client.sign_in()
    setup = client.mfa.set_up(session, "+14085550199")
    with pytest.raises(BillMfaError, match="BDC_1355"):
        client.mfa.validate_set_up(session, setup, "654321")
    assert bill.count_calls("/connect/v3/mfa/setup/validate") == 0


@pytest.mark.parametrize("bad", [{"phone": " "}, {"phone": "+1", "type": "FAX"}])
def test_a_set_up_that_cannot_be_right_is_not_sent(bill: LocalBill, client_of: ClientOf, bad: dict[str, str]) -> None:
    client = client_of()
    session = client.sign_in()
    with pytest.raises(BillConfigurationError):
        client.mfa.set_up(session, **bad)
    assert bill.stats()["requests"] == 1


@pytest.mark.parametrize("kind", ["sync_token", "oauth", "spend_token"])
def test_kinds_without_mfa_say_so_before_sending(bill: LocalBill, client_of: ClientOf, kind: str) -> None:
    client = client_of(kind)
    session = client.sign_in()
    before = bill.stats()["requests"]
    remembered = RememberedDevice(token="unknown-id", device="x")
    for send in (
        lambda: client.mfa.challenge(session),
        lambda: validate(client, session, "c", "123456"),
        lambda: client.mfa.step_up(session, remembered),
        lambda: client.mfa.status(session, remembered),
        lambda: client.mfa.set_up(session, "+1"),
        lambda: client.mfa.validate_set_up(session, "s", "123456"),
        lambda: client.mfa.phones(session),
    ):
        with pytest.raises(BillConfigurationError, match=f"{kind} cannot pass MFA"):
            send()
    assert bill.stats()["requests"] == before


NOT_TRUE = ["false", "False", "0", "", "no", 0, 2, None, False, [True], {"value": True}]


@pytest.mark.parametrize("said", NOT_TRUE, ids=repr)
def test_whatever_is_not_true_is_not_taken_for_trusted(
    said: Any, bill: LocalBill, make_client: MakeClient, serve: Serve
) -> None:
    device = RememberedDevice(token="an-id", device="airflow-tests")
    v2 = make_client(credentials_from("v2", bill.fields("v2")), serve(*v2_answers(said)).url)
    session = v2.sign_in(device)
    assert session.trusted is False
    assert v2.mfa.status(session, device) is False
    signed_in = {"sessionId": "s-1", "trusted": said, "organizationId": bill.organization, "userId": "006"}
    server = serve(*(http_answer(200, json.dumps(body)) for body in (signed_in, {"trusted": said})))
    v3 = make_client(credentials_from("v3", bill.fields("v3")), server.url)
    session = v3.sign_in(device)
    assert session.trusted is False
    assert v3.mfa.step_up(session, device) is False


@pytest.mark.parametrize("said", [True, "true", "1"], ids=repr)
def test_v2_says_in_several_ways_that_a_device_is_trusted(
    said: Any, bill: LocalBill, make_client: MakeClient, serve: Serve
) -> None:
    client = make_client(credentials_from("v2", bill.fields("v2")), serve(*v2_answers(said)).url)
    assert client.sign_in(RememberedDevice(token="an-id", device="airflow-tests")).trusted is True


def v2_answers(said: Any) -> list[bytes]:
    """Return the answers to a v2 sign-in and to the questions for its trust."""
    data = ({"sessionId": "s-1", "orgId": "008"}, {"isTrusted": said})
    answers = [{"response_status": 0, "response_message": "Success", "response_data": one} for one in data]
    return [http_answer(200, json.dumps(answer)) for answer in answers]
