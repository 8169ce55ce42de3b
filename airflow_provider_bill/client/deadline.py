"""One time limit for a whole answer: a host that sends a byte now and then never meets the one for each piece.

And whether a call that failed was still waiting for its connection: then nothing of it was sent.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_of_this_thread = threading.local()


def begin_call(seconds: float) -> None:
    """Give the call that this thread sends next so many seconds, its answer's last byte included."""
    _of_this_thread.ends_at = time.monotonic() + seconds
    _of_this_thread.connects = False


def ended_connecting() -> bool:
    """Return whether this thread's last call got no further than its connection, a proxy's tunnel and TLS included."""
    return bool(_of_this_thread.connects)


class DeadlineAdapter(HTTPAdapter):
    """Connections, straight or through a proxy, on which an answer that outlives its call's time limit times out."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of straight connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the pools of the connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # whose connections are of a kind of their own
            manager.pool_classes_by_scheme = _POOLS
        return manager


class _Raw(io.RawIOBase):
    """Reads from a socket no longer than until a moment."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, ends_at: float) -> None:
        self._raw = raw
        self._sock = sock
        self._ends_at = ends_at

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the whole answer took too long")
        limit = self._sock.gettimeout()
        if limit is None or left < limit:
            self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Raw(self.fp.detach(), sock, _of_this_thread.ends_at))


class _Connection(HTTPConnection):
    response_class = _Response

    def connect(self) -> None:
        _of_this_thread.connects = True
        super().connect()
        _of_this_thread.connects = False


class _SecureConnection(HTTPSConnection):
    response_class = _Response

    def connect(self) -> None:
        _of_this_thread.connects = True
        super().connect()
        _of_this_thread.connects = False


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}
