"""Trust made without a person: found in the record, by the remembered device, or because MFA is off."""

from __future__ import annotations

import logging

from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.results import MfaState
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.exceptions import BillError, BillMfaRequiredError
from airflow_provider_bill.sessions.devices import MFA_ADVICE
from airflow_provider_bill.sessions.manager import SessionManager

log = logging.getLogger(__name__)


class Trust:
    """Makes the shared session trusted, as far as that takes no person; sends no text.

    :param manager: of the shared session
    """

    def __init__(self, manager: SessionManager) -> None:
        self._manager = manager
        self._client = manager.client
        self._devices = manager.devices

    def acquire(self) -> BillSession:
        """Return a live session that has passed MFA.

        :raises BillMfaRequiredError: only a person can make it so, and the error says how
        :raises BillError: as in ``SessionManager.acquire``
        """
        session = self.make(self._manager.acquire())
        if session.trusted or not self._client.credentials.has_mfa:
            return session
        raise _needs_a_person()

    def make(self, session: BillSession) -> BillSession:
        """Return the session as trusted as it can be made; a protected call may need it.

        Looks whether another task has made it so, steps up with the remembered device, or finds that MFA is off.
        """
        return self._make(session)[0]

    def ensure(self, session: BillSession) -> BillSession:
        """Return the session fit for a protected call; where BILL does not tell of MFA, BILL itself decides.

        :raises BillMfaRequiredError: only a person can make it so, and the error says how
        """
        session, state = self._make(session)
        if state.may_pay or state is MfaState.UNKNOWN:
            return session
        raise _needs_a_person()

    def regain(self, session: BillSession) -> BillSession:
        """Step up once after BILL has said that the session is untrusted (BDC_1361).

        :raises BillMfaRequiredError: only a person can make it trusted, and the error says how
        """
        with self._manager.lock:
            trusted = self._client.credentials.has_mfa and self._step_up(session)
            if trusted or session.trusted:
                session = self._manager.save_trust(session, trusted=trusted)
                if trusted:
                    self._manager.tell("session.trusted", session)
            if not trusted:
                raise _needs_a_person()
            return session

    def days_left(self, session: BillSession) -> float | None:
        """Return the days for which sessions will be trusted without a person.

        :param session: as trusted as it can be made
        :return: 0 if a person is needed now; None if there is no end, or no way to know it (MFA is off, or the
            connection brings its own device, or sessions of its kind cannot pass MFA)
        """
        if not self._client.credentials.has_mfa:
            return None
        if not session.trusted:
            return 0.0
        days = self._devices.days_left()
        if days is not None or self._devices.usable() is not None:
            return days
        sent_at = self._manager.clock()
        state = self._manager.with_renewal(self._state)
        self._manager.touch(session, sent_at)
        return None if state in (MfaState.DISABLED, MfaState.BYPASS) else 0.0

    def _make(self, session: BillSession) -> tuple[BillSession, MfaState]:
        return self._manager.with_renewal(self._try, session=session)

    def _try(self, session: BillSession) -> tuple[BillSession, MfaState]:
        credentials = self._client.credentials
        if session.trusted or not credentials.has_mfa:
            return session, MfaState.TRUSTED
        with self._manager.lock:
            stored = self._manager.peek()
            if stored is not None and stored.session_token == session.session_token and stored.trusted:
                return self._manager.adopt(stored), MfaState.TRUSTED
            if not credentials.steps_up and self._devices.usable() is not None:
                session = self._manager.renew(session)  # the device goes with the sign-in
            elif self._step_up(session):
                session = self._manager.save_trust(session)
                self._manager.tell("session.trusted", session)
            if session.trusted:
                return session, MfaState.TRUSTED
            state = self._state(session)
            if state.may_pay:
                session = self._manager.save_trust(session)
            return session, state

    def _state(self, session: BillSession) -> MfaState:
        """Ask how a session stands to MFA; v3 is asked about a v2 session too, as v2 does not say."""
        if self._client.credentials.dialect == "v2":
            try:
                state = self._client.mfa.state(session)
            except BillError as error:  # What v3 does with a v2 session, BILL does not document.
                log.debug("v3's session details of a v2 session: %s", type(error).__name__)
                state = MfaState.UNKNOWN
            if state is not MfaState.UNKNOWN:
                return state
        return self._client.session_details(session).mfa

    def _step_up(self, session: BillSession) -> bool:
        if not self._client.credentials.steps_up:
            return False
        tried: list[RememberedDevice] = []
        # Of this organization, of another one of the user, of the connection: each costs a call and no text.
        while (device := self._devices.usable()) is not None and device not in tried:
            if self._client.mfa.step_up(session, device):
                self._devices.honoured(device)
                return True
            self._devices.refuse(device)
            tried.append(device)
        return False


def _needs_a_person() -> BillMfaRequiredError:
    return BillMfaRequiredError(
        "BILL asks for MFA before it does this, and no remembered device answers for it (BDC_1361)",
        advice=f"{MFA_ADVICE}; signing in again does not help",
        code="BDC_1361",
    )
