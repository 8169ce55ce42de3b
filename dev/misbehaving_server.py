"""A server that answers what it is told to, or does something worse."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
from pathlib import Path
from typing import IO


class MisbehavingServer:
    """A server that answers each request with the next of its replies: bytes, or the name of a fault.

    `reset` resets the connection once the request is read; `hang` never answers; `partial` sends half an answer and
    resets; `drip` and `drip headers` send a byte of the body or of a header ten times a second, without an end. The
    last reply is repeated.

    :param certified: speaks TLS with this certificate and key
    """

    def __init__(self, *replies: bytes | str, certified: Path | None = None) -> None:
        self.replies = list(replies)
        self.requests: list[bytes] = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._tls = None
        if certified is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certified)
        scheme = "http" if certified is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._main = threading.Thread(target=self._accept, daemon=True)
        self._main.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), self._secured(connection) as connection:
            stream = connection.makefile("rb")
            while request := self._read(stream):
                self.requests.append(request)
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if isinstance(reply, bytes):
                    connection.sendall(reply)
                    continue
                if reply.startswith("drip"):
                    self._drip(connection, b"X-A: " if reply == "drip headers" else b"Content-Length: 500\r\n\r\n")
                    return
                if reply == "hang":
                    self._stop.wait(20)
                elif reply == "partial":
                    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"results":[')
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                stream.close()
                return

    def _secured(self, connection: socket.socket) -> socket.socket:
        return connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True)

    def _drip(self, connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        while not self._stop.wait(0.1):
            connection.sendall(b"1")

    @staticmethod
    def _read(stream: IO[bytes]) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return b""
            head += line
        length = re.search(rb"(?i)content-length: (\d+)", head)
        return head + (stream.read(int(length.group(1))) if length else b"")

    def close(self) -> None:
        """Stop, and let go of every connection."""
        self._stop.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._main.join(5)


def http_answer(status: int, body: bytes | str = b"", *, kind: str = "application/json", extra: str = "") -> bytes:
    """Return an HTTP answer as it is sent."""
    content = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n{extra}\r\n"
    return head.encode() + content
