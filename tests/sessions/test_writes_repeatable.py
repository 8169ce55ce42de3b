"""Writes of which BILL itself keeps the answer for a day, and answers that hold a secret."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_bill.exceptions import (
    BillApiError,
    BillError,
    BillIdempotencyError,
    BillOutcomeUnknownError,
    BillStoreError,
    BillUnavailableError,
)
from airflow_provider_bill.sessions.shared import SharedSession
from airflow_provider_bill.sessions.writes import settle
from dev.clock import ManualClock
from dev.misbehaving_server import MisbehavingServer, http_answer
from dev.task_instance import TaskInstance, TroubledStore
from tests.sessions.conftest import MakeShared

SUBSCRIBED = http_answer(200, '{"id":"sub-1","securityKey":"security-key-1"}')
SUBSCRIPTION = {"name": "bills"}

Serve = Callable[..., MisbehavingServer]
Subscribe = Callable[..., Any]


@pytest.fixture
def subscribe(make_shared: MakeShared, clock: ManualClock) -> Subscribe:
    """Create a subscription in a new try of a task."""

    def create(
        server: MisbehavingServer, instance: TaskInstance | None, body: Any = SUBSCRIPTION, key: str | None = None
    ) -> Any:
        writes = None if instance is None else instance.begin_try()
        shared = make_shared("spend_token", host=server.url, writes=lambda: writes, sleep=lambda seconds: None)
        return call(shared, body, key)

    def call(shared: SharedSession, body: Any, key: str | None) -> Any:
        return shared.send(shared.client.prepare("POST", "/v3/subscriptions", body=body), idempotency_key=key).body

    return create


@pytest.fixture
def instance(clock: ManualClock) -> TaskInstance:
    return TaskInstance(clock)


def keys_sent(server: MisbehavingServer) -> list[str]:
    """Return the idempotency keys that were sent, one for each call but the sign-in."""
    assert all(call.startswith(b"POST /connect-events/v3/subscriptions HTTP/1.1") for call in server.requests)
    found = [re.search(rb"(?i)x-idempotent-key: (\S+)", call) for call in server.requests]
    assert all(found)
    return [one.group(1).decode() for one in found if one is not None]


def kept(instance: TaskInstance) -> str:
    """Return all that Airflow keeps for a task."""
    assert isinstance(instance.store, TroubledStore)
    return json.dumps([instance.store.read(name) for name in instance.store.names()])


def test_a_retried_task_sends_the_same_key_and_gets_the_answer_that_bill_has_kept(
    serve: Serve, subscribe: Subscribe, instance: TaskInstance
) -> None:
    server = serve("reset", "reset", "reset", SUBSCRIBED)
    with pytest.raises(BillUnavailableError, match=r"no answer came.*run the task again before .*2026") as caught:
        subscribe(server, instance)
    assert caught.value.retryable
    assert subscribe(server, instance)["securityKey"] == "security-key-1"
    keys = keys_sent(server)
    assert (len(keys), len(set(keys))) == (4, 1)
    assert uuid.UUID(keys[0]).version == 4


def test_a_lost_answer_is_asked_for_again_within_the_same_try(
    serve: Serve, subscribe: Subscribe, instance: TaskInstance
) -> None:
    server = serve("reset", SUBSCRIBED)
    assert subscribe(server, instance)["id"] == "sub-1"
    keys = keys_sent(server)
    assert (len(keys), len(set(keys))) == (2, 1)


def test_each_write_of_each_task_has_a_key_of_its_own(serve: Serve, subscribe: Subscribe, clock: ManualClock) -> None:
    server = serve(SUBSCRIBED)
    places: list[tuple[str | int, ...]] = [
        ("dag", "run", "task", -1), ("dag", "run", "task", 0), ("dag", "run", "task2", -1), ("dag", "run2", "task", -1),
        ("dag2", "run", "task", -1),
    ]  # fmt: skip
    for place in places:
        subscribe(server, TaskInstance(clock, place=place))
    subscribe(server, TaskInstance(clock), key="bills")
    subscribe(server, TaskInstance(clock), key="vendors")
    assert len(set(keys_sent(server))) == len(places) + 2


def test_outside_a_task_a_key_is_random_and_a_lost_answer_is_asked_for_with_the_same(
    serve: Serve, subscribe: Subscribe
) -> None:
    server = serve("reset", SUBSCRIBED, SUBSCRIBED)
    assert subscribe(server, None)["id"] == subscribe(server, None)["id"] == "sub-1"
    first, again, second = keys_sent(server)
    assert first == again != second
    assert {uuid.UUID(key).version for key in (first, second)} == {4}


def test_a_lost_answer_is_unknown_after_the_day_that_bill_keeps_it(
    serve: Serve, subscribe: Subscribe, instance: TaskInstance, clock: ManualClock
) -> None:
    server = serve("reset")
    with pytest.raises(BillUnavailableError):
        subscribe(server, instance)
    clock.advance(hours=22, minutes=59)
    with pytest.raises(BillUnavailableError):
        subscribe(server, instance)
    sent = len(server.requests)
    clock.advance(minutes=1)
    with pytest.raises(BillOutcomeUnknownError, match="settle_write") as caught:
        subscribe(server, instance)
    assert len(server.requests) == sent
    write_id = str(caught.value).partition("(write ")[2][:16]
    settle(instance.settlements, write_id, carried_out=True, result={"id": "sub-1"})
    assert subscribe(server, instance) == {"id": "sub-1"}
    assert len(server.requests) == sent


def test_another_body_under_the_same_name_is_not_sent_while_the_first_is_unanswered(
    serve: Serve, subscribe: Subscribe, instance: TaskInstance
) -> None:
    server = serve("reset")
    with pytest.raises(BillUnavailableError):
        subscribe(server, instance)
    sent = len(server.requests)
    with pytest.raises(BillOutcomeUnknownError):
        subscribe(server, instance, {"name": "vendors"})
    assert len(server.requests) == sent


def test_a_secret_is_told_and_returned_and_kept_nowhere(
    serve: Serve, make_shared: MakeShared, instance: TaskInstance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    server, store = serve(SUBSCRIBED), TroubledStore()
    secrets: list[str] = []
    shared = make_shared("spend_token", host=server.url, store=store, writes=instance.begin_try, secrets=secrets)
    answer = shared.send(shared.client.prepare("POST", "/v3/subscriptions", body=SUBSCRIPTION))
    assert answer.body == {"id": "sub-1", "securityKey": "security-key-1"}
    assert "security-key-1" in secrets
    assert "security-key-1" not in kept(instance) + repr(answer) + repr(answer.body) + caplog.text
    assert "sub-1" in caplog.text


def test_a_task_that_runs_again_gets_the_secret_from_bill_for_a_day_and_then_an_error(
    serve: Serve, subscribe: Subscribe, instance: TaskInstance, clock: ManualClock
) -> None:
    server = serve(SUBSCRIBED)
    for _ in range(2):
        assert subscribe(server, instance)["securityKey"] == "security-key-1"
        clock.advance(hours=11, minutes=29)
    assert subscribe(server, instance)["securityKey"] == "security-key-1"
    assert len(set(keys_sent(server))) == 1
    clock.advance(minutes=3)
    sent = len(server.requests)
    with pytest.raises(BillIdempotencyError, match=r"POST /v3/subscriptions at .* stored nowhere; nothing was sent"):
        subscribe(server, instance)
    assert len(server.requests) == sent


def test_a_secret_of_a_call_without_idempotency_is_not_kept_either(
    serve: Serve, make_shared: MakeShared, instance: TaskInstance
) -> None:
    server = serve(
        http_answer(200, '{"sessionId":"session-id-1","organizationId":"00801SBX000100000000","userId":"0061"}'),
        http_answer(200, '{"rememberMeId":"remember-me-1"}'),
    )

    def validate() -> Any:
        shared = make_shared(host=server.url, writes=instance.begin_try)
        request = shared.client.prepare("POST", "/v3/mfa/challenge/validate", body={"challengeId": "1"})
        return shared.send(request).body

    assert validate() == {"rememberMeId": "remember-me-1"}
    assert "remember-me-1" not in kept(instance)
    with pytest.raises(BillIdempotencyError, match="stored nowhere"):
        validate()


REFUSED = http_answer(400, '{"code":"BDC_1171","message":"no such event"}')
LIMITED = http_answer(429, '{"code":"BDC_1144","message":"too many calls"}')


@pytest.mark.parametrize("second", [REFUSED, LIMITED], ids=["refused", "limited"])
def test_a_write_whose_answer_was_lost_stays_open_when_its_repetition_is_refused(
    second: bytes, serve: Serve, subscribe: Subscribe, instance: TaskInstance, clock: ManualClock
) -> None:
    server = serve("reset", second)
    with pytest.raises(BillError):
        subscribe(server, instance)
    with pytest.raises(BillOutcomeUnknownError):  # the first sending may have made the one for bills
        subscribe(server, instance, {"name": "vendors"})
    assert len(server.requests) == 2
    clock.advance(hours=23)
    with pytest.raises(BillOutcomeUnknownError, match="settle_write"):
        subscribe(server, instance)
    assert len(server.requests) == 2


def test_a_repetition_that_finds_no_host_leaves_the_lost_write_open(
    serve: Serve, subscribe: Subscribe, instance: TaskInstance, clock: ManualClock
) -> None:
    server = serve("reset")
    with pytest.raises(BillUnavailableError):
        subscribe(server, instance)
    server.close()
    with pytest.raises(BillUnavailableError, match="was not sent"):
        subscribe(server, instance)
    clock.advance(hours=23)
    with pytest.raises(BillOutcomeUnknownError, match="settle_write"):
        subscribe(server, instance)


def test_a_repetition_whose_intent_cannot_be_stored_leaves_the_lost_write_open(
    serve: Serve, subscribe: Subscribe, instance: TaskInstance, clock: ManualClock
) -> None:
    server = serve("reset")
    with pytest.raises(BillUnavailableError):
        subscribe(server, instance)
    assert isinstance(instance.store, TroubledStore)
    instance.store.fail("write", "__open")
    with pytest.raises(BillStoreError):
        subscribe(server, instance)
    clock.advance(hours=23)
    with pytest.raises(BillOutcomeUnknownError, match="settle_write"):
        subscribe(server, instance)


def test_a_write_that_was_refused_at_once_is_not_open_and_its_correction_has_a_key_of_its_own(
    serve: Serve, subscribe: Subscribe, instance: TaskInstance
) -> None:
    server = serve(REFUSED, SUBSCRIBED)
    with pytest.raises(BillApiError, match="no such event"):
        subscribe(server, instance)
    assert subscribe(server, instance, {"name": "vendors"})["id"] == "sub-1"
    refused, corrected = keys_sent(server)
    assert refused != corrected, "BILL gives the refusal again for a day to whoever comes with the same key"


@pytest.mark.parametrize("body", ['[{"securityKey":"security-key-1"}]', '{"made":{"securityKey":"security-key-1"}}'])
def test_a_secret_deeper_in_an_answer_is_kept_nowhere_either(
    body: str, serve: Serve, subscribe: Subscribe, instance: TaskInstance
) -> None:
    subscribe(serve(http_answer(200, body)), instance)
    assert "security-key-1" not in kept(instance)


def test_the_device_that_v2_remembers_is_kept_nowhere(
    serve: Serve, make_shared: MakeShared, instance: TaskInstance
) -> None:
    def v2_answer(data: str) -> bytes:
        return http_answer(200, f'{{"response_status":0,"response_message":"Success","response_data":{data}}}')

    secrets: list[str] = []
    server = serve(
        v2_answer('{"sessionId":"session-id-1","orgId":"00801SBX000100000000"}'), v2_answer('{"mfaId":"mfa-id-1"}')
    )
    shared = make_shared("v2", host=server.url, writes=instance.begin_try, secrets=secrets)
    answer = shared.send(shared.client.prepare("POST", "MFAAuthenticate.json", body={"challengeId": "1"}))
    assert answer.body == {"mfaId": "mfa-id-1"}
    assert "mfa-id-1" in secrets
    assert "mfa-id-1" not in kept(instance) + repr(answer.body)
