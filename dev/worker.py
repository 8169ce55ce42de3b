"""A worker process whose tasks all want a session at once: `python -m dev.worker`.

It reads a `Job` as a JSON object from a line of its input, prints `ready`, waits for another line, prints the
outcome of each task, and waits for the next job. Its host is the temporary folder that it is started with.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pendulum

from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.environments import resolve_environment
from airflow_provider_bill.client.session import BillSession, Clock
from airflow_provider_bill.exceptions import BillError
from airflow_provider_bill.hooks.connection_words import kind_of
from airflow_provider_bill.sessions.locks import LEASE_SECONDS, LeaseLock
from airflow_provider_bill.sessions.shared import SharedSession
from airflow_provider_bill.sessions.stores import Store, VariableStore
from dev.clock import START
from dev.shared_store import SharedStore


@dataclass(frozen=True)
class Job:
    """What a worker is to do.

    :param url: the local BILL
    :param connection: an Airflow connection's `login`, `password` and `extra`
    :param folder: the shared store's; empty: the Variables of the Airflow that `AIRFLOW_HOME` names
    :param organizations: one for each task; empty: the connection's own
    :param latency: of the shared store, least and most milliseconds
    :param failures: of the shared store, share of its operations
    :param tries: how often a task begins anew after an error, whatever the error
    :param lease_seconds: how long the lease of a dead worker lives
    :param clock_at: moment at which this host's clock starts to run
    :param killed: `before` or `after` its sign-in, by SIGKILL; empty: it is not
    """

    url: str
    connection: dict[str, Any]
    folder: str
    organizations: list[str] = field(default_factory=lambda: [""])
    latency: tuple[float, float] = (0, 0)
    failures: float = 0
    tries: int = 1
    lease_seconds: float = LEASE_SECONDS
    clock_at: str = START.isoformat()
    killed: str = ""


@dataclass(frozen=True)
class Outcome:
    """How one task ended.

    :param seconds: until it had its session, or failed
    :param session: fingerprint of the session; empty for none
    :param organization: the session's
    :param errors: class and text of the error of each try that failed
    """

    seconds: float
    session: str = ""
    organization: str = ""
    errors: list[str] = field(default_factory=list)


class KilledClient(BillClient):
    """A client whose process is killed next to its sign-in."""

    killed = ""

    def sign_in(
        self, remembered_device: RememberedDevice | None = None, *, before_each: Callable[[], None] = lambda: None
    ) -> BillSession:
        """Sign in, and be killed before or after it."""
        if self.killed == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        session = super().sign_in(remembered_device, before_each=before_each)
        if self.killed == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return session


def new_shared_session(
    store: Store,
    url: str,
    connection: Mapping[str, Any],
    *,
    organization_id: str = "",
    lease_seconds: float = LEASE_SECONDS,
    clock: Clock,
    killed: str = "",
) -> SharedSession:
    """Return a shared session as the hook makes it, with another store."""
    fields = {"login": connection.get("login"), "password": connection.get("password"), **connection["extra"]}
    if organization_id:
        fields["organization_id"] = organization_id
    credentials = credentials_from(kind_of(fields.get("sign_in") or ""), fields)
    client = KilledClient(credentials, resolve_environment("sandbox", url), clock=clock)
    client.killed = killed
    return SharedSession(client, "bill", store=store, lock=LeaseLock(store, lease_seconds=lease_seconds), clock=clock)


def run_task(job: Job, organization_id: str) -> Outcome:
    """Get a session, with as many tries as the job allows."""
    store: Store = VariableStore()
    if job.folder:
        store = SharedStore(Path(job.folder), latency=job.latency, failures=job.failures)
    start, errors = time.monotonic(), []
    clock_at = datetime.fromisoformat(job.clock_at)
    for _ in range(job.tries):
        shared = new_shared_session(
            store,
            job.url,
            job.connection,
            organization_id=organization_id,
            lease_seconds=job.lease_seconds,
            clock=lambda: pendulum.instance(clock_at).add(seconds=time.monotonic() - start),
            killed=job.killed,
        )
        try:
            session = shared.manager.acquire()
        except BillError as error:
            errors.append(f"{type(error).__name__}: {error}")
        else:
            name = hashlib.sha256(session.session_token.encode()).hexdigest()[:12]
            return Outcome(time.monotonic() - start, name, session.organization_id, errors)
    return Outcome(time.monotonic() - start, errors=errors)


def work(job: Job, begin: Callable[[], object]) -> list[Outcome]:
    """Run all tasks at once, in threads that wait for `begin`."""
    outcomes: list[Outcome] = []
    go = threading.Event()

    def task(organization_id: str) -> None:
        go.wait()
        outcomes.append(run_task(job, organization_id))

    threads = [threading.Thread(target=task, args=(name,), daemon=True) for name in job.organizations]
    for thread in threads:
        thread.start()
    begin()
    go.set()
    for thread in threads:
        thread.join()
    return outcomes


def main() -> None:
    """Do jobs until there are no more."""
    # Airflow 2 logs to the output, which is for our own lines only.
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def begin() -> None:
        print("ready", file=output, flush=True)
        sys.stdin.readline()

    for line in iter(sys.stdin.readline, ""):
        outcomes = work(Job(**json.loads(line)), begin)
        print(json.dumps([asdict(outcome) for outcome in outcomes]), file=output, flush=True)


if __name__ == "__main__":
    main()
