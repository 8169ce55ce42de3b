"""One BILL call and its answer, as plain objects: what handlers see of HTTP."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.contract import Operation
from airflow_provider_bill.sandbox.errors import Headers, Refusal
from airflow_provider_bill.sandbox.operations.shape import show
from airflow_provider_bill.sandbox.state.sessions import Session
from airflow_provider_bill.sandbox.state.state import State

_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)


class Answer:
    """An HTTP answer; ``code`` is the BDC code or what stands for it in the request log."""

    __slots__ = ("body", "code", "headers", "media", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        *,
        media: str = "application/json;charset=UTF-8",
        code: str | None = None,
        headers: Headers = (),
    ) -> None:
        self.status = status
        self.body = body
        self.media = media
        self.code = code
        self.headers = headers


def answer_json(value: object, status: int = 200, headers: Headers = (), code: str | None = None) -> Answer:
    """Return an answer whose body is JSON."""
    return Answer(status, _ENCODER.encode(value).encode(), code=code, headers=headers)


class Call:
    """One call to BILL."""

    __slots__ = (
        "_form",
        "_json",
        "_query",
        "_session",
        "body",
        "headers",
        "method",
        "now",
        "operation",
        "organization_id",
        "path",
        "query_string",
        "state",
        "stats",
    )

    def __init__(
        self, state: State, method: str, path: str, headers: dict[str, str], query_string: str, body: bytes
    ) -> None:
        self.state = state
        self.method = method
        self.path = path
        self.headers = headers
        self.query_string = query_string
        self.body = body
        self.now = state.clock.now()
        self.stats = state.stats
        self.organization_id = ""
        #: The operation of BILL's contract that is called, if it is one.
        self.operation: Operation | None = None
        self._session: Session | None = None
        self._query: dict[str, str] | None = None
        self._form: dict[str, str] | None = None
        self._json: Any = None

    @property
    def session(self) -> Session:
        """The session of an authenticated call."""
        if self._session is None:
            raise Refusal("BDC_1109")
        return self._session

    def use_session(self, session: Session) -> None:
        """Let the call act in a session, whose idle life begins anew."""
        session.used_at = self.now
        self._session = session
        self.organization_id = session.organization_id

    @property
    def query(self) -> dict[str, str]:
        """The query string's fields."""
        if self._query is None:
            self._query = dict(parse_qsl(self.query_string, keep_blank_values=True)) if self.query_string else {}
        return self._query

    def query_list(self, name: str) -> list[str]:
        """Return all values of a query parameter that may come several times, or hold several between commas."""
        found = [value for key, value in parse_qsl(self.query_string) if key == name]
        return [one for value in found for one in value.split(",") if one]

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
                self._json = json.loads(self.body, parse_constant=_refuse_constant)
            except (ValueError, RecursionError):
                return None
        return self._json

    def json_object(self) -> Row:
        """Return the body as a JSON object, or refuse the call."""
        value = self.json_or_none
        if not isinstance(value, dict):
            raise Refusal("BDC_1122")
        return value

    def json_objects(self, most: int) -> list[Row]:
        """Return the body as a list of JSON objects, or refuse the call.

        :param most: so many are taken at once.
        """
        value = self.json_or_none
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise Refusal("BDC_1122")
        if not 1 <= len(value) <= most:
            raise Refusal("BDC_1129", "body", f"{len(value)} objects (must be 1 to {most})")
        return value


def reply(call: Call, value: Any) -> Answer:
    """Return the answer that the contract has for a call: its status, and what it documents of a value."""
    operation = call.operation
    if operation is None:
        return answer_json(value)
    if operation.answer is None:
        return Answer(operation.status)
    return answer_json(show(operation.answer, value), operation.status)


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def get_text(body: Row, name: str) -> str:
    """Return a text field of a JSON body; empty when it is absent or not text."""
    value = body.get(name)
    return value if isinstance(value, str) else ""


def is_true(value: object) -> bool:
    """Return whether a flag is set; BILL's own clients send flags as JSON booleans and as text."""
    return value is True or (isinstance(value, str) and value.lower() in ("true", "1")) or value == 1


def is_false(value: object) -> bool:
    """Return whether a flag is explicitly off."""
    return value is False or (isinstance(value, str) and value.lower() in ("false", "0"))
