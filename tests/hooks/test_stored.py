"""What is read of the metadata database at once, on a real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bill.hooks.stored import stored_entries
from airflow_provider_bill.sessions.overview import Entry
from dev.airflow_harness import airflow_version
from dev.dag_runner import forget_task_states, forget_variables


@pytest.fixture(autouse=True)
def _no_variables(airflow_db: Path) -> None:
    forget_variables()
    forget_task_states()


def add(*rows: object) -> None:
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add_all(rows)


def test_our_variables_are_read_and_no_others() -> None:
    from airflow.models import variable

    Variable: Any = variable.Variable  # untyped in Airflow 3.3

    names = ("bill_session_token__a", "bill_", "billing_session", "bills", "my_bill_session", "billx_")
    add(*[Variable(key=name, val=f"text of {name}") for name in names])
    assert sorted(stored_entries()) == [
        Entry("bill_", "text of bill_"),
        Entry("bill_session_token__a", "text of bill_session_token__a"),
    ]


@pytest.mark.skipif(airflow_version() < (3, 3), reason="there is no task state store")
def test_entries_of_the_task_state_store_come_with_their_task_and_garbage_hides_none() -> None:
    from airflow.models.task_state_store import TaskStateStoreModel as State
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    def row(key: str, value: str) -> State:
        return State(dag_run_id=1, dag_id="d", run_id="r", task_id="t", map_index=2, key=key, value=value)

    texts = {"bill_write__1": json.dumps('{"v": 1}'), "bill_write__2": "{", "bill_write__3": "[1]", "other": '"x"'}
    from sqlalchemy import text as sql

    with create_session() as session:
        session.execute(sql("PRAGMA foreign_keys=OFF"))
        session.add_all([row(key, value) for key, value in texts.items()])
    try:
        found = sorted(stored_entries())
    finally:
        with create_session() as session:
            session.execute(delete(State).where(State.dag_id == "d"))
    place = ("d", "r", "t", 2)
    assert found == [
        Entry("bill_write__1", '{"v": 1}', place),
        Entry("bill_write__2", "", place),
        Entry("bill_write__3", "", place),
    ]
