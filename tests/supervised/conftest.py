"""One supervised Airflow for all tests here; it has the example DAGs and those of `tests/supervised/dags`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.airflow_harness import AirflowHarness
from dev.local_bill import LocalBill
from dev.paths import EXAMPLES

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in this folder; they share one Airflow and take longest, so one process begins with them."""
    here = [item for item in items if HERE in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.supervised)
        item.add_marker(pytest.mark.timeout(600))
    items[:] = [*here, *(item for item in items if item not in here)]


@pytest.fixture(scope="session")
def supervised_airflow(sandbox: LocalBill, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowHarness]:
    """A running Airflow whose connections `bill_default`, `bill_v2`, ... lead to the `sandbox` process."""
    dags = tmp_path_factory.mktemp("dags")
    for folder in (EXAMPLES, HERE / "dags"):
        for file in folder.glob("*.py"):
            (dags / file.name).symlink_to(file)
    with AirflowHarness(dags, env=sandbox.connection_env(), triggerer=True) as airflow:
        yield airflow


@pytest.fixture
def airflow(supervised_airflow: AirflowHarness, bill: LocalBill) -> Iterator[AirflowHarness]:
    """The supervised Airflow, before a local BILL in its seeded state and without stored sessions."""
    for key in supervised_airflow.variables():
        supervised_airflow.rest("DELETE", f"variables/{key}")
    yield supervised_airflow
    for dag in supervised_airflow.rest_all("dags", "dags"):
        if not dag["is_paused"]:
            # One with a schedule would run into the next test.
            supervised_airflow.rest("PATCH", f"dags/{dag['dag_id']}", {"is_paused": True})
