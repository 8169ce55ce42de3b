"""Refusals that handlers raise; each dialect writes them in its own way."""

from __future__ import annotations

from airflow_provider_bill.sandbox.codes import CODES, Code

Headers = tuple[tuple[str, str], ...]


class Refusal(Exception):
    """BILL refuses a call with a code; ``fields`` makes one error object for each bad field."""

    def __init__(
        self,
        code: str,
        *params: str,
        message: str | None = None,
        status: int | None = None,
        fields: tuple[str, ...] = (),
        signing_in: bool = False,
        headers: Headers = (),
    ) -> None:
        known = CODES.get(code, Code("Unknown error occurred.", 400, "APPLICATION"))
        self.code = code
        self.message = message if message is not None else _fill(known.message, params)
        self.status = status
        self.fields = fields
        self.signing_in = signing_in
        self.headers = headers
        super().__init__(f"{code} {self.message}")


class SingleObjectRefusal(Exception):
    """A refusal that BILL's own gateway answers with one JSON object instead of an array."""

    def __init__(self, status: int, error: str, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.headers = headers


def _fill(template: str, params: tuple[str, ...]) -> str:
    # BILL itself sometimes leaves ``${paramName0}`` unfilled.
    for index, value in enumerate(params):
        template = template.replace("{" + str(index) + "}", value)
    return template
