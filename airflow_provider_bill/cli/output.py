"""What a command prints, apart from what anything else in its process prints.

Airflow's log goes to stdout, some of it by a stream that is looked up only at the first line: it would spoil JSON.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_ours: TextIO | None = None


def stream() -> TextIO:
    """Return where a command prints."""
    return _ours or sys.stdout


def say(text: str, end: str = "\n") -> None:
    """Print a text."""
    print(text, end=end, file=stream())


@contextmanager
def is_ours() -> Iterator[None]:
    """Have what anything else prints appear on stderr."""
    global _ours
    theirs = sys.stdout
    try:
        number, errors = theirs.fileno(), sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # not files
        yield
        return
    theirs.flush()
    _ours = os.fdopen(os.dup(number), "w", encoding=theirs.encoding, errors=theirs.errors, buffering=1)
    os.dup2(errors, number)
    try:
        yield
    finally:
        ours, _ours = _ours, None
        theirs.flush()
        os.dup2(ours.fileno(), number)
        with suppress(BrokenPipeError):
            ours.close()
