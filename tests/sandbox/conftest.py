"""Helpers of the tests of the local BILL."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from dev.processes import wait_until


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition, with a limit."""

    def wait(condition: Callable[[], bool]) -> None:
        wait_until(condition, 20, "the condition", 0.02)

    return wait


@pytest.fixture
def code_of() -> Callable[[requests.Response], str]:
    """Return BILL's error code in an answer of v3."""
    return lambda answer: str(answer.json()[0]["code"])
