"""Every example that this Airflow can run is one that it can import."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bill.operators.mfa import BillMfaOperator
from dev.paths import EXAMPLES

HAS_FORMS = BillMfaOperator.__name__ == "BillMfaOperator"


@pytest.fixture(scope="module")
def bag(airflow_db: Path) -> Any:
    try:
        DagBag = importlib.import_module("airflow.dag_processing.dagbag").DagBag
    except ImportError:  # before Airflow 3.2
        DagBag = importlib.import_module("airflow.models.dagbag").DagBag
    return DagBag(str(EXAMPLES))


def test_all_examples_are_imported_but_for_the_form_where_airflow_has_none(bag: Any) -> None:
    wrong = {Path(path).name for path in bag.import_errors}
    assert wrong == (set() if HAS_FORMS else {"bill_mfa.py"}), bag.import_errors
    dags = {path.stem for path in EXAMPLES.glob("*.py") if path.name not in wrong}
    assert set(bag.dags) == {*dags, "bill_session_changed"}


def test_the_warm_up_asks_a_person_in_a_form_where_airflow_has_forms(bag: Any) -> None:
    tasks = {"warm_up", "needs_mfa", "mfa"} if HAS_FORMS else {"warm_up"}
    assert set(bag.dags["bill_warmup"].task_dict) == tasks


def test_the_warm_up_of_many_keeps_to_bills_calls_at_once(bag: Any) -> None:
    warm_up = bag.dags["bill_warmup_many"].get_task("warm_up")
    assert warm_up.partial_kwargs["pool"] == "bill_api"
    assert bag.dags["bill_warmup_many"].max_active_runs == 1
