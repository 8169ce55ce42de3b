"""Sign-ins that the guard must see wherever they are made: child processes, callbacks, DAG files, the Test button."""

from __future__ import annotations

import functools
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    get_current_context,
    task,
)

from airflow_provider_bill.exceptions import BillRateLimitError, BillSignInRefusedError, BillStoreError
from airflow_provider_bill.hooks import wiring
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.sessions import stores
from airflow_provider_bill.sessions.host import own_folder
from airflow_provider_bill.sessions.locks import HostLock, LeaseLock
from dev.airflow_harness import airflow_version
from dev.clock import START
from dev.dag_runner import DagResult
from dev.local_bill import LocalBill
from dev.paths import ROOT

Connect = Callable[..., list[str]]
RunDag = Callable[..., DagResult]

WRONG = "the wrong password"
CHILD = """
import sys
from airflow_provider_bill.exceptions import BillSignInRefusedError
from airflow_provider_bill.hooks.bill import BillHook
try:
    BillHook().request("GET", "/v3/vendors", params={"max": 1})
except BillSignInRefusedError as error:
    sys.exit(f"refused: {error}")
"""


def dag_of(request: pytest.FixtureRequest) -> DAG:
    name = re.sub(r"\W+", "_", request.node.name)
    return DAG(dag_id=name, schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC"))


def start_child() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", CHILD], cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_processes_that_reach_no_airflow_remember_a_refusal_together(connect: Connect, bill: LocalBill) -> None:
    """As scripts of one user, two at once, of two tries each."""
    connect("v3", password=WRONG)
    bill.settings(latency_seconds=1)  # so that the second begins before the first is answered
    for _ in range(2):
        children = [start_child(), start_child()]
        for child in children:
            _, said = child.communicate(timeout=60)
            assert (child.returncode, "refused: " in said) == (1, True), said
    assert bill.stats()["refused_sign_ins"] == 1


def test_what_a_host_remembers_is_for_its_user_alone(connect: Connect, tmp_path: Path) -> None:
    connect("v3", password=WRONG)
    for _ in range(2):
        with pytest.raises(BillSignInRefusedError):
            BillHook(store="memory").session()
    (folder,) = tmp_path.glob("airflow-provider-bill-*")
    files = [file for file in folder.iterdir() if file.suffix == ".note"]
    assert files
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert WRONG not in "".join(file.read_text() for file in files)
    with pytest.raises(BillSignInRefusedError) as caught:
        BillHook(store="memory").session()
    (named,) = [file for file in files if f"delete the file {file}" in str(caught.value)]
    named.unlink()
    with pytest.raises(BillSignInRefusedError, match=r"^(?!.*are not sent again)"):
        BillHook(store="memory").session()


def test_where_a_host_can_remember_nothing_the_process_does(
    connect: Connect, tmp_path: Path, bill: LocalBill, caplog: pytest.LogCaptureFixture
) -> None:
    connect("v3", password=WRONG)
    folder = own_folder()
    folder.chmod(0o777)
    for _ in range(3):
        with pytest.raises(BillSignInRefusedError):
            BillHook().session()
    assert "in this process only" in caplog.text
    assert bill.stats()["refused_sign_ins"] == 1


def test_a_callback_of_a_task_does_not_send_again_what_was_refused_to_the_task(
    request: pytest.FixtureRequest,
    run_dag: RunDag,
    connect: Connect,
    bill: LocalBill,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect("v3", password=WRONG)
    monkeypatch.setattr(wiring, "variables_reachable", stores.variables_reachable)
    ends: list[type] = []

    def ask_in_callback(context: Any) -> None:
        for _ in range(3):
            try:
                BillHook().session()
            except BillSignInRefusedError as error:
                ends.append(type(error))

    with dag_of(request) as dag:

        @task(on_failure_callback=ask_in_callback)
        def read() -> None:
            BillHook().session()

        read()
    assert run_dag(dag).tasks == {"read": "failed"}
    assert len(ends) == 3
    assert bill.stats()["refused_sign_ins"] == 1


DAG_FILE = """
from airflow.providers.common.compat.sdk import DAG
from airflow_provider_bill.hooks.bill import BillHook
vendors = BillHook(store={store!r}).request("GET", "/v3/vendors", params={{"max": 1}})
with DAG(dag_id="reads_at_its_top_level", schedule=None):
    pass
"""


@pytest.mark.parametrize("store", [None, "memory"])
def test_nobody_signs_in_while_a_dag_file_is_read(
    store: str | None, airflow_db: Path, connect: Connect, tmp_path: Path, bill: LocalBill
) -> None:
    connect("v3")
    file = tmp_path / "reads_at_its_top_level.py"
    file.write_text(DAG_FILE.format(store=store))
    for _ in range(3):
        (error,) = import_errors(file)
        assert "while Airflow reads a DAG file" in error
        assert "move the call into a task" in error
    assert bill.stats()["requests"] == 0
    # Outside of it, the same code is a script.
    assert BillHook(store=store).session()


WRITING_FILE = """
from airflow.providers.common.compat.sdk import DAG
from airflow_provider_bill.hooks.bill import BillHook
hook = BillHook(store="memory", unprotected_writes={insists})
hook.request("POST", "/v3/payments", json={{"vendorId": "00901SBX000100000001", "amount": 1.5}})
with DAG(dag_id="writes_at_its_top_level", schedule=None):
    pass
"""


@pytest.mark.parametrize("insists", [False, True])
def test_nothing_is_written_while_a_dag_file_is_read_not_even_where_there_is_a_session(
    insists: bool, airflow_db: Path, connect: Connect, tmp_path: Path, bill: LocalBill
) -> None:
    connect("v3")
    bill.settings(mfa_mode="off")
    assert BillHook(store="memory").session()
    file = tmp_path / "writes_at_its_top_level.py"
    file.write_text(WRITING_FILE.format(insists=insists))
    for _ in range(2):
        (error,) = import_errors(file)
        assert "nothing is written at BILL while Airflow reads a DAG file" in error
    assert bill.count_calls("/connect/v3/payments") == 0


def import_errors(file: Path) -> list[str]:
    """Read a DAG file as Airflow does, and return what went wrong."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # before Airflow 3.3
        from airflow.models.dagbag import DagBag  # type: ignore[no-redef]

    bag: Any = DagBag
    return [str(error) for error in bag(dag_folder=str(file)).import_errors.values()]


def test_the_test_button_sends_no_password_that_was_refused_to_a_task(
    request: pytest.FixtureRequest,
    run_dag: RunDag,
    connect: Connect,
    bill: LocalBill,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect("v3", password=WRONG)

    with dag_of(request) as dag:

        @task
        def read() -> None:
            BillHook().session()

        read()
    assert run_dag(dag).state == "failed"
    # Airflow's API server, which runs the test under a connection id of its own.
    monkeypatch.setattr(wiring, "variables_reachable", stores.variables_reachable)
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    connect("v3", conn_id="of_the_test", password=WRONG)
    monkeypatch.setattr(wiring, "variables_reachable", stores.variables_reachable)
    for _ in range(9):
        worked, said = BillHook("of_the_test").test_connection()
        assert not worked
        assert "are not sent again" in said
    assert bill.stats()["refused_sign_ins"] == 1
    variable = re.findall(r"delete the Variable '(\w+)'", said)[0]
    assert stores.VariableStore().read(variable)

    connect("v3", conn_id="of_the_test")
    monkeypatch.setattr(wiring, "variables_reachable", stores.variables_reachable)
    assert BillHook("of_the_test").test_connection()[0]
    connect("v3")
    assert run_dag(dag).state == "success"
    stats = bill.stats()
    assert (stats["sign_ins"], stats["refused_sign_ins"]) == (2, 1)


def test_a_successful_test_counts_for_all(connect: Connect, bill: LocalBill) -> None:
    connect("v3")
    bill.fault("/connect/v3/login", kind="html", status=403)
    clock = [START]
    with pytest.raises(BillSignInRefusedError):
        BillHook(clock=lambda: clock[0]).session()
    clock[0] = clock[0].add(minutes=16)
    assert BillHook(clock=lambda: clock[0]).test_connection()[0]
    # Also for a host whose clock is behind: the note of the refusal is gone.
    clock[0] = clock[0].subtract(minutes=16)
    assert BillHook(clock=lambda: clock[0]).session()
    assert bill.stats()["sign_ins"] == 2


@pytest.mark.parametrize("retries", [0, 2])
def test_a_task_that_may_run_again_waits_for_the_end_of_bill_s_limit_without_a_retry(
    retries: int, request: pytest.FixtureRequest, run_dag: RunDag, connect: Connect, bill: LocalBill
) -> None:
    connect("v3")
    bill.settings(sign_ins_per_hour=0)
    caught: list[BillRateLimitError] = []

    with dag_of(request) as dag:

        @task(retries=retries)
        def read() -> None:
            try:
                BillHook().session()
            except BillRateLimitError as error:
                caught.append(error)

        read()
    assert run_dag(dag).state == "success"
    (error,) = caught
    assert not isinstance(error, AirflowFailException)
    # Airflow 2 looks at the time only for sensors and for our operators.
    waits = bool(retries) and airflow_version() >= (3, 0)
    assert isinstance(error, AirflowException) is waits
    assert "BDC_1144" in str(error)
    if waits:
        seconds = (vars(error)["reschedule_date"] - error.retry_at).total_seconds()
        assert 1 <= seconds <= 30
    # What another process reads has nothing of Airflow's.
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied), copied.retry_at) == (BillRateLimitError, str(error), error.retry_at)
    assert "reschedule_date" not in vars(copied)


@pytest.mark.skipif(airflow_version() < (3, 0), reason="Airflow 2 reschedules only sensors and our operators")
def test_a_task_that_met_the_limit_runs_again_and_succeeds(
    request: pytest.FixtureRequest, run_dag: RunDag, connect: Connect, bill: LocalBill
) -> None:
    connect("v3")
    bill.settings(sign_ins_per_hour=0)
    tries: list[int] = []

    with dag_of(request) as dag:

        @task(retries=1, retry_delay=0)
        def read(**context: Any) -> None:
            tries.append(context["ti"].try_number)
            if len(tries) == 3:
                bill.settings(sign_ins_per_hour=10)
            # Long ago, so that Airflow need not wait for the next hour; and each try comes an hour later.
            BillHook(clock=lambda: START.add(hours=len(tries))).session()

        read()
    assert run_dag(dag).state == "success"
    assert tries == [1, 1, 1]


def test_a_refusal_that_airflow_does_not_store_is_remembered_by_the_host(
    request: pytest.FixtureRequest, run_dag: RunDag, connect: Connect, bill: LocalBill, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect("v3", password=WRONG)
    write = stores.VariableStore.write

    def takes_no_note(self: stores.VariableStore, key: str, text: str) -> None:
        if key.startswith("bill_sign_in__"):
            raise BillStoreError("the record could not be written")
        write(self, key, text)

    monkeypatch.setattr(stores.VariableStore, "write", takes_no_note)
    with dag_of(request) as dag:

        @task
        def read() -> None:
            for _ in range(3):
                with pytest.raises(BillSignInRefusedError):
                    BillHook().session()

        read()
    assert run_dag(dag).state == "success"
    assert bill.stats()["refused_sign_ins"] == 1


def test_each_team_of_airflow_has_keys_of_its_own(
    request: pytest.FixtureRequest, run_dag: RunDag, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect("v3")
    keys: list[str] = []
    with dag_of(request) as dag:

        @task
        def sign_in() -> None:
            for team in ("", "finance"):
                real = get_current_context()
                run = type("DagRun", (), {"team_name": team or None})
                monkeypatch.setattr(wiring, "get_current_context", lambda real=real, run=run: {**real, "dag_run": run})
                keys.append(BillHook().sign_in()["key"])

        sign_in()
    assert run_dag(dag).state == "success"
    assert keys[1] == keys[0].replace("__v3", "__team_finance__v3")


@pytest.mark.parametrize(
    ("timeout", "setting", "seconds"),
    [
        ((5.0, 60.0), None, 75.0),
        ((5.0, 600.0), None, 615.0),
        ((0.5, 9.5), "300", 300.0),
        ((0.5, 9.5), "30", 30.0),
    ],
)
def test_a_lease_outlives_the_longest_call_that_the_hook_may_make_and_is_a_setting_of_airflow(
    timeout: tuple[float, float],
    setting: str | None,
    seconds: float,
    request: pytest.FixtureRequest,
    run_dag: RunDag,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect("v3")
    if setting is not None:
        monkeypatch.setenv("AIRFLOW__BILL__SIGN_IN_LEASE_SECONDS", setting)
    leases: list[dict[str, Any]] = []
    write = stores.VariableStore.write

    def watched(self: stores.VariableStore, key: str, text: str) -> None:
        if key.startswith("bill_sign_in_lease__"):
            leases.append(json.loads(text))
        write(self, key, text)

    monkeypatch.setattr(stores.VariableStore, "write", watched)
    with dag_of(request) as dag:

        @task
        def read() -> None:
            BillHook(timeout=timeout).session()

        read()
    assert run_dag(dag).state == "success"
    (lease,) = leases
    assert lease["seconds"] == seconds


@pytest.mark.parametrize(("setting", "seconds"), [("2.5", 2.5), (None, 1.0)])
def test_how_long_a_sign_in_waits_for_other_hosts_writes_is_a_setting_of_airflow(
    setting: str | None,
    seconds: float,
    request: pytest.FixtureRequest,
    run_dag: RunDag,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect("v3")
    monkeypatch.delenv("AIRFLOW__BILL__SIGN_IN_SETTLE_SECONDS")
    if setting is not None:
        monkeypatch.setenv("AIRFLOW__BILL__SIGN_IN_SETTLE_SECONDS", setting)
    slept: list[float] = []
    monkeypatch.setattr(wiring, "LeaseLock", functools.partial(LeaseLock, sleep=slept.append))
    with dag_of(request) as dag:

        @task
        def read() -> None:
            BillHook().session()

        read()
    assert run_dag(dag).state == "success"
    (settled,) = slept
    assert settled >= seconds  # longer where the store itself is slow


class Away:
    """Stands for an Airflow whose API server is away, and how often something waits for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, waits: int) -> None:
        self.slept: list[float] = []
        self.left = waits
        self.asked = 0
        monkeypatch.setattr(wiring, "variables_reachable", lambda: True)
        monkeypatch.setattr(wiring, "CertainVariableStore", lambda: self)

    def read(self, key: str) -> str | None:
        """Read a Variable, as a store."""
        if self.left:
            raise BillStoreError("the API server does not answer")
        return None

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.left -= 1

    def get(self, conn_id: str) -> Any:
        """Read a connection, as Airflow does."""
        self.asked += 1
        if self.left:
            raise AirflowNotFoundException(f"The conn_id `{conn_id}` isn't defined")
        return conn_id


def test_a_connection_is_waited_for_while_the_api_server_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    away = Away(monkeypatch, waits=3)
    found: Any = wiring.find_connection(away.get, "bill_default", sleep=away.sleep)
    assert found == "bill_default"
    assert away.slept == [0.5, 1.0, 2.0]


def test_a_connection_that_cannot_be_read_is_an_error_that_may_be_retried_and_names_both_causes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = Away(monkeypatch, waits=99)
    with pytest.raises(BillStoreError) as caught:
        wiring.find_connection(away.get, "bill_default", sleep=away.sleep)
    assert caught.value.retryable
    assert "'bill_default'" in str(caught.value)
    assert "API server or database" in str(caught.value)
    assert "define the connection" in str(caught.value)
    assert sum(away.slept) == 7.5


def test_a_connection_that_airflow_fails_to_read_is_an_error_that_quotes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = Away(monkeypatch, waits=0)

    def fail(conn_id: str) -> Any:
        raise RuntimeError("extra: sbxDevKey")

    with pytest.raises(BillStoreError, match="failed with RuntimeError;") as caught:
        wiring.find_connection(fail, "bill_default", sleep=away.sleep)
    assert "sbxDevKey" not in str(caught.value)
    assert "does not answer" not in str(caught.value)


def test_a_connection_that_does_not_exist_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    away = Away(monkeypatch, waits=0)
    asked: list[str] = []

    def missing(conn_id: str) -> Any:
        asked.append(conn_id)
        raise AirflowNotFoundException("isn't defined")

    with pytest.raises(AirflowNotFoundException):
        wiring.find_connection(missing, "bill_default", sleep=away.sleep)
    assert (away.slept, len(asked)) == ([], 2)


def test_a_connection_that_a_script_does_not_have_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    away = Away(monkeypatch, waits=99)
    monkeypatch.setattr(wiring, "variables_reachable", lambda: False)
    with pytest.raises(AirflowNotFoundException):
        wiring.find_connection(away.get, "bill_default", sleep=away.sleep)
    assert away.slept == []


def test_a_session_that_stays_in_its_process_is_no_way_around_the_guard_of_the_others(
    request: pytest.FixtureRequest, run_dag: RunDag, connect: Connect, bill: LocalBill
) -> None:
    connect("v3", password=WRONG)
    said: list[str] = []
    with dag_of(request) as dag:

        @task
        def read() -> None:
            for store in ("memory", "variable", "memory"):
                try:
                    BillHook(store=store).session()
                except BillSignInRefusedError as error:
                    said.append(str(error))

        read()
    assert run_dag(dag).state == "success"
    assert ["delete the Variable" in text for text in said] == [False, True, True]
    assert bill.stats()["refused_sign_ins"] == 1


def test_listing_organizations_by_the_credentials_is_no_way_around_the_guard(connect: Connect, bill: LocalBill) -> None:
    connect("v2", password=WRONG)
    for _ in range(3):
        with pytest.raises(BillSignInRefusedError):
            BillHook().organizations()
    with pytest.raises(BillSignInRefusedError):
        BillHook().session()
    assert bill.stats()["requests"] == 1


def test_the_test_button_holds_on_to_its_turn_before_each_call(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect("partner")
    held: list[str] = []
    monkeypatch.setattr(HostLock, "prolong", lambda lock, key: held.append(key))
    assert BillHook().test_connection()[0]
    assert len(held) == 2
    assert len(set(held)) == 1
