"""Makes what stands behind a hook, from what Airflow knows: its connection, this task, the stores."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from typing import TYPE_CHECKING

from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import AirflowException, conf, get_current_context, mask_secret

from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.redaction import written_forms
from airflow_provider_bill.client.session import Clock, utc_now
from airflow_provider_bill.client.transport import Transport
from airflow_provider_bill.exceptions import BillConfigurationError
from airflow_provider_bill.hooks.connection import read_connection
from airflow_provider_bill.sessions.identity import XComLocation
from airflow_provider_bill.sessions.keys import writes_prefix
from airflow_provider_bill.sessions.locks import LEASE_SECONDS, LeaseLock, ProcessLock
from airflow_provider_bill.sessions.shared import SharedSession
from airflow_provider_bill.sessions.stores import (
    PROCESS_MEMORY,
    CertainVariableStore,
    Store,
    TaskStateStore,
    VariableStore,
    XComStore,
)
from airflow_provider_bill.sessions.writes import DurableWrites, RefusedWrites, TaskTry, Writes

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection, Context

log = logging.getLogger(__name__)

#: The tasks that are running in this process; several only where one process runs a whole DAG, as `dag.test()` does.
_TRIES: deque[tuple[Context, TaskTry]] = deque(maxlen=8)
_TRIES_LOCK = threading.Lock()


def make_shared_session(
    client: BillClient,
    conn_id: str,
    *,
    store: str | None,
    location: XComLocation | None,
    clock: Clock | None,
    unprotected_writes: bool = False,
) -> SharedSession:
    """Return the shared session of a connection; reads and sends nothing.

    :param client: speaks to BILL
    :param conn_id: Airflow connection id
    :param store: ``variable``, ``xcom``, ``memory``; None for ``variable`` in a task, else ``memory``
    :param location: the login task whose XCom holds the session; None for this task
    :param clock: gives the present moment in UTC; None for the real one
    :param unprotected_writes: send writes also where nothing keeps a retry from sending them again
    :raises BillConfigurationError: the XCom store outside a task, and no login task is named
    """
    this_task = _this_task()
    if store is None and this_task is None:
        log.info("Outside a task the BILL session is kept in this process only.")
    store = store or ("memory" if this_task is None else "variable")
    # What outlives a run, and what all sign-ins must see, is never in the XCom store.
    notes: Store = PROCESS_MEMORY if store == "memory" else VariableStore()
    location = (location or this_task) if store == "xcom" else None
    if store == "xcom" and location is None:
        raise BillConfigurationError(
            "store='xcom' needs a login task", advice="use BillHook.from_handle with its handle"
        )
    lease_seconds = conf.getfloat("bill", "sign_in_lease_seconds", fallback=LEASE_SECONDS)
    return SharedSession(
        client,
        conn_id,
        store=notes if location is None else XComStore(location),
        notes=notes,
        lock=ProcessLock() if store == "memory" else LeaseLock(notes, lease_seconds=lease_seconds),
        writes=lambda: _writes(_this_task(), clock or utc_now, unprotected=unprotected_writes),
        location=location,
        clock=clock or utc_now,
        signed_in_by=None
        if this_task is None
        else {k: str(vars(this_task)[k]) for k in ("dag_id", "run_id", "task_id")},
        on_secret=_mask,
    )


def _writes(this_task: XComLocation | None, clock: Clock, *, unprotected: bool) -> Writes | None:
    """Return what sends the writes of this task; None where no task is running."""
    if this_task is None:
        # Airflow names its task to every process that the task starts.
        return RefusedWrites() if "AIRFLOW_CTX_DAG_ID" in os.environ and not unprotected else None
    context = get_current_context()
    accessor = context.get("task_state_store")
    where = (this_task.dag_id, this_task.run_id, this_task.task_id, this_task.map_index)
    task_try = _task_try(context)
    variables = CertainVariableStore()
    if accessor is None or conf.getboolean("state_store", "clear_on_success", fallback=False):
        # Before Airflow 3.3, or where the state store forgets a task that has succeeded.
        return DurableWrites(variables, writes_prefix(*where), settlements=variables, task_try=task_try, clock=clock)
    return DurableWrites(TaskStateStore(accessor), "bill_write", settlements=variables, task_try=task_try, clock=clock)


def _task_try(context: Context) -> TaskTry:
    """Return one object for all hooks of a task that is running now; each run of a task has a context of its own."""
    with _TRIES_LOCK:
        for known, task_try in _TRIES:
            if known is context:
                return task_try
        _TRIES.append((context, TaskTry()))
        return _TRIES[-1][1]


def make_client(
    connection: Connection,
    organization_id: str | None,
    *,
    timeout: tuple[float, float],
    max_answer_bytes: int,
    clock: Clock | None,
) -> BillClient:
    """Return the client of an Airflow connection; sends nothing.

    :param timeout: seconds to wait for a connection and for an answer
    :param max_answer_bytes: bytes of an answer, unpacked, that are read at most
    :raises BillConfigurationError: a field is missing, blank or impossible
    """
    try:
        credentials, environment = read_connection(connection, organization_id)
    finally:
        del connection  # its ``repr`` shows the password
    clock = clock or utc_now
    transport = Transport(
        timeout=timeout,
        max_answer_bytes=max_answer_bytes,
        clock=clock,
        user_agent_suffix=f"apache-airflow/{airflow_version}",
    )
    return BillClient(credentials, environment, transport=transport, clock=clock, on_secret=_mask)


def _mask(secret: str) -> None:
    """Have Airflow mask a secret, also where it is printed escaped."""
    for form in written_forms(secret):
        mask_secret(form)


def _this_task() -> XComLocation | None:
    try:
        ti = get_current_context()["ti"]
    except (RuntimeError, AirflowException):
        return None
    return XComLocation(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)
