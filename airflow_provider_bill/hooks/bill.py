"""``BillHook``: the shared BILL session of an Airflow connection, and calls with it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook, mask_secret

from airflow_provider_bill.client.paths import is_read, is_v2
from airflow_provider_bill.exceptions import BillConfigurationError, BillError, BillHandleError
from airflow_provider_bill.hooks.errors import airflow_errors
from airflow_provider_bill.sessions.identity import Handle, XComPlace

if TYPE_CHECKING:
    # Imported when first used: a DAG file that imports this hook must stay quick to parse.
    from airflow_provider_bill.client.client import BillClient
    from airflow_provider_bill.client.session import BillSession, Clock
    from airflow_provider_bill.hooks.wiring import Wiring
    from airflow_provider_bill.sessions.manager import SessionManager
    from airflow_provider_bill.sessions.mfa import Challenge, Mfa

log = logging.getLogger(__name__)


class BillHook(BaseHook):
    """Calls BILL with the one session that all tasks of a connection share.

    Finds the shared session or signs in, keeps it alive by its calls, and renews it once if BILL has ended it.
    Nothing is read or sent before the first method that needs it. One hook serves one task; its threads may share it.

    .. seealso:: https://developer.bill.com/docs/bill-keys-tokens

    :param bill_conn_id: Airflow connection of type ``bill``
    :param organization_id: BILL organization (``008...``) to use instead of the connection's own
    :param store: where the session is shared: ``variable`` (all DAGs), ``xcom`` (the run of the login task whose
        handle this hook was made from), ``memory`` (this process). Default: ``variable`` in a task, else ``memory``
    :param require_trusted: use only a session that has passed MFA; calls that move money look for one by themselves
    :param timeout: seconds to wait for a connection and for an answer
    :param clock: gives the present moment in UTC; for tests
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
        clock: Clock | None = None,
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
        self._clock = clock
        self._place: XComPlace | None = None

    @classmethod
    def from_handle(
        cls, handle: Mapping[str, Any] | Handle, bill_conn_id: str | None = None, **kwargs: Any
    ) -> BillHook:
        """Make a hook for the session that a login task returned.

        :param handle: what ``BillLoginOperator`` or :meth:`sign_in` returned
        :param bill_conn_id: if given, the handle must be of this connection
        :param kwargs: further arguments of the hook
        :raises BillHandleError: the handle is malformed, or of another connection
        """
        with airflow_errors():
            known = handle if isinstance(handle, Handle) else Handle.from_dict(handle)
            if bill_conn_id not in (None, known.conn_id):
                raise BillHandleError(
                    f"the handle in session is of connection {known.conn_id!r}, not of {bill_conn_id!r}",
                    advice="leave bill_conn_id out, or pass the handle of a login with that connection",
                )
            hook = cls(known.conn_id, known.organization_id or None, store=known.store, **kwargs)
            hook._place = known.where
            if hook._manager.identity.session_key != known.key:
                raise BillHandleError(
                    f"connection {known.conn_id!r} has changed since the handle in session was made",
                    advice="run the login task again",
                )
            return hook

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Give the fields of the connection form (Airflow 2; Airflow 3 reads the provider's metadata)."""
        from airflow_provider_bill.hooks.connection import form_widgets

        return form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Give labels and hidden fields of the connection form (Airflow 2)."""
        from airflow_provider_bill.get_provider_info import FIELD_BEHAVIOUR

        return {name.replace("-", "_"): value for name, value in FIELD_BEHAVIOUR.items()}

    @airflow_errors()
    def get_conn(self) -> BillClient:
        """Give the client of BILL's protocol, for what this hook does not offer; it does not renew sessions."""
        return self._manager.client

    @airflow_errors()
    def session(self) -> BillSession:
        """Give the shared session, live; signs in only if there is none.

        :raises BillConfigurationError: the connection cannot work as it stands
        :raises BillSignInRefusedError: BILL refused the credentials
        :raises BillMfaRequiredError: with ``require_trusted``, if only a person can make it so
        """
        return self._manager.acquire_trusted() if self.require_trusted else self._manager.acquire()

    @airflow_errors()
    def look(self) -> BillSession | None:
        """Give the shared session as last known, also one that is over, or None; calls nobody."""
        return self._manager.look()

    @airflow_errors()
    def live_handle(self, *, require_trusted: bool = False, minutes_left: float = 0) -> dict[str, Any] | None:
        """Give the handle of the shared session if it is live and as wanted, else None; calls nobody.

        :param require_trusted: only a session that has passed MFA
        :param minutes_left: only a session with so many minutes left if nobody uses it
        """
        session = self._manager.look()
        if session is None or not self._manager.is_live(session):
            return None
        if require_trusted and not session.trusted:
            return None
        enough = session.seconds_left(self._manager.clock()) >= 60 * minutes_left
        return self._handle_of(session) if enough else None

    @airflow_errors()
    def writes(self, path: str, method: str = "GET") -> bool:
        """Tell whether a call changes something at BILL; raises if the path is of neither dialect."""
        return not is_read(self._manager.client.check_path(path, v2=is_v2(path)), method)

    @airflow_errors()
    def request(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any = None) -> Any:
        """Make one v3 call and give the answer's JSON.

        A read whose answer is lost is tried again; a write is not, and raises ``BillOutcomeUnknownError``.

        .. seealso:: https://developer.bill.com/reference/api-reference-overview

        :param method: HTTP method
        :param path: such as ``/v3/vendors``
        :param params: query parameters
        :param json: body
        :raises BillError: what BILL refused, and what to do next
        """
        client = self._manager.client
        client.check_path(path, v2=False)
        self._check_trust()
        return self._manager.run(
            lambda session: client.request(session, method, path, params=params, json=json),
            trusted=client.needs_trust(path, method, json),
        ).body

    @airflow_errors()
    def call(self, path: str, data: Mapping[str, Any] | None = None) -> Any:
        """Make one v2 call and give its ``response_data``.

        .. seealso:: https://developer.bill.com/docs/api-response-format

        :param path: such as ``List/Vendor.json``
        :param data: arguments, sent as the form field ``data``
        :raises BillError: what BILL refused, and what to do next
        """
        client = self._manager.client
        client.check_path(path, v2=True)
        self._check_trust()
        return self._manager.run(
            lambda session: client.call(session, path, data),
            trusted=client.needs_trust(path),
        ).body

    def paginate(
        self, path: str, params: Mapping[str, Any] | None = None, *, page_size: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Go through all rows of a list, page by page, in either dialect.

        :param path: such as ``/v3/vendors`` or ``List/Vendor.json``
        :param params: v3 query parameters (``filters``, ``sort``) or v2 ``data`` (``filters``, ``sort``)
        :param page_size: rows a page; default and most: 100 in v3, 999 in v2
        :raises BillError: what BILL refused, and what to do next
        """
        from airflow_provider_bill.client.paging import v2_rows, v3_rows

        with airflow_errors():
            size = {} if page_size is None else {"page_size": page_size}
            if is_v2(path):
                yield from v2_rows(lambda page: self.call(path, page), params, **size)
            else:
                yield from v3_rows(lambda page: self.request("GET", path, params=page), params, **size)

    @airflow_errors()
    def organizations(self) -> list[dict[str, str]]:
        """List the organizations that can be signed in to, as ``id``, ``name`` and ``console_id``.

        ``console_id`` is the Accountant Console whose client an organization is; empty if it is none's.

        .. seealso:: https://developer.bill.com/hc/reference/listallorganizations

        :raises BillError: what BILL refused, and what to do next
        """
        return [
            {"id": found.id, "name": found.name, "console_id": found.console_id}
            for found in self._manager.organizations()
        ]

    @airflow_errors()
    def sign_in(self) -> dict[str, Any]:
        """Make sure of a live session and give its handle, which holds no secret.

        :raises BillSignInRefusedError: BILL refused the credentials
        """
        return self._handle_of(self.session())

    @airflow_errors()
    def keep_alive(self) -> dict[str, Any]:
        """Keep the shared session alive by asking BILL about it; signs in only if there is none.

        :return: ``session`` (its handle), ``trusted``, and ``trusted_days``: how long sessions will be trusted without
            a person; 0 if one is needed now, None if there is no end or no way to know it
        """
        manager = self._manager
        if manager.client.credentials.signs_in:
            manager.run(lambda session: manager.client.session_details(session))
        session = manager.make_trusted(manager.acquire())
        return {
            "session": self._handle_of(session),
            "trusted": session.trusted,
            "trusted_days": self._mfa.trusted_days(session),
        }

    @airflow_errors()
    def trusted_days(self) -> float | None:
        """Make the shared session trusted if no person is needed for it; see :meth:`keep_alive` for what it gives."""
        manager = self._manager
        return self._mfa.trusted_days(manager.make_trusted(manager.acquire()))

    @airflow_errors()
    def check_mfa(self) -> None:
        """Raise if BILL lets no session of this connection pass MFA; calls nobody.

        :raises BillConfigurationError: this kind of sign-in knows no MFA
        """
        self._manager.client.check_mfa()

    @airflow_errors()
    def mfa_challenge(self, *, anew: bool = False) -> Challenge:
        """Have a code sent by text to the phone of the connection's user, unless one is on its way already.

        .. seealso:: https://developer.bill.com/reference/generatechallenge

        :param anew: send another, whatever is on its way
        :raises BillMfaError: no phone is registered
        :raises BillConfigurationError: this kind of sign-in knows no MFA; nothing was sent
        """
        self._manager.client.check_mfa()
        return self._mfa.challenge(self._manager.acquire(), anew=anew)

    @airflow_errors()
    def open_mfa_challenge(self, *, also_over: bool = False) -> Challenge | None:
        """Give the challenge whose code can still be entered in the shared session.

        :param also_over: also one whose time is over
        """
        return self._mfa.open_challenge(self._manager.acquire(), also_over=also_over)

    @airflow_errors()
    def mfa_validate(self, challenge: Challenge, code: str, *, device: str = "", remember: bool = True) -> None:
        """Enter the code; the shared session is trusted afterwards, and for 30 days all later ones.

        .. seealso:: https://developer.bill.com/reference/validatechallenge

        :param challenge: what :meth:`mfa_challenge` gave
        :param code: six digits; spaces and dashes are forgiven
        :param device: label of this installation at BILL, up to 100 characters; default: ``airflow-<connection>``
        :param remember: whether the device is trusted for 30 days, or only this session
        :raises BillMfaError: the code is wrong or over, or the challenge is of another session
        """
        mask_secret(code)
        self.check_mfa()
        self._mfa.validate(
            self._manager.acquire(),
            challenge,
            code,
            device=device or f"airflow-{self.bill_conn_id}"[:100],
            remember=remember,
        )

    @airflow_errors()
    def sign_out(self, *, only_if_opened_by_this_run: bool = False) -> bool:
        """End the shared session, if there is one; the record goes first, so that nobody picks it up any more.

        :param only_if_opened_by_this_run: leave a session alone that another DAG run opened
        :return: whether a session was ended now
        """
        session = self._manager.look()
        if session is None:
            log.info("There is no BILL session to sign out of.")
            return False
        opened_by = session.signed_in_by
        here = self._wiring.signed_in_by
        if only_if_opened_by_this_run and any(opened_by.get(k) != here.get(k) for k in ("dag_id", "run_id")):
            log.info(
                "The BILL session was opened by run %s of DAG %s; it stays for others.",
                opened_by.get("run_id"),
                opened_by.get("dag_id"),
            )
            return False
        self._manager.forget(session)
        ended = self._manager.client.sign_out(session)
        log.info("Signed out of BILL." if ended else "The BILL session was over already.")
        return ended

    def test_connection(self) -> tuple[bool, str]:
        """Sign in and out again, once; stores nothing and sends no text message.

        :return: whether it worked, and a sentence for the connection page
        """
        try:
            client = self._client()
            session = client.sign_in()
            if not client.credentials.signs_in:
                return True, "The token will be sent as it is: this kind of sign-in has no sign-in call."
            client.sign_out(session)
        except BillError as error:
            return False, str(error)
        where = session.organization_id or "BILL"
        return True, f"Signed in to {where} ({client.environment.name}) and out again."

    @functools.cached_property
    def _wiring(self) -> Wiring:
        from airflow_provider_bill.hooks.wiring import Wiring

        return Wiring(self._client(), self.bill_conn_id, store=self.store, place=self._place, clock=self._clock)

    @property
    def _manager(self) -> SessionManager:
        return self._wiring.manager

    @property
    def _mfa(self) -> Mfa:
        return self._wiring.mfa

    def _client(self) -> BillClient:
        from airflow_provider_bill.hooks.wiring import make_client

        connection = self.get_connection(self.bill_conn_id)
        return make_client(connection, self.organization_id, timeout=self.timeout, clock=self._clock)

    def _check_trust(self) -> None:
        if self.require_trusted:
            self._manager.acquire_trusted()

    def _handle_of(self, session: BillSession) -> dict[str, Any]:
        identity = self._manager.identity
        expires_at = session.expires_at
        return Handle(
            conn_id=identity.conn_id,
            organization_id=identity.organization_id,
            store=self._manager.store.name,
            key=identity.session_key,
            where=self._wiring.place,
            trusted=session.trusted,
            expires_at=expires_at.isoformat() if expires_at else "",
        ).as_dict()
