"""A clock, the local BILL's controls, and a server that misbehaves on order."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import traceback
from typing import Any

import pendulum
import requests

NOON = pendulum.datetime(2026, 11, 21, 12, 34, 56)


class Clock:
    """Gives the moment it was set to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> pendulum.DateTime:
        return self.now


class Bill:
    """The local BILL and its controls."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seed = requests.get(f"{url}/_sandbox/seed", timeout=10).json()

    def control(self, path: str, body: Any = None, method: str = "POST") -> Any:
        answer = requests.request(method, f"{self.url}/_sandbox/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def stats(self) -> Any:
        return self.control("stats", method="GET")

    def calls(self, path: str) -> int:
        """Count the calls of a path of BILL's own."""
        return int(self.stats()["by_path"].get(path, 0))

    def settings(self, **settings: Any) -> None:
        self.control("settings", settings, method="PUT")

    def fault(self, path: str, **order: Any) -> None:
        self.control("faults", {"path": path, **order})

    def code(self) -> str:
        """Give the newest MFA code."""
        return str(self.control("sms", method="GET")[-1]["code"])

    def fields(self, kind: str, **changes: str | None) -> dict[str, str | None]:
        """Give the connection fields of a kind of sign-in, changed as told."""
        connection = self.seed["connections"][kind]
        fields = {"login": connection.get("login"), "password": connection["password"], **connection["extra"]}
        return {**{k: v for k, v in fields.items() if k != "sign_in"}, **changes}


class Server:
    """Reads each request and does the next thing on its list: bytes to answer, or a name of a misdeed.

    ``reset`` resets the connection once the request is read; ``hang`` never answers; ``partial`` sends half
    an answer and resets. The last thing is repeated.
    """

    def __init__(self, *replies: bytes | str) -> None:
        self.replies = list(replies)
        self.requests: list[bytes] = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
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
        with connection, contextlib.suppress(OSError):
            stream = connection.makefile("rb")
            while request := self._read(stream):
                self.requests.append(request)
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if isinstance(reply, bytes):
                    connection.sendall(reply)
                    continue
                if reply == "hang":
                    self._stop.wait(20)
                elif reply == "partial":
                    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"results":[')
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                stream.close()
                return

    @staticmethod
    def _read(stream: Any) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return b""
            head += line
        length = re.search(rb"(?i)content-length: (\d+)", head)
        return head + (stream.read(int(length.group(1))) if length else b"")

    def close(self) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._main.join(5)


def http(status: int, body: bytes | str = b"", *, kind: str = "application/json", extra: str = "") -> bytes:
    """Write an HTTP answer."""
    content = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n{extra}\r\n"
    return head.encode() + content


def all_texts_of(error: BaseException) -> str:
    """Everything that an error and what hangs on it can say: str, repr, arguments, attributes, traceback."""
    texts = ["".join(traceback.format_exception(error))]
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        texts += [str(one), repr(one), repr(one.args), repr(vars(one))]
        request = getattr(one, "request", None)
        texts += [repr(getattr(request, "headers", "")), repr(getattr(request, "body", ""))]
        waiting += [one.__cause__, one.__context__]
    return "\n".join(texts)
