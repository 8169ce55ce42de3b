"""Whatever is asked, the local BILL answers as its own OpenAPI document says: 20,000 generated calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from airflow_provider_bill.sandbox.data.contract import Operation, Schema, load
from airflow_provider_bill.sandbox.openapi import REFUSALS
from dev.asker import Asker
from dev.contract_check import Result, compare_value
from dev.contract_differences import NOT_SERVED
from dev.local_bill import LocalBill

#: Shards of the operations, of so many sequences of so many calls: 20,000 calls.
SHARDS, SEQUENCES, CALLS = 4, 100, 50
#: What ends the sessions of the others, or a fault of its own: tested elsewhere.
LEFT_OUT = {"POST /v3/logout", "POST /v3/users/{userId}/archive", "POST /v3/partner/users/{userId}/archive"}

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.just([{}]),
    st.just("x" * 5000),
)
DAYS = st.sampled_from(["2026-01-15", "2030-12-31", "2026-02-30", "soon"])
TIMES = st.sampled_from(["2026-01-15T10:30:00.000Z", "2026-01-15", "now"])


NAMED = {operation.name: operation for operation in load().values()}


class Sent(NamedTuple):
    """A generated call of the operation with this name; without a path as the contract asks it."""

    name: str
    path: str | None
    query: str
    body: bytes | None


def known_words(asker: Asker) -> list[str]:
    """Return identifiers that the local BILL has."""
    words = [asker.bill.organization]
    for operation in load().values():
        if operation.method == "GET" and "{" not in operation.path and operation.base == "connect":
            answer = asker.ask(operation, **({"max": "2"} if "max" in operation.query else {}))
            if answer.status_code == 200:
                words += ids_in(answer.json())
    return sorted(set(words))


def ids_in(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from ids_in(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in ("id", "uuid") and isinstance(one, str):
                yield one
            else:
                yield from ids_in(one)


def values_of(schema: Schema, words: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        return st.fixed_dictionaries(
            {}, optional={name: values_of(inner, words) for name, inner in schema["properties"].items()}
        )
    if kind == "array":
        return st.lists(values_of(schema["items"], words), max_size=3)
    if kind == "boolean":
        return st.booleans() | JUNK
    if kind in ("number", "integer"):
        return st.integers(-3, 5000) | st.decimals(0, 5000, places=2).map(float) | JUNK
    texts = st.sampled_from(schema["enum"]) if "enum" in schema else words | DAYS | TIMES
    return texts | texts | JUNK


def calls_of(operation: Operation, words: st.SearchStrategy[str], asker: Asker) -> st.SearchStrategy[Sent]:
    ids = words | st.text(min_size=1, max_size=6)
    names = [word.strip("{}") for word in operation.path.split("/") if word.startswith("{")]
    known = st.just(asker.path_of(operation))
    paths = known | known | st.tuples(*(ids for _ in names)).map(lambda found: fill(operation.path, found))
    value = words | st.sampled_from(["1", "0", "100", "-5", "id:eq:x", "archived:eq:false", "name:asc", "", "a:b:c"])
    queries = st.dictionaries(st.sampled_from([*operation.query, "max", "other"]), value, max_size=3).map(urlencode)
    bodies: st.SearchStrategy[bytes | None] = st.none()
    if operation.body == "json":
        whole = st.just(json.dumps(asker.body_of(operation)).encode())
        parts = values_of(operation.request, words).map(lambda body: json.dumps(body).encode())
        bodies = whole | parts | JUNK.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=20)
    elif operation.body == "file":
        bodies = st.binary(max_size=200)
    wild = st.builds(Sent, st.just(operation.name), paths, queries, bodies)
    whole_situation = st.just(Sent(operation.name, None, "", None))  # takes several calls
    return st.integers(0, 7).flatmap(lambda number: wild if number else whole_situation)


def fill(path: str, found: tuple[str, ...]) -> str:
    left = list(found)
    return "/".join(quote(left.pop(0), safe="") if word.startswith("{") else word for word in path.split("/"))


@pytest.mark.generated
@pytest.mark.timeout(300)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_twenty_thousand_calls_are_answered_as_the_document_says(sandbox: LocalBill, shard: int) -> None:
    operations = [
        one
        for one in load().values()
        if one.name not in LEFT_OUT
        and "spend" not in one.path
        and "payment" not in one.path
        and "bill-approvals" not in one.path
    ][shard::SHARDS]
    sandbox.reset()
    asker = Asker(sandbox)
    words = st.sampled_from(known_words(asker))
    calls_by_name = {one.name: calls_of(one, words, asker) for one in operations}
    answered = set()
    connection = HTTPConnection(urlsplit(sandbox.url).netloc, timeout=30)
    sent = 0

    @settings(
        max_examples=SEQUENCES,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],  # what fails is one call, and said
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.lists(
            st.sampled_from(sorted(calls_by_name)).flatmap(lambda name: calls_by_name[name]),
            min_size=CALLS,
            max_size=CALLS,
        )
    )
    def ask_all(calls: list[Sent]) -> None:
        nonlocal sent
        sandbox.reset()
        asker = Asker(sandbox)
        sandbox.settings(calls_per_hour=10**9, spend_per_minute=10**9, sign_ins_per_hour=10**9)
        for call in calls:
            if ask(connection, asker, call):
                answered.add(call.name)
            sent += 1

    ask_all()
    assert sent >= SEQUENCES * CALLS
    never = {one.name for one in operations} - answered - NOT_SERVED.keys()
    assert len(never) <= len(operations) // 10, f"only ever refused, as the calls are too wild: {sorted(never)}"


def ask(connection: HTTPConnection, asker: Asker, call: Sent) -> bool:
    """Ask, look at the answer, and return whether it is a success."""
    operation = NAMED[call.name]
    if call.path is None:
        asked = asker.ask(operation)
        return is_as_documented(operation, asked.status_code, asked.content, call.name)
    prefix = "/connect-events" if operation.base == "events" else "/connect"
    headers = {**asker.headers(operation.caller), "Content-Type": "application/json"}
    url = prefix + call.path + (f"?{call.query}" if call.query else "")
    connection.request(operation.method, url, body=call.body, headers=headers)
    answer = connection.getresponse()
    return is_as_documented(operation, answer.status, answer.read(), f"{operation.method} {url} {call.body!r}")


def is_as_documented(operation: Operation, status: int, content: bytes, shown: str) -> bool:
    assert status in (operation.status, *REFUSALS), f"{shown}: {status} {content[:300]!r}"
    if status != operation.status:
        refusal = json.loads(content)
        one = refusal[0] if isinstance(refusal, list) else refusal
        assert one["message"], shown
        assert one.get("code") or one.get("error"), shown
        return False
    if operation.answer is None:
        assert content == b"", shown
    else:
        result = Result(status)
        compare_value(operation.answer, json.loads(content), "", result)
        assert result.extra | result.wrong == set(), f"{shown}: {result}"
    return True


def test_the_document_is_served_and_names_every_operation(sandbox: LocalBill) -> None:
    document = requests.get(f"{sandbox.url}/_sandbox/bill-openapi.json", timeout=10).json()
    named = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    bases = {"connect": "/connect", "events": "/connect-events"}
    assert named == {(one.method, bases[one.base] + one.path) for one in load().values()}
    vendor = document["paths"]["/connect/v3/vendors/{vendorId}"]["get"]["responses"]["200"]
    assert vendor["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Vendors"}
    assert "Vendors" in document["components"]["schemas"]
