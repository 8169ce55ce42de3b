"""No secret in an error, its traceback, a repr or a log, and each one told the moment it is known."""

from __future__ import annotations

import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.redaction import Redactor
from airflow_provider_bill.client.secret import Secret, SecretBytes
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.exceptions import BillError, BillMfaError
from dev.local_bill import LocalBill
from dev.misbehaving_server import http_answer
from tests.client.calls import v2_call, v3_call

if TYPE_CHECKING:
    from tests.client.conftest import ClientOf, MakeClient, Serve

KINDS = ["v3", "v2", "console", "sync_token", "partner", "oauth", "spend_token"]
MFA_KINDS = ["v3", "v2"]


def sign_in_and_read(client: BillClient) -> BillSession:
    session = client.sign_in()
    v3_call(client, session, "GET", "/v3/spend/cards" if client.credentials.kind == "spend_token" else "/v3/vendors")
    return session


def all_texts_of(error: BaseException) -> str:
    """Return all that an error and its causes can say: str, repr, arguments, attributes, traceback."""
    texts = ["".join(traceback.format_exception(error))]
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        texts += [str(one), repr(one), repr(one.args), repr(vars(one))]
        request = getattr(one, "request", None)
        texts += [repr(getattr(request, "headers", "")), repr(getattr(request, "body", ""))]
        waiting += [one.__cause__, one.__context__]
    return "\n".join(texts)


@pytest.mark.parametrize("kind", KINDS)
def test_every_secret_of_the_connection_and_the_session_is_told_once(
    client_of: ClientOf, secrets: list[str], kind: str
) -> None:
    client = client_of(kind)
    assert secrets == list(client.credentials.secrets())
    session = sign_in_and_read(client)
    assert session.session_token in secrets
    assert len(secrets) == len(set(secrets))
    known = len(client.credentials.secrets())
    assert len(secrets) - known == {"partner": 2, "spend_token": 0}.get(kind, 1)


@pytest.mark.parametrize("kind", MFA_KINDS)
def test_code_and_remembered_device_are_told_too(
    bill: LocalBill, client_of: ClientOf, secrets: list[str], kind: str
) -> None:
    client = client_of(kind)
    session = client.sign_in()
    challenge = client.mfa.challenge(session)
    code = bill.codes()[-1]
    written = f"{code[:3]}-{code[3:]}"
    remembered = client.mfa.validate(session, challenge, written, device="d", machine_name="m", remember=True)
    assert remembered is not None
    assert {code, written, remembered.token} <= set(secrets)


def test_a_code_is_told_before_it_is_sent(bill: LocalBill, client_of: ClientOf, secrets: list[str]) -> None:
    client = client_of()
    session = client.sign_in()
    bill.fault("/connect/v3/mfa/challenge/validate", kind="reset")
    with pytest.raises(BillError):
        client.mfa.validate(session, "c", "918273", device="d", machine_name="m", remember=True)
    assert "918273" in secrets


def test_a_stored_session_is_told_when_it_is_first_used(client_of: ClientOf, secrets: list[str]) -> None:
    session = client_of().sign_in()
    secrets.clear()
    client = client_of()
    v3_call(client, session, "GET", "/v3/vendors")
    assert session.session_token in secrets


ORDERS = [
    {"kind": "reset"},
    {"kind": "html"},
    {"kind": "malformed"},
    {"status": 500},
    {"kind": "empty"},
    {"code": "BDC_1101"},
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_error_of_a_sign_in_or_a_call_holds_a_secret(
    bill: LocalBill,
    client_of: ClientOf,
    secrets: list[str],
    caplog: pytest.LogCaptureFixture,
    kind: str,
    order: dict[str, Any],
) -> None:
    remembered = RememberedDevice(token="remember-me-token-1", device="d") if kind in MFA_KINDS else None
    errors = []
    with caplog.at_level(logging.DEBUG):
        for path in ("*/login*", "*/Login.json", "*/token", "*/vendors", "*/cards", "*/List/*.json"):
            bill.control("DELETE", "faults")
            bill.fault(path, times=9, **order)
            client = client_of(kind)
            try:
                session = client.sign_in(remembered)
                spend = kind == "spend_token"
                v3_call(client, session, "GET", "/v3/spend/cards" if spend else "/v3/vendors", params={"max": 3})
                v2_call(client, session, "List/Vendor.json")
            except BillError as error:
                errors.append(error)
    assert errors
    texts = "\n".join([*map(all_texts_of, errors), caplog.text])
    assert len(secrets) >= 1
    assert [secret for secret in secrets if secret in texts] == []


@pytest.mark.parametrize("status", [302, 400, 401, 500])
@pytest.mark.parametrize("kind", KINDS)
def test_secrets_that_a_server_repeats_are_masked(
    bill: LocalBill, make_client: MakeClient, serve: Serve, kind: str, status: int
) -> None:
    credentials = credentials_from(kind, bill.fields(kind))
    for echo in credentials.secrets():
        v3 = [{"code": "BDC_9999", "message": f"you sent {echo} and {json.dumps(echo)}"}]
        v2 = {"response_status": 1, "response_data": {"error_code": "BDC_1129", "error_message": echo}}
        server = serve(http_answer(status, json.dumps(v2 if kind in ("v2", "sync_token") else v3)))
        client = make_client(credentials, server.url)
        with pytest.raises(BillError) as caught:
            sign_in_and_read(client)
        assert len(server.requests) >= 1
        assert echo not in all_texts_of(caught.value)


def test_a_secret_in_a_path_is_masked_in_the_error(bill: LocalBill, client_of: ClientOf) -> None:
    client = client_of()
    session = client.sign_in()
    with pytest.raises(BillError) as caught:
        v3_call(client, session, "GET", f"/v3/vendors/{bill.key}")
    assert bill.key not in all_texts_of(caught.value)


def test_a_secret_is_masked_also_as_json_and_as_a_form_writes_it() -> None:
    redactor = Redactor()
    redactor.add(['pa"ss wö/rd&1', "abc", "session-1", "session-1-longer"])
    text = redactor.redact(
        'a pa\\"ss w\\u00f6/rd&1 b pa%22ss+w%C3%B6%2Frd%261 c pa%22ss%20w%C3%B6%2Frd%261 session-1-longer abc'
    )
    assert text == "a *** b *** c *** *** abc"


@pytest.mark.parametrize(
    "secret", [Secret("password"), SecretBytes(b"password"), RememberedDevice("password", "d").token]
)
def test_a_debugger_that_shows_a_secret_shows_stars(secret: str | bytes) -> None:
    assert repr(secret).strip("b") == "'***'"
    assert secret in ("password", b"password")


def test_logs_name_method_and_path_and_never_a_query(client_of: ClientOf, caplog: pytest.LogCaptureFixture) -> None:
    client = client_of()
    session = client.sign_in()
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="airflow_provider_bill"):
        v3_call(client, session, "GET", "/v3/vendors", params={"max": 7})
    ours = [record for record in caplog.records if record.name.startswith("airflow_provider_bill")]
    assert [record.levelname for record in ours] == ["DEBUG"]
    assert ours[0].getMessage().startswith("GET /v3/vendors: HTTP 200 in ")
    assert "max" not in ours[0].getMessage()


def test_a_session_and_a_client_show_no_secret(client_of: ClientOf, secrets: list[str]) -> None:
    client = client_of()
    session = client.sign_in()
    texts = f"{session!r} {client!r} {client.credentials!r} {vars(session).keys()}"
    assert [secret for secret in secrets if secret in texts] == []


def test_a_request_and_its_answer_show_no_secret(bill: LocalBill, client_of: ClientOf, secrets: list[str]) -> None:
    client = client_of()
    session = client.sign_in()
    request = client.prepare("POST", f"/v3/vendors/{bill.key}", params={"nr": bill.key}, body={"name": bill.key})
    answer = client.send(session, client.prepare("GET", "/v3/vendors", params={"max": 1}))
    texts = f"{request!r} {request} {answer!r}"
    assert "POST /v3/vendors/***" in texts
    assert [secret for secret in secrets if secret in texts] == []
    assert answer.body["results"][0]["id"] not in texts


@pytest.mark.parametrize("kind", MFA_KINDS)
def test_a_code_that_bill_repeats_in_its_words_is_masked(bill: LocalBill, client_of: ClientOf, kind: str) -> None:
    client = client_of(kind)
    session = client.sign_in()
    challenge = client.mfa.challenge(session)
    code = "048215"
    path = {"v3": "/connect/v3/mfa/challenge/validate", "v2": "/api/v2/MFAAuthenticate.json"}[kind]
    bill.fault(path, code="BDC_1355", message=f"the token {code} is not valid for this challenge")
    with pytest.raises(BillMfaError) as caught:
        client.mfa.validate(session, challenge, "048-215", device="d", machine_name="m", remember=True)
    assert "the token *** is not valid" in str(caught.value)
    assert code not in all_texts_of(caught.value)
