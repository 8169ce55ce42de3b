"""``BillClient``: all of BILL's protocol behind one object; remembers no session between calls."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, Self

from airflow_provider_bill.client.answers import Answer
from airflow_provider_bill.client.auth.base import Credentials
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.downloads import Download, Link, checked_link
from airflow_provider_bill.client.environments import Environment
from airflow_provider_bill.client.observer import CallObserver
from airflow_provider_bill.client.redaction import Redactor
from airflow_provider_bill.client.request import BillRequest, Dialect, prepare
from airflow_provider_bill.client.requester import Around, Requester
from airflow_provider_bill.client.results import Organization, SessionDetails
from airflow_provider_bill.client.session import BillSession, Clock, utc_now
from airflow_provider_bill.client.transport import Transport
from airflow_provider_bill.client.uploads import Upload
from airflow_provider_bill.client.v2 import V2
from airflow_provider_bill.client.v3 import V3
from airflow_provider_bill.exceptions import (
    BillMfaError,
    BillSessionExpiredError,
    BillSignInRefusedError,
)

if TYPE_CHECKING:
    from airflow_provider_bill.client.mfa import ClientMfa


class BillClient:
    """Speaks to BILL with one set of credentials; safe to share between threads.

    :param credentials: what to sign in with
    :param environment: where BILL is
    :param transport: sends the calls; one is made if none is given
    :param clock: gives the present moment; by default the transport's
    :param on_secret: told each secret once, the moment it is known
    """

    def __init__(
        self,
        credentials: Credentials,
        environment: Environment,
        *,
        transport: Transport | None = None,
        clock: Clock = utc_now,
        on_secret: Callable[[str], None] | None = None,
    ) -> None:
        self.credentials = credentials
        self.environment = environment
        self._redactor = Redactor(on_secret)
        self._redactor.add(credentials.secrets())
        self._transport = transport or Transport(clock=clock)
        clock = self._transport.clock if clock is utc_now else clock
        self._requester = Requester(environment, self._transport, self._redactor, clock)
        self._v3 = V3(self._requester, credentials)
        self._v2 = V2(self._requester, credentials)
        self._dialect = self._v2 if credentials.dialect == "v2" else self._v3

    def observe(self, observer: CallObserver) -> None:
        """Have an observer hear of each call."""
        self._requester.observer = observer

    @property
    def call_seconds(self) -> float:
        """How many seconds one call takes at most."""
        return self._transport.call_seconds

    @cached_property
    def mfa(self) -> ClientMfa:
        """What passes MFA at BILL."""
        from airflow_provider_bill.client.mfa import ClientMfa

        return ClientMfa(self.credentials, self._dialect, self._v3, self._redactor)

    def prepare(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        file: Upload | None = None,
        dialect: Dialect | None = None,
    ) -> BillRequest:
        """Return a call as a value, checked; sends nothing.

        :param method: GET, POST, PUT, PATCH or DELETE; v2 has only POST, whatever is given
        :param path: such as ``/v3/vendors`` or ``List/Vendor.json``
        :param params: query parameters of a v3 call; never credentials
        :param body: JSON body (v3), or arguments that are sent as JSON in the form field ``data`` (v2)
        :param file: to send as the body of a v3 call, in place of JSON
        :param dialect: which one the path must be of; by default the path decides
        :raises BillConfigurationError: if the call cannot be right, or this kind of sign-in cannot make it

        Sources: https://developer.bill.com/reference/api-reference-overview,
        https://developer.bill.com/v2/docs/search-ops-with-lists
        """
        request = prepare(
            method,
            path,
            params=params,
            body=body,
            file=file,
            dialect=dialect,
            environment=self.environment.name,
            redact=self._redactor.redact,
        )
        self.credentials.check(request)
        return request

    def send(self, session: BillSession, request: BillRequest, *, around: Around | None = None) -> Answer:
        """Make a call in a session.

        :param request: what :meth:`prepare` returned
        :param around: called for each single sending, with what sends once
        :return: the answer; of a v2 call, ``body`` is its ``response_data``
        :raises BillError: see ``exceptions.py``
        """
        if request.takes_idempotency_key and not request.idempotency_key:
            request = dataclasses.replace(request, idempotency_key=str(uuid.uuid4()))
        return (self._v2 if request.dialect == "v2" else self._v3).send(session, request, around)

    def checked_link(self, address: str) -> Link:
        """Return a link that may be followed.

        :raises BillConfigurationError: it leads elsewhere
        """
        return checked_link(address, self.environment)

    def download(self, session: BillSession | None, link: Link, target: IO[bytes], *, most: int) -> Download:
        """Get the file that a link leads to.

        :param session: one in which to ask; only the API's own hosts see its credentials
        :param link: checked
        :param target: open for writing
        :param most: bytes that are written at most
        :raises BillError: see ``exceptions.py``; none of them holds the link
        """
        headers: dict[str, str] = {}
        if session is not None and link.own:
            self._redactor.add([session.session_token])
            headers = self.credentials.download_headers(session.session_token)
        response, size = self._requester.download(link.address, link.own, target, headers, most=most)
        return Download(size, response.sent_at)

    def sign_in(
        self, remembered_device: RememberedDevice | None = None, *, before_each: Callable[[], None] = lambda: None
    ) -> BillSession:
        """Open a session; sent once, as ten refusals lock the user.

        :param remembered_device: makes the session trusted; the credentials' own is not sent by itself, as BILL
            may have refused it
        :param before_each: called before each call that it takes; what it raises stops the sign-in
        :raises BillSignInRefusedError: if BILL refuses the credentials
        :raises BillMfaError: if BILL does not know the remembered device (see ``advice``)
        :raises BillRateLimitError: if the sign-ins of this hour are used up
        :raises BillUnavailableError: if no answer of BILL came

        Sources: https://developer.bill.com/reference/login, https://developer.bill.com/v2/reference/auth-login
        """
        if remembered_device is not None:
            self._redactor.add([remembered_device.token])
            self.credentials.check_mfa()
        failure: BillSignInRefusedError
        try:
            return self.credentials.sign_in(self._requester.telling(before_each), remembered_device)
        except BillSignInRefusedError as error:
            # BILL may call an unknown device an invalid session: then the credentials were not the reason.
            if remembered_device is None or error.code != "BDC_1109":
                raise
            failure = error
        raise BillMfaError(
            "BILL refused the sign-in because of the remembered device (BDC_1109)",
            advice="forget remembered_device_token, sign in without it, and pass MFA once more",
            code=failure.code,
            status=failure.status,
        )

    def sign_out(self, session: BillSession) -> bool:
        """End a session.

        :return: True if BILL ended it now; False if it was over already, or there is none to end
            (OAuth and Spend & Expense tokens)
        :raises BillUnavailableError: if no answer of BILL came

        Sources: https://developer.bill.com/reference/logout, https://developer.bill.com/v2/reference/auth-logout.md
        """
        if not self.credentials.signs_out:
            return False
        try:
            self._dialect.sign_out(session)
        except BillSessionExpiredError:
            return False
        return True

    def session_details(self, session: BillSession) -> SessionDetails:
        """Ask what BILL knows about a session; this also keeps it alive.

        :raises BillSessionExpiredError: if it is over

        Sources: https://developer.bill.com/reference/getsessioninfo.md,
        https://developer.bill.com/v2/reference/auth-getsessioninfo
        """
        return self._dialect.session_details(session)

    def organizations(self, session: BillSession | None = None) -> list[Organization]:
        """List the organizations that can be signed in to.

        :param session: needed by all kinds but those that send their credentials instead (v2 and sync_token; that
            uses up one of the hour's sign-ins)

        Sources: https://developer.bill.com/hc/reference/listallorganizations,
        https://developer.bill.com/v2/docs/api-sandbox-sign-in
        """
        if session is None or self.credentials.lists_by_credentials:
            return self.credentials.organizations(self._requester)
        return self._v3.organizations(session)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._transport.close()
