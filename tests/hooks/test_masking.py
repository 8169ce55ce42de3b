"""Airflow's masker knows every form in which a task may print a secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from airflow.providers.common.compat.sdk import redact

from airflow_provider_bill.exceptions import BillMfaError, BillSignInRefusedError
from airflow_provider_bill.hooks.bill import BillHook
from dev.local_bill import LocalBill

Connect = Callable[..., Any]

PASSWORD = "a'b\"c\\d e&f=g/h%i+jü"
PRINTED: dict[str, Callable[[str], str]] = {
    "plain": str,
    "repr": repr,
    "repr of a dict": lambda secret: repr({"password": secret}),
    "JSON": lambda secret: json.dumps({"password": secret}),
    "address": lambda secret: f"https://example.com/?p={quote(secret, safe='')}",
    "form": lambda secret: urlencode({"p": secret}),
    "quote_plus": quote_plus,
}


@pytest.mark.parametrize("how", PRINTED)
def test_a_password_is_masked_however_it_is_printed(how: str, connect: Callable[..., Any]) -> None:
    connect("v3", password=PASSWORD)
    with pytest.raises(BillSignInRefusedError):
        BillHook().session()
    text = PRINTED[how](PASSWORD)
    masked = redact(f"printed: {text}")
    assert "***" in masked
    for part in ('b"c', "d e", "f=g", "g/h", "i+j", "f%3Dg", "%26f"):
        assert part not in masked


def test_airflow_masks_the_keys_of_all_organizations_also_where_nobody_has_told_it_the_keys() -> None:
    for keys in ({"008A": "key-never-told-1"}, '{"008A": "key-never-told-1"}'):
        assert "never-told" not in str(redact({"developer_api_keys": keys}))


def test_every_developer_key_is_masked_before_anything_is_sent(connect: Connect, bill: LocalBill) -> None:
    connect("v3", developer_api_keys={"008OTHER": "key-of-other-1", bill.organization: bill.key})
    BillHook().prepare("GET", "/v3/vendors")
    assert redact(f"key-of-other-1 and {bill.key}") == "*** and ***"
    assert bill.stats()["requests"] == 0


def test_the_session_id_is_masked_too(connect: Callable[..., Any]) -> None:
    connect("v3")
    token = str(BillHook().session().session_token)
    assert redact(f"id {token} and {json.dumps(token)}") == 'id *** and "***"'


def test_a_code_is_masked_also_if_it_cannot_be_one(connect: Callable[..., Any]) -> None:
    connect("v3")
    mfa = BillHook().mfa
    challenge = mfa.challenge()
    with pytest.raises(BillMfaError, match="six digits"):
        mfa.validate(challenge, "48213 9071")
    assert redact("entered: 48213 9071") == "entered: ***"
