"""A small router: method and path to a handler, with ``{}`` for identifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from airflow_provider_bill.sandbox.server.messages import Answer

Handler = Callable[..., Answer]


class Found(NamedTuple):
    """The handler of a call, the identifiers in its path, and the pattern that the path fits."""

    handler: Handler
    params: tuple[str, ...]
    pattern: str


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

    def has(self, method: str, path: str) -> bool:
        """Return whether a path is served, as it is added."""
        parts = tuple(path.split("/"))
        patterns = self.patterns.get((method, len(parts)), ())
        return (method, path) in self.exact or any(known == parts for known, _ in patterns)

    def route(self, method: str, path: str) -> Callable[[Handler], Handler]:
        """Return a decorator that serves a path with a handler."""

        def register(handler: Handler) -> Handler:
            self.add(method, path, handler)
            return handler

        return register

    def include(self, other: Routes) -> None:
        """Serve the paths of another table too, where this one does not serve them already."""
        self.exact = other.exact | self.exact
        for key, rows in other.patterns.items():
            self.patterns.setdefault(key, []).extend(rows)

    def find(self, method: str, path: str) -> Found | None:
        """Return the handler of a call and the identifiers in its path."""
        handler = self.exact.get((method, path))
        if handler is not None:
            return Found(handler, (), path)
        words = path.split("/")
        for parts, found in self.patterns.get((method, len(words)), ()):
            if all(part in ("{}", word) for part, word in zip(parts, words, strict=True)):
                params = tuple(word for part, word in zip(parts, words, strict=True) if part == "{}")
                return Found(found, params, "/".join(parts))
        return None
