"""BILL's v3 operations as data: where each is, who may call it, how it pages, what it needs and what it answers with.

The rows are in ``operations.json``, which ``python -m dev.catalogue`` writes from BILL's own request collection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Literal

#: Which of BILL's bases a path is appended to: ``/connect``, or ``/connect-events`` for webhooks.
Base = Literal["connect", "events"]
#: Who calls: nobody yet (a sign-in), an organization's user, Spend & Expense, or a partner.
Caller = Literal["nobody", "session", "spend", "partner"]

#: Beginnings of the paths of webhooks, of Spend & Expense and of partners, also of those that the catalogue lacks.
EVENT_PATHS = ("/v3/subscriptions", "/v3/events")
SPEND_PATHS = "/v3/spend/"
PARTNER_PATHS = "/v3/partner/"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One of BILL's operations.

    :param method: HTTP method, in capitals
    :param path: with names in braces for ids, such as ``/v3/vendors/{vendorId}``
    :param base: which base address the path is appended to
    :param caller: who may call it
    :param organization: whether a partner names the organization in a header
    :param paging: query parameter that asks for the next page; None for one page only
    :param page_size: rows of a page at most; None where no number can be asked for
    :param rows: name under which a list keeps its rows, empty for a bare array; None for what is no list
    :param query: query parameters that it takes
    :param body: ``json``, ``file``, or None for no body
    :param protected: what needs a session that has passed MFA: ``always``, or fields of the body; empty for nothing
    :param may_be_empty: whether BILL documents an empty answer
    :param idempotency_key: whether it takes ``X-Idempotent-Key``
    :param secrets: fields of the answer that are secrets
    """

    method: str
    path: str
    base: Base = "connect"
    caller: Caller = "session"
    organization: bool = False
    paging: str | None = None
    page_size: int | None = None
    rows: str | None = None
    query: tuple[str, ...] = ()
    body: Literal["json", "file"] | None = None
    protected: str = ""
    may_be_empty: bool = False
    idempotency_key: bool = False
    secrets: tuple[str, ...] = ()

    @property
    def write(self) -> bool:
        """Whether it may change something at BILL."""
        return self.method != "GET"


@cache
def operations() -> tuple[Operation, ...]:
    """Return all operations, sorted by path and method; read once."""
    rows = json.loads(files(__package__).joinpath("operations.json").read_text(encoding="utf-8"))
    return tuple(Operation(**_with_tuples(row)) for row in rows)


@lru_cache(maxsize=1024)
def find(method: str, path: str) -> Operation | None:
    """Return the operation of a call, or None if BILL's collection has none; a literal segment wins over an id.

    :param method: HTTP method in capitals
    :param path: checked path
    """
    words = _words(path)
    found = (one for parts, one in _by_length().get((method, len(words)), ()) if _matches(parts, words))
    return next(found, None)  # in their order, a literal segment stands before an id


def spelt_right(path: str) -> str:
    """Return how BILL spells a path that differs from one of its own by capitals alone; empty if none does.

    :param path: checked path
    """
    words = _words(path)
    lower = _words(path.lower())
    for one in operations():
        parts = one.path.split("/")
        literal = [part for part in parts if part and not part.startswith("{")]
        if len(parts) == len(words) and _matches(parts, lower) and not set(literal) <= set(words):
            pairs = zip(parts, words, strict=True)
            return "/".join(word if part.startswith("{") else part for part, word in pairs)
    return ""


def base_of(path: str) -> Base:
    """Return which base address a path is appended to.

    :param path: checked path
    """
    return "events" if any(path == one or path.startswith(f"{one}/") for one in EVENT_PATHS) else "connect"


def _with_tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


@cache
def _by_length() -> dict[tuple[str, int], list[tuple[list[str], Operation]]]:
    found: dict[tuple[str, int], list[tuple[list[str], Operation]]] = {}
    for one in operations():
        parts = one.path.split("/")
        found.setdefault((one.method, len(parts)), []).append((parts, one))
    return found


def _words(path: str) -> list[str]:
    # BILL's pages spell this collection in two ways.
    path = path.rstrip("/")
    return ["recurringbills" if word == "recurring-bills" else word for word in path.split("/")]


def _matches(parts: list[str], words: list[str]) -> bool:
    return all(part == word or (part.startswith("{") and word) for part, word in zip(parts, words, strict=True))
