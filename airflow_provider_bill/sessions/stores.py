"""Where records live: Airflow Variables (default), the login task's XCom, or this process's memory.

A store keeps texts under keys and knows nothing of what they hold. The two Airflow adapters at the end import
Airflow only when they are used.
"""

from __future__ import annotations

import logging
from typing import Protocol

from airflow_provider_bill.exceptions import BillStoreError
from airflow_provider_bill.sessions.identity import XComPlace

log = logging.getLogger(__name__)


class Store(Protocol):
    """Keeps one text for each key."""

    name: str

    def read(self, key: str) -> str | None:
        """Give the text, or None if there is none.

        :raises BillStoreError: the store cannot be read, which is not the same as "there is none"
        """

    def write(self, key: str, text: str) -> None:
        """Keep the text in place of what was there.

        :raises BillStoreError: it could not be kept
        """

    def delete(self, key: str) -> None:
        """Forget the text; nothing happens if there is none.

        :raises BillStoreError: it could not be forgotten
        """


class MemoryStore:
    """Keeps records for as long as this process lives."""

    name = "memory"

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def read(self, key: str) -> str | None:
        """Give the text, or None."""
        return self._texts.get(key)

    def write(self, key: str, text: str) -> None:
        """Keep the text."""
        self._texts[key] = text

    def delete(self, key: str) -> None:
        """Forget the text."""
        self._texts.pop(key, None)


#: One for the process, so that two hooks in one script share a session too.
PROCESS_MEMORY = MemoryStore()


class VariableStore:
    """Keeps records in Airflow Variables: shared by every DAG and worker, encrypted at rest by Airflow's Fernet key."""

    name = "variable"

    def read(self, key: str) -> str | None:
        """Read the Variable."""
        from airflow.providers.common.compat.sdk import Variable

        try:
            # Positional: the default's name differs between Airflow 2 and 3.
            value = Variable.get(key, None)
        except Exception as error:
            raise _failed("read", key, error) from None
        return None if value is None else str(value)

    def write(self, key: str, text: str) -> None:
        """Write the Variable."""
        from airflow.providers.common.compat.sdk import Variable

        try:
            Variable.set(key, text)
        except Exception as error:
            raise _failed("written", key, error) from None

    def delete(self, key: str) -> None:
        """Delete the Variable."""
        from airflow.providers.common.compat.sdk import Variable

        try:
            Variable.delete(key)
        except Exception as error:
            raise _failed("deleted", key, error) from None


class XComStore:
    """Keeps records in the XCom of one login task: shared inside its DAG run only.

    :param place: the login task
    """

    name = "xcom"

    def __init__(self, place: XComPlace) -> None:
        self.place = place

    def read(self, key: str) -> str | None:
        """Read the login task's XCom."""
        from airflow.providers.common.compat.sdk import XCom

        try:
            value = XCom.get_one(key=key, **vars(self.place))
        except Exception as error:
            raise _failed("read", key, error) from None
        return value if isinstance(value, str) else None

    def write(self, key: str, text: str) -> None:
        """Write the login task's XCom, from whichever task of its run this is."""
        from airflow.providers.common.compat.sdk import XCom

        try:
            XCom.set(key=key, value=text, **vars(self.place))
        except Exception as error:
            raise _failed("written", key, error) from None

    def delete(self, key: str) -> None:
        """Empty it: Airflow 2 cannot delete a single XCom by its key."""
        self.write(key, "")


def _failed(what: str, key: str, error: Exception) -> BillStoreError:
    # The error's own text can quote the value that was being written.
    return BillStoreError(
        f"the record {key!r} could not be {what} ({type(error).__name__})",
        advice="see whether Airflow's API server and metadata database answer, then run the task again",
    )
