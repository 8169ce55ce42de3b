"""A clock that stands still until it is moved, and moves BILL's clock along with its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pendulum

if TYPE_CHECKING:
    from dev.local_bill import LocalBill

START = pendulum.datetime(2026, 11, 21, 12, 34, 56)
"""A moment far from the turn of an hour, a day, a month or a year."""


class ManualClock:
    """A clock for everything that takes one; it returns the moment that it was moved to.

    :param bill: a local BILL whose clock is to be the same
    :param at: where it starts
    """

    def __init__(self, bill: LocalBill | None = None, at: pendulum.DateTime = START) -> None:
        self.now = at
        self._bill = bill
        if bill is not None:
            bill.stop_clock(at)

    def __call__(self) -> pendulum.DateTime:
        """Return the moment."""
        return self.now

    def advance(self, **duration: float) -> None:
        """Move forward by a duration, such as `minutes=5`."""
        passed = pendulum.duration(**duration)
        self.now = self.now + passed
        if self._bill is not None:
            self._bill.advance(passed.total_seconds())
