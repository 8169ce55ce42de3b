"""Sign in, sign out, and one call of BILL as tasks of a DAG."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_bill.client.paths import is_v2
from airflow_provider_bill.exceptions import BillConfigurationError, BillSignInRefusedError
from airflow_provider_bill.hooks.errors import operator_errors
from airflow_provider_bill.operators.assets import emit_session_event, wants_events
from airflow_provider_bill.operators.base import BillOperator, linked_errors, shared_hook
from airflow_provider_bill.operators.told import Told

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_bill.hooks.bill import BillHook


log = logging.getLogger(__name__)

#: A refusal that was noted so many seconds ago is being told of by the task that met it.
_BEING_TOLD_SECONDS = 60


class BillLoginOperator(BillOperator):
    """Make sure of a live BILL session and return its handle; signs in only if there is none.

    The handle holds no secret; pass it on as ``session=login.output``. With an ``AssetAlias`` among its ``outlets``, a
    *new* session in store ``variable`` is an asset event: see :mod:`airflow_provider_bill.operators.assets`.

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
    @linked_errors
    def execute(self, context: Context) -> dict[str, Any]:
        """Sign in or find the live session."""
        from airflow_provider_bill.hooks.bill import BillHook

        hook = BillHook(self.bill_conn_id, self.organization_id, store=self.store, require_trusted=self.require_trusted)
        handle = hook.sign_in()
        if hook.has_opened_session and self.store == "variable":
            emit_session_event(self, context, handle, ["signed in"])
        return handle


class BillSessionWarmupOperator(BillOperator):
    """Keep the shared session alive, and tell in time when a person will be asked for an MFA code.

    Asks BILL about the session, which keeps it alive; signs in only if there is none. Returns ``session`` (its handle),
    ``trusted``, ``trusted_days`` (None: no end, or not known) and ``needs_mfa``, which should lead to a
    ``BillMfaOperator``.

    **Refused credentials.** A task cannot pause its DAG on Airflow 3, and a paused DAG would not see that the
    connection was corrected. So the warm-up pauses itself: of each refusal one run tells, by its failure and by
    ``notifiers`` (``context["exception"]`` says why); the next ones are skipped with one line in the log and send
    nothing to BILL. Once the connection is corrected, or the refusal's note is gone, the next run goes on by itself.

    With an ``AssetAlias`` among its ``outlets``, a new session is an asset event, and so is, once a day, that
    trust ends: see :mod:`airflow_provider_bill.operators.assets`.

    .. seealso:: https://developer.bill.com/reference/getsessioninfo

    :param bill_conn_id: Airflow connection of type ``bill``
    :param organization_id: BILL organization to use instead of the connection's own
    :param renew_within: ``needs_mfa`` is true when sessions will be trusted for less than this; None where nobody
        needs trusted sessions
    :param notifiers: Airflow notifiers, called when ``needs_mfa`` is true, and once when BILL refuses the credentials;
        one that fails is named in the log and stops nothing
    :param pause_when_refused: skip further runs while BILL refuses the credentials; False: each of them fails
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
        pause_when_refused: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bill_conn_id = bill_conn_id
        self.organization_id = organization_id
        self.renew_within = renew_within
        self.notifiers = notifiers
        self.pause_when_refused = pause_when_refused

    @operator_errors()
    @linked_errors
    def execute(self, context: Context) -> dict[str, Any]:
        """Keep the session alive."""
        from airflow_provider_bill.sessions.words import duration

        hook = shared_hook(self.bill_conn_id, self.organization_id)
        try:
            found = hook.keep_alive()
        except BillSignInRefusedError as error:
            if self.pause_when_refused:
                self._tell_or_skip(context, hook, error)
            raise
        if hook.has_opened_session and self.pause_when_refused:
            Told(hook, "refused").forget()  # the credentials are good again
        days = found["trusted_days"]
        needs_mfa = self.renew_within is not None and days is not None and days <= self.renew_within / timedelta(days=1)
        if days is not None:
            level, left = (logging.WARNING if needs_mfa else logging.INFO), duration(86400 * days)
            log.log(level, "BILL sessions are trusted for %s more.", left)
        self._emit(context, hook, found, needs_mfa=needs_mfa)
        if needs_mfa:
            self._notify(context)
        return {**found, "needs_mfa": needs_mfa}

    def _tell_or_skip(self, context: Context, hook: BillHook, error: BillSignInRefusedError) -> None:
        """Notify of a refusal of which nobody was notified; skip this run if somebody was.

        :raises AirflowSkipException: it was told already
        """
        from airflow_provider_bill.client.codes import is_final_refusal

        told = Told(hook, "refused")
        # A refusal in a live session leaves no note by which it could be known again: it is told once a day.
        what = error.note_key or f"{error.code} {today()}"
        # A final one of a sign-in is sent once: where BILL has just said it, it is another than any told before.
        is_another = bool(error.note_key) and error.noted_at is None and is_final_refusal(error.code)
        if not is_another and (_is_being_told(error) or not told.is_new(what)):
            raise AirflowSkipException(f"The warm-up pauses until this is mended, which was told before: {error}")
        context["exception"] = error
        if self._notify(context):
            told.note(what)  # else the next run tells

    def _emit(self, context: Context, hook: BillHook, found: Mapping[str, Any], *, needs_mfa: bool) -> None:
        if not wants_events(self):
            return
        why = ["signed in"] if hook.has_opened_session else []
        told, day = Told(hook, "trust"), today()
        if needs_mfa and told.is_new(day):
            told.note(day)
            why.append("trust ends")
        emit_session_event(self, context, found["session"], why, trusted_days=found["trusted_days"])

    def _notify(self, context: Context) -> bool:
        """Call all notifiers, and return whether anybody was told, as far as there is anybody to tell.

        Where one fails, the session is alive all the same, and what asks for a code must go on.
        """
        failed = 0
        for notifier in self.notifiers:
            try:
                notifier(context)
            except Exception as error:
                failed += 1
                # The error's own text can quote an address that is as good as a password.
                log.warning("A notifier failed (%s).", type(error).__name__)
        return not failed or failed < len(self.notifiers)


def today() -> str:
    """Return the date, UTC."""
    return datetime.now(UTC).date().isoformat()


def _is_being_told(error: BillSignInRefusedError) -> bool:
    """Return whether a task that runs beside this one has met the refusal just now, and tells of it."""
    if error.noted_at is None:
        return False
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(error.noted_at)
    except (ValueError, TypeError):
        return False
    return abs(age.total_seconds()) < _BEING_TOLD_SECONDS


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
    @linked_errors
    def execute(self, context: Context) -> bool:
        """Sign out, and return whether a session was ended now."""
        return self._hook().sign_out(only_if_opened_by_this_run=not self.end_shared)


class BillApiOperator(_SessionOperator):
    """Make one call of BILL, read a whole list, or send or get a file, and return the result.

    A write is sent at most once, also if the task is mapped, retried or cleared: then the recorded answer is returned.

    .. seealso:: https://developer.bill.com/reference/api-reference-overview

    :param endpoint: v3 path such as ``/v3/vendors``, or v2 path such as ``List/Vendor.json``
    :param method: HTTP method of a v3 call
    :param query: v3 query parameters
    :param data: JSON body of a v3 call, or arguments of a v2 call
    :param paginate: go through all pages and return all rows
    :param page_size: rows a page; default: as many as the list gives
    :param require_trusted: use only a session that has passed MFA; calls that move money look for one by themselves
    :param idempotency_key: name of the write within its task; only needed if what is sent may change when the task is
        cleared
    :param upload_from: file to send: a path, or an address such as ``s3://...``; ``query`` may hold its ``name``
    :param download_to: where to write the file that the answer links to; the result is its size in bytes
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
        "upload_from",
        "download_to",
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
        upload_from: str | None = None,
        download_to: str | None = None,
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
        self.upload_from = upload_from
        self.download_to = download_to
        # Of a file that a template leaves blank, the call without it would be another one, and succeed.
        files = {"upload_from": upload_from, "download_to": download_to}
        self._files = [name for name, file in files.items() if file is not None]
        self.response_filter = response_filter

    @operator_errors()
    @linked_errors
    def execute(self, context: Context) -> Any:
        """Make the call."""
        blank = next((name for name in self._files if not str(getattr(self, name) or "").strip()), None)
        if blank is not None:
            raise BillConfigurationError(f"{blank} is blank", advice="see what its template or an earlier task gives")
        wanted = [name for name in ("paginate", "upload_from", "download_to") if getattr(self, name)]
        if len(wanted) > 1:
            raise BillConfigurationError(f"both {wanted[0]} and {wanted[1]} are given", advice="leave one of them out")
        hook = self._hook()
        if self.paginate:
            return self._filtered(list(self._rows(hook)))
        if self.upload_from:
            self._check_file("upload_from", "POST", self.data)
            return self._filtered(
                hook.upload(self.endpoint, self.upload_from, params=self.query, idempotency_key=self.idempotency_key)
            )
        if self.download_to:
            self._check_file("download_to", "GET", self.data or self.query)
            return self._filtered(hook.download(self.endpoint, self.download_to))
        request = hook.prepare(self.method, self.endpoint, params=self.query, body=self.data)
        if request.secrets and self.do_xcom_push:
            raise BillConfigurationError(
                f"the answer to {request.label} holds a secret ({', '.join(request.secrets)}), and XCom would show it",
                advice="nothing was sent; set do_xcom_push=False and let response_filter put it where secrets belong, "
                "or make the call with BillHook in a task of your own",
            )
        return self._filtered(hook.send(request, idempotency_key=self.idempotency_key))

    def _check_file(self, name: str, method: str, other: Any) -> None:
        """Refuse what does not go with a file."""
        if "://" in self.endpoint or self.endpoint.startswith("//"):
            raise BillConfigurationError(
                "endpoint is a full address; Airflow shows this field, and a link to a file is as good as a password",
                advice="give the v3 path whose answer holds the link, such as /v3/documents/00h..., or use BillHook",
            )
        if other or self.method.upper() not in ("GET", method):
            raise BillConfigurationError(
                f"{name} is given, and so is a method other than {method}, data, or a query that goes with none",
                advice=f"leave them out: {name} makes a {method} by itself",
            )

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
