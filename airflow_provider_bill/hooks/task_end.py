"""What a task's log says last: what was read from BILL, and, if an error of ours ended the task, its sentence.

Airflow prints an error above its frames, and a plain ``@task`` need not close its hook. So a listener of Airflow's says
both once the task is over. It is added in the task's own process when a hook is first used there: nothing has to be
registered, and no other process of Airflow knows of it.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pluggy
from airflow.providers.common.compat.sdk import AirflowException, get_current_context

from airflow_provider_bill.exceptions import BillError

if TYPE_CHECKING:
    from airflow_provider_bill.sessions.events import Usage

log = logging.getLogger(__name__)
hookimpl = pluggy.HookimplMarker("airflow")

#: What the task has used that is running in this process.
_USAGES: dict[tuple[Any, ...], Usage] = {}


def usage_of_task() -> Usage | None:
    """Return what the running task has used, one object for all its hooks; None where no task is running."""
    ti = _running_task()
    if ti is None:
        return None
    from airflow_provider_bill.sessions.events import Usage

    say_at_the_end()
    if _place(ti) not in _USAGES:
        _USAGES.clear()  # of a task before, which `dag.test()` has run here and of whose end nobody was told
    return _USAGES.setdefault(_place(ti), Usage())


def say_at_the_end() -> None:
    """Have this task's log end as described above; does nothing where no task is running."""
    if _running_task() is None:
        return
    try:
        _listener_manager().add_listener(sys.modules[__name__])
    except Exception as error:  # a last line that is missing is no failure of the task
        log.debug("The last line of the log is left out: %s", type(error).__name__)


def _running_task() -> Any:
    try:
        return get_current_context()["ti"]
    except (RuntimeError, AirflowException):
        return None


def _listener_manager() -> Any:
    try:
        listener: Any = import_module("airflow.sdk.listener")
    except ImportError:  # Airflow before 3.2
        listener = import_module("airflow.listeners.listener")
    return listener.get_listener_manager()


def _place(ti: Any) -> tuple[Any, ...]:
    return (ti.dag_id, ti.run_id, ti.task_id, ti.map_index)


@hookimpl
def on_task_instance_success(task_instance: Any) -> None:
    """Say what was read."""
    _say(_USAGES.pop(_place(task_instance), None))


@hookimpl
def on_task_instance_skipped(task_instance: Any) -> None:
    """Say what was read."""
    _say(_USAGES.pop(_place(task_instance), None))


@hookimpl
def on_task_instance_failed(task_instance: Any, error: Any) -> None:
    """Say what was read, and once more the sentence of an error of ours, below the frames."""
    usage = _USAGES.pop(_place(task_instance), None)
    _say(usage)
    if isinstance(error, BillError):
        used = " and ".join(usage.connections) if usage is not None else ""
        log.error("The task failed%s: %s", f" with {used}" if used else "", error)


@hookimpl
def before_stopping() -> None:
    """Say what was read by a task that goes on later, of which Airflow tells no listener; the process ends now."""
    while _USAGES:
        _say(_USAGES.popitem()[1])


def _say(usage: Usage | None) -> None:
    summary = usage.summary() if usage is not None else ""
    if summary:
        log.info("%s", summary)
