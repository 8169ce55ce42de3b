"""What a person reads who opens the log of a task: each thing that happened, in plain English, once."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, task

from airflow_provider_bill.exceptions import BillError
from airflow_provider_bill.hooks import task_end
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.hooks.task_end import before_stopping
from airflow_provider_bill.operators.bill import BillApiOperator, BillLoginOperator, BillLogoutOperator
from airflow_provider_bill.sessions import words
from dev.airflow_harness import airflow_version
from dev.clock import ManualClock
from dev.dag_runner import DagResult
from dev.local_bill import LocalBill

Connect = Callable[..., list[str]]
RunDag = Callable[..., DagResult]
Lines = Callable[[], list[str]]

VENDOR = {
    "name": "Confidential Vendor Ltd",
    "accountType": "BUSINESS",
    "address": {"line1": "1 Hidden Street", "city": "X", "stateOrProvince": "CA", "zipOrPostalCode": "94000"},
}
VENDOR["address"]["country"] = "US"  # type: ignore[index]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """Return what we have logged since the last look, at level INFO and above."""
    caplog.set_level("INFO", "airflow_provider_bill")
    # As in the process of a task, where nobody has used a hook before.
    listeners = task_end._listener_manager().pm
    if listeners.is_registered(task_end):
        listeners.unregister(task_end)

    def look() -> list[str]:
        found = [r.getMessage() for r in caplog.records if r.name.startswith("airflow_provider_bill")]
        caplog.clear()
        return [line for line in found if "kept in this process only" not in line]

    return look


@pytest.fixture
def new_dag(request: pytest.FixtureRequest) -> Callable[[], DAG]:
    """Make an empty DAG, named after the test."""
    name = re.sub(r"\W", "_", request.node.name)[:100]
    return lambda: DAG(name, schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC"))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_a_sign_in_says_who_where_and_how_long(
    connect: Connect, bill: LocalBill, clock: ManualClock, lines: Lines
) -> None:
    connect("v3")
    BillHook(clock=clock).session()
    name, _, domain = bill.username.partition("@")
    assert lines() == [
        f"Signed in to BILL with connection 'bill_default' (organization {bill.organization}, "
        f"user {name[0]}***@{domain}, kind v3, sandbox); the session lives for 35 minutes more if nobody uses it."
    ]


def test_a_session_that_is_found_says_who_opened_it_since_when_and_for_how_long(
    connect: Connect, bill: LocalBill, clock: ManualClock, lines: Lines
) -> None:
    connect("v3")
    BillHook(clock=clock).session()
    lines()
    clock.advance(minutes=5)
    BillHook(clock=clock).session()
    assert lines() == [
        f"Using the BILL session of connection 'bill_default' (organization {bill.organization}), opened by somebody "
        "outside of a task at 2026-11-21 12:34:56 UTC; it lives for 30 minutes more if nobody uses it."
    ]


def test_the_session_of_an_oauth_connection_ends_at_a_fixed_time(
    connect: Connect, clock: ManualClock, lines: Lines
) -> None:
    connect("oauth")
    session = BillHook(clock=clock).session()
    assert session.ends_at is not None
    (line,) = lines()
    assert f"the session ends at {words.moment(session.ends_at)}, used or not." in line
    assert "nobody uses it" not in line


def test_a_session_that_bill_has_ended_is_renewed_and_the_line_says_why(
    connect: Connect, bill: LocalBill, clock: ManualClock, lines: Lines
) -> None:
    connect("v3")
    hook = BillHook(clock=clock)
    hook.session()
    clock.advance(minutes=5)
    bill.expire_sessions()
    lines()
    hook.request("GET", "/v3/vendors", params={"max": 1})
    (line,) = lines()
    assert line.startswith("Signed in to BILL again with connection 'bill_default'")
    why = "opened by somebody outside of a task at 2026-11-21 12:34:56 UTC (BDC_1109)"
    assert f"because BILL no longer knows the one {why}; the new session lives" in line


def test_a_session_that_nobody_has_used_is_renewed_and_the_line_says_since_when(
    connect: Connect, clock: ManualClock, lines: Lines
) -> None:
    connect("v3")
    BillHook(clock=clock).session()
    clock.advance(hours=2)
    lines()
    BillHook(clock=clock).session()
    (line,) = lines()
    assert "because nobody has used the one before since 2026-11-21 12:34:56 UTC" in line


def test_signing_out_says_which_session_was_ended_or_that_there_was_none(
    connect: Connect, bill: LocalBill, clock: ManualClock, lines: Lines
) -> None:
    connect("v3")
    hook = BillHook(clock=clock)
    hook.session()
    lines()
    hook.sign_out()
    hook.sign_out()
    hook.session()
    bill.expire_sessions()
    before = lines()
    hook.sign_out()
    assert before[:2] == [
        f"Signed out of BILL: ended the session of connection 'bill_default' (organization {bill.organization}), "
        "opened by somebody outside of a task at 2026-11-21 12:34:56 UTC.",
        "Nothing to sign out of: there is no BILL session of connection 'bill_default'.",
    ]
    assert "BILL had ended the session of connection 'bill_default'" in lines()[0]


def test_signing_out_where_bill_has_no_sign_out_says_how_long_the_token_lives_on(
    connect: Connect, bill: LocalBill, clock: ManualClock, lines: Lines
) -> None:
    connect("oauth")
    hook = BillHook(clock=clock)
    hook.session()
    lines()
    before = bill.stats()["requests"]
    assert hook.sign_out() is False
    (line,) = lines()
    assert "is no longer stored; BILL has no sign-out for this kind of sign-in, so it ends at 2026-11-21" in line
    assert (hook.peek(), bill.stats()["requests"]) == (None, before)


def test_a_record_of_other_credentials_is_mentioned_once_though_a_sign_in_looks_at_it_often(
    connect: Connect, bill: LocalBill, lines: Lines
) -> None:
    connect("v3")
    BillHook().session()
    hook = BillHook()
    hook.get_conn()  # made with the password as it was
    connect("v3", password=bill.password + " ")
    lines()
    with pytest.raises(BillError):
        BillHook().session()
    assert sum("was made with other credentials" in line for line in lines()) == 1


@pytest.mark.parametrize("call", ["POST /v3/vendors", "POST /Crud/Create/Vendor.json"])
def test_a_write_says_its_path_what_was_made_and_how_long_and_nothing_of_what_was_sent(
    call: str, connect: Connect, lines: Lines
) -> None:
    connect("v3" if "v3" in call else "v2")
    hook = BillHook()
    hook.session()
    lines()
    if "v3" in call:
        made = hook.request("POST", "/v3/vendors", json=VENDOR)
    else:
        made = hook.call("Crud/Create/Vendor.json", {"obj": {"entity": "Vendor", "name": VENDOR["name"]}})
    (line,) = lines()
    assert re.fullmatch(rf"BILL carried out {re.escape(call)}: {made['id']} in \d+\.\d\d s\.", line), line
    assert "Confidential" not in line


def test_the_log_of_a_task_tells_its_story_once_however_many_hooks_it_makes(
    connect: Connect, bill: LocalBill, run_dag: RunDag, new_dag: Callable[[], DAG], lines: Lines
) -> None:
    connect("v3")
    with new_dag() as dag:
        login = BillLoginOperator(task_id="login")

        @task
        def read() -> int:
            return sum(len(list(BillHook().paginate("/v3/vendors"))) for _ in range(4))

        login >> read()
    result = run_dag(dag)
    assert result.state == "success", result.tasks
    told = lines()
    assert len(told) == 3, told
    signed_in, found, summary = told
    assert signed_in.startswith("Signed in to BILL with connection 'bill_default'")
    assert f"opened by task login of DAG {dag.dag_id} (run {result.run_id}) at " in found
    calls, rows, size, waited = re.fullmatch(  # type: ignore[union-attr]
        r"Read from BILL in this task: (\d+) calls, (\d+) rows, ([\d.]+ kB|[\d.]+ MB); waited ([\d.]+) s for BILL's "
        r"limits\.",
        summary,
    ).groups()
    assert int(calls) == bill.count_calls("/connect/v3/vendors")
    assert int(rows) == result.xcom("read")
    assert (float(size.split()[0]) > 0, waited) == (True, "0.0")


def test_an_operator_that_writes_leaves_one_line_with_the_id_and_no_value_of_the_body(
    connect: Connect, run_dag: RunDag, new_dag: Callable[[], DAG], lines: Lines
) -> None:
    connect("v3")
    with new_dag() as dag:
        login = BillLoginOperator(task_id="login")
        write = BillApiOperator(task_id="write", endpoint="/v3/vendors", method="POST", data=VENDOR)
        login >> write >> BillLogoutOperator(task_id="logout")
    result = run_dag(dag)
    assert result.state == "success", result.tasks
    told = lines()
    assert sum(f"BILL carried out POST /v3/vendors: {result.xcom('write')['id']} in " in line for line in told) == 1
    assert not [line for line in told if "Confidential" in line or "Hidden Street" in line]
    assert "ended the session of connection 'bill_default' (organization 008" in told[-1]
    assert f"opened by task login of DAG {dag.dag_id}" in told[-1]


def fail_by_operator() -> Any:
    return BillApiOperator(task_id="fails", endpoint="/v3/vendors/00901NONE00000000000")


def fail_by_function() -> Any:
    @task
    def fails() -> None:
        BillHook().request("GET", "/v3/vendors/00901NONE00000000000")

    return fails()


@pytest.mark.parametrize("fail", [fail_by_operator, fail_by_function])
def test_the_last_line_of_a_failed_task_is_the_sentence_of_the_error_and_names_the_connection(
    fail: Callable[[], Any], connect: Connect, bill: LocalBill, run_dag: RunDag, new_dag: Callable[[], DAG],
    lines: Lines, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    connect("v3")
    with new_dag() as dag:
        fail()
    assert run_dag(dag).tasks == {"fails": "failed"}
    ours = [record for record in caplog.records if record.name.startswith("airflow_provider_bill")]
    assert ours[-1].levelname == "ERROR", ours[-1]
    last = lines()[-1]
    where = f"connection 'bill_default' (organization {bill.organization}, sandbox)"
    assert last.startswith(f"The task failed with {where}: ")
    assert "GET /v3/vendors/00901NONE00000000000" in last
    assert last.count("; ") == 1, "what happened, and what to do"


def test_an_error_before_any_session_is_the_last_line_too(
    connect: Connect, run_dag: RunDag, new_dag: Callable[[], DAG], lines: Lines
) -> None:
    connect("v3", environment="no such")
    with new_dag() as dag:
        BillApiOperator(task_id="fails", endpoint="/v3/vendors")
    assert run_dag(dag).state == "failed"
    assert lines()[-1].startswith('The task failed: the connection\'s "Environment" (environment) is ')


def test_an_error_of_the_tasks_own_gets_no_line_of_ours(
    connect: Connect, run_dag: RunDag, new_dag: Callable[[], DAG], lines: Lines
) -> None:
    connect("v3")
    with new_dag() as dag:

        @task
        def fails() -> None:
            BillHook().session()
            raise ValueError("not ours")

        fails()
    assert run_dag(dag).state == "failed"
    assert [line.partition(" with ")[0] for line in lines()] == ["Signed in to BILL"]


def skip() -> None:
    raise AirflowSkipException


@pytest.mark.parametrize(
    ("end", "state"),
    [
        # As Airflow calls it when the process of a task ends that goes on later.
        (before_stopping, "success"),
        pytest.param(
            skip,
            "skipped",
            marks=pytest.mark.skipif(
                airflow_version() < (3, 0), reason="Airflow 2 tells no listener of a task that skips itself"
            ),
        ),
    ],
)
def test_what_was_read_is_told_as_well_by_a_task_that_goes_on_later_or_skips_itself(
    end: Callable[[], None],
    state: str,
    connect: Connect,
    run_dag: RunDag,
    new_dag: Callable[[], DAG],
    lines: Lines,
) -> None:
    connect("v3")
    with new_dag() as dag:

        @task
        def read() -> None:
            BillHook().request("GET", "/v3/vendors", params={"max": 3})
            end()

        read()
    assert run_dag(dag).tasks == {"read": state}
    assert [line.partition(",")[0] for line in lines() if "Read from" in line] == [
        "Read from BILL in this task: 1 call"
    ]


def test_waiting_for_a_free_call_is_said_once_a_task_and_added_up(
    connect: Connect, bill: LocalBill, run_dag: RunDag, new_dag: Callable[[], DAG], lines: Lines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    connect("v3")
    monkeypatch.setattr("airflow_provider_bill.client.retries.random.uniform", lambda low, high: 0.25)
    with new_dag() as dag:

        @task
        def read() -> None:
            for _ in range(2):
                bill.fault("/connect/v3/vendors", code="BDC_1322", times=1)
                BillHook().request("GET", "/v3/vendors", params={"max": 3})

        read()
    assert run_dag(dag).state == "success"
    told = lines()
    assert sum("waits for a free one" in line for line in told) == 1
    assert told[-1].endswith("waited 0.5 s for BILL's limits.")
    assert ": 2 calls, 6 rows, " in told[-1]


def test_a_refused_port_is_named_with_its_connection(connect: Connect) -> None:
    port = closed_port()
    connect("v3", conn_id="bill_wrong", host=f"http://127.0.0.1:{port}")
    with pytest.raises(BillError) as caught:
        BillHook("bill_wrong").session()
    assert str(caught.value) == (
        f"POST /v3/login was not sent to 127.0.0.1:{port}: the connection was refused, as nothing listens on that "
        "port; check the host and port of connection 'bill_wrong', the network and the proxy, then try again"
    )


def test_an_unknown_host_is_named_with_its_connection(connect: Connect) -> None:
    connect("v3", host="https://no-such-host.invalid")
    with pytest.raises(BillError) as caught:
        BillHook().session()
    said = str(caught.value)
    assert "was not sent to no-such-host.invalid:443: no host of that name is known; " in said
    assert "connection 'bill_default'" in said


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (30 * 86400 - 1, "29 days"),
        (2 * 86400, "2 days"),
        (2 * 86400 - 1, "47 hours"),
        (3599, "59 minutes"),
        (119, "119 seconds"),
        (1, "1 second"),
        (-5, "0 seconds"),
    ],
)
def test_a_duration_is_told_in_one_unit_and_never_promises_too_much(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text
