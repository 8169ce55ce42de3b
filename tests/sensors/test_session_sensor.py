"""A sensor that waits in the triggerer: what it asks of Airflow, and how the wait ends."""

from __future__ import annotations

import importlib.util
import json
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_bill.exceptions import BillError, BillStoreError
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.sensors import bill as sensors
from airflow_provider_bill.sensors.bill import BillSessionSensor
from airflow_provider_bill.triggers.session import BillSessionTrigger
from dev.local_bill import LocalBill
from dev.task_instance import TroubledStore, not_answering

FOUND = {"bill_session": "found"}
CONTEXT: Any = {"ti": SimpleNamespace(map_index=-1)}
#: What Airflow says of a wait that took too long: version 3, and version 2.
TIMEOUTS = ["Trigger timeout", "Trigger/execution timeout"]


def sensor(**changes: Any) -> BillSessionSensor:
    arguments: dict[str, Any] = {"deferrable": True, "timeout": 600, "poke_interval": 30}
    with DAG("waits", schedule=None):
        return BillSessionSensor(task_id="live", **{**arguments, **changes})


def deferred(call: Callable[[], Any]) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        call()
    return caught.value


def begin(operator: BillSessionSensor) -> TaskDeferred:
    return deferred(lambda: operator.execute(CONTEXT))


def go_on(operator: BillSessionSensor, event: Any, until: Any) -> Any:
    return operator.resume_execution("execute_complete", {"event": event, "until": until}, CONTEXT)


def test_a_session_that_is_there_needs_no_trigger(store: TroubledStore, bill: LocalBill) -> None:
    handle = BillHook().sign_in()
    assert sensor().execute(CONTEXT) == handle
    assert bill.stats()["requests"] == 1


def test_without_a_session_the_task_waits_in_the_triggerer_and_nothing_is_sent(
    store: TroubledStore, bill: LocalBill, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        waits = begin(sensor(organization_id=bill.organization, require_trusted=True, minutes_left=7))
    assert isinstance(waits.trigger, BillSessionTrigger)
    assert waits.trigger.serialize()[1] == {
        "bill_conn_id": "bill_default",
        "organization_id": bill.organization,
        "require_trusted": True,
        "minutes_left": 7,
        "poll_interval": 30,
    }
    assert waits.timeout is not None
    assert waits.timeout.total_seconds() == pytest.approx(600, abs=5)
    stored = json.dumps([waits.trigger.serialize(), waits.kwargs])
    assert [secret for secret in bill.secrets() if secret in stored] == []
    # What a person reads where no triggerer runs.
    assert "waiting in Airflow's triggerer, for 600 seconds at most" in caplog.text
    assert bill.stats()["requests"] == 0


def test_the_handle_comes_from_the_store(store: TroubledStore) -> None:
    operator = sensor()
    waits = begin(operator)
    handle = BillHook().sign_in()
    assert waits.method_name == "execute_complete"
    assert go_on(operator, FOUND, **(waits.kwargs or {})) == handle


def test_a_session_that_is_gone_again_is_waited_for_as_long_as_there_is_time(store: TroubledStore) -> None:
    operator, until = sensor(), time.time() + 100
    waits = deferred(lambda: go_on(operator, FOUND, until))
    assert waits.kwargs == {"until": until}
    assert waits.timeout is not None
    assert timedelta(seconds=90) < waits.timeout <= timedelta(seconds=100)


@pytest.mark.parametrize(
    "event",
    [
        None,
        "found",
        [],
        {},
        {"bill_session": "lost"},
        {**FOUND, "session": {"conn_id": "another"}},
        {"bill_session": ["found"]},
    ],
)
def test_an_event_that_is_not_the_triggers_fails_the_task_with_one_sentence(event: Any, store: TroubledStore) -> None:
    BillHook().sign_in()
    with pytest.raises(BillError, match=r"^the event that ended the wait is not the one .*; see who wrote it") as error:
        go_on(sensor(), event, time.time() + 100)
    assert isinstance(error.value, AirflowFailException)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("until", [None, "soon", True, [1]])
def test_a_deadline_that_is_none_fails_the_task(until: Any, store: TroubledStore) -> None:
    with pytest.raises(BillError, match="not the one that BillSessionTrigger gives"):
        go_on(sensor(), FOUND, until)


def test_time_that_is_up_is_a_sensors_timeout_or_a_skip(store: TroubledStore) -> None:
    with pytest.raises(AirflowSensorTimeout, match="no such session of connection 'bill_default' was there within 600"):
        go_on(sensor(), FOUND, time.time() - 1)
    with pytest.raises(AirflowSkipException):
        go_on(sensor(soft_fail=True), FOUND, time.time() - 1)
    with pytest.raises(AirflowSensorTimeout):
        sensor(timeout=0).execute(CONTEXT)
    with pytest.raises(AirflowSkipException):
        sensor(timeout=0, soft_fail=True).execute(CONTEXT)


@pytest.mark.parametrize("says", TIMEOUTS)
def test_a_wait_without_a_triggerer_ends_with_the_sensors_timeout_and_says_where_to_look(says: str) -> None:
    with pytest.raises(AirflowSensorTimeout, match="whether a triggerer runs"):
        sensor().resume_execution("__fail__", {"error": says}, CONTEXT)
    with pytest.raises(AirflowSkipException, match="whether a triggerer runs"):
        sensor(soft_fail=True).resume_execution("__fail__", {"error": says}, CONTEXT)


def test_a_trigger_that_failed_is_no_timeout() -> None:
    with pytest.raises(AirflowException) as error:
        sensor().resume_execution("__fail__", {"error": "Trigger failure"}, CONTEXT)
    assert not isinstance(error.value, AirflowSensorTimeout)


def test_a_connection_that_cannot_work_fails_before_the_wait_and_a_soft_sensor_is_skipped(
    store: TroubledStore, connect: Callable[..., list[str]]
) -> None:
    connect("v3", developer_api_key="")
    with pytest.raises(AirflowFailException, match="developer_api_key"):
        sensor().execute(CONTEXT)
    with pytest.raises(AirflowSkipException, match="developer_api_key"):
        sensor(soft_fail=True).execute(CONTEXT)


def test_a_sensor_that_never_fails_is_skipped_when_its_time_is_up(store: TroubledStore) -> None:
    with pytest.raises(AirflowSkipException, match="no such session of connection 'bill_default'"):
        sensor(timeout=0, never_fail=True).execute(CONTEXT)
    with pytest.raises(AirflowSkipException):
        go_on(sensor(never_fail=True), FOUND, time.time() - 1)


@pytest.mark.parametrize("says", TIMEOUTS)
def test_a_sensor_that_never_fails_is_skipped_where_no_triggerer_runs(says: str) -> None:
    with pytest.raises(AirflowSkipException, match="whether a triggerer runs"):
        sensor(never_fail=True).resume_execution("__fail__", {"error": says}, CONTEXT)


def test_a_sensor_that_never_fails_is_skipped_after_every_error_before_and_after_the_wait(
    store: TroubledStore, connect: Callable[..., list[str]]
) -> None:
    operator = sensor(never_fail=True)
    store.at("read", times=2, before=not_answering)
    with pytest.raises(AirflowSkipException, match="the store does not answer"):
        operator.execute(CONTEXT)
    with pytest.raises(AirflowSkipException, match="the store does not answer"):
        go_on(operator, FOUND, time.time() + 100)
    with pytest.raises(AirflowSkipException):
        go_on(operator, None, time.time() + 100)
    with pytest.raises(AirflowSkipException):
        operator.resume_execution("__fail__", {"error": "Trigger failure"}, CONTEXT)
    connect("v3", developer_api_key="")
    with pytest.raises(AirflowSkipException, match="developer_api_key"):
        operator.execute(CONTEXT)


def test_an_error_that_is_not_ours_is_named_in_the_skip_and_not_quoted(store: TroubledStore) -> None:
    def fail() -> None:
        raise RuntimeError("with the password in it")

    store.at("read", before=fail)
    with pytest.raises(AirflowSkipException, match=r"^RuntimeError$"):
        sensor(never_fail=True).execute(CONTEXT)


def test_a_soft_sensor_and_a_plain_one_still_fail_of_a_store_that_a_retry_may_find_well(store: TroubledStore) -> None:
    for changes in ({}, {"soft_fail": True}):
        store.at("read", times=2, before=not_answering)
        with pytest.raises(BillStoreError):
            sensor(**changes).execute(CONTEXT)
        with pytest.raises(BillStoreError):
            go_on(sensor(**changes), FOUND, time.time() + 100)


def test_a_sensor_that_never_fails_still_waits_and_still_finds(store: TroubledStore) -> None:
    operator = sensor(never_fail=True)
    waits = begin(operator)
    handle = BillHook().sign_in()
    assert go_on(operator, FOUND, **(waits.kwargs or {})) == handle


@pytest.mark.parametrize(("setting", "deferrable"), [("True", True), ("False", False), (None, False)])
def test_it_waits_in_the_triggerer_where_airflow_is_set_up_so(
    setting: str | None, deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting is not None:
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", setting)
    spec = importlib.util.spec_from_file_location("sensors_again", Path(sensors.__file__))
    assert spec is not None
    assert spec.loader is not None
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    with DAG("default", schedule=None):
        assert again.BillSessionSensor(task_id="live").deferrable is deferrable
        assert again.BillSessionSensor(task_id="not", deferrable=False).deferrable is False
