"""A network of its own for the processes of a pretended other host, which reaches only named ports of this one."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from dev.processes import Service, wait_until

#: What stays alive so that the network does.
HOLD = "hostname {name} && ip link set lo up && echo up && exec sleep infinity"
CLONE_NEWNET = 0x40000000


class OtherNetwork:
    """A network with a host name and a loopback interface of its own (Linux, as root).

    Its processes reach, on their own `127.0.0.1`, the ports of this host's loopback interface that are named.

    :param name: the host name
    :param ports: of this host
    :param folder: where its two processes write their logs
    """

    def __init__(self, name: str, ports: Sequence[int], folder: Path) -> None:
        self.name = name
        environment = dict(os.environ)
        command = ["unshare", "--net", "--uts", "sh", "-c", HOLD.format(name=name)]
        self._holder = Service(f"network of {name}", command, environment, folder / f"{name}-network.log")
        self._services = [self._holder]
        try:
            wait_until(lambda: "up" in self._holder.log_tail().split(), 20, f"the network of {name}")
            command = [sys.executable, "-m", "dev.network", str(self._holder.pid), *map(str, ports)]
            forwarder = Service(f"ports of {name}", command, environment, folder / f"{name}-ports.log")
            self._services.insert(0, forwarder)
            wait_until(lambda: "ready" in forwarder.log_tail().split(), 20, f"the ports of {name}")
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def can_be_had() -> bool:
        """Return whether this machine lets one make a network."""
        if not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
            return False
        probe = ["unshare", "--net", "--uts", "sh", "-c", "hostname probe && ip link set lo up"]
        return subprocess.run(probe, capture_output=True, timeout=20).returncode == 0

    def command(self, command: Sequence[str]) -> list[str]:
        """Return what runs the command within this network."""
        return ["nsenter", f"--target={self._holder.pid}", "--net", "--uts", "--", *command]

    def stop(self) -> None:
        """End it."""
        for service in self._services:
            service.terminate()
            service.finish(grace=2)


def _listen_within(namespace: int, own: int, port: int) -> socket.socket:
    """Return a socket of the other network: it stays there when its process has come back."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(target: int) -> None:
        if libc.setns(target, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "cannot enter the network")

    enter(namespace)
    try:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(512)
    finally:
        enter(own)
    return listening


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    with contextlib.suppress(OSError, RuntimeError):
        target.write_eof()


class _Forwarder:
    """Forwards one port, and refuses connections as soon as it has seen that nobody listens at its end.

    :param port: on both sides
    :param listen: makes a socket that listens within the other network
    """

    def __init__(self, port: int, listen: Callable[[], socket.socket]) -> None:
        self._port = port
        self._listen = listen
        self._server: asyncio.Server | None = None
        self._waiting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, sock=self._listen())

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            try:
                there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
            except ConnectionRefusedError:
                if self._server is not None:
                    self._server.close()
                    self._server = None
                    self._waiting = asyncio.create_task(self._start_again())
                raise
            try:
                await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
            finally:
                there_writer.close()
        writer.close()

    async def _start_again(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            with contextlib.suppress(OSError):
                (await asyncio.open_connection("127.0.0.1", self._port))[1].close()
                return await self.start()


async def _forward(forwarders: Sequence[_Forwarder]) -> None:
    for forwarder in forwarders:
        await forwarder.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Forward the ports until ended: `python -m dev.network PID PORT ...`."""
    pid, *ports = map(int, sys.argv[1:])
    with open(f"/proc/{pid}/ns/net") as theirs, open("/proc/self/ns/net") as own:
        listen = partial(_listen_within, theirs.fileno(), own.fileno())
        asyncio.run(_forward([_Forwarder(port, partial(listen, port)) for port in ports]))


if __name__ == "__main__":
    main()
