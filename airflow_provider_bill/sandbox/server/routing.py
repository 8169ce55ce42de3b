"""A small router: method and path to a handler, with ``{}`` for identifiers."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_bill.sandbox.server.messages import Answer

Handler = Callable[..., Answer]


class Routes:
    """The handlers below one path; an exact path goes before a pattern.

    :param prefix: what all paths begin with.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.exact: dict[tuple[str, str], Handler] = {}
        self.patterns: dict[tuple[str, int], list[tuple[tuple[str, ...], Handler]]] = {}

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Serve a path."""
        path = self.prefix + path
        if "{}" not in path:
            self.exact[method, path] = handler
            return
        parts = tuple(path.split("/"))
        self.patterns.setdefault((method, len(parts)), []).append((parts, handler))

    def route(self, method: str, path: str) -> Callable[[Handler], Handler]:
        """Return a decorator that serves a path with a handler."""

        def register(handler: Handler) -> Handler:
            self.add(method, path, handler)
            return handler

        return register

    def include(self, other: Routes) -> None:
        """Serve the paths of another table too."""
        self.exact |= other.exact
        for key, rows in other.patterns.items():
            self.patterns.setdefault(key, []).extend(rows)

    def find(self, method: str, path: str) -> tuple[Handler, tuple[str, ...]] | None:
        """Return the handler of a call and the identifiers in its path."""
        handler = self.exact.get((method, path))
        if handler is not None:
            return handler, ()
        words = path.split("/")
        for parts, found in self.patterns.get((method, len(words)), ()):
            if all(part in ("{}", word) for part, word in zip(parts, words, strict=True)):
                return found, tuple(word for part, word in zip(parts, words, strict=True) if part == "{}")
        return None
