"""What the buttons of the page do. Each finds its row first, so that pressing twice does no harm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_bill.client.session import Clock
from airflow_provider_bill.exceptions import BillConfigurationError, BillError
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.sessions.keys import settlement_key
from airflow_provider_bill.sessions.overview import KnownSession, Overview
from airflow_provider_bill.sessions.stores import VariableStore


@dataclass(frozen=True)
class Press:
    """A button that was pressed.

    :param action: one of ``ACTIONS``
    :param target: key of the session's record or of the note, or id of the write
    :param result: BILL's id of what a write has made, where a person has given it
    """

    action: str
    target: str
    result: str = ""

    @property
    def variable(self) -> str:
        """The Variable that it changes."""
        return settlement_key(self.target) if self.action in ("done", "not_done") else self.target


def act(press: Press, known: Overview, clock: Clock) -> str:
    """Do what a button says, and return a sentence about it.

    :param known: what the person may see; nothing else is touched
    :raises BillError: it could not be done
    """
    return ACTIONS[press.action](press, known, clock)


def _sign_out(press: Press, known: Overview, clock: Clock) -> str:
    session = _session(press.target, known)
    if session is None:
        return "That session is no longer stored: nothing to sign out of."
    with BillHook(session.connection, session.organization_id or None, store="variable", clock=clock) as hook:
        if not _is_current(hook, session):
            raise BillConfigurationError(
                f"The session of {session.connection!r} is over, or the connection has changed since it was opened",
                advice="press Forget",
            )
        ended = hook.sign_out()
    return f"{'Signed out' if ended else 'Forgotten; BILL had no session to end'}: {_of(session)}."


def _forget(press: Press, known: Overview, clock: Clock) -> str:
    session = _session(press.target, known)
    if session is None:
        return "That session is no longer stored."
    # By its key: so it works too when the connection has been changed or deleted.
    VariableStore().delete(session.key)
    return f"Forgotten: {_of(session)}. The next task signs in anew."


def _ask_for_code(press: Press, known: Overview, clock: Clock) -> str:
    session = _session(press.target, known)
    if session is None:
        return "That session is no longer stored: no code was sent."
    with BillHook(session.connection, session.organization_id or None, store="variable", clock=clock) as hook:
        if session.minutes_left(clock()) != 0 and not _is_current(hook, session):
            raise BillConfigurationError(
                f"The connection {session.connection!r} has changed since this session was opened",
                advice="press Forget; no code was sent",
            )
        challenge = hook.mfa.challenge_if_needed()
    if challenge is None:
        return f"None is needed, so no code was sent: {_of(session)} is trusted."
    return (
        f"A code is on its way by text for {_of(session)}; it can be entered until {challenge.ends_at:%H:%M} UTC, "
        "in the form of a waiting task."
    )


def _clear(press: Press, known: Overview, clock: Clock) -> str:
    note = next((note for note in known.refusals if note.key == press.target), None)
    if note is None:
        return "That refusal is no longer stored."
    VariableStore().delete(note.key)
    return f"Cleared: the next task of {note.connection!r} signs in again."


def _settle(press: Press, known: Overview, clock: Clock) -> str:
    write = next((write for write in known.writes if write.id == press.target), None)
    if write is None:
        return "That write is no longer open."
    done = press.action == "done"
    BillHook.settle_write(write.id, carried_out=done, result={"id": press.result} if done and press.result else None)
    said = "carried out: it will not be sent again" if done else "not carried out: it will be sent again"
    return f"Write {write.id} counts as {said}. Now clear its task."


#: What buttons there are.
ACTIONS: dict[str, Callable[[Press, Overview, Clock], str]] = {
    "sign_out": _sign_out,
    "forget": _forget,
    "ask_for_code": _ask_for_code,
    "clear": _clear,
    "done": _settle,
    "not_done": _settle,
}


def said(error: BillError) -> str:
    """Return an error as a sentence for the page."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _session(key: str, known: Overview) -> KnownSession | None:
    return next((session for session in known.sessions if session.key == key), None)


def _is_current(hook: BillHook, session: KnownSession) -> bool:
    """Return whether a row is the live session that the connection, as it is now, would use."""
    handle = hook.live_handle()
    return handle is not None and handle["key"] == session.key


def _of(session: KnownSession) -> str:
    return f"{session.connection}, {session.organization_id or 'no organization'}"
