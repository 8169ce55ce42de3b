"""Mapped tasks carry the organization as their label."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_bill.operators.bill import BillApiOperator, BillLoginOperator, BillSessionWarmupOperator
from airflow_provider_bill.operators.mfa import BillMfaValidateOperator
from airflow_provider_bill.sensors.bill import BillSessionSensor
from dev.airflow_harness import airflow_version
from dev.dag_runner import DagResult
from dev.local_bill import LocalBill

if TYPE_CHECKING:
    from tests.operators.conftest import Connect, NewDag, RunDag

#: Airflow's own label of a mapped task, before and since Airflow 3.3.
UNLABELLED = (None, "0")


def labels(dag_id: str, result: DagResult, task_id: str) -> list[str | None]:
    """Return the labels of a task's instances, in order."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    query = select(TaskInstance).where(
        TaskInstance.dag_id == dag_id, TaskInstance.run_id == result.run_id, TaskInstance.task_id == task_id
    )
    with create_session() as session:
        rows = sorted(session.scalars(query), key=lambda row: row.map_index)
        return [row.rendered_map_index for row in rows]


@pytest.fixture
def organizations(connect: Connect, bill: LocalBill) -> list[str]:
    connect("v3")
    return [row["id"] for row in bill.seed["organizations"]][:2]


def test_every_kind_of_mapped_task_is_labelled_by_its_organization(
    organizations: list[str], new_dag: NewDag, run_dag: RunDag
) -> None:
    with new_dag() as dag:
        login = BillLoginOperator.partial(task_id="login").expand(organization_id=organizations)
        read: dict[str, Any] = {"endpoint": "/v3/vendors", "query": {"max": 1}, "response_filter": len}
        mapped = [
            BillApiOperator.partial(task_id="by_handle", **read).expand(session=login.output),
            BillApiOperator.partial(task_id="by_id", **read).expand(organization_id=organizations),
            BillSessionWarmupOperator.partial(task_id="warm_up").expand(organization_id=organizations),
            BillSessionSensor.partial(task_id="live", timeout=10).expand(organization_id=organizations),
        ]
        login >> mapped
    result = run_dag(dag)
    assert result.state == "success", result.tasks
    for task_id in ("login", "by_handle", "by_id", "warm_up", "live"):
        assert labels(dag.dag_id, result, task_id) == organizations, task_id


def test_a_label_of_the_dags_author_stays(organizations: list[str], new_dag: NewDag, run_dag: RunDag) -> None:
    with new_dag() as dag:
        BillLoginOperator.partial(task_id="login", map_index_template="client {{ ti.map_index }}").expand(
            organization_id=organizations
        )
    assert labels(dag.dag_id, run_dag(dag), "login") == ["client 0", "client 1"]


def test_a_task_that_fails_is_labelled_too(connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill) -> None:
    connect("v3", password="the wrong password")
    with new_dag() as dag:
        BillLoginOperator.partial(task_id="login").expand(organization_id=[bill.organization])
    assert labels(dag.dag_id, run_dag(dag), "login") == [bill.organization]


def test_tasks_that_name_no_organization_or_are_not_mapped_have_no_label(
    organizations: list[str], new_dag: NewDag, run_dag: RunDag
) -> None:
    with new_dag() as dag:
        BillLoginOperator(task_id="login", organization_id=organizations[0])
        BillLoginOperator.partial(task_id="own").expand(bill_conn_id=["bill_default"])
    result = run_dag(dag)
    assert result.state == "success"
    assert labels(dag.dag_id, result, "login") == [None]
    (own,) = labels(dag.dag_id, result, "own")
    assert own in UNLABELLED


def test_mapped_tasks_that_enter_a_code_are_labelled_too(
    organizations: list[str], new_dag: NewDag, run_dag: RunDag
) -> None:
    with new_dag() as dag:
        BillMfaValidateOperator.partial(task_id="enter", challenge=None, code_source="code").expand(
            organization_id=organizations
        )
    assert labels(dag.dag_id, run_dag(dag), "enter") == organizations


@pytest.mark.skipif(airflow_version() < (3, 1), reason="this Airflow shows no forms")
def test_a_mapped_task_that_shows_a_form_is_labelled_before_it_waits() -> None:
    from airflow_provider_bill.operators.mfa import BillMfaOperator

    context: dict[str, Any] = {"ti": SimpleNamespace(map_index=1)}
    BillMfaOperator(task_id="mfa", organization_id="00801").pre_execute(context)
    assert (context["map_index_template"], context["organization"]) == ("{{ organization }}", "00801")
