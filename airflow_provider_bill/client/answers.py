"""Reads BILL's answers of both dialects: the data of a success, or the error that a refusal becomes.

Sources: https://developer.bill.com/docs/common-api-error-codes (v3 errors),
https://developer.bill.com/docs/api-response-format and
https://developer.bill.com/v2/docs/common-error-codes (v2 envelope).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pendulum import DateTime

from airflow_provider_bill.client.codes import (
    ADVICE,
    CODES,
    Purpose,
    advice_for,
    error_class,
    specificity,
    unheard,
)
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillError,
    BillOutcomeUnknownError,
    BillRateLimitError,
    BillUnavailableError,
)

#: Characters of BILL's own words that an error quotes.
QUOTED_LENGTH = 200
_TEMPLATE = re.compile(r"\$\{(\w*?)(\d*)\}")
_EMPTY_TEMPLATE = re.compile(r"[\s:,]*\$\{[^}]*\}")
_NOTHING = object()


@dataclass(frozen=True)
class Reply:
    """An HTTP answer as it came.

    :param label: method and path of the call, for messages
    :param purpose: what the call was for
    :param status: HTTP status
    :param content: the body, undecoded
    :param sent_at: moment the call was sent, UTC
    """

    label: str
    purpose: Purpose
    status: int
    content: bytes
    sent_at: DateTime


@dataclass(frozen=True)
class Refusal:
    """One error of an answer: BILL's code (or an empty string) and its words."""

    code: str
    message: str


def read_v3(reply: Reply, redact: Callable[[str], str]) -> Any:
    """Give the parsed body of a v3 answer, None where it may be empty and is.

    :param redact: takes secrets out of what an error quotes
    :raises BillError: the one that the answer's code or status means
    """
    body = _parsed(reply.content)
    if not 200 <= reply.status < 300:
        raise refused(reply, body, redact)
    if body is not _NOTHING:
        return body
    if not reply.content.strip() and (reply.purpose is not Purpose.READ or reply.status == 204):
        return None
    raise no_answer(reply, "an empty body" if not reply.content.strip() else "something that is not JSON")


def read_v2(reply: Reply, redact: Callable[[str], str]) -> Any:
    """Give ``response_data`` of a v2 answer; only an envelope with ``response_status`` 0 is a success.

    :param redact: takes secrets out of what an error quotes
    :raises BillError: the one that the answer's code or status means
    """
    body = _parsed(reply.content)
    outcome = body.get("response_status") if isinstance(body, dict) else None
    enveloped = outcome is not None and not isinstance(outcome, bool) and str(outcome) in ("0", "1")
    if not 200 <= reply.status < 300 or (enveloped and str(outcome) == "1"):
        raise refused(reply, body, redact)
    if enveloped:
        return body.get("response_data") if isinstance(body, dict) else None
    raise no_answer(reply, "no response_status")


def refused(reply: Reply, body: Any, redact: Callable[[str], str]) -> BillError:
    """Make the error of an answer that is not a success."""
    if 300 <= reply.status < 400:
        return BillApiError(
            f"BILL's host answered {reply.label} with a redirect (HTTP {reply.status}), not followed",
            advice="check the connection's host; it must be the address of the API itself",
            status=reply.status,
        )
    refusals = refusals_in(body)
    chosen = max(refusals, key=lambda r: specificity(r.code), default=Refusal("", ""))
    cls = error_class(chosen.code, reply.status, reply.purpose)
    words = quoted(_joined(refusals), redact)
    known = CODES.get(chosen.code)
    meaning = f" ({known.meaning})" if known else ""
    said = " ".join(filter(None, [chosen.code, words])) or f"HTTP {reply.status}, without a reason"
    verb = "failed on" if issubclass(cls, (BillUnavailableError, BillOutcomeUnknownError)) else "refused"
    message = f"BILL {verb} {redact(reply.label)}: {said}{meaning}"
    advice = advice_for(chosen.code, cls)
    code = chosen.code or None
    if issubclass(cls, BillRateLimitError):
        retry_at = _retry_at(reply, chosen)
        return cls(message, advice=advice, code=code, status=reply.status, retry_at=retry_at)
    return cls(message, advice=advice, code=code, status=reply.status)


def no_answer(reply: Reply, what: str) -> BillError:
    """Make the error of a 2xx answer that is no answer of BILL."""
    cls = unheard(reply.purpose)
    return cls(
        f"the answer to {reply.label} (HTTP {reply.status}) holds {what}",
        advice=ADVICE[cls],
        status=reply.status,
    )


def refusals_in(body: Any) -> list[Refusal]:
    """Find the errors in a body: v3 arrays and single objects, the v2 envelope, RFC 6749 errors."""
    if isinstance(body, list):
        return [refusal for item in body for refusal in refusals_in(item)]
    if not isinstance(body, Mapping):
        return []
    for inner in ("response_data", "errors"):
        if isinstance(body.get(inner), (dict, list)):
            return refusals_in(body[inner])
    code = body.get("code") or body.get("error_code") or body.get("errorCode")
    message = body.get("message") or body.get("error_message") or body.get("error_description") or body.get("error")
    error = body.get("error")  # RFC 6749
    code = code or (error if isinstance(error, str) and error in CODES else "")
    code = code if isinstance(code, str) else ""
    message = _filled(message, body.get("params")) if isinstance(message, str) else ""
    return [Refusal(code, message)] if code or message else []


def quoted(words: str, redact: Callable[[str], str]) -> str:
    """Give words of BILL fit for an error: on one line, without secrets, shortened."""
    words = " ".join(redact(words).split())
    return words if len(words) <= QUOTED_LENGTH else words[: QUOTED_LENGTH - 3] + "..."


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return _NOTHING


def _filled(message: str, params: Any) -> str:
    """Fill BILL's ``${paramName0}`` from ``params`` where the value is there, and drop it where not."""
    rows = params if isinstance(params, list) else []
    named = dict(params) if isinstance(params, Mapping) else {}

    def value(match: re.Match[str]) -> str:
        name, number = match.group(1) + match.group(2), match.group(2)
        if name in named:
            return str(named[name])
        if number and int(number) < len(rows) and isinstance(rows[int(number)], Mapping):
            found = rows[int(number)].get("value")
            return match.group(0) if found in (None, "") else str(found)
        return match.group(0)

    return _EMPTY_TEMPLATE.sub("", _TEMPLATE.sub(value, message))


def _joined(refusals: list[Refusal]) -> str:
    """Join the messages, leaving out one that only repeats another behind an object's id."""
    kept: list[str] = []
    for message in (refusal.message for refusal in refusals):
        if message and not any(message.endswith(other) for other in kept):
            kept.append(message)
    return "; ".join(kept)


def _retry_at(reply: Reply, refusal: Refusal) -> DateTime:
    """Give the moment BILL may be asked again.

    The start of the next clock hour for the hourly limits; 15 minutes for a locked organization; a minute
    for the limits by the minute (Spend & Expense calls, text messages), for which BILL names no code.
    """
    if refusal.code == "BDC_1107" or (not refusal.code and reply.status == 423):
        return reply.sent_at.add(minutes=15)
    by_minute = "/v3/spend/" in reply.label or reply.purpose is Purpose.STEP
    if by_minute and (refusal.code != "BDC_1144" or "minute" in refusal.message):
        return reply.sent_at.add(minutes=1)
    return reply.sent_at.start_of("hour").add(hours=1)
