from __future__ import annotations

import pytest

from airflow_provider_bill.sessions import words


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({"dag_id": "d", "run_id": "r", "task_id": "t"}, "task t of DAG d (run r)"),
        ({"person": "ada (command line)"}, "ada (command line)"),
        ({}, "somebody outside of a task"),
    ],
)
def test_who_did_something_is_named(place: dict[str, str], text: str) -> None:
    assert words.task(place) == text
