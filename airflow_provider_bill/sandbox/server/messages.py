"""One BILL call and its answer, as plain objects: what the handlers see of HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal

if TYPE_CHECKING:
    from airflow_provider_bill.sandbox.state.sessions import Session
    from airflow_provider_bill.sandbox.state.state import World

JSON_TYPE = "application/json;charset=UTF-8"


class Answer:
    """What goes back."""

    __slots__ = ("body", "code", "headers", "media", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        *,
        media: str = JSON_TYPE,
        code: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.status = status
        self.body = body
        self.media = media
        self.code = code
        self.headers = headers


_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)


def encode(value: object) -> bytes:
    """JSON as bytes."""
    return _ENCODER.encode(value).encode()


def answer_json(value: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """A JSON answer."""
    return Answer(status, encode(value), headers=headers)


class Call:
    """One call to BILL."""

    __slots__ = (
        "_form",
        "_json",
        "_query",
        "body",
        "headers",
        "method",
        "now",
        "organization_id",
        "path",
        "query_string",
        "session",
        "stats",
        "world",
    )

    def __init__(
        self, world: World, method: str, path: str, headers: dict[str, str], query_string: str, body: bytes
    ) -> None:
        self.world = world
        self.method = method
        self.path = path
        self.headers = headers
        self.query_string = query_string
        self.body = body
        self.now = world.clock.now()
        self.stats = world.stats
        self.session: Session | None = None
        self.organization_id = ""
        self._query: dict[str, str] | None = None
        self._form: dict[str, str] | None = None
        self._json: Any = None

    @property
    def known_session(self) -> Session:
        """The session, in handlers that run only for authenticated calls."""
        if self.session is None:
            raise Refusal("BDC_1109")
        return self.session

    @property
    def query(self) -> dict[str, str]:
        """The query string's fields."""
        if self._query is None:
            self._query = dict(parse_qsl(self.query_string, keep_blank_values=True)) if self.query_string else {}
        return self._query

    @property
    def form(self) -> dict[str, str]:
        """The form's fields; empty when the body is not a form."""
        if self._form is None:
            media = self.headers.get("content-type", "")
            is_form = media.startswith("application/x-www-form-urlencoded")
            try:
                text = self.body.decode() if is_form else ""
            except UnicodeDecodeError:
                text = ""
            self._form = dict(parse_qsl(text, keep_blank_values=True))
        return self._form

    @property
    def json_or_none(self) -> Any:
        """The body as JSON, or None when it is not JSON."""
        if self._json is None and self.body:
            try:
                self._json = json.loads(self.body)
            except ValueError:
                return None
        return self._json

    def json_object(self) -> Row:
        """The body as a JSON object, or BILL's refusal."""
        value = self.json_or_none
        if not isinstance(value, dict):
            raise Refusal("BDC_1122")
        return value


def text_of(body: Row, name: str) -> str:
    """A text field of a JSON body, stripped of nothing; empty when absent or not text."""
    value = body.get(name)
    return value if isinstance(value, str) else ""


def is_true(value: object) -> bool:
    """Whether a flag is set; BILL's own clients send flags as JSON booleans and as text."""
    return value is True or (isinstance(value, str) and value.lower() in ("true", "1")) or value == 1


def is_false(value: object) -> bool:
    """Whether a flag is explicitly off."""
    return value is False or (isinstance(value, str) and value.lower() in ("false", "0"))
