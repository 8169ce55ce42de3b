from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pendulum
import pytest

from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.sessions.identity import Identity
from airflow_provider_bill.sessions.record import Seal, open_session, seal_session

IDENTITY = Identity("bill_default", "008AAAAAAAAAAAAAAAAA", "v3", "https://gateway.stage.bill.com/connect")
SECRETS = ("ada@example.com", "correct horse", "developer-key")
NOW = pendulum.datetime(2026, 11, 21, 12, tz="UTC")
SESSION = BillSession(
    session_token="the-session-id-itself",
    partner_token="the-partner's-session-id",
    organization_id=IDENTITY.organization_id,
    user_id="006AAAAAAAAAAAAAAAAA",
    trusted=True,
    signed_in_at=NOW,
    last_used_at=NOW.add(minutes=5),
    signed_in_by={"dag_id": "d", "run_id": "r", "task_id": "t"},
)


@pytest.fixture
def seal() -> Seal:
    return Seal("session", IDENTITY, SECRETS)


@pytest.fixture
def document(seal: Seal) -> str:
    return seal_session(seal, SESSION)


def test_a_record_opens_to_the_same_session(seal: Seal, document: str) -> None:
    assert open_session(seal, document) == SESSION


def test_a_session_with_a_fixed_end_keeps_it(seal: Seal) -> None:
    session = dataclasses.replace(SESSION, idle_limit=None, ends_at=NOW.add(hours=1))
    assert open_session(seal, seal_session(seal, session)) == session


def test_a_record_says_in_clear_what_people_need_and_no_secret(document: str) -> None:
    readable = json.loads(document)
    sealed = readable.pop("sealed")
    assert readable == {
        "v": 1,
        "organization_id": IDENTITY.organization_id,
        "user_id": "006AAAAAAAAAAAAAAAAA",
        "trusted": True,
        "signed_in_at": "2026-11-21T12:00:00+00:00",
        "last_used_at": "2026-11-21T12:05:00+00:00",
        "expires_at": "2026-11-21T12:40:00+00:00",
        "signed_in_by": {"dag_id": "d", "run_id": "r", "task_id": "t"},
    }
    for secret in (*SESSION.secrets(), *SECRETS):
        assert secret not in document
    assert SESSION.session_token not in sealed


def test_no_secret_of_a_session_is_shown_by_its_repr() -> None:
    assert SESSION.secrets() == ("the-session-id-itself", "the-partner's-session-id")
    assert not any(secret in repr(SESSION) for secret in SESSION.secrets())
    assert dataclasses.replace(SESSION, partner_token="").secrets() == ("the-session-id-itself",)


def test_a_record_that_knows_no_partner_yet_is_read_all_the_same(seal: Seal) -> None:
    facts, secret = seal.open(seal_session(seal, SESSION)) or ({}, {})
    del secret["partner_token"]
    del facts["v"]
    assert open_session(seal, seal.seal(facts, secret)) == dataclasses.replace(SESSION, partner_token="")


def test_two_records_of_one_session_share_no_sealed_text(seal: Seal) -> None:
    first, second = (json.loads(seal_session(seal, SESSION))["sealed"] for _ in range(2))
    assert first[:40] != second[:40]


@pytest.mark.parametrize(
    "changed",
    [
        Seal("device", IDENTITY, SECRETS),
        Seal("session", dataclasses.replace(IDENTITY, conn_id="other"), SECRETS),
        Seal("session", dataclasses.replace(IDENTITY, organization_id="008B"), SECRETS),
        Seal("session", dataclasses.replace(IDENTITY, kind="v2"), SECRETS),
        Seal("session", dataclasses.replace(IDENTITY, environment="http://127.0.0.1:1/connect"), SECRETS),
        Seal("session", IDENTITY, ("ada@example.com", "new password", "developer-key")),
        Seal("session", IDENTITY, ("ada@example.com", "correct horsedeveloper-key", "")),
    ],
    ids=["purpose", "connection", "organization", "kind", "host", "password", "shifted"],
)
def test_a_record_of_another_identity_or_password_is_a_miss(document: str, changed: Seal) -> None:
    assert open_session(changed, document) is None


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("trusted", False),
        ("organization_id", "008B"),
        ("last_used_at", "2027-01-01T00:00:00+00:00"),
        ("extra", 1),
    ],
)
def test_a_changed_fact_makes_the_record_a_miss(seal: Seal, document: str, fact: str, value: Any) -> None:
    assert open_session(seal, json.dumps({**json.loads(document), fact: value})) is None


@pytest.mark.parametrize(
    "garbage",
    [
        None,
        "",
        "not json",
        "null",
        "[]",
        "42",
        "{}",
        '{"v": 1}',
        '{"v": 2, "sealed": "AAAA"}',
        '{"v": 1, "sealed": "AAAA"}',
        '{"v": 1, "sealed": 7}',
        '{"sealed": "&&&&"}',
    ],
)
def test_garbage_is_a_miss(seal: Seal, garbage: str | None) -> None:
    assert open_session(seal, garbage) is None


def test_a_truncated_record_is_a_miss_logged_once_without_its_text(
    seal: Seal, document: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "airflow_provider_bill")
    assert open_session(seal, document[:-40]) is None
    assert len(caplog.records) == 1
    assert document[:40] not in caplog.text


def test_a_record_of_a_later_version_is_a_miss(seal: Seal, document: str) -> None:
    assert open_session(seal, json.dumps({**json.loads(document), "v": 2})) is None


def test_each_process_seals_with_a_salt_of_its_own() -> None:
    records = [seal_session(Seal("session", IDENTITY, SECRETS), SESSION) for _ in range(3)]
    salts = [base64.urlsafe_b64decode(json.loads(record)["sealed"])[:16] for record in records]
    assert len(set(salts)) == 3
