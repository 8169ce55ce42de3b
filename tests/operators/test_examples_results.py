"""The examples give the results that they promise, in a real Airflow in this process."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.models.variable import Variable

from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators.mfa import BillMfaOperator
from dev.local_bill import Headers, LocalBill
from dev.paths import EXAMPLES

if TYPE_CHECKING:
    from tests.operators.conftest import Connect, RunDag

HAS_FORMS = BillMfaOperator.__name__ == "BillMfaOperator"


def example(name: str) -> Any:
    """Return the DAG of an example."""
    try:
        DagBag = importlib.import_module("airflow.dag_processing.dagbag").DagBag
    except ImportError:  # before Airflow 3.2
        DagBag = importlib.import_module("airflow.models.dagbag").DagBag
    return DagBag(str(EXAMPLES / f"{name}.py")).dags[name]


def rows(bill: LocalBill, headers: Headers, name: str) -> Iterator[dict[str, Any]]:
    """Read a whole list from BILL itself."""
    page = "max=100"
    while page:
        body = bill.get(f"/{name}?{page}", headers).json()
        yield from body["results"]
        page = f"max=100&page={body['nextPage']}" if body.get("nextPage") else ""


def new_bill(bill: LocalBill, headers: Headers, vendor: str, number: str, amount: float) -> None:
    body = {
        "vendorId": vendor,
        "dueDate": "2026-12-20",
        "invoice": {"invoiceNumber": number, "invoiceDate": "2026-11-20"},
        "billLineItems": [{"amount": amount}],
    }
    answer = bill.post("/bills", headers, body)
    assert answer.status_code == 201, answer.text


def test_the_shared_session_counts_every_page_of_each_list(connect: Connect, run_dag: RunDag, bill: LocalBill) -> None:
    connect("v3")
    lists = ("vendors", "bills", "customers", "invoices")
    headers = bill.sign_in()
    expected = {name: len(list(rows(bill, headers, name))) for name in lists}
    assert expected["vendors"] == 260
    before = bill.stats()
    result = run_dag(example("bill_share_session"))
    assert result.state == "success", result.tasks
    assert result.xcom("report") == expected
    assert result.xcom("logout") is True
    stats = bill.stats()
    assert (stats["sign_ins"] - before["sign_ins"], stats["sign_outs"]) == (1, 1)


def test_what_is_owed_to_a_vendor_is_the_sum_of_its_unpaid_bills(
    connect: Connect, run_dag: RunDag, bill: LocalBill
) -> None:
    connect("v3")
    headers = bill.sign_in()
    names = {vendor["id"]: vendor["name"] for vendor in rows(bill, headers, "vendors")}
    last = list(names)[-1]  # on the last page
    for number, amount in (("A-1", 10.1), ("A-2", 20.2), ("A-3", 0.3)):
        new_bill(bill, headers, last, number, amount)
    expected: dict[str, float] = {}
    for row in rows(bill, headers, "bills"):
        if row["paymentStatus"] == "UNPAID":
            name = names[row["vendorId"]]
            expected[name] = expected.get(name, 0) + row["amount"]
    before = bill.stats()["sign_ins"]
    result = run_dag(example("bill_share_session_taskflow"))
    assert result.state == "success", result.tasks
    owed = result.xcom("owed")
    assert owed == {name: round(amount, 2) for name, amount in expected.items()}
    assert owed[names[last]] == 30.6
    assert bill.stats()["sign_ins"] - before == 1


def test_the_v2_example_keeps_its_session_to_its_own_run(connect: Connect, run_dag: RunDag, bill: LocalBill) -> None:
    connect("v2", conn_id="bill_v2")
    result = run_dag(example("bill_v2"))
    assert result.state == "success", result.tasks
    assert result.xcom("login")["store"] == "xcom"
    assert "bill_session_token" not in " ".join(variables())
    assert len(result.xcom("vendors")) == 260
    assert result.xcom("read_back") == f"Made on {result.run_id}"
    assert result.xcom("logout") is True
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sign_outs"], stats["open_sessions"]) == (1, 1, 0)


@pytest.mark.parametrize("name", ["bill_many_organizations", "bill_warmup_many"])
def test_of_a_firm_only_its_clients_are_worked_through_and_not_the_firm_itself(
    name: str, connect: Connect, airflow_db: Path
) -> None:
    connect("console", conn_id="bill_console")
    known = BillHook("bill_console").organizations()
    clients = [row["id"] for row in known if row["console_id"]]
    assert len(clients) < len(known), "the firm is one of them"
    assert example(name).get_task("clients").python_callable() == clients


@pytest.mark.skipif(not HAS_FORMS, reason="there are no forms before Airflow 3.1")
def test_the_warm_up_asks_a_person_once_however_often_it_runs(connect: Connect, run_dag: RunDag) -> None:
    connect("v3")
    dag = example("bill_warmup")
    first = run_dag(dag)
    assert first.tasks["mfa"] == "failed"  # nobody can answer a form in this process
    wait_for_a_person(first.run_id)
    second = run_dag(dag)
    assert (second.tasks["warm_up"], second.tasks["mfa"]) == ("success", "skipped")


def wait_for_a_person(run_id: str) -> None:
    """Have the form's task wait, as it would where somebody can answer."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        of_form = (TaskInstance.dag_id == "bill_warmup", TaskInstance.run_id == run_id, TaskInstance.task_id == "mfa")
        session.execute(update(TaskInstance).where(*of_form).values(state="deferred"))


def variables() -> list[str]:
    """Return the names of all Variables."""
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return [str(key) for key in session.scalars(select(Variable.key))]
