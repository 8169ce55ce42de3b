"""A gate before a server of this host: what goes wrong on the way, where the server itself is well."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Way:
    """How answers pass the gate.

    :param seconds: before each piece of 16 bytes
    :param cut_after: bytes of a connection's answers after which it ends; None for never
    """

    seconds: float = 0.0
    cut_after: int | None = None


OPEN = Way()
DRIP = Way(seconds=0.05)
TRUNCATE = Way(cut_after=100)


class Gate:
    """Forwards a port of its own to a server's; use it as a context manager.

    :param port: of the server, on loopback
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.way = OPEN
        #: Pieces of answers that have passed slowly, or were cut.
        self.spoilt = 0
        #: Its own port.
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gate", daemon=True)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def open(self) -> None:
        """Let calls through."""
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)

    def shut(self) -> None:
        """End every connection and refuse new ones, as a server does that is down."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(10)

    async def _open(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
            self.port = int(self._server.sockets[0].getsockname()[1])

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._tasks.add(task)
        try:
            # Cancelled by `shut` only, and Python 3.11 takes that of a connection's task for an error.
            with contextlib.suppress(OSError, asyncio.CancelledError):
                there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
                try:
                    await asyncio.gather(_copy(reader, there_writer), self._answer(there_reader, writer))
                finally:
                    there_writer.close()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        passed = 0
        while data := await source.read(65536):
            step = 16 if self.way.seconds else len(data)
            for start in range(0, len(data), step):
                way, piece = self.way, data[start : start + step]
                self.spoilt += way != OPEN
                if way.cut_after is not None and passed + len(piece) > way.cut_after:
                    target.write(piece[: max(0, way.cut_after - passed)])
                    await target.drain()
                    raise ConnectionError("cut")
                await asyncio.sleep(way.seconds)
                passed += len(piece)
                target.write(piece)
                await target.drain()
        target.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()
    with contextlib.suppress(OSError, RuntimeError):
        target.write_eof()
