"""Refusals, and the two shapes in which BILL sends them: v3's array and v2's envelope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_bill.sandbox.codes import CODES, LIMIT_CODES, SIGN_IN_CODES, Code
from airflow_provider_bill.sandbox.state.clock import iso

if TYPE_CHECKING:
    from airflow_provider_bill.sandbox.state.settings import Settings


class Refusal(Exception):
    """BILL says no, with a code; ``fields`` gives one error object for each bad field."""

    def __init__(
        self,
        code: str,
        *params: str,
        message: str | None = None,
        status: int | None = None,
        fields: tuple[str, ...] = (),
        signing_in: bool = False,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        known = CODES.get(code, Code("Unknown error occurred.", 400, "APPLICATION"))
        self.code = code
        self.message = message if message is not None else filled(known.message, params)
        self.status = status
        self.fields = fields
        self.signing_in = signing_in
        self.headers = headers
        super().__init__(f"{code} {self.message}")

    def v3_status(self, settings: Settings) -> int:
        """The HTTP status of this refusal in v3."""
        if self.status is not None:
            return self.status
        if self.code in LIMIT_CODES:
            return settings.limit_status
        if self.signing_in and self.code in SIGN_IN_CODES:
            return settings.sign_in_status
        return CODES[self.code].status if self.code in CODES else 400

    def v3_body(self, now: float) -> list[dict[str, Any]]:
        """The array of error objects."""
        return [error_object(now, self.code, text) for text in (self.fields or (self.message,))]

    def v2_body(self) -> dict[str, Any]:
        """The envelope."""
        return v2_error(self.code, self.fields[0] if self.fields else self.message)


class SingleObject(Exception):
    """A gateway-level failure: one JSON object with ``message`` instead of BILL's array."""

    def __init__(self, status: int, error: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.headers = headers


def filled(template: str, params: tuple[str, ...]) -> str:
    """The template with its parameters; BILL itself sometimes leaves ``${paramName0}`` unfilled."""
    for index, value in enumerate(params):
        template = template.replace("{" + str(index) + "}", value)
    return template


def error_object(now: float, code: str, message: str) -> dict[str, Any]:
    """One object of v3's array."""
    known = CODES.get(code)
    return {
        "timestamp": iso(now),
        "code": code,
        "severity": "ERROR",
        "category": known.category if known else "APPLICATION",
        "message": message,
        "params": {},
    }


def v2_error(code: str, message: str) -> dict[str, Any]:
    """v2's error envelope."""
    return {
        "response_status": 1,
        "response_message": "Error",
        "response_data": {"error_code": code, "error_message": message},
    }


def v2_success(data: object) -> dict[str, Any]:
    """v2's success envelope."""
    return {"response_status": 0, "response_message": "Success", "response_data": data}
