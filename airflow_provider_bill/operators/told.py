"""What was told already, so that a task that runs every 20 minutes tells it once."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from airflow_provider_bill.exceptions import BillStoreError

if TYPE_CHECKING:
    from airflow_provider_bill.hooks.bill import BillHook

#: How much is remembered of a subject.
_MOST = 20


class Told:
    """What was told about a connection, in a Variable; without a secret.

    :param hook: of the connection
    :param subject: ``refused``: of all organizations of the connection; ``trust``: of its organization
    """

    def __init__(self, hook: BillHook, subject: str) -> None:
        from airflow_provider_bill.sessions.keys import told_key
        from airflow_provider_bill.sessions.stores import VariableStore

        self._store = VariableStore()
        self._key = told_key(hook._shared.manager.identity, subject)

    def is_new(self, what: str) -> bool:
        """Return whether this was not told yet.

        :raises BillStoreError: the store cannot be read
        """
        return what not in self._read()

    def note(self, what: str) -> None:
        """Remember that it was told; if that cannot be stored, it is told again."""
        with contextlib.suppress(BillStoreError):
            before = [one for one in self._read() if one != what]
            self._store.write(self._key, json.dumps([*before, what][-_MOST:]))

    def forget(self) -> None:
        """Forget all of it: it is no longer so."""
        with contextlib.suppress(BillStoreError):
            if self._read():
                self._store.delete(self._key)

    def _read(self) -> list[str]:
        try:
            found = json.loads(self._store.read(self._key) or "[]")
        except (ValueError, RecursionError):
            return []
        return [what for what in found if isinstance(what, str)] if isinstance(found, list) else []
