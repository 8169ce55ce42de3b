from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest

from airflow_provider_bill.exceptions import BillHandleError
from airflow_provider_bill.sessions import keys
from airflow_provider_bill.sessions.derivation import costly_key
from airflow_provider_bill.sessions.identity import Handle, Identity, XComLocation
from airflow_provider_bill.sessions.keys import challenge_key, session_key, trust_key

GOOD = {"conn_id": "bill_default", "organization_id": "008A", "store": "variable", "key": "k"}


def test_keys_of_the_longest_connection_ids_fit_and_differ() -> None:
    identities = [Identity("c" * 249 + end, "008A", kind, "x", "team") for end in "ab" for kind in ("v2", "v3")]
    names = {key(identity) for identity in identities for key in (session_key, trust_key, challenge_key)}
    assert len(names) == 2 * 2 + 2 * 2 + 2  # a challenge is of no kind
    assert max(map(len, names)) == 250
    assert len(session_key(Identity("c" * 220, "008A", "v3", "x"))) == 250
    assert session_key(Identity("c" * 220, "008A", "v3", "x")).endswith("__008A__v3")


def test_the_key_names_connection_organization_and_kind_and_is_masked_by_airflow() -> None:
    assert session_key(Identity("c", "008A", "v3", "x")) == "bill_session_token__c__008A__v3"
    assert session_key(Identity("c", "", "oauth", "x")) == "bill_session_token__c__any__oauth"


def test_a_refusal_is_told_once_for_all_organizations_and_an_end_of_trust_for_each() -> None:
    one, other = (Identity("c", organization, "v3", "x") for organization in ("008A", "008B"))
    assert keys.told_key(one, "refused") == keys.told_key(other, "refused")
    assert keys.told_key(one, "trust") != keys.told_key(other, "trust")


def names_of(identity: Identity) -> list[str]:
    """Return the names of all that the guard keeps."""
    return [
        keys.credentials_note_key(identity, f"{identity.environment} secrets".encode()),
        keys.organization_note_key(identity, f"{identity.environment} secrets".encode()),
        keys.block_note_key(identity, "developer key"),
        keys.sign_in_lease_key(identity, "user", 0),
    ]


def test_what_the_guard_keeps_is_of_one_place_and_one_team() -> None:
    plain = names_of(Identity("c", "008A", "v3", "x"))
    assert [name + "__team_finance" for name in plain] == names_of(Identity("c", "008A", "v3", "x", "finance"))
    assert set(plain).isdisjoint(names_of(Identity("c", "008A", "v3", "y")))
    assert plain == names_of(Identity("another", "008A", "v2", "x"))


def test_what_an_older_version_has_stored_is_found_under_the_same_names() -> None:
    """Else an upgrade forgets devices, which costs each person a code, refusals, and writes whose outcome is open."""
    one, user = Identity("c", "008A", "v3", "https://bill.example.com"), "ada@example.com"
    assert [
        keys.session_key(one),
        keys.trust_key(one),
        keys.device_key(one, user),
        keys.device_seal_key(one, user),
        keys.device_refusals_key(one, user),
        keys.credentials_note_key(one, b"credentials"),
        keys.organization_note_key(one, b"credentials"),
        keys.organization_note_key(dataclasses.replace(one, organization_id=""), b"credentials"),
        keys.block_note_key(one, "developer key"),
        keys.sign_in_lease_key(one, user, 0),
        keys.challenge_key(one),
        keys.mfa_turn_key(one, user),
        keys.told_key(one, "refused"),
        keys.writes_prefix("dag", "run", "task", -1),
        keys.settlement_key("0123456789abcdef"),
    ] == [
        "bill_session_token__c__008A__v3",
        "bill_session_token__c__008A__v3__trusted",
        "bill_device_token__29446049a75aa026",
        "bill_device_token_key__29446049a75aa026",
        "bill_device_refused__29446049a75aa026",
        "bill_sign_in__019020c93e3a18fc",
        "bill_sign_in__019020c93e3a18fc__008A",
        "bill_sign_in__019020c93e3a18fc__any",
        "bill_sign_in_block__39e5099b5a30636f",
        "bill_sign_in_lease__29446049a75aa026__0",
        "bill_mfa_challenge__c__008A",
        "bill_mfa_turn__29446049a75aa026",
        "bill_told_refused__c",
        "bill_write__d8966c33a8c603eaca48e6dbe1517cd5",
        "bill_write_settled__0123456789abcdef",
    ]


def test_each_guess_of_a_password_costs_32_mib() -> None:
    wanted = hashlib.scrypt(b"secrets", salt=b"salt", n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
    assert costly_key(b"secrets", b"salt") == wanted


def test_names_of_notes_that_depend_on_a_secret_are_costly_to_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "costly_key", lambda material, salt: b"\xab" * 32)
    *notes, lease = names_of(Identity("c", "008A", "v3", "x"))
    assert all("__abababababababab" in name for name in notes)
    assert "abab" not in lease


def test_a_handle_survives_the_way_through_xcom() -> None:
    handle = Handle("c", "008A", "xcom", "k", XComLocation("d", "r", "t", 3), True, "2026-11-21T12:00:00+00:00")
    assert Handle.from_dict(handle.as_dict()).as_dict() == handle.as_dict()


def test_a_handle_of_the_first_version_leads_to_the_same_login_task() -> None:
    place = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1}
    old = {**GOOD, "store": "xcom", "where": place, "trusted": True, "expires_at": "2026-11-21T12:00:00+00:00"}
    assert Handle.from_dict(old).location == XComLocation("d", "r", "t")
    assert Handle.from_dict({**GOOD, "where": None}).location is None


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (None, "session is missing"),
        ("text", "session is of type str"),
        ([], "session is of type list"),
        ({}, "'conn_id'"),
        ({**GOOD, "organization_id": 8}, "'organization_id'"),
        ({**GOOD, "key": None}, "'key'"),
        ({**GOOD, "store": "redis"}, "store is not variable, xcom or memory"),
        ({**GOOD, "store": "xcom"}, "'location'"),
        ({**GOOD, "store": "xcom", "location": {"dag_id": "d"}}, "'location'"),
        ({**GOOD, "store": "xcom", "location": "login"}, "'location'"),
    ],
)
def test_a_malformed_handle_is_refused_in_one_sentence_that_names_the_field(value: Any, named: str) -> None:
    with pytest.raises(BillHandleError) as caught:
        Handle.from_dict(value)
    assert named in str(caught.value)
    assert "session=login.output" in str(caught.value)


@pytest.mark.parametrize("said", ["true", "false", 1, None, [True]], ids=repr)
def test_a_handle_that_does_not_plainly_say_so_is_of_no_trusted_session(said: Any) -> None:
    assert Handle.from_dict({**GOOD, "trusted": True}).trusted is True
    assert Handle.from_dict({**GOOD, "trusted": said}).trusted is False
