"""Runs the local BILL of a test run as a child process.

It is a process and not a thread, so that it keeps answering while a test forks, stops the time of its own process, or
holds its interpreter.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from typing import IO, cast

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


class ServerProcess:
    """A local BILL on a free port of the loopback interface.

    It ends at :meth:`stop`, and also by itself if this process is killed.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id; None while it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> str:
        """Start the process and return its address once it listens.

        :raises RuntimeError: it did not start; the message holds the end of what it wrote
        """
        try:
            url = self._start()
            if not url:
                raise RuntimeError(f"The local BILL did not start: {self._written() or 'it wrote nothing'}")
        except BaseException:
            self.stop()
            raise
        return url

    def _start(self) -> str:
        # The child imports what this process would, and nothing from the folder that it happens to be started in.
        path = os.pathsep.join(name or os.getcwd() for name in sys.path)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        process = self._process = subprocess.Popen(
            [sys.executable, "-m", "airflow_provider_bill.sandbox.testing.child"],
            env={**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
            stdin=subprocess.PIPE,  # its end tells the child that this process is gone
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is for the tests, which then stop it
        )
        too_late = threading.Timer(_START_SECONDS, process.kill)
        too_late.daemon = True
        too_late.start()
        try:
            return cast("IO[bytes]", process.stdout).readline().decode().strip()
        finally:
            too_late.cancel()

    def _written(self) -> str:
        """Return the end of what the process wrote to standard error, once it has ended."""
        process, errors = cast("subprocess.Popen[bytes]", self._process), cast("IO[bytes]", self._errors)
        process.wait(_STOP_SECONDS)
        errors.seek(0)
        return errors.read().decode(errors="replace").strip()[-2000:]

    def stop(self) -> None:
        """Stop the process; safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.communicate(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        if self._errors is not None:
            self._errors.close()
            self._errors = None
