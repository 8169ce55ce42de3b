"""Nothing that a service started outlives it, and waiting has a limit."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from dev.processes import PATIENCE, Service, stop_services, wait_until

# Like Airflow's task runner: a child in a process group of its own, here also deaf to SIGTERM.
PARENT = """
import os, signal
if os.fork() == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(1, b"child %d\\n" % os.getpid())  # in one piece, whatever the parent prints meanwhile
    signal.pause()
{then}
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], tuple[Service, int]]]:
    """Start a parent and its child: `start(then) -> (service, process id of the child)`."""
    services: list[Service] = []

    def run(then: str) -> tuple[Service, int]:
        command = [sys.executable, "-c", PARENT.format(then=then)]
        service = Service("parent", command, os.environ, tmp_path / "log")
        services.append(service)
        found = wait_until(lambda: re.search(r"child (\d+)\n", service.log_file.read_text()), 20, "the child")
        return service, int(found.group(1))

    yield run
    stop_services(services, grace=0)


def test_stopping_ends_children_in_their_own_process_group(start: Callable[[str], tuple[Service, int]]) -> None:
    service, child = start("signal.pause()")
    assert child in service.members()
    stop_services([service], grace=5)
    wait_until(lambda: not psutil.pid_exists(child), 20, "the child to end")


def test_a_dead_service_is_told_and_its_children_end(start: Callable[[str], tuple[Service, int]]) -> None:
    service, child = start("print('boom'); raise SystemExit(3)")
    with pytest.raises(RuntimeError, match=r"(?s)parent ended with code 3:.*boom"):
        wait_until(service.ensure_alive, 20, "the parent to die")
    stop_services([service], grace=5)
    wait_until(lambda: not psutil.pid_exists(child), 20, "the child to end")


def test_waiting_has_a_limit() -> None:
    with pytest.raises(TimeoutError, match=rf"waited {0.1 * PATIENCE:g} s for rain"):
        wait_until(lambda: False, 0.1, "rain", interval=0.02)
