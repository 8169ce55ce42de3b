"""The process of the local BILL that tests run: it ends with the process that started it.

Each test has an address of its own: ``/test-7`` stands before the paths.
"""

from __future__ import annotations

import json
import os
import re
import threading
from typing import Any

from airflow_provider_bill.sandbox.app import SandboxApp
from airflow_provider_bill.sandbox.server.http_server import listen, make_server

_OF_A_TEST = re.compile(r"/test-(\d+)(?=/)")
_OVER = json.dumps({"error": "This address of the local BILL belongs to a test that has ended."}).encode()


class OneTestAtATime:
    """Passes on what is sent to the newest test's address, or to none; what is sent to an older one's is refused.

    :param app: the ASGI application behind the addresses
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._newest = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        found = _OF_A_TEST.match(scope["path"]) if scope["type"] == "http" else None
        if found is not None:
            number = int(found.group(1))
            if number < self._newest:
                headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_OVER)).encode())]
                await send({"type": "http.response.start", "status": 410, "headers": headers})
                await send({"type": "http.response.body", "body": _OVER})
                return
            self._newest = number
            scope = {**scope, "path": scope["path"][found.end() :]}
        await self._app(scope, receive, send)


def main() -> None:
    """Serve on a free port of the loopback interface, print the address, and go on until standard input ends."""
    listening = listen("127.0.0.1", 0)
    app = SandboxApp()

    def ready() -> None:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)

    server = make_server(OneTestAtATime(app), ready, app.state.faults.release)

    def end_with_parent() -> None:
        while os.read(0, 1024):  # not by `sys.stdin`, whose lock would be held while the interpreter ends
            pass
        server.should_exit = True

    threading.Thread(target=end_with_parent, daemon=True).start()
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()
