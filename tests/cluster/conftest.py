"""One cluster for all tests here."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dev.cluster import Cluster, missing
from dev.gate import OPEN, Gate
from dev.local_bill import LocalBill
from dev.misbehaving_server import MisbehavingServer, http_answer
from dev.paths import EXAMPLES

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(1500))


@pytest.fixture(scope="session")
def gate(sandbox: LocalBill) -> Iterator[Gate]:
    """What every call to the local BILL passes."""
    port = urlsplit(sandbox.url).port
    assert port is not None
    with Gate(port) as gate:
        yield gate


@pytest.fixture(scope="session")
def sentry() -> Iterator[MisbehavingServer]:
    """What takes the place of a Sentry server, and keeps what it is sent."""
    with contextlib.closing(MisbehavingServer(http_answer(200, "{}"))) as server:
        yield server


@pytest.fixture(scope="session")
def whole_cluster(
    sandbox: LocalBill, gate: Gate, sentry: MisbehavingServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A running cluster whose connections lead through the gate to the `sandbox` process."""
    if lacking := missing():
        message = f"no cluster can be had here: there is no {', '.join(lacking)}"
        if os.environ.get("CLUSTER_REQUIRED"):
            pytest.fail(message)
        pytest.skip(message)
    dags = tmp_path_factory.mktemp("dags")
    files = [
        *EXAMPLES.glob("*.py"),
        *(HERE / "dags").glob("*.py"),
        HERE.parent / "supervised/dags/many_organizations.py",
    ]
    for file in files:
        (dags / file.name).symlink_to(file)
    env = {
        name: value.replace(sandbox.url, f"http://127.0.0.1:{gate.port}")
        for name, value in sandbox.connection_env().items()
    }
    # One that neither the environment nor the database knows.
    kept = tmp_path_factory.mktemp("secrets") / "connections.json"
    kept.write_text(json.dumps({"bill_kept_elsewhere": json.loads(env.pop("AIRFLOW_CONN_BILL_V2"))}))
    env |= {
        "AIRFLOW__WORKERS__SECRETS_BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS": json.dumps({"connections_file_path": str(kept)}),
    }
    ports = [gate.port, int(sentry.url.rpartition(":")[2])]
    with Cluster(dags, ports=ports, env=env) as cluster:
        yield cluster


@pytest.fixture
def cluster(whole_cluster: Cluster, gate: Gate, sandbox: LocalBill) -> Cluster:
    """The cluster, before a local BILL in its seeded state and without stored sessions."""
    sandbox.reset()
    gate.way = OPEN
    for key in whole_cluster.variables():
        whole_cluster.rest("DELETE", f"variables/{key}")
    return whole_cluster


@pytest.fixture
def unpaid(cluster: Cluster, sandbox: LocalBill) -> dict[str, Any]:
    """An unpaid bill, as the conf of a run of `bill_mfa`."""
    rows = sandbox.get("/bills", sandbox.sign_in()).json()["results"]
    bill = next(row for row in rows if row["paymentStatus"] == "UNPAID")
    sandbox.reset()
    return {"vendor_id": bill["vendorId"], "bill_id": bill["id"], "amount": 1.5}
