"""Passing MFA with a person: one text however many ask, the code checked, the device remembered."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import pendulum
from pendulum import DateTime

from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.exceptions import (
    BillError,
    BillMfaError,
    BillSessionExpiredError,
    BillStoreError,
    BillUnavailableError,
)
from airflow_provider_bill.sessions import keys
from airflow_provider_bill.sessions.devices import DEVICE_LIFE, user_hint
from airflow_provider_bill.sessions.locks import Lock
from airflow_provider_bill.sessions.manager import SessionManager
from airflow_provider_bill.sessions.stores import Store
from airflow_provider_bill.sessions.times import from_text

log = logging.getLogger(__name__)

#: What has become of a challenge: its code can be entered, or somebody has passed MFA since, or a newer text was sent,
#: or BILL has said that its code can no longer be entered.
Outcome = Literal["open", "answered", "replaced", "over"]

#: How long a code can be entered: undocumented; clients saw it end after a few minutes.
CODE_LIFE = pendulum.duration(minutes=5)
#: Tries that BILL leaves for one code, as clients saw it.
TRIES = 3
WRONG_CODE = "BDC_1355"
#: The code or its challenge is over, so that a new text is needed.
OVER = frozenset({"BDC_1356", "BDC_1374"})
#: The challenge is over, and clients saw BILL refuse a new one for some minutes.
TOO_MANY = "BDC_1358"


@dataclass(frozen=True)
class Challenge:
    """A code that BILL has sent and that nobody has entered yet; holds no secret.

    :param challenge_id: BILL's id, of use only within its session
    :param session: fingerprint of that session
    :param sent_at: ISO 8601, when the text was sent
    :param wrong: how many wrong codes were entered
    :param texts: how many texts were sent one after the other, this one included
    :param over: whether BILL has said that its code can no longer be entered
    :param answered: whether its code was entered and taken
    :param renewal: whether the session was trusted already, so that only a new device is an answer
    :param phone: the last digits of the phone, as far as BILL tells them
    """

    challenge_id: str
    session: str
    sent_at: str
    wrong: int = 0
    texts: int = 1
    over: bool = False
    answered: bool = False
    renewal: bool = False
    phone: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON, as XCom wants it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: object) -> Challenge:
        """Read what :meth:`as_dict` gave.

        :raises BillMfaError: it is not such a dict
        """
        kinds = {"wrong": int, "texts": int, "over": bool, "answered": bool, "renewal": bool}
        try:
            challenge = cls(**value)  # type: ignore[arg-type]  # checked by the except and below
            _ = challenge.ends_at  # it must have one
            if all(type(value) is kinds.get(name, str) for name, value in vars(challenge).items()):
                return challenge
        except (TypeError, ValueError, OverflowError):
            pass
        raise BillMfaError(
            "challenge is not what a challenge task returned",
            advice="pass its output unchanged, as in challenge=challenge.output",
        )

    @property
    def ends_at(self) -> DateTime:
        """When its code can no longer be entered."""
        return from_text(self.sent_at) + CODE_LIFE

    @property
    def tries_left(self) -> int:
        """How many codes BILL will still look at."""
        return 0 if self.over else max(0, TRIES - self.wrong)


class Mfa:
    """Makes the shared session trusted with the help of a person.

    Whoever has a text sent or enters a code takes a turn, one at a time for each of BILL's users: so that nobody sends
    what another has sent meanwhile, nor enters what another has entered.

    :param manager: of the shared session
    :param store: where the open challenge is noted, for whoever asks next
    :param lock: gives the turns
    """

    def __init__(self, manager: SessionManager, store: Store, lock: Lock) -> None:
        self._manager = manager
        self._store = store
        self._lock = lock
        self._key = keys.challenge_key(manager.identity)
        self._turn = keys.mfa_turn_key(manager.identity, manager.client.credentials.mfa_user())

    def challenge(self, session: BillSession, *, anew: bool = False, instead_of: Challenge | None = None) -> Challenge:
        """Have a code sent to the user's phone, unless one is on its way already.

        :param anew: send another, whatever is on its way
        :param instead_of: the challenge whose code serves no more; another is sent unless that was done meanwhile
        :raises BillMfaError: no phone is registered
        """

        def ask(live: BillSession) -> Challenge | None:
            return self._ask(live, instead_of or (self._open(live) if anew else None))

        challenge = self._manager.with_renewal(ask, session=session)
        if challenge is None:
            raise AssertionError("there is no challenge though one was wanted")
        return challenge

    def challenge_if(
        self, needed: Callable[[], bool], session: BillSession, *, instead_of: Challenge | None = None
    ) -> Challenge | None:
        """Have a code sent as :meth:`challenge` does, if one is needed still when it is this caller's turn.

        :param needed: tells whether a code is needed
        :return: None if none was needed any more
        """
        return self._manager.with_renewal(lambda live: self._ask(live, instead_of, needed), session=session)

    def validate(
        self, session: BillSession, challenge: Challenge, code: str, *, device: str, remember: bool = True
    ) -> None:
        """Enter the code; the shared session is trusted afterwards, and the device is remembered.

        A code of an older text than the newest is not sent, as BILL would count it against the newest. If another has
        entered the code meanwhile, nothing is sent either, and that is no error.

        :param code: six digits; spaces and dashes are ignored
        :param device: label of this installation, up to 100 characters
        :raises BillMfaError: the code is wrong or over, or the challenge is of another session, or not the newest
        """
        if not hmac.compare_digest(challenge.session, self._fingerprint(session)):
            raise _of_another_session()
        try:
            with self._lock.acquire(self._turn, lambda: self._answered(session, challenge)) as answered:
                if answered is not None:
                    log.info("The code was entered by somebody else at the same time; the session is trusted.")
                    self._manager.adopt(answered)
                    return
                self._raise_if_older(session, challenge)
                self._enter(session, challenge, code, device=device, remember=remember)
        except BillSessionExpiredError:
            self._manager.renew(session)
            raise _of_another_session() from None

    def pending(self, session: BillSession, *, also_over: bool = False) -> Challenge | None:
        """Return the challenge whose code can still be entered in this session.

        :param also_over: also one whose time is over, or whose code was entered
        """
        challenge = self._open(session)
        if challenge is None or also_over:
            return challenge
        over = not challenge.tries_left or challenge.answered or challenge.ends_at <= self._manager.clock()
        return None if over else challenge

    def outcome(self, challenge: Challenge) -> Outcome:
        """Return what has become of a challenge, as far as it is noted; sends nothing.

        :raises BillStoreError: the store cannot be read
        """
        stored, sent_at = self._manager.peek(), from_text(challenge.sent_at)
        device = self._manager.devices.record()
        if device is not None and device.refused_at is None and device.issued_at and device.issued_at >= sent_at:
            return "answered"
        if stored is None:
            return "open"
        noted = self._open(stored)
        trusted = stored.trusted and self._manager.is_live(stored)
        entered = noted is not None and noted.answered and from_text(noted.sent_at) >= sent_at
        if trusted and (entered or not challenge.renewal):
            return "answered"
        if noted is None or noted.challenge_id == challenge.challenge_id:
            return "open" if (noted or challenge).tries_left else "over"
        return "replaced" if self.pending(stored) is not None else "open"

    def user(self) -> str:
        """Return as much of BILL's user as shows whose phone it is."""
        return user_hint(self._manager.client.credentials.mfa_user())

    def phone(self, session: BillSession) -> str:
        """Return the last digits of the phone that gets the texts; empty if BILL does not tell them."""
        try:
            phones = self._manager.client.mfa.phones(session)
        except BillError as error:  # The text can be sent all the same.
            log.debug("BILL did not say which phone gets the text (%s).", type(error).__name__)
            return ""
        digits = next((phone.last_digits for phone in sorted(phones, key=lambda phone: not phone.primary)), "")
        # It goes into a form that many can read: no more than four, whatever BILL gives.
        return digits[-4:] if digits.isdecimal() else ""

    def _ask(
        self, session: BillSession, old: Challenge | None, needed: Callable[[], bool] = lambda: True
    ) -> Challenge | None:
        with self._lock.acquire(self._turn, lambda: self._fresh(session, old)) as found:
            if found is not None:
                log.info("A code was sent by text at %s and can still be entered.", found.sent_at)
                return found
            if not needed():
                return None
            self._lock.prolong(self._turn)  # looking at trust can take several calls
            session = self._manager.acquire()  # and renew the session
            if (found := self._fresh(session, old)) is not None:  # in another's, for which a code is on its way
                return found
            phone = self.phone(session)
            self._lock.prolong(self._turn)
            before = self._open(session) if old else None
            challenge = Challenge(
                self._manager.client.mfa.challenge(session),
                self._fingerprint(session),
                self._manager.clock().isoformat(),
                texts=before.texts + 1 if before else 1,
                renewal=session.trusted,
                phone=phone,
            )
            self._note(challenge)
        where = f" that ends in {phone}" if phone else ""
        log.info("BILL sends a code by text to the phone%s of its user %s.", where, self.user())
        return challenge

    def _enter(self, session: BillSession, challenge: Challenge, code: str, *, device: str, remember: bool) -> None:
        def send() -> RememberedDevice | None:
            return self._manager.client.mfa.validate(
                session,
                challenge.challenge_id,
                code,
                device=device,
                machine_name="Airflow",
                remember=remember,
            )

        sent_at = self._manager.clock()
        try:
            remembered = self._send(session, send)
        except BillMfaError as error:
            challenge = self._refused(session, challenge, error.code)
            if error.code != WRONG_CODE:
                raise
            raise BillMfaError(
                f"the MFA code is wrong; BILL leaves {challenge.tries_left} more tries for this one",
                advice=error.advice,
                code=error.code,
                status=error.status,
            ) from None
        if remembered is not None:
            self._manager.devices.remember(remembered, sent_at)
        elif remember:
            log.warning("BILL took the code and gave no remembered device: the next session will need a new code.")
        self._manager.save_trust(session.used(sent_at))
        self._note(replace(challenge, answered=True))
        log.info(
            "BILL has taken the code of its user %s: the session is trusted%s.",
            self.user(),
            "" if remembered is None else f", and for {DEVICE_LIFE.in_days()} days every later one",
        )

    def _send(self, session: BillSession, send: Callable[[], RememberedDevice | None]) -> RememberedDevice | None:
        """Enter a code, and once more if the answer was lost, or find out that BILL has taken it."""
        with contextlib.suppress(BillUnavailableError):
            return send()
        log.warning("BILL's answer to the MFA code was lost; entering it once more.")
        self._lock.prolong(self._turn)
        try:
            return send()
        except (BillUnavailableError, BillMfaError):
            self._lock.prolong(self._turn)
            # A code that was taken is over.
            if not self._manager.client.mfa.state(session).may_pay:
                raise
            return None

    def _raise_if_older(self, session: BillSession, challenge: Challenge) -> None:
        noted = self._open(session)
        if noted is None or noted.challenge_id == challenge.challenge_id:
            return
        # One that could not be noted is newer than the noted one.
        if from_text(noted.sent_at) >= from_text(challenge.sent_at):
            raise BillMfaError(
                "a newer text was sent since this code was asked for, so it was not entered",
                advice="enter the code from the newest text message",
            )

    def _answered(self, session: BillSession, challenge: Challenge) -> BillSession | None:
        """Return the trusted session if the challenge, or one after it, was answered meanwhile."""
        noted = self._open(session)
        if noted is None or not noted.answered or from_text(noted.sent_at) < from_text(challenge.sent_at):
            return None
        stored = self._manager.peek()
        mine = stored is not None and stored.session_token == session.session_token
        return stored if stored is not None and mine and stored.trusted else None

    def _refused(self, session: BillSession, challenge: Challenge, code: str | None) -> Challenge:
        """Note what BILL has said to a code, and give the challenge with all its wrong codes counted."""
        noted = self._open(session)
        if noted is not None and noted.challenge_id == challenge.challenge_id:
            challenge = noted  # One from XCom does not know of the tries since.
        over = code == TOO_MANY or code in OVER
        if over or code == WRONG_CODE:
            challenge = replace(challenge, wrong=challenge.wrong + (code == WRONG_CODE), over=over)
            self._note(challenge)
        return challenge

    def _fresh(self, session: BillSession, old: Challenge | None) -> Challenge | None:
        challenge = self.pending(session)
        return None if old and challenge and challenge.challenge_id == old.challenge_id else challenge

    def _open(self, session: BillSession) -> Challenge | None:
        try:
            document = json.loads(self._store.read(self._key) or "null")
            challenge = Challenge.from_dict(document)
        except (ValueError, RecursionError, BillMfaError):
            return None
        return challenge if challenge.session == self._fingerprint(session) else None

    def _note(self, challenge: Challenge) -> None:
        try:
            self._store.write(self._key, json.dumps(challenge.as_dict()))
        except BillStoreError as error:
            log.warning("The MFA challenge could not be noted; a retry could send another text: %s", error)

    def _fingerprint(self, session: BillSession) -> str:
        secret = session.session_token.encode()
        return hmac.new(secret, b"airflow-provider-bill challenge", hashlib.sha256).hexdigest()[:24]


def _of_another_session() -> BillMfaError:
    return BillMfaError(
        "the challenge is of another session than the one in use now",
        advice="ask for a new code",
        code="BDC_1356",
    )
