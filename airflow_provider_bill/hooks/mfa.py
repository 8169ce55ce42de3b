"""``BillHook.mfa``: makes the shared session trusted, with a person where it takes one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import mask_secret

from airflow_provider_bill.client.secret import Secret
from airflow_provider_bill.hooks.errors import airflow_errors

if TYPE_CHECKING:
    from airflow_provider_bill.sessions.mfa import Challenge, Outcome
    from airflow_provider_bill.sessions.shared import SharedSession


class HookMfa:
    """Passes MFA with the shared session of a hook.

    .. seealso:: https://developer.bill.com/reference/generatechallenge

    :param shared: the shared session
    :param device: label of this installation at BILL, where the caller gives none
    """

    def __init__(self, shared: SharedSession, device: str) -> None:
        self._shared = shared
        self._device = device

    @airflow_errors()
    def check(self) -> None:
        """Raise if BILL lets no session of this connection pass MFA; sends nothing.

        :raises BillConfigurationError: sessions of this kind of sign-in cannot pass MFA
        """
        self._shared.client.mfa.check()

    @airflow_errors()
    def days_left(self) -> float | None:
        """Make the shared session trusted if that takes no person, and return for how many days trust will last.

        :return: 0 if a person is needed now; None if there is no end, or no way to know it (MFA is off, or the
            connection brings its own device, or sessions of its kind cannot pass MFA)
        """
        trust = self._shared.trust
        return trust.days_left(trust.make(self._shared.manager.acquire()))

    @airflow_errors()
    def is_trusted(self, renew_within: timedelta = timedelta(0)) -> bool:
        """Return whether no person is needed; steps up if that is enough, and sends no text.

        :param renew_within: a person is needed already when the remembered device is trusted for less than this
        :raises BillConfigurationError: sessions of this kind of sign-in cannot pass MFA
        """
        self.check()
        days = self.days_left()
        if days is None:
            return True
        # A session can be trusted though no device is remembered that would make the next one so.
        return days > renew_within / timedelta(days=1) if renew_within else self._shared.manager.acquire().trusted

    @airflow_errors()
    def looks_trusted(self, renew_within: timedelta = timedelta(0)) -> bool:
        """Return whether the stored records say that no person is needed; asks BILL nothing.

        :param renew_within: as in :meth:`is_trusted`
        :raises BillStoreError: the records cannot be read
        """
        manager = self._shared.manager
        days = manager.devices.days_left()
        if days is not None and days > renew_within / timedelta(days=1):
            return True
        session = manager.peek()
        return not renew_within and session is not None and session.trusted and manager.is_live(session)

    @airflow_errors()
    def outcome(self, challenge: Challenge) -> Outcome:
        """Return what has become of a challenge: ``open``, ``answered``, ``replaced`` or ``over``; asks BILL nothing.

        ``answered`` means that somebody has passed MFA since, ``replaced`` that a newer text was sent, and ``over``
        that BILL has said that it will not take its code any more.

        :param challenge: what :meth:`challenge` returned
        :raises BillStoreError: the records cannot be read
        """
        return self._shared.mfa.outcome(challenge)

    @airflow_errors()
    def challenge(self, *, anew: bool = False) -> Challenge:
        """Have a code sent by text to the phone of the connection's user, unless one is on its way already.

        .. seealso:: https://developer.bill.com/reference/generatechallenge

        :param anew: send another, whatever is on its way
        :raises BillMfaError: no phone is registered
        :raises BillConfigurationError: sessions of this kind of sign-in cannot pass MFA; nothing was sent
        """
        self.check()
        return self._shared.mfa.challenge(self._shared.manager.acquire(), anew=anew)

    @airflow_errors()
    def challenge_if_needed(
        self, renew_within: timedelta = timedelta(0), *, instead_of: Challenge | None = None
    ) -> Challenge | None:
        """Have a code sent as :meth:`challenge` does, unless no person is needed any more.

        Trust is looked at when it is this caller's turn: texts are sent and codes entered one after the other.

        .. seealso:: https://developer.bill.com/reference/generatechallenge

        :param renew_within: as in :meth:`is_trusted`
        :param instead_of: the challenge whose code serves no more; another is sent unless that was done meanwhile
        :return: None if no person is needed
        :raises BillMfaError: no phone is registered
        :raises BillConfigurationError: sessions of this kind of sign-in cannot pass MFA; nothing was sent
        """
        self.check()
        return self._shared.mfa.challenge_if(
            lambda: not self.is_trusted(renew_within), self._shared.manager.acquire(), instead_of=instead_of
        )

    @airflow_errors()
    def whom(self, challenge: Challenge | None = None) -> dict[str, str]:
        """Return whose code it is: ``organization``, ``user`` (a hint) and the last digits of the ``phone``.

        What is not known is empty; BILL is asked for the phone where no challenge tells it.

        :param challenge: the one whose text was sent
        """
        session, mfa = self._shared.manager.acquire(), self._shared.mfa
        return {
            "organization": session.organization_id or self._shared.manager.identity.organization_id,
            "user": mfa.user(),
            "phone": mfa.phone(session) if challenge is None else challenge.phone,
        }

    @airflow_errors()
    def pending(self, *, also_over: bool = False) -> Challenge | None:
        """Return the challenge whose code can still be entered in the shared session, or None.

        :param also_over: also one whose time is over, or whose code was entered
        """
        return self._shared.mfa.pending(self._shared.manager.acquire(), also_over=also_over)

    @airflow_errors()
    def validate(self, challenge: Challenge, code: str, *, device: str = "", remember: bool = True) -> None:
        """Enter the code; the shared session is trusted afterwards, and for 30 days all later ones.

        If another has entered the code meanwhile, nothing is sent.

        .. seealso:: https://developer.bill.com/reference/validatechallenge

        :param challenge: what :meth:`challenge` returned
        :param code: six digits; spaces and dashes are ignored
        :param device: label of this installation at BILL, up to 100 characters; default: ``airflow-<connection>``
        :param remember: whether the device is trusted for 30 days, or only this session
        :raises BillMfaError: the code is wrong or too old, or the challenge is of another session, or not the newest
        """
        if isinstance(code, str):
            mask_secret(str(code))
            code = Secret(code)  # the frames of an error show no code
        self.check()
        self._shared.mfa.validate(
            self._shared.manager.acquire(), challenge, code, device=device or self._device, remember=remember
        )
