"""Operators and sensor in DAGs that a real Airflow runs in this process."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import task

from airflow_provider_bill.exceptions import BillConfigurationError
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators.bill import BillApiOperator, BillLoginOperator, BillLogoutOperator
from airflow_provider_bill.sensors.bill import BillSessionSensor
from dev.local_bill import LocalBill

if TYPE_CHECKING:
    from tests.operators.conftest import Connect, NewDag, RunDag


@pytest.mark.parametrize("store", ["variable", "xcom"])
def test_all_tasks_of_a_dag_share_the_session_of_the_login_task(
    store: str, connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill
) -> None:
    connect("v3")
    with new_dag() as dag:
        login = BillLoginOperator(task_id="login", store=store)
        reads = [
            BillApiOperator(
                task_id=f"read_{number}",
                session=login.output,
                endpoint="/v3/vendors",
                query={"max": 1},
                response_filter=lambda body: len(body["results"]),
            )
            for number in range(3)
        ]

        @task
        def by_hook(session: Any) -> int:
            return sum(1 for _ in BillHook.from_handle(session).paginate("/v3/bills"))

        logout = BillLogoutOperator(task_id="logout", session=login.output)
        [*reads, by_hook(login.output)] >> logout.as_teardown(setups=login)
    result = run_dag(dag)
    assert result.state == "success", result.tasks
    assert result.xcom("read_0") == 1
    assert result.xcom("logout") is True
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sign_outs"], stats["open_sessions"]) == (1, 1, 0)


def test_a_handle_in_xcom_holds_no_secret(connect: Connect, new_dag: NewDag, run_dag: RunDag) -> None:
    secrets = connect("v3")
    with new_dag() as dag:
        BillLoginOperator(task_id="login", store="xcom")
    result = run_dag(dag)
    token = json.dumps({f"{task_id}.{key}": value for (task_id, key), value in result.xcoms.items()})
    assert not [secret for secret in secrets if secret in token]
    assert set(result.xcom("login")) == {
        "conn_id",
        "organization_id",
        "store",
        "key",
        "location",
        "trusted",
        "expires_at",
    }


def test_a_session_that_bill_ends_in_the_middle_of_a_dag_costs_one_sign_in_more(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill
) -> None:
    connect("v3")
    with new_dag() as dag:
        login = BillLoginOperator(task_id="login", store="xcom")

        @task
        def expire() -> None:
            bill.expire_sessions()

        reads = [
            BillApiOperator(task_id=f"read_{n}", session=login.output, endpoint="/v3/vendors", query={"max": 1})
            for n in range(3)
        ]
        login >> expire() >> reads[0] >> reads[1] >> reads[2]
    assert run_dag(dag).state == "success"
    assert bill.stats()["sign_ins"] == 2


def test_logout_leaves_a_session_alone_that_another_run_opened(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill
) -> None:
    connect("v3")
    with new_dag() as first:
        BillLoginOperator(task_id="login")
    with new_dag() as second:
        login = BillLoginOperator(task_id="login")
        login >> BillLogoutOperator(task_id="logout", session=login.output)
    with new_dag() as third:
        BillLogoutOperator(task_id="logout", end_shared=True)
    run_dag(first)
    assert run_dag(second).xcom("logout") is False
    assert bill.stats()["open_sessions"] == 1
    assert run_dag(third).xcom("logout") is True
    stats = bill.stats()
    assert (stats["sign_ins"], stats["open_sessions"]) == (1, 0)


def test_an_organization_can_be_named_task_by_task(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill
) -> None:
    connect("v3")
    organizations = [row["id"] for row in bill.seed["organizations"]][:2]
    with new_dag() as dag:
        BillLoginOperator.partial(task_id="login").expand(organization_id=organizations)
    result = run_dag(dag)
    assert [result.xcom(f"login[{n}]")["organization_id"] for n in range(2)] == organizations
    assert bill.stats()["sign_ins"] == 2


def test_a_v2_list_and_a_v2_write_work_with_the_same_operator(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill
) -> None:
    connect("v2", conn_id="bill_v2")
    with new_dag() as dag:
        rows = BillApiOperator(
            task_id="rows",
            bill_conn_id="bill_v2",
            endpoint="List/Vendor.json",
            paginate=True,
            response_filter=len,
        )
        made = BillApiOperator(
            task_id="made",
            bill_conn_id="bill_v2",
            endpoint="Crud/Create/Vendor.json",
            data={"obj": {"entity": "Vendor", "name": "Made by {{ dag.dag_id }}", "isActive": "1"}},
        )
        rows >> made
    result = run_dag(dag)
    assert result.state == "success"
    assert result.xcom("rows") > 250
    assert result.xcom("made")["name"] == f"Made by {dag.dag_id}"
    assert bill.stats()["writes"] == 1


def test_a_refusal_of_bill_fails_the_task_and_is_not_retried(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill
) -> None:
    connect("v3", password="the wrong password")
    with new_dag() as dag:
        BillLoginOperator(task_id="login", retries=3)
    assert run_dag(dag).tasks == {"login": "failed"}
    assert bill.stats()["refused_sign_ins"] == 1


def test_the_sensor_waits_for_a_session_and_signs_in_nowhere(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill
) -> None:
    connect("v3")
    with new_dag() as without:
        BillSessionSensor(task_id="live", timeout=0, poke_interval=0.1, soft_fail=True)
    with new_dag() as with_session:
        login = BillLoginOperator(task_id="login")
        live = BillSessionSensor(task_id="live", minutes_left=30, timeout=10, poke_interval=0.1)
        too_long = BillSessionSensor(task_id="too_long", minutes_left=36, timeout=0, poke_interval=0.1, soft_fail=True)
        trusted = BillSessionSensor(
            task_id="trusted", require_trusted=True, timeout=0, poke_interval=0.1, soft_fail=True
        )
        login >> [live, too_long, trusted]
    assert run_dag(without).tasks == {"live": "skipped"}
    assert bill.stats()["requests"] == 0
    result = run_dag(with_session)
    assert result.tasks == {
        "login": "success",
        "live": "success",
        "too_long": "skipped",
        "trusted": "skipped",
    }
    assert result.xcom("live")["conn_id"] == "bill_default"
    assert bill.stats()["requests"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"query": ["max"]}, "the query is list, not a mapping"),
        ({"query": {1: 2}}, "the query has a name that is int"),
        ({"query": {"password": "x"}}, "the query names 'password'"),
        ({"query": {"max": {}}}, "the query gives 'max' a value"),
        ({"query": {"max": 101}, "paginate": True}, "max of the query is 101"),
        ({"query": {"start": 1}, "paginate": True}, "the query names 'start'"),
        ({"query": {"page": 1}, "paginate": True}, "the query gives GET /v3/vendors a 'page'"),
        ({"query": ["max"], "paginate": True}, "the query is list"),
        ({"data": {"amount": float("nan")}, "method": "POST"}, "the body of POST /v3/vendors is not JSON"),
        ({"endpoint": "Crud/Create/Vendor.json", "data": {1, 2}}, "the body of POST /Crud/Create/Vendor.json"),
        ({"endpoint": "Crud/Create/Vendor.json", "paginate": True}, "is a write, and only lists have pages"),
        ({"endpoint": "/v3/vendors/1", "paginate": True}, "is no list"),
        ({"endpoint": "/v3/vendors?max=1"}, "give its values as query parameters"),
        ({"endpoint": "/api/v2/List/Vendor"}, "is neither a v2 path nor a v3 path"),
        ({"endpoint": "/v3/vendors.json"}, "is a v3 path.*leave .json out"),
        ({"endpoint": "/v3/login", "method": "POST"}, "each call signs in by itself"),
        ({"endpoint": "/v3/documents/bills/1", "method": "POST"}, "use upload_from of BillApiOperator"),
        ({"upload_from": __file__}, "takes no file; give a body that is JSON"),
    ],
)
def test_an_error_of_a_call_names_no_argument_that_the_operator_does_not_have(
    arguments: dict[str, Any], words: str, connect: Connect, bill: LocalBill
) -> None:
    connect("v3")
    if arguments.get("endpoint", "").endswith("Vendor.json"):
        connect("v2")
    operator = BillApiOperator(task_id="x", **{"endpoint": "/v3/vendors", **arguments})
    with pytest.raises(BillConfigurationError, match=words) as caught:
        operator.execute({})
    assert not re.search(
        r"(?<!\.)\b(params|json|max_bytes|(request|call|sign_in|paginate)\(\)(?! of BillHook))", str(caught.value)
    )
    assert bill.stats()["requests"] == 0


def test_a_session_and_an_organization_together_are_refused_when_the_dag_is_parsed(new_dag: NewDag) -> None:
    with new_dag(), pytest.raises(BillConfigurationError, match="leave one of them out"):
        BillApiOperator(task_id="t", endpoint="/v3/vendors", session={}, organization_id="008A")


def test_a_store_that_does_not_exist_is_refused_when_the_dag_is_parsed(new_dag: NewDag) -> None:
    with new_dag(), pytest.raises(BillConfigurationError, match="'variable'"):
        BillLoginOperator(task_id="login", store="memory")
