"""Makes what stands behind a hook, from what Airflow knows: its connection, this task, the stores."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING

from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowNotFoundException,
    conf,
    get_current_context,
    mask_secret,
)

from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.redaction import written_forms
from airflow_provider_bill.client.session import Clock, utc_now
from airflow_provider_bill.client.transport import Transport
from airflow_provider_bill.exceptions import BillConfigurationError, BillStoreError
from airflow_provider_bill.hooks import metrics, task_end
from airflow_provider_bill.hooks.connection import read_connection
from airflow_provider_bill.sessions.events import Events
from airflow_provider_bill.sessions.host import HostStore, own_folder
from airflow_provider_bill.sessions.identity import XComLocation
from airflow_provider_bill.sessions.keys import is_sign_in_lease, writes_prefix
from airflow_provider_bill.sessions.locks import LEASE_SECONDS, SETTLE_SECONDS, HostLock, LeaseLock, Lock, ProcessLock
from airflow_provider_bill.sessions.shared import SharedSession
from airflow_provider_bill.sessions.stores import (
    PROBE,
    PROCESS_MEMORY,
    CertainVariableStore,
    Store,
    TaskStateStore,
    VariableStore,
    XComStore,
    has_supervisor,
    variables_reachable,
)
from airflow_provider_bill.sessions.writes import DurableWrites, RefusedWrites, TaskTry, Writes
from airflow_provider_bill.version_compat import AIRFLOW_V_3_0_PLUS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection, Context

log = logging.getLogger(__name__)

#: Who signs in where no task does, such as a person at the command line.
PERSON: ContextVar[str] = ContextVar("PERSON", default="")
#: Seconds between looks for a connection while Airflow does not answer.
_CONNECTION_PAUSES = (0.5, 1.0, 2.0, 4.0)
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
    :param store: ``variable``, ``xcom``, ``memory``; None for ``variable`` where Variables can be reached, else
        ``memory``
    :param location: the login task whose XCom holds the session; None for this task
    :param clock: gives the present moment in UTC; None for the real one
    :param unprotected_writes: send writes also where nothing keeps a retry from sending them again
    :raises BillConfigurationError: the XCom store outside a task, and no login task is named
    """
    this_task = _this_task()
    reaches_variables = this_task is not None or variables_reachable()
    if store is None and not reaches_variables:
        log.info("Airflow's Variables cannot be reached from here: the BILL session is kept in this process only.")
    store = store or ("variable" if reaches_variables else "memory")
    # What outlives a run, and what all sign-ins must see, is never in the XCom store, nor in this process alone.
    notes = VariableStore() if reaches_variables or store != "memory" else _notes_of_host()
    location = (location or this_task) if store == "xcom" else None
    if store == "xcom" and location is None:
        raise BillConfigurationError(
            "store='xcom' needs a login task", advice="use BillHook.from_handle with its handle"
        )
    # A lease that ends before the call for which it is held would let another sign in beside it.
    lease_seconds = max(
        conf.getfloat("bill", "sign_in_lease_seconds", fallback=LEASE_SECONDS), client.call_seconds + 10
    )
    events = Events(conn_id, count=metrics.count, usage=task_end.usage_of_task())
    signed_in_by = {"person": PERSON.get()} if PERSON.get() else None
    if this_task is not None:
        signed_in_by = {k: str(vars(this_task)[k]) for k in ("dag_id", "run_id", "task_id")}
    return SharedSession(
        client,
        conn_id,
        store=XComStore(location) if location is not None else PROCESS_MEMORY if store == "memory" else notes,
        notes=notes,
        lock=_lock_of(notes, lease_seconds, events, signed_in_by),
        writes=lambda: _writes(_this_task(), clock or utc_now, events, unprotected=unprotected_writes),
        location=location,
        clock=clock or utc_now,
        signed_in_by=signed_in_by,
        team=_this_team(),
        check=_refuse_while_parsing,
        fallback=HostStore() if notes.name == "variable" else None,
        on_secret=_mask,
        events=events,
    )


def _notes_of_host() -> Store:
    """Return where this host remembers how sign-ins ended, if no more can be shared; else this process does."""
    try:
        own_folder()
    except OSError as error:
        log.warning("How sign-ins to BILL end is remembered in this process only: %s", error)
        return PROCESS_MEMORY
    return HostStore()


def _lock_of(notes: Store, seconds: float, events: Events, task: Mapping[str, str] | None) -> Lock:
    if notes.name == "variable":
        settle_seconds = conf.getfloat("bill", "sign_in_settle_seconds", fallback=SETTLE_SECONDS)

        def on_wait(key: str, by: str, since: str) -> None:
            events.tell("sign_in.waited" if is_sign_in_lease(key) else "mfa.waited", by=by, since=since)

        return LeaseLock(notes, lease_seconds=seconds, settle_seconds=settle_seconds, task=task, on_wait=on_wait)
    return HostLock(seconds=seconds) if notes.name == "host" else ProcessLock()


def _refuse_while_parsing(what: str = "nobody signs in to BILL") -> None:
    """Stop a sign-in or a write while Airflow reads a DAG file, as it does so every half minute and for each task.

    :raises BillConfigurationError: Airflow does so now
    """
    where = "airflow.sdk.definitions._internal.contextmanager" if AIRFLOW_V_3_0_PLUS else "airflow.models.dag"
    dag_context = getattr(sys.modules.get(where), "DagContext", None)
    if getattr(dag_context, "current_autoregister_module_name", None) is not None:
        raise BillConfigurationError(
            f"{what} while Airflow reads a DAG file, as it does so every half minute",
            advice="move the call into a task",
        )


def _writes(this_task: XComLocation | None, clock: Clock, events: Events, *, unprotected: bool) -> Writes | None:
    """Return what sends the writes of this task; None where no task is running.

    :raises BillConfigurationError: Airflow reads a DAG file now
    """
    _refuse_while_parsing("nothing is written at BILL")
    if this_task is None:
        return RefusedWrites() if _is_run_by_airflow() and not unprotected else None
    context = get_current_context()
    accessor = context.get("task_state_store")
    where = (this_task.dag_id, this_task.run_id, this_task.task_id, this_task.map_index)
    task_try = _task_try(context)
    variables = CertainVariableStore()
    store: Store
    if accessor is None or conf.getboolean("state_store", "clear_on_success", fallback=False):
        # Before Airflow 3.3, or where the state store forgets a task that has succeeded.
        store, prefix = variables, writes_prefix(*where)
    else:
        store, prefix = TaskStateStore(accessor), "bill_write"
    return DurableWrites(
        store, prefix, settlements=variables, task_try=task_try, place=where, clock=clock, events=events
    )


def _is_run_by_airflow() -> bool:
    """Return whether Airflow has this process run, in which no task is running: another Python, or a callback.

    A callback runs in the process of its task; that of a DAG or of a killed task in the one that reads DAG files; that
    of a deadline in the triggerer.
    """
    # Airflow names its task to every process that the task starts with its environment; and what it starts without
    # (`inherit_env=False`) is a script that says so to its children, and holds the arguments of the author's function.
    named = "AIRFLOW_CTX_DAG_ID" in os.environ or os.environ.get("PYTHON_OPERATORS_VIRTUAL_ENV_MODE") == "1"
    in_script = isinstance(getattr(sys.modules.get("__main__"), "arg_dict", None), dict)
    # Airflow 2 has no supervisor.
    reads_files = multiprocessing.current_process().name.startswith("DagFileProcessor")
    return named or in_script or has_supervisor() or reads_files


def _task_try(context: Context) -> TaskTry:
    """Return one object for all hooks of a task that is running now; each run of a task has a context of its own."""
    with _TRIES_LOCK:
        for known, task_try in _TRIES:
            if known is context:
                return task_try
        _TRIES.append((context, TaskTry()))
        return _TRIES[-1][1]


def find_connection(
    get: Callable[[str], Connection], conn_id: str, *, sleep: Callable[[float], None] = time.sleep
) -> Connection:
    """Return an Airflow connection, for which a while is waited if Airflow's API server or database is away.

    Airflow says "isn't defined" then too.

    :param get: reads it
    :param sleep: waits for so many seconds
    :raises AirflowNotFoundException: there is none
    :raises BillStoreError: it could not be read
    """
    failure, is_missing = "", False
    for pause in (*_CONNECTION_PAUSES, None):
        try:
            return get(conn_id)
        except AirflowNotFoundException:
            if is_missing:
                raise
            failure = "Airflow did not find it"
        except Exception as error:
            # The error's own text can quote the connection.
            failure = f"reading it failed with {type(error).__name__}"
        # If Airflow answers now, the next look decides: the first may have been the last that failed.
        is_missing = not _asks_airflow() or _answers()
        if pause is not None and not is_missing:
            sleep(pause)
    more = "" if is_missing else ", and its API server or database does not answer either"
    raise BillStoreError(
        f"connection {conn_id!r} could not be read: {failure}{more}",
        advice="see whether API server and database run, then run the task again; if they do, define the connection",
    )


def _asks_airflow() -> bool:
    return _this_task() is not None or variables_reachable()


def _answers() -> bool:
    """Return whether what Airflow says of something missing can be believed now."""
    try:
        CertainVariableStore().read(PROBE)
    except BillStoreError:
        return False
    return True


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
    conn_id = connection.conn_id
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
        settings=f"connection {conn_id!r}",
    )
    return BillClient(credentials, environment, transport=transport, clock=clock, on_secret=_mask)


def _mask(secret: str) -> None:
    """Have Airflow mask a secret, also where it is printed escaped."""
    for form in written_forms(secret):
        mask_secret(form)


def _this_team() -> str:
    try:
        return getattr(get_current_context().get("dag_run"), "team_name", None) or ""
    except (RuntimeError, AirflowException):
        return ""


def _this_task() -> XComLocation | None:
    try:
        ti = get_current_context()["ti"]
    except (RuntimeError, AirflowException):
        return None
    return XComLocation(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)
