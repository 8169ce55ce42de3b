"""A small router: method and path to a handler, with ``{}`` for identifiers."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_bill.sandbox.server.messages import Answer

Handler = Callable[..., Answer]


class Routes:
    """Looks handlers up by exact path first, then by pattern."""

    def __init__(self) -> None:
        self.exact: dict[tuple[str, str], Handler] = {}
        self.patterns: dict[tuple[str, int], list[tuple[tuple[str, ...], Handler]]] = {}

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Serve a path."""
        if "{}" not in path:
            self.exact[method, path] = handler
            return
        parts = tuple(path.split("/"))
        self.patterns.setdefault((method, len(parts)), []).append((parts, handler))

    def on(self, method: str, path: str) -> Callable[[Handler], Handler]:
        """The same as a decorator."""

        def register(handler: Handler) -> Handler:
            self.add(method, path, handler)
            return handler

        return register

    def find(self, method: str, path: str) -> tuple[Handler, tuple[str, ...]] | None:
        """The handler and the identifiers in the path."""
        handler = self.exact.get((method, path))
        if handler is not None:
            return handler, ()
        words = path.split("/")
        for parts, found in self.patterns.get((method, len(words)), ()):
            if all(part in ("{}", word) for part, word in zip(parts, words, strict=True)):
                return found, tuple(word for part, word in zip(parts, words, strict=True) if part == "{}")
        return None
