"""What happens by itself when the local BILL's clock reaches a moment: payments are processed, batches are made."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Job = Callable[[float], None]
"""What is done; it is told the moment that it was planned for."""


class Agenda:
    """The jobs that are still to come."""

    def __init__(self) -> None:
        self._jobs: list[tuple[float, int, Job]] = []
        self._added = 0

    def add(self, at: float, job: Job) -> None:
        """Do a job at a moment.

        :param at: seconds since the epoch.
        """
        self._added += 1
        heapq.heappush(self._jobs, (at, self._added, job))

    def run(self, now: float) -> None:
        """Do the jobs whose moment has come, in the order of their moments; a job may add others."""
        while self._jobs and self._jobs[0][0] <= now:
            at, _, job = heapq.heappop(self._jobs)
            job(at)
