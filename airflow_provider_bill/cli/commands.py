"""What the commands do. Each returns its exit code; an error becomes one sentence on stderr."""

from __future__ import annotations

import getpass
import json
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_bill.cli import output
from airflow_provider_bill.exceptions import BillConfigurationError, BillError, BillMfaError, BillStoreError

if TYPE_CHECKING:
    from airflow_provider_bill.hooks.bill import BillHook
    from airflow_provider_bill.sessions.mfa import Challenge
    from airflow_provider_bill.sessions.overview import Overview

FINE, PROBLEM, USAGE = 0, 1, 2
#: Variables of the environment in which Airflow looks for connections.
_ENVIRONMENT = "AIRFLOW_CONN_"


class _UsageError(Exception):
    """The command was called wrongly."""


def run(name: str, args: Namespace) -> int:
    """Carry out a command and return its exit code.

    :param name: of the command
    :param args: what was given
    """
    # As Airflow's own commands do that look for connections: this process reaches the metadata database.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    try:
        with output.is_ours(), _logs_on_stderr(), _person():
            return _COMMANDS[name](args)
    except _UsageError as error:
        return _fail(str(error), USAGE)
    except BillError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("stopped; nothing more was sent")
    except BrokenPipeError:
        # What reads our output has seen enough.
        sys.stdout = None
        return PROBLEM
    except Exception as error:
        # Its own text can quote a connection, or a value that was written.
        return _fail(_sentence(error))


def check(args: Namespace) -> int:
    """Say of each connection what is wrong."""
    from airflow_provider_bill.cli.tables import print_rows

    _require_database()
    refusals = _overview().refusals
    rows: list[dict[str, Any]] = []
    for conn_id in args.conn_id or _known_connections():
        problem, advice = "", ""
        try:
            hook = _hook(conn_id)
            hook.get_conn()
            # Slow to derive, on purpose: a tenth of a second for each user.
            notes = hook.sign_in_notes() if refusals else ()
            held_up = next((row for row in refusals if row.connection == conn_id or row.key in notes), None)
            if args.sign_in:
                worked, said = hook.test_connection()
                problem = "" if worked else said
            elif held_up is not None:
                until = f" until {held_up.until.isoformat(timespec='seconds')}" if held_up.until else ""
                # Of an organization that a task names, and not the connection.
                other = held_up.organization_id if held_up.key not in notes else ""
                of, option = (f" to {other}", f" --organization {other}") if other else ("", "")
                problem = f"sign-ins{of} are {'blocked' if held_up.limit else 'refused'}{until} ({held_up.code})"
                forget = f"correct it, or airflow-bill forget {conn_id} --refusals{option}"
                advice = "wait until then" if held_up.limit else forget
        except BillError as error:
            problem, advice = str(error).removesuffix(f"; {error.advice}"), error.advice
        except Exception as error:
            problem, _, advice = _sentence(error).partition("; ")
        rows.append(
            {"connection": conn_id, "state": "problem" if problem else "fine", "problem": problem, "next_step": advice}
        )
    print_rows(rows, args.output)
    return PROBLEM if any(row["problem"] for row in rows) else FINE


def forget(args: Namespace) -> int:
    """Remove the stored session, and with ``--refusals`` the guard's notes too."""
    from airflow_provider_bill.sessions.stores import VariableStore

    _require_database()
    cleared = 0
    hook = _hook(args.conn_id, args.organization)
    if args.refusals:
        notes = hook.sign_in_notes()
        for refusal in _overview().refusals:
            own = refusal.connection == args.conn_id and refusal.organization_id in ("", args.organization or "")
            if own or refusal.key in notes:
                VariableStore().delete(refusal.key)
                cleared += 1
        output.say(f"{cleared} refused or blocked sign-ins of {args.conn_id} are forgotten.")
    found = hook.forget()
    output.say("The stored session is forgotten." if found else "No session was stored.")
    return FINE


def sessions(args: Namespace) -> int:
    """List what is known of sessions and refusals."""
    from airflow_provider_bill.cli.tables import print_rows, refusal_row, session_row, without_empty_columns

    now, known = datetime.now(UTC), _overview()
    rows = [session_row(row, now) for row in known.sessions] + [refusal_row(row) for row in known.refusals]
    rows = [row for row in rows if args.connection in (None, row["connection"])]
    print_rows(without_empty_columns(rows) if args.output == "table" else rows, args.output)
    return _name_unreadable(known)


def settle(args: Namespace) -> int:
    """Say how a write ended."""
    from airflow_provider_bill.hooks.bill import BillHook

    if args.done == args.not_done:
        raise _UsageError("give either --done or --not-done")
    if args.result is not None and not args.done:
        raise _UsageError("--result goes with --done")
    try:
        result = None if args.result is None else json.loads(args.result)
    except ValueError:
        raise _UsageError("--result is not JSON") from None
    _require_database()
    open_writes = {write.id: write for write in _overview().writes}
    if args.write_id not in open_writes:
        raise BillConfigurationError(
            f"no write {args.write_id[:40]!r} is open", advice="see `airflow-bill writes` for those that are"
        )
    BillHook.settle_write(args.write_id, carried_out=args.done, result=result)
    task = " ".join(str(part) for part in open_writes[args.write_id].task if part != -1)
    output.say(f"Write {args.write_id} is settled as {'done' if args.done else 'not done'}; now clear its task: {task}")
    return FINE


def sign_in(args: Namespace) -> int:
    """Make sure of a live session."""
    _require_database()
    hook = _hook(args.conn_id, args.organization)
    known = hook.live_handle() is not None
    session = hook.session()
    until = f"live until {session.expires_at.isoformat(timespec='seconds')} if unused" if session.expires_at else "live"
    output.say(
        f"{'Found a session of' if known else 'Signed in to'} {session.organization_id or 'BILL'} "
        f"({args.conn_id}), {until}, {'trusted' if session.trusted else 'not trusted'}."
    )
    return FINE


def sign_out(args: Namespace) -> int:
    """End the shared session."""
    _require_database()
    ended = _hook(args.conn_id, args.organization).sign_out()
    output.say("Signed out." if ended else "BILL had no session to end; none is stored any more.")
    return FINE


def trust(args: Namespace) -> int:
    """Pass MFA with the person at the keyboard."""
    if not args.code_from_stdin and not sys.stdin.isatty():
        raise _UsageError("nobody can be asked for the code in a pipe; use a terminal, or --code-from-stdin")
    _require_database()
    hook = _hook(args.conn_id, args.organization)
    challenge = hook.mfa.challenge_if_needed()
    if challenge is None:
        days = hook.mfa.days_left()
        still = "" if days is None else f", for {days:.1f} more days"
        output.say(f"{args.conn_id} is trusted already{still}; no text was sent.")
        return FINE
    output.say(f"BILL has sent a code by text at {challenge.sent_at[:19]} UTC to the phone of the connection's user.")
    while True:
        try:
            hook.mfa.validate(challenge, _code(args.code_from_stdin))
            break
        except BillMfaError as error:
            if not _may_try_again(hook, challenge, error):
                raise
            print(error, file=sys.stderr)
    days = hook.mfa.days_left()
    output.say(f"{args.conn_id} is trusted{'' if days is None else f' for {days:.1f} days'}.")
    return FINE


def writes(args: Namespace) -> int:
    """List the open writes."""
    from airflow_provider_bill.cli.tables import print_rows, write_row

    known = _overview()
    print_rows([write_row(row) for row in known.writes], args.output)
    return _name_unreadable(known)


_COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "check": check,
    "forget": forget,
    "sessions": sessions,
    "settle": settle,
    "sign-in": sign_in,
    "sign-out": sign_out,
    "trust": trust,
    "writes": writes,
}


def _hook(conn_id: str, organization_id: str | None = None) -> BillHook:
    from airflow_provider_bill.hooks.bill import BillHook

    return BillHook(conn_id, organization_id, store="variable")


def _overview() -> Overview:
    from airflow_provider_bill.hooks.stored import stored_entries
    from airflow_provider_bill.sessions.overview import overview

    return overview(stored_entries(), datetime.now(UTC))


def _require_database() -> None:
    """Refuse what would leave a session, or a refusal, where no task finds it.

    :raises BillStoreError: Airflow's Variables cannot be reached
    """
    from airflow_provider_bill.sessions.stores import variables_reachable

    if not variables_reachable():
        raise BillStoreError("Airflow's metadata database cannot be reached", advice=_DATABASE_ADVICE)


_DATABASE_ADVICE = "see whether `airflow db check` works with the same settings; nothing was sent"


def _known_connections() -> list[str]:
    """Return the ids of all connections of type bill, in the metadata database and in the environment."""
    from airflow.models.connection import Connection
    from airflow.providers.common.compat.sdk import BaseHook
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = set(session.scalars(select(Connection.conn_id).where(Connection.conn_type == "bill")))
    for name in os.environ:
        if name.startswith(_ENVIRONMENT):
            conn_id = name.removeprefix(_ENVIRONMENT).lower()
            try:
                if BaseHook.get_connection(conn_id).conn_type == "bill":
                    found.add(conn_id)
            except Exception:  # noqa: S112  # what cannot be read is of no known type
                continue
    return sorted(found)


def _code(from_stdin: bool) -> str:
    """Return a code that a person gives.

    :raises BillConfigurationError: there is none
    """
    try:
        code = sys.stdin.readline() if from_stdin else getpass.getpass("Code: ")
    except EOFError:
        code = ""
    if not code.strip():
        raise BillConfigurationError("no code was given", advice="run the command again; the text still counts")
    return code.strip()


def _may_try_again(hook: BillHook, challenge: Challenge, error: BillMfaError) -> bool:
    """Return whether BILL takes another try for the code that was asked for."""
    from airflow_provider_bill.sessions.mfa import WRONG_CODE

    # Without a code of BILL's, it was not sent: it is not six digits, or of an older text.
    pending = hook.mfa.pending() if error.code in (None, WRONG_CODE) else None
    return pending is not None and pending.challenge_id == challenge.challenge_id


def _name_unreadable(known: Overview) -> int:
    if not known.unreadable:
        return FINE
    first = ", ".join(known.unreadable[:3])
    print(f"{len(known.unreadable)} stored entries cannot be read, such as {first}.", file=sys.stderr)
    return PROBLEM


def _sentence(error: Exception) -> str:
    from airflow.providers.common.compat.sdk import AirflowNotFoundException
    from sqlalchemy.exc import SQLAlchemyError

    if isinstance(error, AirflowNotFoundException):
        return "the connection is not defined; see `airflow connections list` for those that are"
    if isinstance(error, SQLAlchemyError):
        return f"Airflow's metadata database cannot be read ({type(error).__name__}); {_DATABASE_ADVICE}"
    return f"it failed with {type(error).__name__}; see whether `airflow config list` and `airflow db check` work"


def _fail(sentence: str, code: int = PROBLEM) -> int:
    print(f"airflow-bill: {sentence}", file=sys.stderr)
    return code


@contextmanager
def _person() -> Iterator[None]:
    """Have sessions that are opened inside say which person opened them."""
    from airflow_provider_bill.hooks.wiring import PERSON

    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = str(os.getuid())
    token = PERSON.set(f"{name} (command line)")
    try:
        yield
    finally:
        PERSON.reset(token)


@contextmanager
def _logs_on_stderr() -> Iterator[None]:
    """Keep our log lines out of what is printed: only warnings are shown, and on stderr."""
    ours = logging.getLogger("airflow_provider_bill")
    before = ours.propagate
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    ours.addHandler(handler)
    ours.propagate = False
    try:
        yield
    finally:
        ours.removeHandler(handler)
        ours.propagate = before
