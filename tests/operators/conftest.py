"""A DAG to put tasks into."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG

from dev.dag_runner import DagResult

Connect = Callable[..., list[str]]
NewDag = Callable[..., DAG]
RunDag = Callable[..., DagResult]

_NUMBERS = count(1)


@pytest.fixture
def new_dag() -> NewDag:
    """Make a DAG with an id of its own; use it in a ``with`` statement."""

    def make(**kwargs: Any) -> DAG:
        return DAG(
            dag_id=f"test_{next(_NUMBERS)}",
            schedule=None,
            start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
            **kwargs,
        )

    return make
