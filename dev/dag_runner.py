"""Runs a DAG object to its end in this process, alike on Airflow 2.11 and 3.

Every Airflow import is inside a function: the caller sets `AIRFLOW_HOME` first.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dev.airflow_harness import airflow_version
from dev.processes import wait_until


@dataclass(frozen=True)
class DagResult:
    """What a run left behind. A mapped task instance is named `task_id[map_index]`."""

    run_id: str
    state: str
    tasks: dict[str, str]
    xcoms: dict[tuple[str, str], Any] = field(repr=False)

    def xcom(self, task: str, key: str = "return_value") -> Any:
        """Return the value that a task pushed; `KeyError` if it pushed none."""
        return self.xcoms[task, key]


def migrate() -> None:
    """Create the metadata database of this process's Airflow."""
    from airflow.utils import db

    db.upgradedb() if airflow_version() < (3, 0) else db.initdb()


def forget_variables() -> None:
    """Delete all Variables, so that one test does not find what another has stored."""
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(Variable))


def forget_task_states() -> None:
    """Delete what tasks have noted in Airflow's store of their states (Airflow 3.3 and newer)."""
    if airflow_version() < (3, 3):
        return
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(TaskStateStoreModel))


def forget_masked_secrets() -> None:
    """Have Airflow mask nothing that it was told so far in this process: looking for thousands of texts takes long."""
    for name in ("airflow._shared", "airflow.sdk._shared", "airflow.utils.log"):
        module: Any = sys.modules.get(f"{name}.secrets_masker")
        if module is not None:
            masker = module._secrets_masker()
            masker.patterns, masker.replacer = set(), None


def run_dag_in_process(dag: Any, conf: dict[str, Any] | None = None) -> DagResult:
    """Run the DAG by `dag.test()` and read back states and XComs."""
    if airflow_version() >= (3, 0):
        _register(dag)
        _build_api_once()
    try:
        run = dag.test(run_conf=conf)
    finally:
        # Airflow 3 leaves them in this process, which goes on as one that runs no task.
        for name in [name for name in os.environ if name.startswith("AIRFLOW_CTX_")]:
            del os.environ[name]
    return DagResult(
        run_id=run.run_id,
        state=str(getattr(run.state, "value", run.state)),
        tasks={_name(task): str(getattr(task.state, "value", task.state)) for task in _tasks(run)},
        xcoms=_xcoms(dag.dag_id, run.run_id),
    )


def _register(dag: Any) -> None:
    """Write the serialized DAG and its version, which `dag.test()` on Airflow 3 expects to find.

    By itself it looks for the DAG in the files of the dags folder, where a DAG made in a test is not.
    """
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import DagBag, sync_bag_to_db  # type: ignore[no-redef]

    manager: Any = DagBundlesManager  # untyped in Airflow 3.3
    manager().sync_bundles_to_db()
    bag = DagBag(dag_folder=os.devnull, collect_dags=False)
    bag.dags[dag.dag_id] = dag
    sync_bag_to_db(bag, "dags-folder", None)


def _build_api_once() -> None:
    """Share one in-process API server; Airflow 3.1 builds a new one, for a second and more, at every task."""
    from airflow.sdk.execution_time import supervisor

    if not hasattr(supervisor.in_process_api_server, "cache_info"):
        supervisor.in_process_api_server = functools.cache(_started(supervisor.in_process_api_server))


def _started(make: Callable[[], Any]) -> Callable[[], Any]:
    """Return what makes the server and waits until it has started, which Airflow 3.2 does not do by itself."""

    def start() -> Any:
        api = make()
        if airflow_version()[:2] == (3, 2):
            api.transport  # noqa: B018 - starts it
            wait_until(lambda: hasattr(api.app.state, "svcs_registry"), 60, "Airflow's API server in this process")
        return api

    return start


def _tasks(run: Any) -> list[Any]:
    from airflow.utils.session import create_session

    with create_session() as session:
        return list(run.get_task_instances(session=session))


def _name(task: Any) -> str:
    return task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]"


def _xcoms(dag_id: str, run_id: str) -> dict[tuple[str, str], Any]:
    from airflow.utils.session import create_session
    from sqlalchemy import select

    if airflow_version() >= (3, 0):
        from airflow.models.xcom import XComModel as Model

        def value(row: Any) -> Any:
            return Model.deserialize_value(row)

    else:
        from airflow.models.xcom import XCom as Model  # type: ignore[no-redef]

        def value(row: Any) -> Any:
            return row.value  # deserialized while it was loaded

    query = select(Model).where(Model.dag_id == dag_id, Model.run_id == run_id)
    with create_session() as session:
        return {(_name(row), row.key): value(row) for row in session.scalars(query)}
