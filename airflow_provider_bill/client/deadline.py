"""One time limit for a whole answer: a host that sends a byte now and then never meets the one for each piece.

And whether anything of a call has left: while its connection is made, a proxy's tunnel and TLS included, nothing has.
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
    """Limit the call that this thread sends next, its answer's last byte included.

    :param seconds: from now on
    """
    _of_this_thread.ends_at = time.monotonic() + seconds
    _of_this_thread.connects = _of_this_thread.sent = False


def may_have_left() -> bool:
    """Return whether a byte of this thread's last call may have been sent."""
    return bool(_of_this_thread.sent)


class DeadlineAdapter(HTTPAdapter):
    """Connections, straight or through a proxy, on which an answer that outlives its call's time limit times out."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of straight connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the pools of the connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if proxy.lower().startswith("socks"):
            _of_this_thread.sent = True  # Its connections are of a kind of their own, and do not tell.
        else:
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


class _Tells:
    """Of a connection: tells when a byte of a call leaves."""

    def connect(self) -> None:
        _of_this_thread.connects = True
        super().connect()  # type: ignore[misc]  # of urllib3's connection
        _of_this_thread.connects = False

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[attr-defined]
            self.connect()
        # What is sent for a tunnel is not yet the call.
        _of_this_thread.sent = _of_this_thread.sent or not _of_this_thread.connects
        super().send(data)  # type: ignore[misc]


class _Connection(_Tells, HTTPConnection):
    response_class = _Response


class _SecureConnection(_Tells, HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}
