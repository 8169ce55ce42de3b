"""Reads BILL's answers of both dialects: the data of a success, or the error that a refusal becomes.

Sources: https://developer.bill.com/docs/common-api-error-codes (v3 errors),
https://developer.bill.com/docs/api-response-format and
https://developer.bill.com/v2/docs/common-error-codes (v2 envelope).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pendulum import DateTime

from airflow_provider_bill.client.codes import ADVICE, CODES, advice_for, error_class, specificity, unanswered
from airflow_provider_bill.client.request import BillRequest, Purpose
from airflow_provider_bill.client.secret import Secret
from airflow_provider_bill.client.transport import HttpResponse
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillError,
    BillOutcomeUnknownError,
    BillRateLimitError,
    BillUnavailableError,
)

#: Characters of BILL's own words that an error quotes.
QUOTED_LENGTH = 200
#: Each of these looks at a character of the message once or twice, whatever the message is.
_TEMPLATE = re.compile(r"\$\{(\w+)\}")
_EMPTY_TEMPLATE = re.compile(r"(?<![\s:,])[\s:,]*\$\{[^{}]*\}")
#: So many templates of a message are filled.
_TEMPLATES = 10
_NOTHING = object()
#: Names under which BILL gives secrets in the answers to sign-ins and MFA steps.
_SECRETS = frozenset({"sessionId", "access_token", "rememberMeId", "mfaId"})


@dataclass(frozen=True)
class Answer:
    """A successful answer.

    :param request: the call that it answers
    :param status: HTTP status
    :param body: parsed JSON (v2: ``response_data``); None when empty
    :param sent_at: moment the call was sent, UTC
    """

    request: BillRequest
    status: int
    body: Any = field(repr=False)
    sent_at: DateTime

    def text(self, key: str) -> str:
        """Return a text that the body may hold, else an empty one."""
        return text_in(self.body, key)

    def secrets(self) -> list[str]:
        """Return what the body holds of secrets."""
        names = self.request.secrets
        return list(_texts_named(names, self.body)) if names else []

    def required_text(self, key: str) -> str:
        """Return a text that the body must hold.

        :raises BillError: naming the key, if the body lacks it
        """
        value = self.text(key)
        if value and value.isprintable() and value.isascii():
            return value
        raise no_answer(self.request, self.status, f"no {key}")

    def required(self, key: str) -> Any:
        """Return what the body must hold: an answer that does not say it says neither yes nor no.

        :raises BillError: naming the key, if the body lacks it
        """
        if isinstance(self.body, Mapping) and key in self.body:
            return self.body[key]
        raise no_answer(self.request, self.status, f"no {key}")


@dataclass(frozen=True)
class Refusal:
    """One error of an answer: BILL's code (or an empty string) and its words."""

    code: str
    message: str


def _texts_named(names: tuple[str, ...], body: Any) -> Iterator[str]:
    """Walk through the texts of these names, however deep in a body they stand."""
    if isinstance(body, list):
        for one in body:
            yield from _texts_named(names, one)
    elif isinstance(body, Mapping):
        for name, value in body.items():
            if name in names and isinstance(value, str) and value:
                yield value
            else:
                yield from _texts_named(names, value)


def text_in(body: Any, key: str) -> str:
    """Return a text of a JSON object, or an empty one if there is none."""
    value = body.get(key) if isinstance(body, Mapping) else None
    return value if isinstance(value, str) else ""


def read_v3(response: HttpResponse, redact: Callable[[str], str]) -> Answer:
    """Return what a v3 response holds, None where it may be empty and is.

    :param redact: takes secrets out of what an error quotes
    :raises BillError: the one that the response's code or status means
    """
    body = _parsed(response)
    if not 200 <= response.status < 300:
        raise refused(response, body, redact)
    if body is _NOTHING:
        empty = not response.content.strip()
        read_nothing = response.request.purpose is Purpose.READ and response.status == 204
        if not empty or not (response.request.may_be_empty or read_nothing):
            what = "an empty body" if empty else "something that is not JSON"
            raise no_answer(response.request, response.status, what)
        body = None
    return Answer(response.request, response.status, body, response.sent_at)


def read_v2(response: HttpResponse, redact: Callable[[str], str]) -> Answer:
    """Return ``response_data`` of a v2 response; only an envelope with ``response_status`` 0 is a success.

    :param redact: takes secrets out of what an error quotes
    :raises BillError: the one that the response's code or status means
    """
    body = _parsed(response)
    outcome = body.get("response_status") if isinstance(body, dict) else None
    enveloped = outcome is not None and not isinstance(outcome, bool) and str(outcome) in ("0", "1")
    if not 200 <= response.status < 300 or (enveloped and str(outcome) == "1"):
        raise refused(response, body, redact)
    if not enveloped:
        raise no_answer(response.request, response.status, "no response_status")
    data = body.get("response_data") if isinstance(body, dict) else None
    return Answer(response.request, response.status, data, response.sent_at)


def refusal_of(response: HttpResponse, redact: Callable[[str], str]) -> BillError:
    """Return the error of a response that is not a success and has not been parsed."""
    return refused(response, _parsed(response), redact)


def refused(response: HttpResponse, body: Any, redact: Callable[[str], str]) -> BillError:
    """Return the error of a response that is not a success."""
    label = redact(response.request.label)
    if 300 <= response.status < 400:
        return BillApiError(
            f"BILL's host answered {label} with a redirect (HTTP {response.status}), not followed",
            advice="check the connection's host; it must be the address of the API itself",
            status=response.status,
        )
    refusals = refusals_in(body)
    chosen = max(refusals, key=lambda r: specificity(r.code), default=Refusal("", ""))
    cls = error_class(chosen.code, response.status, response.request.purpose)
    words = quoted(_joined(refusals), redact)
    code = quoted(chosen.code, redact)
    known = CODES.get(chosen.code)
    meaning = f" ({known.meaning})" if known else ""
    said = " ".join(filter(None, [code, words])) or f"HTTP {response.status}, without a reason"
    verb = "failed on" if issubclass(cls, (BillUnavailableError, BillOutcomeUnknownError)) else "refused"
    message = f"BILL {verb} {label}: {said}{meaning}"
    advice = advice_for(chosen.code, cls)
    if issubclass(cls, BillRateLimitError):
        retry_at = _retry_at(response, chosen)
        return cls(message, advice=advice, code=code or None, status=response.status, retry_at=retry_at)
    return cls(message, advice=advice, code=code or None, status=response.status)


def no_answer(request: BillRequest, status: int, what: str) -> BillError:
    """Return the error of a 2xx response that is no answer of BILL."""
    cls = unanswered(request.purpose)
    return cls(f"the answer to {request.label} (HTTP {status}) holds {what}", advice=ADVICE[cls], status=status)


def refusals_in(body: Any) -> list[Refusal]:
    """Return the errors in a body: v3 arrays and single objects, the v2 envelope, RFC 6749 errors."""
    refusals: list[Refusal] = []
    waiting = [body]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += reversed(one)
        elif isinstance(one, Mapping):
            inner = next(
                (one[key] for key in ("response_data", "errors") if isinstance(one.get(key), dict | list)), None
            )
            if inner is not None:
                waiting.append(inner)
            elif (refusal := _refusal(one)) is not None:
                refusals.append(refusal)
    return refusals


def _refusal(body: Mapping[str, Any]) -> Refusal | None:
    code = body.get("code") or body.get("error_code") or body.get("errorCode")
    message = body.get("message") or body.get("error_message") or body.get("error_description") or body.get("error")
    error = body.get("error")  # RFC 6749
    code = code or (error if isinstance(error, str) and error in CODES else "")
    code = code if isinstance(code, str) else ""
    message = _filled(message, body.get("params")) if isinstance(message, str) else ""
    return Refusal(code, message) if code or message else None


def quoted(words: str, redact: Callable[[str], str]) -> str:
    """Return words of BILL fit for an error: on one line, without secrets, shortened."""
    words = " ".join(redact(words).split())
    return words if len(words) <= QUOTED_LENGTH else words[: QUOTED_LENGTH - 3] + "..."


def _parsed(response: HttpResponse) -> Any:
    own_step = response.request.purpose in (Purpose.SIGN_IN, Purpose.STEP)
    names = _SECRETS if own_step else frozenset(response.request.secrets)
    try:
        return json.loads(response.content, object_hook=functools.partial(_with_secrets, names) if names else None)
    except (ValueError, RecursionError):
        return _NOTHING


def _with_secrets(names: frozenset[str], found: dict[str, Any]) -> dict[str, Any]:
    return {name: Secret(text) if name in names and isinstance(text, str) else text for name, text in found.items()}


def _filled(message: str, params: Any) -> str:
    """Fill BILL's ``${paramName0}`` from ``params`` where the value is there, and drop it where not."""
    if isinstance(params, Mapping):
        values = dict(params)
    else:
        rows = params if isinstance(params, list) else []
        values = {str(number): row.get("value") for number, row in enumerate(rows) if isinstance(row, Mapping)}

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        found = values.get(name, values.get(name[len(name.rstrip("0123456789")) :]))
        plain = isinstance(found, str | int | float) and not isinstance(found, bool)
        return str(found) if plain and 0 < len(str(found)) <= QUOTED_LENGTH else match.group(0)

    return _EMPTY_TEMPLATE.sub("", _TEMPLATE.sub(value, message, count=_TEMPLATES))


def _joined(refusals: list[Refusal]) -> str:
    """Join the messages, leaving out one that only repeats another behind an object's id.

    There may be thousands; those behind what is quoted are not looked at, but none is cut, as a secret could be.
    """
    kept: list[str] = []
    for message in (refusal.message for refusal in refusals):
        if sum(map(len, kept)) > QUOTED_LENGTH:
            break
        if message and not any(message.endswith(other) for other in kept):
            kept.append(message)
    return "; ".join(kept)


def _retry_at(response: HttpResponse, refusal: Refusal) -> DateTime:
    """Return the moment BILL may be asked again.

    The start of the next clock hour for the hourly limits; 15 minutes for a locked organization; a minute
    for the limits by the minute (Spend & Expense calls, text messages), for which BILL names no code, and for whatever
    else answers HTTP 429 without one.
    """
    if refusal.code == "BDC_1107" or (not refusal.code and response.status == 423):
        return response.sent_at.add(minutes=15)
    by_minute = response.request.path.startswith("/v3/spend/") or response.request.purpose is Purpose.STEP
    if not refusal.code or (by_minute and (refusal.code != "BDC_1144" or "minute" in refusal.message)):
        return response.sent_at.add(minutes=1)
    return response.sent_at.start_of("hour").add(hours=1)
