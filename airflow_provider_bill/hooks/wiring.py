"""Puts the parts behind a hook together: client, stores, guard, devices, manager, each from what Airflow knows."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import AirflowException, conf, get_current_context, mask_secret

from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.session import Clock, utc_now
from airflow_provider_bill.client.transport import Transport
from airflow_provider_bill.exceptions import BillConfigurationError
from airflow_provider_bill.hooks.connection import read_connection
from airflow_provider_bill.sessions.devices import Devices
from airflow_provider_bill.sessions.guard import Guard
from airflow_provider_bill.sessions.identity import Identity, XComPlace
from airflow_provider_bill.sessions.manager import SessionManager
from airflow_provider_bill.sessions.mfa import Mfa
from airflow_provider_bill.sessions.stores import PROCESS_MEMORY, Store, VariableStore, XComStore
from airflow_provider_bill.sessions.turns import LEASE_SECONDS, ProcessTurns, SharedTurns, Turns

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

log = logging.getLogger(__name__)


class Wiring:
    """The parts behind one hook, each made when it is first needed.

    :param client: speaks to BILL
    :param conn_id: Airflow connection id
    :param store: ``variable``, ``xcom``, ``memory``; None for ``variable`` in a task, else ``memory``
    :param place: the login task whose XCom holds the session; None for this task
    :param clock: gives the present moment in UTC; None for the real one
    """

    def __init__(
        self, client: BillClient, conn_id: str, *, store: str | None, place: XComPlace | None, clock: Clock | None
    ) -> None:
        self._client = client
        self._conn_id = conn_id
        self._clock = clock or utc_now
        here = _this_task()
        self.signed_in_by = (
            {} if here is None else {"dag_id": here.dag_id, "run_id": here.run_id, "task_id": here.task_id}
        )
        if store is None and here is None:
            log.info("Outside a task the BILL session is kept in this process only.")
        self._store_name = store or ("memory" if here is None else "variable")
        #: The login task in whose XCom the session lies; None for the other stores.
        self.place = (place or here) if self._store_name == "xcom" else None

    @functools.cached_property
    def manager(self) -> SessionManager:
        """What shares the session."""
        credentials = self._client.credentials
        identity = Identity(
            conn_id=self._conn_id,
            organization_id=credentials.organization_id,
            kind=str(credentials.kind),
            environment=self._client.environment.v3_base,
        )
        place = "__".join(str(part) for part in vars(self.place).values()) if self.place else ""
        return SessionManager(
            self._client,
            self._store(),
            Guard(self._notes, identity, credentials, turns=self._turns, place=place, clock=self._clock),
            Devices(self._notes, identity, credentials, clock=self._clock, on_secret=mask_secret),
            identity,
            clock=self._clock,
            signed_in_by=self.signed_in_by,
            on_secret=mask_secret,
        )

    @functools.cached_property
    def mfa(self) -> Mfa:
        """What passes MFA."""
        return Mfa(self.manager, self._notes, self._turns)

    @functools.cached_property
    def _notes(self) -> Store:
        """What outlives a run, and what all sign-ins must see; so never the XCom store."""
        return PROCESS_MEMORY if self._store_name == "memory" else VariableStore()

    @functools.cached_property
    def _turns(self) -> Turns:
        if self._store_name == "memory":
            return ProcessTurns()
        lease_seconds = conf.getfloat("bill", "sign_in_lease_seconds", fallback=LEASE_SECONDS)
        return SharedTurns(self._notes, lease_seconds=lease_seconds)

    def _store(self) -> Store:
        if self._store_name != "xcom":
            return self._notes
        if self.place is None:
            raise BillConfigurationError(
                "store='xcom' needs a login task", advice="use BillHook.from_handle with its handle"
            )
        return XComStore(self.place)


def make_client(
    connection: Connection, organization_id: str | None, *, timeout: tuple[float, float], clock: Clock | None
) -> BillClient:
    """Make the client of an Airflow connection; sends nothing.

    :param timeout: seconds to wait for a connection and for an answer
    :raises BillConfigurationError: a field is missing, blank or impossible
    """
    credentials, environment = read_connection(connection, organization_id)
    clock = clock or utc_now
    transport = Transport(timeout=timeout, clock=clock, user_agent_suffix=f"apache-airflow/{airflow_version}")
    return BillClient(credentials, environment, transport=transport, clock=clock, on_secret=mask_secret)


def _this_task() -> XComPlace | None:
    try:
        ti = get_current_context()["ti"]
    except (RuntimeError, AirflowException):
        return None
    return XComPlace(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)
