"""Refusals that handlers raise; each dialect writes them in its own way."""

from __future__ import annotations

from airflow_provider_bill.sandbox.codes import CODES, Code

Headers = tuple[tuple[str, str], ...]

#: Codes whose message names a field.
_NAME_FIELDS = frozenset({"BDC_1108", "BDC_1128", "BDC_1129", "BDC_1130", "BDC_1131"})


class Refusal(Exception):
    """BILL refuses a call with a code.

    :param fields: one message for each bad field; each makes an error object.
    :param named: names and values that the error object tells beside its message.
    """

    def __init__(
        self,
        code: str,
        *params: str,
        message: str | None = None,
        status: int | None = None,
        fields: tuple[str, ...] = (),
        named: tuple[tuple[str, str], ...] = (),
        signing_in: bool = False,
        headers: Headers = (),
    ) -> None:
        known = CODES.get(code, Code("Unknown error occurred.", 400, "APPLICATION"))
        self.code = code
        self.params = params
        self.message = message if message is not None else _fill(known.message, params)
        self.status = status
        self.fields = fields
        self.named = named
        self.signing_in = signing_in
        self.headers = headers
        super().__init__(f"{code} {self.message}")

    def describe(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return each message with what it names: pairs of a name and its value."""
        if self.fields:
            return [(text, _find_field(text)) for text in self.fields]
        if self.named:
            return [(self.message, list(self.named))]
        if self.code not in _NAME_FIELDS or not self.params:
            return [(self.message, [])]
        return [(self.message, [(self.params[0], self.params[1] if len(self.params) > 1 else "")])]


class SingleObjectRefusal(Exception):
    """A refusal that BILL's own gateway answers with one JSON object instead of an array."""

    def __init__(self, status: int, error: str, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.headers = headers


def _find_field(text: str) -> list[tuple[str, str]]:
    """Return the field that a message such as ``name: must not be null`` begins with."""
    name, colon, _ = text.partition(": ")
    return [(name, "")] if colon and " " not in name else []


def _fill(template: str, params: tuple[str, ...]) -> str:
    # BILL itself sometimes leaves ``${paramName0}`` unfilled.
    for index, value in enumerate(params):
        template = template.replace("{" + str(index) + "}", value)
    return template
