"""Airflow Variables as a store: a failure is not "there is none", and of racing writers none fails."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat import sdk

from airflow_provider_bill.exceptions import BillStoreError
from airflow_provider_bill.operators.bill import BillApiOperator
from airflow_provider_bill.sessions.stores import (
    MISS_READS,
    WRITE_ATTEMPTS,
    CertainVariableStore,
    TaskStateStore,
    VariableStore,
)
from dev.airflow_harness import airflow_version
from dev.dag_runner import DagResult
from dev.local_bill import LocalBill
from dev.paths import ROOT
from dev.worker import Job
from dev.worker_process import WorkerProcess
from tests.sessions.present import present

KEY = "bill_session_token__test"


class Variables:
    """Stands in for Airflow's ``Variable``: the next reads miss, lists fail or writes fail as told."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.missed_reads = 0
        self.failing_writes = 0
        self.failing_lists = False
        self.calls: Counter[str] = Counter()

    def get(self, key: str, default: Any) -> Any:
        self.calls["get"] += 1
        if self.missed_reads:
            self.missed_reads -= 1
            return default
        return self.texts.get(key, default)

    def set(self, key: str, text: str) -> None:
        self.calls["set"] += 1
        if self.failing_writes:
            self.failing_writes -= 1
            raise RuntimeError("UNIQUE constraint failed")
        self.texts[key] = text

    def keys(self, prefix: str) -> list[str]:
        self.calls["keys"] += 1
        if self.failing_lists:
            raise RuntimeError("API_SERVER_ERROR")
        return [key for key in self.texts if key.startswith(prefix)]


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Variables:
    stand_in = Variables()
    monkeypatch.setattr(sdk, "Variable", stand_in, raising=False)
    return stand_in


@pytest.fixture(params=[True, False], ids=["3.3", "before 3.3"])
def lists_keys(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr("airflow_provider_bill.version_compat.AIRFLOW_V_3_3_PLUS", request.param)
    return bool(request.param)


@pytest.fixture
def store() -> VariableStore:
    return VariableStore(sleep=lambda seconds: None)


def test_what_is_there_costs_one_read(variables: Variables, lists_keys: bool, store: VariableStore) -> None:
    variables.texts[KEY] = "record"
    assert store.read(KEY) == "record"
    assert variables.calls == {"get": 1}


def test_what_is_missing_is_confirmed(variables: Variables, lists_keys: bool, store: VariableStore) -> None:
    variables.texts[f"{KEY}__other"] = "another record"
    assert store.read(KEY) is None
    assert variables.calls == ({"get": 1, "keys": 1} if lists_keys else {"get": 1 + MISS_READS})


def test_a_read_that_missed_for_a_moment_is_made_again(
    variables: Variables, lists_keys: bool, store: VariableStore
) -> None:
    variables.texts[KEY] = "record"
    variables.missed_reads = 1
    assert store.read(KEY) == "record"


def test_a_record_that_is_listed_and_cannot_be_read_is_an_error(
    variables: Variables, lists_keys: bool, store: VariableStore
) -> None:
    if not lists_keys:
        pytest.skip("there is no list of keys before Airflow 3.3")
    variables.texts[KEY] = "record"
    variables.missed_reads = 2
    with pytest.raises(BillStoreError) as caught:
        store.read(KEY)
    assert caught.value.retryable


def test_a_failing_api_server_is_an_error_and_not_a_miss(
    variables: Variables, lists_keys: bool, store: VariableStore
) -> None:
    if not lists_keys:
        pytest.skip("there is no list of keys before Airflow 3.3")
    variables.failing_lists = True
    with pytest.raises(BillStoreError, match="could not be read"):
        store.read(KEY)


def test_a_write_that_lost_a_race_is_made_again(variables: Variables, store: VariableStore) -> None:
    variables.failing_writes = WRITE_ATTEMPTS - 1
    store.write(KEY, "record")
    assert variables.texts == {KEY: "record"}


def test_a_write_that_always_fails_is_an_error_that_does_not_quote_the_record(
    variables: Variables, store: VariableStore
) -> None:
    variables.failing_writes = WRITE_ATTEMPTS
    with pytest.raises(BillStoreError) as caught:
        store.write(KEY, "record")
    assert "UNIQUE" not in str(caught.value)
    assert variables.calls == {"set": WRITE_ATTEMPTS}


@pytest.fixture
def certain(monkeypatch: pytest.MonkeyPatch) -> CertainVariableStore:
    """The store of writes, on an Airflow that cannot list Variables."""
    monkeypatch.setattr("airflow_provider_bill.version_compat.AIRFLOW_V_3_3_PLUS", False)
    return CertainVariableStore(sleep=lambda seconds: None)


def test_before_airflow_3_3_a_miss_is_certain_at_the_price_of_two_reads(
    variables: Variables, certain: CertainVariableStore
) -> None:
    assert certain.read(KEY) is None
    # One write, ever.
    assert variables.calls == {"get": 4, "set": 1}
    variables.calls.clear()
    assert certain.read(KEY) is None
    assert variables.calls == {"get": 3}


@pytest.mark.parametrize("missed_reads", range(1, 4))
def test_a_failure_of_any_length_is_never_a_miss_of_what_must_not_be_lost(
    missed_reads: int, variables: Variables, certain: CertainVariableStore
) -> None:
    variables.texts[KEY] = "record"
    variables.missed_reads = missed_reads
    found: str | None = "an error"
    with contextlib.suppress(BillStoreError):
        found = certain.read(KEY)
    assert found == ("an error" if missed_reads == 3 else "record")


def test_what_cannot_be_told_from_a_failure_is_an_error(variables: Variables, certain: CertainVariableStore) -> None:
    variables.missed_reads = 3
    with pytest.raises(BillStoreError, match="could not be found out"):
        certain.read(KEY)


@pytest.mark.skipif(airflow_version() < (3, 0), reason="Airflow 2 has no API server between task and database")
def test_a_read_that_the_api_server_failed_to_answer_costs_no_second_sign_in(
    connect: Callable[..., list[str]],
    run_dag: Callable[..., DagResult],
    bill: LocalBill,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a real Airflow whose answers to the second task's first reads are lost."""
    from airflow.sdk.execution_time.secrets.execution_api import ExecutionAPISecretsBackend as Backend

    connect("v3")
    real = Backend.get_variable
    lost: list[str] = []

    def lossy(self: Backend, key: str, *args: Any, **kwargs: Any) -> str | None:
        if bill.stats()["sign_ins"] and key.startswith("bill_session_token") and not lost:
            lost.append(key)
            return None
        return real(self, key, *args, **kwargs)

    monkeypatch.setattr(Backend, "get_variable", lossy)
    with sdk.DAG("lost_answers", schedule=None) as dag:
        tasks = [
            BillApiOperator(task_id=f"read_{number}", endpoint="/v3/vendors", query={"max": 1}) for number in range(2)
        ]
        tasks[0] >> tasks[1]
    assert run_dag(dag).state == "success"
    assert lost
    assert bill.stats()["sign_ins"] == 1


RACE = """
import sys
from airflow_provider_bill.sessions.stores import VariableStore
store = VariableStore()
print("ready", flush=True)
sys.stdin.readline()
for number in range(10):
    store.write("bill_session_token__race", f"{sys.argv[1]} {number}")
print("done", flush=True)
"""


@pytest.mark.parametrize("value", [7, ["text"], {"v": 1}, True])
def test_what_is_no_text_in_a_tasks_state_store_is_an_error_and_not_a_miss(value: object) -> None:
    class Accessor:
        def get(self, key: str) -> object:
            return None if key == "missing" else value

    store = TaskStateStore(Accessor())
    assert store.read("missing") is None
    with pytest.raises(BillStoreError, match="is no text"):
        store.read("bill_write__1")


@pytest.mark.skipif(airflow_version() >= (3, 0), reason="from Airflow 3 on, Variables need a task")
def test_racing_writers_of_one_variable_all_succeed(airflow_db: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for number in range(4)
    ]
    try:
        for writer in writers:
            assert present(writer.stdout).readline() == "ready\n"
        for writer in writers:
            stdin = present(writer.stdin)
            stdin.write("\n")
            stdin.flush()
        for writer in writers:
            assert writer.communicate(timeout=120)[0].endswith("done\n")
    finally:
        for writer in writers:
            writer.kill()
    assert present(VariableStore().read("bill_session_token__race")).endswith(" 9")


@pytest.mark.skipif(airflow_version() >= (3, 0), reason="from Airflow 3 on, Variables need a task")
def test_processes_that_share_real_variables_make_one_sign_in(
    run_dag: Callable[..., DagResult], bill: LocalBill
) -> None:
    connection = json.loads(json.dumps(bill.connections["v3"]))
    job = Job(url=bill.url, connection=connection, folder="", organizations=[""] * 3)
    with tempfile.TemporaryDirectory() as folder:
        workers = [WorkerProcess(job, Path(folder) / host) for host in ("one", "two", "one", "two")]
        try:
            for worker in workers:
                worker.await_ready()
            for worker in workers:
                worker.begin()
            outcomes = [outcome for worker in workers for outcome in worker.outcomes()]
        finally:
            for worker in workers:
                worker.kill()
    assert [error for outcome in outcomes for error in outcome.errors] == []
    assert len({outcome.session for outcome in outcomes}) == 1
    assert bill.stats()["sign_ins"] == 1
