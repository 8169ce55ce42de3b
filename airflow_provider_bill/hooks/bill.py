"""``BillHook``: the shared BILL session of an Airflow connection, and calls with it."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, Self

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_bill.client.paths import check_mapping, is_v2
from airflow_provider_bill.exceptions import BillConfigurationError, BillHandleError
from airflow_provider_bill.hooks.errors import airflow_errors
from airflow_provider_bill.sessions.identity import Handle, XComLocation

if TYPE_CHECKING:
    # Imported when first used: a DAG file that imports this hook must stay quick to parse.
    from airflow_provider_bill.client.client import BillClient
    from airflow_provider_bill.client.request import BillRequest
    from airflow_provider_bill.client.session import BillSession, Clock
    from airflow_provider_bill.hooks.check import Check
    from airflow_provider_bill.hooks.mfa import HookMfa
    from airflow_provider_bill.sessions.shared import SharedSession


class BillHook(BaseHook):
    """Calls BILL with the one session that all tasks of a connection share.

    Finds the shared session or signs in, keeps it alive by its calls, and renews it once if BILL has ended it.
    Nothing is read or sent before the first method that needs it. One hook serves one task; its threads may share it.

    .. seealso:: https://developer.bill.com/docs/bill-keys-tokens

    :param bill_conn_id: Airflow connection of type ``bill``
    :param organization_id: BILL organization (``008...``) to use instead of the connection's own
    :param store: where the session is shared: ``variable`` (all DAGs), ``xcom`` (the run of the login task whose
        handle this hook was made from), ``memory`` (this process). Default: ``variable`` where Airflow's Variables
        can be reached, as in a task, else ``memory``
    :param require_trusted: use only a session that has passed MFA; calls that move money look for one by themselves
    :param timeout: seconds to wait for a connection and for an answer
    :param max_answer_bytes: bytes of an answer, unpacked, that are read at most
    :param clock: gives the present moment in UTC; for tests
    :param unprotected_writes: send writes also in a virtualenv, an external Python or a callback, where
        nothing keeps a retry from sending them again
    """

    conn_name_attr = "bill_conn_id"
    default_conn_name = "bill_default"
    conn_type = "bill"
    hook_name = "BILL"

    def __init__(
        self,
        bill_conn_id: str = default_conn_name,
        organization_id: str | None = None,
        *,
        store: str | None = None,
        require_trusted: bool = False,
        timeout: tuple[float, float] = (5.0, 60.0),
        max_answer_bytes: int = 64 * 2**20,
        clock: Clock | None = None,
        unprotected_writes: bool = False,
    ) -> None:
        super().__init__()
        if store not in (None, "variable", "xcom", "memory"):
            raise BillConfigurationError(
                f"store is {store!r}", advice="use 'variable', 'xcom' or 'memory', or leave it out"
            )
        self.bill_conn_id = bill_conn_id
        self.organization_id = organization_id
        self.store = store
        self.require_trusted = require_trusted
        self.timeout = timeout
        self.max_answer_bytes = max_answer_bytes
        self.unprotected_writes = unprotected_writes
        self._clock = clock
        self._location: XComLocation | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to BILL; the session stays, and the hook can be used again."""
        if "_shared" in vars(self):
            self._shared.client.close()

    @classmethod
    def from_handle(
        cls, handle: Mapping[str, Any] | Handle, bill_conn_id: str | None = None, **kwargs: Any
    ) -> BillHook:
        """Return a hook for the session that a login task returned.

        :param handle: what ``BillLoginOperator`` or :meth:`sign_in` returned
        :param bill_conn_id: if given, the handle must be of this connection
        :param kwargs: further arguments of the hook
        :raises BillHandleError: the handle is malformed, or of another connection
        """
        from airflow_provider_bill.sessions.keys import session_key

        with airflow_errors():
            known = handle if isinstance(handle, Handle) else Handle.from_dict(handle)
            if bill_conn_id not in (None, known.conn_id):
                raise BillHandleError(
                    f"the handle in session is of connection {known.conn_id!r}, not of {bill_conn_id!r}",
                    advice="leave bill_conn_id out, or pass the handle of a login with that connection",
                )
            hook = cls(known.conn_id, known.organization_id or None, store=known.store, **kwargs)
            hook._location = known.location
            if session_key(hook._shared.manager.identity) != known.key:
                raise BillHandleError(
                    f"connection {known.conn_id!r} has changed since the handle in session was made",
                    advice="run the login task again",
                )
            return hook

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the fields of the connection form (Airflow 2; Airflow 3 reads the provider's metadata)."""
        from airflow_provider_bill.hooks.connection_form import form_widgets

        return form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return labels and hidden fields of the connection form (Airflow 2)."""
        from airflow_provider_bill.get_provider_info import FIELD_BEHAVIOUR

        return {name.replace("-", "_"): value for name, value in FIELD_BEHAVIOUR.items()}

    @airflow_errors()
    def get_conn(self) -> BillClient:
        """Return the client of BILL's protocol, for what this hook does not offer; it does not renew sessions."""
        return self._shared.client

    @airflow_errors()
    def session(self) -> BillSession:
        """Return the shared session, live; signs in only if there is none.

        :raises BillConfigurationError: the connection cannot work as it stands
        :raises BillSignInRefusedError: BILL refused the credentials
        :raises BillMfaRequiredError: with ``require_trusted``, if only a person can make it so
        """
        return self._shared.trust.acquire() if self.require_trusted else self._shared.manager.acquire()

    @airflow_errors()
    def peek(self) -> BillSession | None:
        """Return the shared session as last known, also one that is over, or None; sends nothing."""
        return self._shared.manager.peek()

    @airflow_errors()
    def live_handle(self, *, require_trusted: bool = False, minutes_left: float = 0) -> dict[str, Any] | None:
        """Return the handle of the shared session if it is live and as wanted, else None; sends nothing.

        :param require_trusted: only a session that has passed MFA
        :param minutes_left: only a session with so many minutes left if nobody uses it
        """
        manager = self._shared.manager
        session = manager.peek()
        if session is None or not manager.is_live(session):
            return None
        if require_trusted and not session.trusted:
            return None
        enough = session.seconds_left(manager.clock()) >= 60 * minutes_left
        return self._shared.handle_of(session).as_dict() if enough else None

    @airflow_errors()
    def prepare(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> BillRequest:
        """Return a call of either dialect as a value, checked, for :meth:`send`; sends nothing.

        :param method: HTTP method of a v3 call; v2 has only POST, whatever is given
        :param path: such as ``/v3/vendors`` or ``List/Vendor.json``
        :param params: v3 query parameters
        :param body: JSON body of a v3 call, or arguments of a v2 call
        :raises BillConfigurationError: the call cannot be right, or this kind of sign-in cannot make it
        """
        return self._shared.client.prepare(method, path, params=params, body=body)

    @airflow_errors()
    def send(self, request: BillRequest, *, idempotency_key: str | None = None) -> Any:
        """Make a prepared call and return the answer's JSON (v2: its ``response_data``).

        In a task, a write is sent at most once under its idempotency key, however often the task runs again: a later
        try returns the recorded answer.

        :param request: what :meth:`prepare` returned
        :param idempotency_key: name of a write within its task, such as the id of what is paid; default: how many
            writes of this try were answered, plus one
        :raises BillOutcomeUnknownError: a write of this task was sent, and its outcome is unknown
        :raises BillIdempotencyError: the key stands for another write already
        :raises BillError: what BILL refused, and what to do next
        """
        if self.require_trusted:
            self._shared.trust.acquire()
        return self._shared.send(request, idempotency_key=idempotency_key).body

    @airflow_errors()
    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Make one v3 call and return the answer's JSON.

        A read whose answer is lost is tried again; a write is not, and raises ``BillOutcomeUnknownError``.

        .. seealso:: https://developer.bill.com/reference/api-reference-overview

        :param method: HTTP method
        :param path: such as ``/v3/vendors``
        :param params: query parameters
        :param json: body
        :param idempotency_key: of a write; see :meth:`send`
        :raises BillError: what BILL refused, and what to do next
        """
        request = self._shared.client.prepare(method, path, params=params, body=json, dialect="v3")
        return self.send(request, idempotency_key=idempotency_key)

    @airflow_errors()
    def call(self, path: str, data: Mapping[str, Any] | None = None, *, idempotency_key: str | None = None) -> Any:
        """Make one v2 call and return its ``response_data``.

        .. seealso:: https://developer.bill.com/docs/api-response-format

        :param path: such as ``List/Vendor.json``
        :param data: arguments, sent as the form field ``data``
        :param idempotency_key: of a write; see :meth:`send`
        :raises BillError: what BILL refused, and what to do next
        """
        request = self._shared.client.prepare("POST", path, body=data, dialect="v2")
        return self.send(request, idempotency_key=idempotency_key)

    @airflow_errors()
    def upload(
        self,
        path: str,
        source: str | os.PathLike[str] | IO[bytes] | Any,
        *,
        name: str | None = None,
        params: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Send a file of up to 6 MB, such as the document of a bill, and return the answer's JSON.

        It is a write as any other: in a task it is sent at most once, and another file is another write.

        .. seealso:: https://developer.bill.com/docs/documents-attachments

        :param path: such as ``/v3/documents/bills/00n...``
        :param source: a path, an address such as ``s3://...``, an ``ObjectStoragePath``, or a file that is open for
            reading bytes
        :param name: of the file at BILL, with its extension; default: that of the source
        :param params: further query parameters
        :param idempotency_key: of the write; see :meth:`send`
        :raises BillConfigurationError: the file is missing, empty or too large; nothing was sent
        :raises BillError: what BILL refused, and what to do next
        """
        from airflow_provider_bill.client.uploads import opened

        check_mapping(params)
        with opened(_path_of(source)) as file:
            query = {"name": name or file.name, **(params or {})}
            if not query["name"]:
                raise BillConfigurationError("the file to upload has no name", advice="give name, with its extension")
            request = self._shared.client.prepare("POST", path, params=query, file=file, dialect="v3")
            return self.send(request, idempotency_key=idempotency_key)

    @airflow_errors()
    def download(self, link: str, target: str | os.PathLike[str] | Any, *, max_bytes: int = 100 * 2**20) -> int:
        """Write the file that a link of BILL's leads to, and return its size in bytes.

        The file appears under its name once it is whole. No log and no error shows the link, and the session's headers
        go to the connection's own host alone. Redirects are not followed.

        .. seealso:: https://developer.bill.com/reference/getdocument

        :param link: from an answer (``downloadLink``), or the v3 path of an answer that holds one, such as
            ``/v3/documents/00h...``
        :param target: a path, an address such as ``s3://...``, or an ``ObjectStoragePath``; replaced if it is there
        :param max_bytes: size of the file at most
        :raises BillConfigurationError: the link leads to a host that is not BILL's, or the target cannot be written
        :raises BillAnswerTooLargeError: the file is larger
        :raises BillError: what BILL refused, and what to do next
        """
        from airflow_provider_bill.client.secret import Secret

        link = Secret(link) if isinstance(link, str) else link  # the frames of an error show no secret
        return self._shared.download(link, _path_of(target), most=max_bytes)

    @staticmethod
    def operations() -> list[dict[str, Any]]:
        """List BILL's v3 operations that are known, as dicts; ``docs/operations.md`` shows them.

        Each has ``method``, ``path``, ``base`` (``connect`` or ``events``), ``caller`` (``session``, ``spend``,
        ``partner``, ``nobody``), ``paging`` (parameter for the next page, or None), ``body`` (``json``, ``file``,
        None), ``write``, and ``protected`` (``always``, or fields of the body that need MFA, or an empty text).
        """
        from airflow_provider_bill.client.operations import operations

        names = ("method", "path", "base", "caller", "paging", "body", "write", "protected")
        return [{name: getattr(operation, name) for name in names} for operation in operations()]

    def paginate(
        self, path: str, params: Mapping[str, Any] | None = None, *, page_size: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Go through all rows of a list, page by page, in either dialect.

        :param path: such as ``/v3/vendors`` or ``List/Vendor.json``
        :param params: v3 query parameters (``filters``, ``sort``) or v2 ``data`` (``filters``, ``sort``)
        :param page_size: rows a page; default: as many as the list gives (100 in v3, 50 transactions, 999 in v2)
        :raises BillConfigurationError: it is no list, or gives no such page
        :raises BillError: what BILL refused, and what to do next
        """
        from airflow_provider_bill.client.paging import v2_rows, v3_list

        with airflow_errors():
            check_mapping(params)
            request = self.prepare("GET", path)
            if request.is_write:
                raise BillConfigurationError(
                    f"{path} is a write, and only lists have pages",
                    advice="make it with one call that does not paginate",
                )
            if is_v2(path):
                size = {} if page_size is None else {"page_size": page_size}
                yield from v2_rows(lambda page: self.call(path, page), params, **size)
            else:

                def fetch(page: dict[str, Any]) -> Any:
                    return self.request("GET", path, params=page)

                yield from v3_list(fetch, request.path, params, page_size=page_size)

    @airflow_errors()
    def organizations(self) -> list[dict[str, str]]:
        """List the organizations that can be signed in to, as ``id``, ``name`` and ``console_id``.

        ``console_id`` is the Accountant Console whose client an organization is; empty if it is none's.

        .. seealso:: https://developer.bill.com/hc/reference/listallorganizations

        :raises BillError: what BILL refused, and what to do next
        """
        return [
            {"id": found.id, "name": found.name, "console_id": found.console_id}
            for found in self._shared.manager.organizations()
        ]

    @airflow_errors()
    def sign_in(self) -> dict[str, Any]:
        """Make sure of a live session and return its handle, which holds no secret.

        :raises BillSignInRefusedError: BILL refused the credentials
        """
        return self._shared.handle_of(self.session()).as_dict()

    @property
    def has_opened_session(self) -> bool:
        """Whether this hook has opened a session, and not only found one."""
        return "_shared" in vars(self) and self._shared.manager.has_opened

    @airflow_errors()
    def keep_alive(self) -> dict[str, Any]:
        """Keep the shared session alive by asking BILL about it; signs in only if there is none.

        :return: ``session`` (its handle), ``trusted``, and ``trusted_days``: how long sessions will be trusted without
            a person; 0 if one is needed now, None if there is no end or no way to know it
        """
        session = self._shared.keep_alive()
        return {
            "session": self._shared.handle_of(session).as_dict(),
            "trusted": session.trusted,
            "trusted_days": self._shared.trust.days_left(session),
        }

    @airflow_errors()
    def sign_out(self, *, only_if_opened_by_this_run: bool = False) -> bool:
        """End the shared session, if there is one; the record goes first, so that nobody picks it up any more.

        :param only_if_opened_by_this_run: leave a session alone that another DAG run opened
        :return: whether a session was ended now
        """
        return self._shared.manager.sign_out(only_if_opened_by_this_run=only_if_opened_by_this_run)

    @airflow_errors()
    def forget(self) -> bool:
        """Remove the stored session, also one that cannot be read any more; the next task signs in anew.

        BILL is told nothing: there the session ends when nobody uses it any more.

        :return: whether there was one
        """
        return self._shared.manager.discard()

    @airflow_errors()
    def sign_in_notes(self) -> tuple[str, ...]:
        """Return the names of the Variables that can hold up a sign-in; there need not be any of them.

        A refusal is about a user and its password: another connection may have met it.
        """
        return self._shared.guard.note_keys

    @staticmethod
    def settle_write(write_id: str, *, carried_out: bool, result: Any = None) -> None:
        """Say how a write ended whose outcome is unknown, after a look in BILL; then clear its task.

        Works where Airflow's Variables can be written, as in a task; the example DAG ``bill_settle_write`` does it from
        a form.

        :param write_id: the 16 characters that ``BillOutcomeUnknownError`` has named
        :param carried_out: True: the task returns ``result`` and sends nothing; False: it sends the write again
        :param result: what the task is to return, such as ``{"id": "stp..."}``
        :raises BillConfigurationError: there can be no such write id
        :raises BillStoreError: it could not be stored
        """
        from airflow_provider_bill.sessions.stores import VariableStore
        from airflow_provider_bill.sessions.writes import settle

        with airflow_errors():
            settle(VariableStore(), write_id, carried_out=carried_out, result=result)

    def test_connection(self) -> tuple[bool, str]:
        """Try the connection out, as :meth:`check` does; for the Test button and ``airflow connections test``.

        :return: whether it works, and a sentence for the connection page
        """
        from airflow_provider_bill.hooks.check import for_the_page

        result = self.check()
        return result.works, for_the_page(result)

    def check(self) -> Check:
        """Sign in and out again, once, and say as whom, or what is wrong; stores no session and sends no text message.

        A kind without a sign-in makes one read call instead. It stands behind the same guard as every sign-in: what
        BILL has refused is not sent again, and a success counts for all.
        """
        from airflow_provider_bill.hooks.check import check

        return check(lambda: self._shared)

    @functools.cached_property
    def mfa(self) -> HookMfa:
        """What makes the shared session trusted."""
        from airflow_provider_bill.hooks.mfa import HookMfa

        with airflow_errors():
            return HookMfa(self._shared, device=f"airflow-{self.bill_conn_id}"[:100])

    @functools.cached_property
    def _shared(self) -> SharedSession:
        from airflow_provider_bill.hooks.wiring import make_shared_session

        return make_shared_session(
            self._client(),
            self.bill_conn_id,
            store=self.store,
            location=self._location,
            clock=self._clock,
            unprotected_writes=self.unprotected_writes,
        )

    def _client(self) -> BillClient:
        from airflow_provider_bill.hooks.wiring import find_connection, make_client

        return make_client(
            find_connection(self.get_connection, self.bill_conn_id),
            self.organization_id,
            timeout=self.timeout,
            max_answer_bytes=self.max_answer_bytes,
            clock=self._clock,
        )


def _path_of(file: Any) -> Any:
    """Return an address such as ``s3://bucket/key`` as a path; all else as it is.

    :raises BillConfigurationError: Airflow knows no such store
    """
    if not isinstance(file, str) or "://" not in file:
        return file
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    with contextlib.suppress(ValueError, ImportError):
        path = ObjectStoragePath(file)
        path.fs  # noqa: B018 - Airflow before 3.3 looks for the store only when it is used
        return path
    raise BillConfigurationError(
        f"{file.partition('://')[0][:40]!r} is no kind of store that Airflow knows here",
        advice="install the provider package that serves it, or give the path of a file",
    )
