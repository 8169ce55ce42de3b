"""Sign in, sign out, and one call of BILL as tasks of a DAG."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_bill.client.paths import is_v2
from airflow_provider_bill.exceptions import BillConfigurationError
from airflow_provider_bill.hooks.errors import operator_errors
from airflow_provider_bill.operators.base import BillOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_bill.hooks.bill import BillHook


log = logging.getLogger(__name__)


class BillLoginOperator(BillOperator):
    """Make sure of a live BILL session and return its handle; signs in only if there is none.

    The handle holds no secret; pass it on as ``session=login.output``.

    .. seealso:: https://developer.bill.com/reference/login

    :param bill_conn_id: Airflow connection of type ``bill``
    :param organization_id: BILL organization to use instead of the connection's own
    :param store: ``variable`` shares the session with all DAGs, ``xcom`` with this DAG run only
    :param require_trusted: fail if the session has not passed MFA and no remembered device can make it so
    """

    template_fields: Sequence[str] = ("bill_conn_id", "organization_id")
    ui_color = "#e8f4ea"

    def __init__(
        self,
        *,
        bill_conn_id: str = "bill_default",
        organization_id: str | None = None,
        store: str = "variable",
        require_trusted: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if store not in ("variable", "xcom"):
            raise BillConfigurationError(
                f"store is {store!r}",
                advice="use 'variable' to share with all DAGs or 'xcom' for this run",
            )
        self.bill_conn_id = bill_conn_id
        self.organization_id = organization_id
        self.store = store
        self.require_trusted = require_trusted

    @operator_errors()
    def execute(self, context: Context) -> dict[str, Any]:
        """Sign in or find the live session."""
        from airflow_provider_bill.hooks.bill import BillHook

        return BillHook(
            self.bill_conn_id, self.organization_id, store=self.store, require_trusted=self.require_trusted
        ).sign_in()


class BillSessionWarmupOperator(BillOperator):
    """Keep the shared session alive, and tell in time when a person will be asked for an MFA code.

    Asks BILL about the session, which keeps it alive; signs in only if there is none. Returns ``session`` (its handle),
    ``trusted``, ``trusted_days`` (None: no end, or not known) and ``needs_mfa``, which should lead to a
    ``BillMfaOperator``.

    .. seealso:: https://developer.bill.com/reference/getsessioninfo

    :param bill_conn_id: Airflow connection of type ``bill``
    :param organization_id: BILL organization to use instead of the connection's own
    :param renew_within: ``needs_mfa`` is true when sessions will be trusted for less than this; None where nobody
        needs trusted sessions
    :param notifiers: Airflow notifiers, called when ``needs_mfa`` is true
    """

    template_fields: Sequence[str] = ("bill_conn_id", "organization_id")
    ui_color = "#e8f4ea"

    def __init__(
        self,
        *,
        bill_conn_id: str = "bill_default",
        organization_id: str | None = None,
        renew_within: timedelta | None = timedelta(days=5),
        notifiers: Sequence[Callable[[Context], Any]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bill_conn_id = bill_conn_id
        self.organization_id = organization_id
        self.renew_within = renew_within
        self.notifiers = notifiers

    @operator_errors()
    def execute(self, context: Context) -> dict[str, Any]:
        """Keep the session alive."""
        from airflow_provider_bill.hooks.bill import BillHook

        found = BillHook(self.bill_conn_id, self.organization_id, store="variable").keep_alive()
        days = found["trusted_days"]
        needs_mfa = self.renew_within is not None and days is not None and days <= self.renew_within / timedelta(days=1)
        if days is not None:
            log.log(
                logging.WARNING if needs_mfa else logging.INFO, "BILL sessions are trusted for %.1f more days.", days
            )
        if needs_mfa:
            for notifier in self.notifiers:
                notifier(context)
        return {**found, "needs_mfa": needs_mfa}


class _SessionOperator(BillOperator):
    """What the operators that use a session have in common: where they find it."""

    def __init__(
        self,
        *,
        session: Any = None,
        bill_conn_id: str | None = None,
        organization_id: str | None = None,
        require_trusted: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if session is not None and organization_id is not None:
            raise BillConfigurationError(
                "both session and organization_id are given",
                advice="leave one of them out: a handle names its organization",
            )
        self.session = session
        self.bill_conn_id = bill_conn_id
        self.organization_id = organization_id
        self.require_trusted = require_trusted

    def _hook(self) -> BillHook:
        from airflow_provider_bill.hooks.bill import BillHook

        if self.session is not None:
            return BillHook.from_handle(self.session, self.bill_conn_id, require_trusted=self.require_trusted)
        conn_id = self.bill_conn_id or BillHook.default_conn_name
        return BillHook(conn_id, self.organization_id, require_trusted=self.require_trusted)


class BillLogoutOperator(_SessionOperator):
    """End the BILL session that this DAG run opened; made to be a teardown.

    .. code-block:: python

        BillLogoutOperator(task_id="logout", session=login.output).as_teardown(setups=login)

    A session that another run opened stays, because others may be using it. One that is over already is a success.

    .. seealso:: https://developer.bill.com/reference/logout

    :param session: handle of the login task; without it, the shared session of the connection
    :param bill_conn_id: Airflow connection of type ``bill``; only needed without ``session``
    :param organization_id: BILL organization instead of the connection's own; only without ``session``
    :param end_shared: end the session also if another run opened it
    """

    template_fields: Sequence[str] = ("session", "bill_conn_id", "organization_id")
    ui_color = "#f4ece8"

    def __init__(self, *, end_shared: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.end_shared = end_shared

    @operator_errors()
    def execute(self, context: Context) -> bool:
        """Sign out, and return whether a session was ended now."""
        return self._hook().sign_out(only_if_opened_by_this_run=not self.end_shared)


class BillApiOperator(_SessionOperator):
    """Make one call of BILL, or read a whole list, and return the result.

    A write is sent at most once, also if the task is mapped, retried or cleared: then the recorded answer is returned.

    .. seealso:: https://developer.bill.com/reference/api-reference-overview

    :param endpoint: v3 path such as ``/v3/vendors``, or v2 path such as ``List/Vendor.json``
    :param method: HTTP method of a v3 call
    :param query: v3 query parameters
    :param data: JSON body of a v3 call, or arguments of a v2 call
    :param paginate: go through all pages and return all rows
    :param page_size: rows a page; default and most: 100 in v3, 999 in v2
    :param require_trusted: use only a session that has passed MFA; calls that move money look for one by themselves
    :param idempotency_key: name of the write within its task; only needed if what is sent may change when the task is
        cleared
    :param response_filter: makes the result out of BILL's answer, such as ``lambda rows: len(rows)``
    :param session: handle of the login task; without it, the shared session of the connection
    :param bill_conn_id: Airflow connection of type ``bill``; only needed without ``session``
    :param organization_id: BILL organization instead of the connection's own; only without ``session``
    """

    template_fields: Sequence[str] = (
        "session",
        "bill_conn_id",
        "organization_id",
        "endpoint",
        "method",
        "query",
        "data",
        "idempotency_key",
    )
    template_fields_renderers = {"query": "json", "data": "json", "session": "json"}
    ui_color = "#e8eef4"

    def __init__(
        self,
        *,
        endpoint: str,
        method: str = "GET",
        query: Mapping[str, Any] | None = None,
        data: Any = None,
        paginate: bool = False,
        page_size: int | None = None,
        idempotency_key: str | None = None,
        response_filter: Callable[[Any], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.method = method
        self.query = query
        self.data = data
        self.paginate = paginate
        self.page_size = page_size
        self.idempotency_key = idempotency_key
        self.response_filter = response_filter

    @operator_errors()
    def execute(self, context: Context) -> Any:
        """Make the call."""
        hook = self._hook()
        if self.paginate:
            return self._filtered(list(self._rows(hook)))
        request = hook.prepare(self.method, self.endpoint, params=self.query, body=self.data)
        return self._filtered(hook.send(request, idempotency_key=self.idempotency_key))

    def _rows(self, hook: BillHook) -> Iterator[Any]:
        v2 = is_v2(self.endpoint)
        wanted, other = (self.data, self.query) if v2 else (self.query, self.data)
        if other or not (v2 or self.method.upper() == "GET"):
            raise BillConfigurationError(
                f"paginate is set, and {self.method} {self.endpoint} is no plain list",
                advice="leave paginate out, or use data for a v2 list and method GET with query for a v3 list",
            )
        return hook.paginate(self.endpoint, wanted, page_size=self.page_size)

    def _filtered(self, result: Any) -> Any:
        return result if self.response_filter is None else self.response_filter(result)
