"""``BillClient``: all of BILL's protocol behind one object; remembers no session between calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_bill.client import mfa, v2, v3
from airflow_provider_bill.client.credentials import Credentials, RememberedDevice, SignIn, check_device
from airflow_provider_bill.client.dialect import Dialect, Organization, Phone, SessionDetails
from airflow_provider_bill.client.environments import Environment
from airflow_provider_bill.client.paths import check_method, check_params, is_v2, v2_path, v3_path
from airflow_provider_bill.client.redaction import Redactor
from airflow_provider_bill.client.session import BillSession, Clock, utc_now
from airflow_provider_bill.client.transport import Answer, Transport
from airflow_provider_bill.client.wire import Wire
from airflow_provider_bill.exceptions import BillConfigurationError, BillSessionExpiredError

_V2_KINDS = (SignIn.V2, SignIn.SYNC_TOKEN)


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
        wire = Wire(environment, self._transport, self._redactor, self._transport.clock if clock is utc_now else clock)
        self._v3 = v3.V3(wire, credentials)
        self._v2 = v2.V2(wire, credentials)
        self._dialect: Dialect = self._v2 if credentials.kind in _V2_KINDS else self._v3

    def sign_in(self, remembered_device: RememberedDevice | None = None) -> BillSession:
        """Open a session; sent once, as ten refusals lock the user.

        :param remembered_device: makes the session trusted; the credentials' own is not sent by itself, as BILL
            may have refused it
        :raises BillSignInRefusedError: if BILL refuses the credentials
        :raises BillMfaError: if BILL does not know the remembered device (see ``advice``)
        :raises BillRateLimitError: if the sign-ins of this hour are used up
        :raises BillUnavailableError: if no answer of BILL came

        Sources: https://developer.bill.com/reference/login, https://developer.bill.com/v2/reference/auth-login
        """
        if remembered_device is not None:
            self._redactor.add([remembered_device.token])
            self.check_mfa()
        return mfa.named_if_forgotten(lambda: self._dialect.sign_in(remembered_device), remembered_device)

    def sign_out(self, session: BillSession) -> bool:
        """End a session.

        :return: True if BILL ended it now; False if it was over already, or there is none to end
            (OAuth and Spend & Expense tokens)
        :raises BillUnavailableError: if no answer of BILL came

        Sources: https://developer.bill.com/reference/logout, https://developer.bill.com/v2/reference/auth-logout.md
        """
        if self.credentials.kind in (SignIn.OAUTH, SignIn.SPEND_TOKEN):
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

        :param session: needed by all kinds but v2 and sync_token, which send their credentials instead
            (and so use up one of the hour's sign-ins)

        Sources: https://developer.bill.com/hc/reference/listallorganizations,
        https://developer.bill.com/v2/docs/api-sandbox-sign-in
        """
        return self._dialect.organizations(session)

    def request(
        self,
        session: BillSession,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Answer:
        """Make a v3 call.

        :param method: GET, POST, PUT, PATCH or DELETE
        :param path: such as ``/v3/vendors``
        :param params: query parameters; never credentials
        :param json: body
        :raises BillConfigurationError: if the call cannot be right; nothing was sent
        :raises BillError: see ``exceptions.py``

        Source: https://developer.bill.com/reference/api-reference-overview
        """
        path, method = v3_path(path), check_method(method)
        if params:
            check_params(params)
        self._check_allowed(path, method, json)
        return self._v3.request(session, method, path, params=params, json=json)

    def call(self, session: BillSession, path: str, data: Mapping[str, Any] | None = None) -> Answer:
        """Make a v2 call.

        :param path: such as ``List/Vendor.json``
        :param data: sent as JSON in the form field ``data``
        :return: the answer, ``body`` being ``response_data``
        :raises BillConfigurationError: if the call cannot be right; nothing was sent
        :raises BillError: see ``exceptions.py``

        Source: https://developer.bill.com/v2/docs/search-ops-with-lists
        """
        path = v2_path(path)
        self._check_allowed(path, "POST", data)
        return self._v2.call(session, path, data)

    def check_path(self, path: str, *, v2: bool) -> str:
        """Give a path as it is sent.

        :param v2: whether it is meant for ``call``, else for ``request``
        :raises BillConfigurationError: naming the method that takes it
        """
        return v2_path(path) if v2 else v3_path(path)

    def is_protected(self, path: str, method: str = "GET", body: Any = None) -> bool:
        """Tell whether BILL's reference lists a call as one that needs an MFA-trusted session.

        :param method: of a v3 call
        :param body: of a v3 call; some are protected only for what they set
        """
        if is_v2(path):
            return v2.is_protected(v2_path(path))
        return v3.is_protected(method, v3_path(path), body)

    def needs_trust(self, path: str, method: str = "GET", body: Any = None) -> bool:
        """Tell whether a call is known to be refused without MFA in this environment.

        BILL's reference ties the list to production; of its sandbox it is known for payments only, and there BILL
        itself has the word.
        """
        if not self.is_protected(path, method, body):
            return False
        return self.environment.name != "sandbox" or bool(v3.PROTECTED_IN_SANDBOX.fullmatch(path))

    def mfa_challenge(self, session: BillSession) -> str:
        """Have a code sent to the user's phone; sent once, as each call sends a text.

        :return: the challenge's id
        :raises BillMfaError: if no phone is registered

        Sources: https://developer.bill.com/reference/generatechallenge, https://developer.bill.com/v2/reference/auth-mfachallenge
        """
        self.check_mfa()
        return self._dialect.challenge(session)

    def mfa_validate(
        self,
        session: BillSession,
        challenge_id: str,
        code: str,
        *,
        device: str,
        machine_name: str,
        remember: bool,
    ) -> RememberedDevice | None:
        """Send the code; the session is trusted afterwards.

        :param code: six digits; spaces and dashes are dropped
        :param device: label of this installation, up to 100 characters, the same at later sign-ins
        :param machine_name: free text that BILL shows for the device
        :param remember: whether the device stays trusted for 30 days
        :return: the remembered device, None if BILL gave none
        :raises BillMfaError: if the code is wrong, over, or none

        Sources: https://developer.bill.com/reference/validatechallenge, https://developer.bill.com/v2/reference/auth-mfaauthenticate
        """
        self.check_mfa()
        digits = mfa.six_digits(code)
        self._redactor.add([code, digits])
        if remember:
            check_device(device)  # before a code is used up
        token = self._dialect.validate(
            session, challenge_id, digits, device=device, machine_name=machine_name, remember=remember
        )
        self._redactor.add([token])
        return RememberedDevice(token=token, device=device) if token and remember else None

    def mfa_step_up(self, session: BillSession, remembered: RememberedDevice) -> bool:
        """Make a session trusted with a remembered device.

        A v2 session is taken by v3's call, as v2 has none.

        :return: whether it is trusted now; BILL answers an unknown device with a plain no

        Source: https://developer.bill.com/hc/reference/stepupsession
        """
        self.check_mfa()
        self._redactor.add([remembered.token])
        return self._v3.step_up(session, remembered)

    def mfa_status(self, session: BillSession, remembered: RememberedDevice | None) -> bool:
        """Ask whether the session (v3), or the remembered device (v2), is trusted.

        Sources: https://developer.bill.com/reference/getsessioninfo.md, https://developer.bill.com/v2/reference/auth-mfastatus
        """
        self.check_mfa()
        self._redactor.add([remembered.token] if remembered is not None else [])
        return self._dialect.is_trusted(session, remembered)

    def mfa_phones(self, session: BillSession) -> list[Phone]:
        """List the phones registered for MFA.

        Source: BILL's own request collection (``GET /v3/mfa/phones``)
        """
        self.check_mfa()
        return mfa.phones(self._v3, session)

    def mfa_setup(self, session: BillSession, phone: str, type: str = "TEXT") -> str:
        """Begin to register a phone: a code is sent to it.

        :param phone: its number
        :param type: ``TEXT`` or ``VOICE``
        :return: the set-up's id
        :raises BillMfaError: if a phone is registered already

        Source: https://developer.bill.com/reference/setup
        """
        self.check_mfa()
        return mfa.setup(self._v3, session, phone, type)

    def mfa_setup_validate(self, session: BillSession, setup_id: str, code: str, type: str = "TEXT") -> None:
        """Finish registering a phone with the code sent to it.

        :raises BillMfaError: if the code is wrong, over, or none

        Source: https://developer.bill.com/reference/validate
        """
        self.check_mfa()
        digits = mfa.six_digits(code)
        self._redactor.add([code, digits])
        mfa.setup_validate(self._v3, session, setup_id, digits, type)

    def check_mfa(self) -> None:
        """Refuse what only a kind with MFA can do.

        :raises BillConfigurationError: if this kind of sign-in knows no MFA
        """
        if not self.credentials.mfa:
            raise BillConfigurationError(
                f"sign_in {self.credentials.kind} knows no MFA",
                advice="use a connection of kind v3, v2 or console",
            )

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _check_allowed(self, path: str, method: str, body: Any) -> None:
        """Refuse what a sync token may not do (https://developer.bill.com/docs/token-based-sign-in)."""
        if self.credentials.kind is not SignIn.SYNC_TOKEN:
            return
        if path.startswith((v3.MFA, v2.MFA)) or self.is_protected(path, method, body):
            raise BillConfigurationError(
                f"{path} is an MFA or MFA-protected call, and BILL lets no sync token make it",
                advice="use a connection of kind v3, v2 or console for it",
            )
