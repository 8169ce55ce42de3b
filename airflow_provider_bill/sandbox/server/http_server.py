"""The HTTP server: uvicorn with a protocol that lets a fault drop a connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

_TRANSPORTS: dict[Any, asyncio.Transport] = {}


def find_transport(client: Any) -> asyncio.Transport | None:
    """Return the connection of a client's address and port."""
    return _TRANSPORTS.get(tuple(client) if client else None)


class DroppableProtocol(H11Protocol):
    """Remember each connection by its peer, for the faults that reset it."""

    _peer: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note a new connection."""
        super().connection_made(transport)
        self._peer = self.client
        _TRANSPORTS[self._peer] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a closed connection."""
        super().connection_lost(exc)
        _TRANSPORTS.pop(self._peer, None)


class Server(uvicorn.Server):
    """A server that says when it listens and before it stops."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then call ``ready``."""
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let held answers go, then stop."""
        self._stopping()
        await super().shutdown(sockets=sockets)


def listen(host: str, port: int) -> socket.socket:
    """Return a bound socket; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's delay off only on sockets that name their protocol.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError:
        found.close()
        raise
    return found


def make_server(app: Any, ready: Callable[[], None], stopping: Callable[[], object]) -> Server:
    """Return a server of one process, so that each call's effect is atomic."""
    config = uvicorn.Config(
        app,
        http=DroppableProtocol,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )
    return Server(config, ready, stopping)
