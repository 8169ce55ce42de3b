"""Where records live: Airflow Variables (default), the login task's XCom, or this process's memory.

A store keeps texts under keys and knows nothing of what they hold. The two Airflow adapters at the end import
Airflow only when they are used.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from airflow_provider_bill.exceptions import BillStoreError
from airflow_provider_bill.sessions.identity import XComLocation

log = logging.getLogger(__name__)

#: How often at most a Variable is written.
WRITE_ATTEMPTS = 3
#: Further reads of a missing Variable where Airflow (before 3.3) cannot tell "missing" from "failed".
MISS_READS = 2
#: A Variable that is there, to tell "missing" from "failed" by.
PROBE = "bill_write_probe"
#: Seconds between two attempts, drawn from this range.
PAUSE_SECONDS = (0.02, 0.1)
_ADVICE = "see whether Airflow's API server and metadata database answer, then run the task again"


class Store(Protocol):
    """Keeps one text for each key."""

    name: str
    #: Whether others read it than those who may read connections, and Airflow does not encrypt what lies there.
    exposed: bool

    def read(self, key: str) -> str | None:
        """Return the text, or None if there is none.

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
    exposed = False

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def read(self, key: str) -> str | None:
        """Return the text, or None."""
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
    """Keeps records in Airflow Variables: shared by every DAG and worker, encrypted at rest by Airflow's Fernet key.

    Airflow reports a Variable as missing also when its API server or database failed to answer, and "no session"
    costs a sign-in: so a miss is confirmed before it is believed.

    :param sleep: waits for so many seconds
    """

    name = "variable"
    exposed = False

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep

    def read(self, key: str) -> str | None:
        """Read the Variable."""
        try:
            value = _variable(key)
            return self._confirmed(key) if value is None else value
        except BillStoreError:
            raise
        except Exception as error:
            raise _failed("read", key, error) from None

    def write(self, key: str, text: str) -> None:
        """Write the Variable; of several that write at once, Airflow 2 fails all but one, and those try again."""
        Variable = _variables()
        for left in reversed(range(WRITE_ATTEMPTS)):
            try:
                Variable.set(key, text)
                return
            except Exception as error:
                if not left:
                    raise _failed("written", key, error) from None
            self._pause()

    def delete(self, key: str) -> None:
        """Delete the Variable."""
        try:
            _variables().delete(key)
        except Exception as error:
            raise _failed("deleted", key, error) from None

    def _confirmed(self, key: str) -> str | None:
        from airflow_provider_bill.version_compat import AIRFLOW_V_3_3_PLUS

        if not AIRFLOW_V_3_3_PLUS or _in_server():
            # Nothing tells "missing" from "failed"; a short failure is over by the last of these reads.
            for _ in range(MISS_READS):
                self._pause()
                if (value := _variable(key)) is not None:
                    return value
            return None
        from airflow.providers.common.compat.sdk import Variable

        # Unlike a read, the list of keys fails loudly.
        if key not in Variable.keys(prefix=key):
            return None
        self._pause()
        if (value := _variable(key)) is None and key in Variable.keys(prefix=key):
            raise BillStoreError(f"the record {key!r} is there and could not be read", advice=_ADVICE)
        return value

    def _pause(self) -> None:
        self._sleep(random.uniform(*PAUSE_SECONDS))  # noqa: S311  # spreads load, guards nothing


class XComStore:
    """Keeps records in the XCom of one login task: shared inside its DAG run only.

    :param location: the login task
    """

    name = "xcom"
    exposed = True

    def __init__(self, location: XComLocation) -> None:
        self.location = location

    def read(self, key: str) -> str | None:
        """Read the login task's XCom."""
        from airflow.providers.common.compat.sdk import XCom

        try:
            value = XCom.get_one(key=key, **vars(self.location))
        except Exception as error:
            raise _failed("read", key, error) from None
        return value if isinstance(value, str) else None

    def write(self, key: str, text: str) -> None:
        """Write the login task's XCom, from whichever task of its run this is."""
        from airflow.providers.common.compat.sdk import XCom

        try:
            XCom.set(key=key, value=text, **vars(self.location))
        except Exception as error:
            raise _failed("written", key, error) from None

    def delete(self, key: str) -> None:
        """Empty it: Airflow 2 cannot delete a single XCom by its key."""
        self.write(key, "")


class CertainVariableStore(VariableStore):
    """Variables whose miss is certain also before Airflow 3.3: for what must not be lost.

    Between two reads that miss, a Variable is read that is known to be there: no single failure can cover both and
    leave that one out.
    """

    def _confirmed(self, key: str) -> str | None:
        from airflow_provider_bill.version_compat import AIRFLOW_V_3_3_PLUS

        if AIRFLOW_V_3_3_PLUS:
            return super()._confirmed(key)
        if _variable(PROBE) is None:
            self.write(PROBE, "is there")
            if _variable(PROBE) is None:
                raise BillStoreError(f"whether there is a record {key!r} could not be found out", advice=_ADVICE)
        return _variable(key)


class TaskStateStore:
    """Keeps texts in Airflow's task state store (3.3): of one task instance, and longer than its tries.

    :param accessor: ``context["task_state_store"]``
    """

    name = "task_state"
    exposed = True

    def __init__(self, accessor: Any) -> None:
        self._accessor = accessor

    def read(self, key: str) -> str | None:
        """Return the text, or None."""
        try:
            value = self._accessor.get(key)
        except Exception as error:
            raise _failed("read", key, error) from None
        if value is None or isinstance(value, str):
            return value
        raise BillStoreError(f"the record {key!r} is there and is no text", advice=_ADVICE)

    def write(self, key: str, text: str) -> None:
        """Keep the text."""
        from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # its stubs lag behind

        try:
            self._accessor.set(key, text, retention=NEVER_EXPIRE)
        except Exception as error:
            raise _failed("written", key, error) from None

    def delete(self, key: str) -> None:
        """Forget the text."""
        try:
            self._accessor.delete(key)
        except Exception as error:
            raise _failed("deleted", key, error) from None


def variables_reachable() -> bool:
    """Return whether this process can read and write Airflow's Variables, be it a task or not.

    In a task it can. So can a task's callback, and on Airflow 2 whatever reaches the metadata database; a script or
    another interpreter of a task cannot on Airflow 3.
    """
    from airflow_provider_bill.version_compat import AIRFLOW_V_3_0_PLUS

    if AIRFLOW_V_3_0_PLUS and not has_supervisor() and not _in_server():
        return False
    try:
        VariableStore(sleep=lambda seconds: None).write(PROBE, "is there")
        return _variable(PROBE) is not None
    except BillStoreError:
        return False


def _variables() -> Any:
    if _in_server():
        # There is no supervisor to ask, but the metadata database is at hand.
        from airflow.models.variable import Variable as OfServer

        return OfServer
    from airflow.providers.common.compat.sdk import Variable

    return Variable


def _in_server() -> bool:
    """Return whether this process is Airflow 3's API server, or a command of its command line."""
    return os.environ.get("_AIRFLOW_PROCESS_CONTEXT") == "server" and not has_supervisor()


def has_supervisor() -> bool:
    """Return whether Airflow 3 runs user code here, with a supervisor that reads and writes for it."""
    return hasattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS")


def _variable(key: str) -> str | None:
    # Positional: the default's name differs between Airflow 2 and 3.
    value = _variables().get(key, None)
    return None if value is None else str(value)


def _failed(what: str, key: str, error: Exception) -> BillStoreError:
    # The error's own text can quote the value that was being written.
    return BillStoreError(
        f"the record {key!r} could not be {what} ({type(error).__name__})",
        advice=_ADVICE,
    )
