"""What belongs to another organization is not there: no call reads it, changes it or refers to it."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_provider_bill.sandbox.data.contract import Operation, load
from airflow_provider_bill.sandbox.data.seed import CONSOLE_ID, CONSOLE_USER, MAIN_ID, SECOND_ID
from dev.asker import Asker
from dev.local_bill import Headers, LocalBill

KEY = {"X-Idempotent-Key": "6f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9"}
#: Leaves unknown identifiers out; tells a receiver what the caller says.
HARMLESS = {"GET /v3/documents/upload-status", "POST /v3/subscriptions/{subscriptionId}/test"}


def headers_of(asker: Asker, caller: str) -> Headers:
    """Return what another organization's caller proves itself with; a partner asks in another of its organizations."""
    bill = asker.bill
    if caller == "spend":
        rows = bill.seed["spend_tokens"]
        return {"apiToken": next(row["token"] for row in rows if row["organization_id"] == SECOND_ID)}
    if caller == "partner":
        owner = asker.headers("partner")
        given = dict.fromkeys(("name", "phone", "taxId", "industry"), "x")
        given |= {"taxIdType": "EIN", "businessCategory": "LLC"}
        body = {**given, "address": {"line1": "1"}, "companyOwner": {"name": "x"}}
        return {**owner, "organizationId": bill.post("/partner/organizations", owner, body).json()["id"]}
    user = next(row for row in bill.seed["users"] if row["username"] == CONSOLE_USER)
    key = next(row["key"] for row in bill.seed["developer_keys"] if row["developer"] == "console")
    names = {"username": user["username"], "password": user["password"]}
    return bill.sign_in(devKey=key, organizationId=CONSOLE_ID, **names)


def send(asker: Asker, operation: Operation, headers: Headers, path: str, body: Any) -> requests.Response:
    base = "connect-events" if operation.base == "events" else "connect"
    params = {name: asker.filled(operation.query[name]) for name in operation.required}
    content = {"data": b"%PDF-1.4"} if operation.body == "file" else {} if body is None else {"json": body}
    url = f"{asker.bill.url}/{base}{path}"
    return asker.bill.http.request(operation.method, url, params=params, headers=headers | KEY, timeout=30, **content)


def has_identifier(operation: Operation) -> bool:
    return "{" in operation.path


@pytest.mark.timeout(300)
def test_no_call_of_the_contract_finds_or_changes_what_another_organization_has(sandbox: LocalBill) -> None:
    asked = 0
    for operation in filter(has_identifier, load().values()):
        sandbox.reset()
        asker = Asker(sandbox)
        asker.prepare(operation)
        path, body = asker.path_of(operation), None
        if operation.path.startswith("/v3/partner/organizations"):
            path = path.replace(MAIN_ID, CONSOLE_ID)
        if operation.example is not None:
            body = asker.body_of(operation)
        headers = headers_of(asker, operation.caller)
        before = sandbox.stats()["writes"], sandbox.payments()
        answer = send(asker, operation, headers, path, body)
        shown = f"{operation.name}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code == (403 if CONSOLE_ID in path else 404), shown
        assert (sandbox.stats()["writes"], sandbox.payments()) == before, shown
        asked += 1
    assert asked == sum(map(has_identifier, load().values())) > 150


@pytest.mark.timeout(300)
def test_no_body_and_no_query_refers_to_what_another_organization_has(sandbox: LocalBill) -> None:
    asked = set()
    for operation in load().values():
        if operation.caller != "session" or operation.name in HARMLESS:
            continue
        sandbox.reset()
        owner, other = Asker(sandbox), Asker(sandbox)
        headers = headers_of(other, "session")
        other.use("session", headers)
        owner.path_of(operation)
        path = other.path_of(operation)
        params = {name: owner.filled(operation.query[name]) for name in operation.required}
        body = None if operation.example is None else owner.body_of(operation)
        if not ids([params, body]):
            continue
        before = sandbox.stats()["writes"], sandbox.payments()
        answer = send(owner, operation, headers, path, body)
        shown = f"{operation.name}: {answer.status_code} {answer.text[:300]}"
        assert 400 <= answer.status_code < 500, shown
        assert (sandbox.stats()["writes"], sandbox.payments()) == before, shown
        asked.add(operation.name)
    assert len(asked) > 20


def ids(value: Any) -> set[str]:
    """Return the texts in a value that are identifiers of the main organization."""
    if isinstance(value, dict | list):
        return set().union(*map(ids, value.values() if isinstance(value, dict) else value))
    return {value} if isinstance(value, str) and "01SBX0001" in value else set()
