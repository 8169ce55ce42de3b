"""A stand-in for Spend & Expense's lists, as BILL behaves: unknown parameters are ignored, ``nextPage`` is a cursor."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

ROWS = 1000
#: Last segment of a list's path -> rows that its pages hold at most; 100 elsewhere.
MOST = {"transactions": 50}


class SpendServer:
    """Serves lists of 1,000 rows, and notes the query of each call."""

    def __init__(self) -> None:
        self.queries: list[dict[str, str]] = []
        queries = self.queries

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = dict(parse_qsl(parts.query))
                queries.append(query)
                status, body = _page(parts.path.rpartition("/")[2], query)
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _page(name: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
    size, offset = int(query.get("max", 20)), int(query.get("nextPage", 0))
    if not 1 <= size <= MOST.get(name, 100):
        return 400, {"message": "max is out of range"}
    rows = [{"id": number} for number in range(offset, min(offset + size, ROWS))]
    return 200, {"results": rows, **({"nextPage": str(offset + size)} if offset + size < ROWS else {})}
