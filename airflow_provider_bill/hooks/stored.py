"""All that is stored about BILL, read at once from Airflow's metadata database: for its command line and its pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from airflow_provider_bill.sessions.overview import PREFIX, Entry


def stored_entries() -> Iterator[Entry]:
    """Read every Variable and every entry of a task's state store that is ours.

    Only where Airflow lets the metadata database be reached, which a task on Airflow 3 is not.
    """
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from airflow_provider_bill.version_compat import AIRFLOW_V_3_3_PLUS

    like = f"{PREFIX.replace('_', '~_')}%"
    with create_session() as session:
        # Not as objects: Airflow's masker takes the text of each into its one pattern, minutes for thousands of them.
        columns = select(Variable.key, Variable._val, Variable.is_encrypted)
        decoder: Any = Variable()  # type: ignore[no-untyped-call]
        for row in session.execute(columns.where(Variable.key.like(like, escape="~"))):
            key, decoder._val, decoder.is_encrypted = row
            yield Entry(str(key), decoder.get_val() or "")
        if not AIRFLOW_V_3_3_PLUS:
            return
        from airflow.models.task_state_store import TaskStateStoreModel as State

        for state in session.scalars(select(State).where(State.key.like(like, escape="~"))):
            place = (state.dag_id, state.run_id, state.task_id, state.map_index)
            yield Entry(state.key, _text(state.value), place)


def _text(value: str) -> str:
    """Return the text in what Airflow keeps as JSON; empty if it is none, as one bad entry must hide no other."""
    try:
        text = json.loads(value)
    except (ValueError, TypeError, RecursionError):
        return ""
    return text if isinstance(text, str) else ""
