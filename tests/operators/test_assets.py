"""The session as an asset: an event when a new one was opened or trust is about to end, and only then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AssetAlias

from airflow_provider_bill.operators.assets import session_asset
from airflow_provider_bill.operators.bill import BillLoginOperator, BillSessionWarmupOperator
from dev.airflow_harness import airflow_version
from dev.dag_runner import DagResult
from dev.local_bill import LocalBill

if TYPE_CHECKING:
    from tests.operators.conftest import Connect, NewDag, RunDag


def events(dag_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Return address and extra of the events that a DAG has emitted, oldest first."""
    from airflow.utils.session import create_session
    from sqlalchemy import select

    if airflow_version() >= (3, 0):
        from airflow.models.asset import AssetEvent as Event
    else:
        from airflow.models.dataset import DatasetEvent as Event  # type: ignore
    with create_session() as session:
        rows = session.scalars(select(Event).where(Event.source_dag_id == dag_id).order_by(Event.id))
        return [(row.uri, dict(row.extra)) for row in rows]


@pytest.fixture
def run(run_dag: RunDag) -> RunDag:
    """Run a DAG whose datasets Airflow 2 knows; Airflow 3 hears of them anyway."""

    def run(dag: Any) -> DagResult:
        if airflow_version() < (3, 0):
            dag.sync_to_db()
        return run_dag(dag)

    return run


def extra(bill: LocalBill, *why: str, **more: Any) -> dict[str, Any]:
    return {"connection": "bill_default", "organization_id": bill.organization, "why": ", ".join(why), **more}


def test_a_login_emits_an_event_for_a_new_session_and_none_for_one_that_it_finds(
    connect: Connect, new_dag: NewDag, run: RunDag, bill: LocalBill
) -> None:
    secrets = connect("v3")
    with new_dag() as dag:
        first = BillLoginOperator(task_id="first", outlets=[AssetAlias("bill_session")])
        first >> BillLoginOperator(task_id="second", outlets=[AssetAlias("bill_session")])
    for _ in range(2):
        assert run(dag).state == "success"
    uri = f"bill://bill_default/{bill.organization}"
    assert events(dag.dag_id) == [(uri, extra(bill, "signed in"))]
    assert session_asset("bill_default", bill.organization).uri == uri
    bill.expire_sessions()
    assert run(dag).state == "success"
    assert len(events(dag.dag_id)) == 1, "a login does not ask BILL about the session that it finds"
    stored = json.dumps(events(dag.dag_id))
    assert [secret for secret in {*secrets, *bill.secrets()} if secret in stored] == []


def test_a_session_of_one_run_only_is_nobodys_event(connect: Connect, new_dag: NewDag, run: RunDag) -> None:
    connect("v3")
    with new_dag() as dag:
        BillLoginOperator(task_id="login", store="xcom", outlets=[AssetAlias("bill_session")])
    assert run(dag).state == "success"
    assert events(dag.dag_id) == []


def test_a_warm_up_emits_an_event_for_each_new_session(
    connect: Connect, new_dag: NewDag, run: RunDag, bill: LocalBill
) -> None:
    connect("v3")
    with new_dag() as dag:
        BillSessionWarmupOperator(task_id="warm_up", renew_within=None, outlets=[AssetAlias("bill_session")])
    for _ in range(3):
        assert run(dag).state == "success"
    assert [what["why"] for _, what in events(dag.dag_id)] == ["signed in"]
    bill.expire_sessions()
    assert run(dag).state == "success"
    assert [what["why"] for _, what in events(dag.dag_id)] == ["signed in", "signed in"]


def test_a_warm_up_says_once_a_day_that_trust_ends(
    connect: Connect, new_dag: NewDag, run: RunDag, bill: LocalBill, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect("v3")
    with new_dag() as dag:
        BillSessionWarmupOperator(task_id="warm_up", outlets=[AssetAlias("bill_session")])
    from airflow_provider_bill.operators import bill as operators

    monkeypatch.setattr(operators, "today", lambda: "2098-12-31")  # the real day could end between two runs
    for _ in range(3):
        assert run(dag).state == "success"
    assert [what for _, what in events(dag.dag_id)] == [extra(bill, "signed in", "trust ends", trusted_days=0)]

    monkeypatch.setattr(operators, "today", lambda: "2099-01-01")
    assert run(dag).state == "success"
    assert [what["why"] for _, what in events(dag.dag_id)] == ["signed in, trust ends", "trust ends"]


def test_a_notifier_that_fails_keeps_neither_the_event_nor_what_asks_for_a_code_from_coming(
    connect: Connect, new_dag: NewDag, run: RunDag, bill: LocalBill, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def away(context: Any) -> None:
        raise ConnectionError("https://hooks.example.com/services/secret-of-the-webhook")

    connect("v3")
    with new_dag() as dag:
        BillSessionWarmupOperator(
            task_id="warm_up",
            outlets=[AssetAlias("bill_session")],
            notifiers=[away, lambda context: told.append("second")],
        )
    assert run(dag).tasks == {"warm_up": "success"}
    assert [what for _, what in events(dag.dag_id)] == [extra(bill, "signed in", "trust ends", trusted_days=0)]
    assert told == ["second"]
    assert "A notifier failed (ConnectionError)" in caplog.text
    assert "secret-of-the-webhook" not in caplog.text


def test_without_an_alias_nothing_is_emitted_and_an_asset_of_the_author_is_left_to_airflow(
    connect: Connect, new_dag: NewDag, run: RunDag
) -> None:
    connect("v3")
    with new_dag() as dag:
        BillSessionWarmupOperator(task_id="warm_up") >> BillLoginOperator(
            task_id="login", outlets=[session_asset("bill_default", "mine")]
        )
    assert run(dag).state == "success"
    assert [(uri, what.get("why")) for uri, what in events(dag.dag_id)] == [("bill://bill_default/mine", None)]


@pytest.mark.parametrize(
    ("given", "uri"),
    [
        (("bill_default", "008X"), "bill://bill_default/008X"),
        (("bill_oauth", ""), "bill://bill_oauth/any"),
        (("a/b c", "008X"), "bill://a%2Fb%20c/008X"),
    ],
)
def test_the_asset_is_named_by_connection_and_organization(given: tuple[str, str], uri: str) -> None:
    assert session_asset(*given).uri == uri
