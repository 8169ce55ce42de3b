"""Links of a task's page: to BILL's reference, and to what our docs say about an error."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_bill.get_provider_info import get_provider_info
from airflow_provider_bill.operators import links
from airflow_provider_bill.operators.bill import (
    BillApiOperator,
    BillLoginOperator,
    BillLogoutOperator,
    BillSessionWarmupOperator,
)
from airflow_provider_bill.operators.links import ERRORS, BillErrorLink, BillReferenceLink, reference_of
from airflow_provider_bill.operators.mfa import BillMfaChallengeOperator
from dev.local_bill import LocalBill

if TYPE_CHECKING:
    from tests.operators.conftest import Connect, NewDag, RunDag

BILL = "https://developer.bill.com"
OVERVIEW = f"{BILL}/reference/api-reference-overview"


def links_on_page(dag: Any, run_id: str, task_id: str) -> dict[str, str | None]:
    """Return the links as Airflow's server makes them, from what it has stored of the DAG and of the run."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    module = importlib.import_module("airflow.serialization.serialized_objects")
    Serialization = getattr(module, "DagSerialization", None) or module.SerializedDAG  # before Airflow 3.2
    task = Serialization.from_dict(Serialization.to_dict(dag)).get_task(task_id)
    query = select(TaskInstance).where(TaskInstance.run_id == run_id, TaskInstance.task_id == task_id)
    with create_session() as session:
        ti = session.scalars(query.where(TaskInstance.dag_id == dag.dag_id)).one()
        return {name: task.get_extra_links(ti, name) or None for name in task.extra_links}


def test_the_page_of_a_task_leads_to_bills_reference_and_of_one_that_failed_to_its_error(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill
) -> None:
    connect("v3")
    with new_dag() as dag:
        login = BillLoginOperator(task_id="login")
        read = BillApiOperator(task_id="read", session=login.output, endpoint="/v3/vendors", query={"max": 1})
        lost = BillApiOperator(task_id="lost", session=login.output, endpoint="/v3/vendors/009nobody")
        read >> lost
    result = run_dag(dag)
    assert result.tasks == {"login": "success", "read": "success", "lost": "failed"}
    pages = {task_id: links_on_page(dag, result.run_id, task_id) for task_id in result.tasks}
    assert pages["login"] == {
        "BILL's reference": f"{BILL}/reference/login",
        "BILL: what the error means": None,
    }
    assert pages["read"]["BILL's reference"] == f"{BILL}/reference/listvendors"
    assert pages["lost"]["BILL's reference"] == OVERVIEW
    error = pages["lost"]["BILL: what the error means"]
    assert error is not None
    assert error.startswith(f"{ERRORS}#bdc_")
    text = str(pages)
    assert [secret for secret in bill.secrets() if secret in text] == []


def test_a_challenge_that_bill_refuses_leads_to_its_error_too(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, bill: LocalBill
) -> None:
    connect("v3")
    bill.fault("/connect/v3/mfa/challenge", status=400, code="BDC_1354")
    with new_dag() as dag:
        BillMfaChallengeOperator(task_id="challenge")
    result = run_dag(dag)
    assert result.tasks == {"challenge": "failed"}
    assert links_on_page(dag, result.run_id, "challenge")["BILL: what the error means"] == f"{ERRORS}#bdc_1354"


def test_a_task_that_has_not_run_has_a_page_all_the_same(connect: Connect, new_dag: NewDag, run_dag: RunDag) -> None:
    connect("v3", password="the wrong password")
    with new_dag() as dag:
        login = BillLoginOperator(task_id="login")
        login >> BillApiOperator(task_id="read", session=login.output, endpoint="/v3/vendors")
    result = run_dag(dag)
    assert result.tasks["read"] == "upstream_failed"
    assert links_on_page(dag, result.run_id, "read")["BILL: what the error means"] is None
    assert links_on_page(dag, result.run_id, "login")["BILL: what the error means"] == f"{ERRORS}#bdc_1101"


@pytest.mark.parametrize(
    ("operator", "page"),
    [
        (BillLoginOperator, "reference/login"),
        (BillLogoutOperator, "reference/logout"),
        (BillSessionWarmupOperator, "reference/getsessioninfo"),
        (BillMfaChallengeOperator, "reference/generatechallenge"),
    ],
)
def test_each_operator_has_the_page_of_its_operation(operator: Any, page: str, new_dag: NewDag) -> None:
    with new_dag():
        task = operator(task_id="t")
    assert [type(link) for link in task.operator_extra_links] == [BillReferenceLink, BillErrorLink]
    assert BillReferenceLink().get_link(task, ti_key=None) == f"{BILL}/{page}"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "path", "page"),
    [
        ("GET", "/v3/vendors", f"{BILL}/reference/listvendors"),
        ("get", "v3/vendors/?max=1", f"{BILL}/reference/listvendors"),
        ("POST", "/v3/vendors", OVERVIEW),
        ("PATCH", "/v3/vendors/{{ ti.xcom_pull('x') }}", f"{BILL}/reference/updatevendor"),
        ("POST", "/v3/payments/stp1/void", f"{BILL}/reference/voidpayment"),
        ("GET", "/v3/payments/options", f"{BILL}/reference/listpaymentoptions"),
        ("GET", "/v3/documents/00h1", f"{BILL}/reference/getdocument"),
        ("GET", "/v3/documents/upload-status", OVERVIEW),
        ("GET", "/v3/documents/00h1/more", OVERVIEW),
        ("POST", "List/Vendor.json", f"{BILL}/docs/api-response-format"),
        ("GET", "https://user:secret@example.com/x", OVERVIEW),
        ("GET", "", OVERVIEW),
        ("GET", None, OVERVIEW),
        (None, "/v3/vendors", OVERVIEW),
    ],
)
def test_a_call_leads_to_its_page_where_bill_documents_one_else_to_the_overview(
    method: Any, path: Any, page: str
) -> None:
    assert reference_of(method, path) == page


def test_every_call_in_the_table_is_one_that_bill_has() -> None:
    from airflow_provider_bill.hooks.bill import BillHook

    known = {
        (row["method"], "/".join("*" if "{" in part else part for part in row["path"].split("/")))
        for row in BillHook.operations()
    }
    assert {(method, path) for method, path, _ in links._OF_CALLS} <= known


@pytest.mark.parametrize(
    ("code", "link"),
    [
        ("BDC_1101", f"{ERRORS}#bdc_1101"),
        ("", ERRORS),
        ("javascript:alert(1)", ERRORS),
        ("BDC_1101?token=secret", ERRORS),
        (None, ""),
    ],
)
def test_of_a_code_that_is_none_nothing_gets_into_the_link(code: str | None, link: str) -> None:
    class Task:
        bill_error = code

    assert BillErrorLink().get_link(Task(), ti_key=None) == link  # type: ignore[arg-type]


def test_airflow_knows_the_links() -> None:
    registered = get_provider_info()["extra-links"]
    assert registered == [f"{kind.__module__}.{kind.__name__}" for kind in (BillReferenceLink, BillErrorLink)]


def test_the_notes_of_the_dags_author_stay(new_dag: NewDag) -> None:
    with new_dag():
        assert BillLoginOperator(task_id="noted", doc_md="of mine").doc_md == "of mine"
        assert BillLoginOperator(task_id="plain").doc_md is None
