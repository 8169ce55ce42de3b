"""Rows of what is known, and how they are printed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from airflow_provider_bill.cli import output
from airflow_provider_bill.sessions.overview import KnownRefusal, KnownSession, OpenWrite

Row = dict[str, Any]


def session_row(session: KnownSession, now: datetime) -> Row:
    """Return a session as a row; its columns are those of :func:`refusal_row`."""
    return {
        "connection": session.connection,
        "organization": session.organization_id,
        "kind": session.kind,
        "environment": session.environment,
        "user": session.user or session.user_id,
        "signed_in_by": _who(session.signed_in_by),
        "since": _text(session.signed_in_at),
        "minutes_left": _rounded(session.minutes_left(now), 0),
        "trusted": session.trusted,
        "days_of_trust": _rounded(session.days_of_trust(now), 1),
        "code_sent_at": _text(session.code_sent_at),
        "state": "over" if session.minutes_left(now) == 0 else "live",
        "until": _text(session.expires_at),
    }


def refusal_row(refusal: KnownRefusal) -> Row:
    """Return sign-ins that are held up as a row."""
    return {
        **dict.fromkeys(SESSION_COLUMNS),
        "connection": refusal.connection,
        "organization": refusal.organization_id,
        "since": _text(refusal.at),
        "state": f"{'blocked' if refusal.limit else 'refused'} ({refusal.code or 'no code'})",
        "until": _text(refusal.until),
    }


SESSION_COLUMNS = (
    "connection",
    "organization",
    "kind",
    "environment",
    "user",
    "signed_in_by",
    "since",
    "minutes_left",
    "trusted",
    "days_of_trust",
    "code_sent_at",
    "state",
    "until",
)


def write_row(write: OpenWrite) -> Row:
    """Return an open write as a row."""
    settled = {None: "", True: "done", False: "not done"}[write.settled]
    return {
        "id": write.id,
        "call": write.call,
        "name": write.name,
        "at": _text(write.at),
        "task": " ".join(str(part) for part in write.task if part != -1),
        "settled": settled,
    }


def print_rows(rows: list[Row], form: str) -> None:
    """Print rows as a table, as JSON, as YAML or as columns without lines.

    :param form: ``table``, ``json``, ``yaml`` or ``plain``
    """
    if form == "json":
        output.say(json.dumps(rows, indent=2))
        return
    if form == "yaml":
        from airflow.utils import yaml

        output.say(yaml.dump(rows, sort_keys=False), end="")
        return
    from airflow.cli.simple_table import AirflowConsole
    from rich.markup import escape

    cells = [{name: _cell(value) for name, value in row.items()} for row in rows]
    if form == "plain":
        AirflowConsole(file=output.stream()).print_as_plain_table(cells)
        return
    # What BILL says can hold brackets, which are rich's own markup.
    AirflowConsole(file=output.stream()).print_as_table(
        [{name: escape(value) for name, value in row.items()} for row in cells]
    )


def without_empty_columns(rows: list[Row]) -> list[Row]:
    """Return rows without the columns in which none of them has anything, to fit a table in a window."""
    used = [name for name in (rows[0] if rows else ()) if any(row[name] not in (None, "") for row in rows)]
    return [{name: row[name] for name in used} for row in rows]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _who(signed_in_by: Mapping[str, str]) -> str:
    """Return who opened a session: a task, or a person at the command line."""
    return signed_in_by.get("person") or _joined(signed_in_by.get(k) for k in ("dag_id", "run_id", "task_id"))


def _joined(parts: Iterable[str | None]) -> str:
    return " ".join(part for part in parts if part)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _rounded(number: float | None, digits: int) -> float | int | None:
    if number is None:
        return None
    return round(number, digits) if digits else round(number)
