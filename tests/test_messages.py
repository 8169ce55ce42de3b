"""What messages name exists: fields and extras of the connection, Variables, arguments, classes, pools and DAGs."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_bill.client.auth import kinds
from airflow_provider_bill.get_provider_info import CONNECTION_FIELDS, SIGN_INS, get_provider_info
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.hooks.connection import EXTRAS
from airflow_provider_bill.hooks.connection_words import kind_of
from airflow_provider_bill.operators.bill import BillApiOperator
from airflow_provider_bill.operators.mfa import BillMfaValidateOperator
from airflow_provider_bill.sessions import keys
from airflow_provider_bill.sessions.identity import Identity

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "airflow_provider_bill"
#: Of Airflow's connection form, and of what is said of a connection besides: its extra, its user at BILL.
OWN_FIELDS = {"host", "login", "password", "extra", "user"}
#: Fields of BILL's answers.
BILLS_FIELDS = {"expires_in", "response_status"}
#: Fields of what our operators return.
RESULTS = {"entered_by"}
POOL = "bill_api"
IDENTITY = Identity("conn", "008A", "v3", "https://bill.example.com")
TEAM = dataclasses.replace(IDENTITY, team="finance")


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if "sandbox" not in path.parts:
            yield path, ast.parse(path.read_text())


@cache
def messages() -> list[tuple[str, str]]:
    """All texts of more than a word that are no docstrings, with the place they stand at."""
    found = []
    for path, tree in sources():
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        bodies = [node.body for node in ast.walk(tree) if isinstance(node, documented) and node.body]
        docstrings = {id(body[0].value) for body in bodies if isinstance(body[0], ast.Expr)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docstrings:
                continue
            if " " in node.value.strip():
                found.append((f"{path.name}:{node.lineno}", node.value))
    return found


def named(pattern: str) -> list[tuple[str, str]]:
    found = [(word, place) for place, text in messages() for word in re.findall(pattern, text)]
    assert found, "nothing is found any more; is the pattern still right?"
    return found


def test_every_extra_that_a_message_names_exists() -> None:
    for word, place in named(r"\bextra (\w+)") + named(r"\bextras (\w+)") + named(r"\bextras \w+ and (\w+)"):
        assert word in EXTRAS or word == "of", place


def test_every_field_of_the_connection_that_a_message_names_exists() -> None:
    for word, place in named(r"connection's (\w+)"):
        assert word in OWN_FIELDS, place


def test_every_word_with_an_underscore_in_a_message_is_a_name_that_a_user_can_find() -> None:
    methods: list[Callable[..., Any]] = [
        BillHook.__init__,
        BillHook.send,
        BillHook.paginate,
        BillHook.download,
        BillHook.settle_write,
    ]
    methods += [BillApiOperator.__init__, BillMfaValidateOperator.__init__, BaseOperator.__init__]
    arguments = {name for method in methods for name in inspect.signature(method).parameters} | {"settle_write"}
    dags = {path.stem for path in (ROOT / "example_dags").glob("*.py")}
    options = set(get_provider_info()["config"]["bill"]["options"])
    known = {*EXTRAS, *arguments, *dags, *options, *kinds(), *SIGN_INS, *BILLS_FIELDS, *RESULTS, POOL}
    for word, place in named(r"(?<![/\w.])([a-z]+(?:_[a-z]+)+)\b"):
        assert word in known, place


def test_every_class_that_a_message_names_exists() -> None:
    classes = {node.name for _, tree in sources() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for word, place in named(r"\b(Bill[A-Z]\w+)"):
        assert word in classes, place


def test_every_error_says_what_to_do_next() -> None:
    made = re.compile(r"Bill\w+Error|cls|unanswered\(.*\)")
    silent, count = [], 0
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and made.fullmatch(ast.unparse(node.func)):
                advice = [keyword.value for keyword in node.keywords if keyword.arg in ("advice", None)]
                is_text = [not isinstance(one, ast.Constant) or bool(one.value) for one in advice]
                count += 1
                silent += [] if any(is_text) else [f"{path.name}:{node.lineno}: {ast.unparse(node)[:80]}"]
    assert silent == []
    assert count > 150, "errors are made in another way now"


def test_the_extras_that_are_read_are_those_of_the_form() -> None:
    assert set(EXTRAS) == set(CONNECTION_FIELDS)


def test_the_form_offers_every_kind_of_sign_in_and_no_other() -> None:
    assert {kind_of(stored) for stored in CONNECTION_FIELDS["sign_in"]["schema"]["enum"]} == set(kinds())


@pytest.mark.parametrize(
    "key",
    [
        keys.session_key(IDENTITY),
        keys.device_key(IDENTITY, "a@example.com"),
        keys.device_seal_key(IDENTITY, "a@example.com"),
        keys.device_refusals_key(IDENTITY, "a@example.com"),
        keys.credentials_note_key(IDENTITY, b"credentials"),
        keys.organization_note_key(IDENTITY, b"credentials"),
        keys.block_note_key(IDENTITY, "developer-key"),
        keys.sign_in_lease_key(IDENTITY, "ada@example.com", 0),
        keys.challenge_key(IDENTITY),
        keys.mfa_turn_key(IDENTITY, "a@example.com"),
        keys.writes_prefix("dag", "run", "task", -1),
        keys.settlement_key("0123456789abcdef"),
    ],
)
def test_every_variable_is_named_on_the_page_about_security(key: str) -> None:
    assert f"`{key.partition('__')[0]}__" in (ROOT / "docs" / "security.md").read_text()


def test_all_keys_differ() -> None:
    made = [
        *(keys.credentials_note_key(one, b"credentials") for one in (IDENTITY, TEAM)),
        *(keys.credentials_note_key(one, b"credentials", key) for one in (IDENTITY, TEAM) for key in ("k1", "k2")),
        *(keys.organization_note_key(one, b"credentials") for one in (IDENTITY, TEAM)),
        *(keys.sign_in_lease_key(one, "ada@example.com", place) for one in (IDENTITY, TEAM) for place in (0, 1)),
        *(keys.block_note_key(one, "developer-key") for one in (IDENTITY, TEAM)),
        *(keys.session_key(one) for one in (IDENTITY, TEAM)),
        *(keys.challenge_key(one) for one in (IDENTITY, TEAM)),
    ]
    assert len(set(made)) == len(made)
