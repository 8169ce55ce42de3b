"""A process that runs tries of tasks that pay, each in a child that may be killed at any step: `python -m dev.payer`.

It reads a `PayJob` as a JSON object from a line of its input, prints the child's process id, and then how the try ended
as another JSON object; or an empty line, if the child was killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.environments import resolve_environment
from airflow_provider_bill.client.request import BillRequest
from airflow_provider_bill.client.session import utc_now
from airflow_provider_bill.client.transport import HttpResponse, Transport
from airflow_provider_bill.exceptions import BillError
from airflow_provider_bill.sessions.locks import ProcessLock
from airflow_provider_bill.sessions.shared import SharedSession
from airflow_provider_bill.sessions.stores import Store
from airflow_provider_bill.sessions.writes import DurableWrites, TaskTry
from dev.paths import ROOT
from dev.shared_store import SharedStore


@dataclass(frozen=True)
class PayJob:
    """One try of a task instance.

    :param url: the local BILL
    :param connection: an Airflow connection's `login`, `password` and `extra`
    :param sessions: folder of the store in which the session is shared
    :param notes: folder of the store in which the task instance's notes are
    :param payments: bodies, in order
    :param keys: their idempotency keys; empty: they are numbered
    :param latency: of the store of the notes, least and most milliseconds
    :param killed: at which step it is killed, by SIGKILL: `before` or `after`, operation, end of the key, and how many
        such steps pass first; operation `send` is a sending. Empty: it is not
    """

    url: str
    connection: dict[str, Any]
    sessions: str
    notes: str
    payments: list[dict[str, Any]]
    keys: list[str] = field(default_factory=list)
    latency: tuple[float, float] = (0, 0)
    killed: tuple[str, str, str, int] | tuple[()] = ()


@dataclass(frozen=True)
class Ended:
    """How a try ended.

    :param ids: BILL's ids of what was paid, as the task was told
    :param error: class of the error; empty for none
    :param message: of the error
    """

    ids: list[str]
    error: str = ""
    message: str = ""


class Death:
    """Kills this process at a step."""

    def __init__(self, killed: tuple[str, str, str, int] | tuple[()]) -> None:
        self._when, self._operation, self._key, self._left = killed or ("", "", "", 0)

    def comes(self, when: str, operation: str, key: str = "") -> None:
        """Pass a step."""
        if (when, operation) == (self._when, self._operation) and key.endswith(self._key):
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1


class DeadlyStore:
    """A store next to whose operations the process may be killed."""

    name = "variable"
    exposed = False

    def __init__(self, store: Store, death: Death) -> None:
        self._store = store
        self._death = death

    def read(self, key: str) -> str | None:
        """Return the text, or None."""
        self._death.comes("before", "read", key)
        text = self._store.read(key)
        self._death.comes("after", "read", key)
        return text

    def write(self, key: str, text: str) -> None:
        """Keep the text."""
        self._death.comes("before", "write", key)
        self._store.write(key, text)
        self._death.comes("after", "write", key)

    def delete(self, key: str) -> None:
        """Forget the text."""
        self._death.comes("before", "delete", key)
        self._store.delete(key)
        self._death.comes("after", "delete", key)


class DeadlyTransport(Transport):
    """A transport next to whose sendings of a write the process may be killed."""

    death = Death(())

    def send(self, request: BillRequest, url: str, **kwargs: Any) -> HttpResponse:
        """Send."""
        if not request.is_write:
            return super().send(request, url, **kwargs)
        self.death.comes("before", "send")
        answer = super().send(request, url, **kwargs)
        self.death.comes("after", "send")
        return answer


def pay(job: PayJob) -> Ended:
    """Run the try."""
    death = Death(job.killed)
    connection: Mapping[str, Any] = job.connection
    fields = {"login": connection.get("login"), "password": connection.get("password"), **connection["extra"]}
    transport = DeadlyTransport()
    transport.death = death
    client = BillClient(
        credentials_from("v3", fields), resolve_environment("sandbox", job.url), transport=transport, clock=utc_now
    )
    store = DeadlyStore(SharedStore(Path(job.notes), latency=job.latency), death)
    writes = DurableWrites(store, "bill_write", settlements=SharedStore(Path(job.notes)), task_try=TaskTry())
    shared = SharedSession(
        client, "bill", store=SharedStore(Path(job.sessions)), lock=ProcessLock(), writes=lambda: writes
    )
    ids: list[str] = []
    try:
        for number, body in enumerate(job.payments):
            request = client.prepare("POST", "/v3/payments", body=body)
            answer = shared.send(request, idempotency_key=job.keys[number] if job.keys else None)
            ids.append(answer.required_text("id"))
    except BillError as error:
        return Ended(ids, type(error).__name__, str(error))
    return Ended(ids)


class Payer:
    """Starts the tries of task instances, each in a process of its own, from one that has loaded all they need.

    A context manager that leaves no process behind.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dev.payer"],
            cwd=ROOT,
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def start(self, job: PayJob) -> int:
        """Start a try and return its process id."""
        self._stream(self._process.stdin).write(f"{json.dumps(asdict(job))}\n")
        self._stream(self._process.stdin).flush()
        return int(self._stream(self._process.stdout).readline())

    def end(self) -> Ended | None:
        """Wait for the end of the try and return it; None if its process was killed."""
        text = self._stream(self._process.stdout).readline().strip()
        return Ended(**json.loads(text)) if text else None

    def run(self, job: PayJob) -> Ended | None:
        """Run a try to its end."""
        self.start(job)
        return self.end()

    @staticmethod
    def _stream(stream: IO[str] | None) -> IO[str]:
        if stream is None:
            raise RuntimeError("a payer has no input or output")
        return stream


def main() -> None:
    """Run one try after the other, each in a child process, until there are no more."""
    for line in iter(sys.stdin.readline, ""):
        job = json.loads(line)
        out, into = os.pipe()
        pid = os.fork()
        if not pid:
            with os.fdopen(into, "w") as output:
                output.write(json.dumps(asdict(pay(PayJob(**{**job, "killed": tuple(job["killed"])})))))
            os._exit(0)
        os.close(into)
        print(pid, flush=True)
        with os.fdopen(out) as input_:
            text = input_.read()
        os.waitpid(pid, 0)
        print(text, flush=True)


if __name__ == "__main__":
    main()
