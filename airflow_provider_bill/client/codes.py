"""BILL's error codes as data: what each means, which error it becomes, what to do next.

v2 and v3 share one list. Sources: https://developer.bill.com/docs/common-api-error-codes,
https://developersupport.bill.com/hc/en-us/articles/208762056-Error-codes-list,
https://developer.bill.com/docs/api-rate-limits.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_bill.client.request import Purpose
from airflow_provider_bill.exceptions import (
    BillApiError,
    BillConcurrencyError,
    BillError,
    BillMfaError,
    BillMfaRequiredError,
    BillOutcomeUnknownError,
    BillRateLimitError,
    BillSessionExpiredError,
    BillSignInRefusedError,
    BillUnavailableError,
)


@dataclass(frozen=True)
class Code:
    """One of BILL's error codes.

    :param meaning: what BILL means by it, in a few words
    :param error: the error it becomes
    :param advice: what to do next
    """

    meaning: str
    error: type[BillError]
    advice: str


_CREDENTIALS = "correct the connection before trying again: ten refused sign-ins lock the user"
_CALL = "correct the call; BILL's reference shows what it takes"
_SUPPORT = "ask BILL's support, naming the code"
_SCOPE = "use a developer app of the scope Full access; a scope cannot be changed"
_NEW_CODE = "ask for a new code and enter that"

CODES: dict[str, Code] = {
    "BDC_1001": Code("system error", BillUnavailableError, "try again later"),
    "BDC_1002": Code(
        "unknown error, often a misspelt or unknown parameter",
        BillApiError,
        "check the names of the call's parameters",
    ),
    "BDC_1101": Code(
        "user name or password is wrong, or of the other environment", BillSignInRefusedError, _CREDENTIALS
    ),
    "BDC_1102": Code(
        "the developer key is invalid, or the user belongs to the other environment",
        BillSignInRefusedError,
        "check developer_api_key, login and environment in the connection, also for stray spaces",
    ),
    "BDC_1103": Code("the developer key is inactive", BillSignInRefusedError, "make it active in BILL, or use another"),
    "BDC_1104": Code(
        "the developer terms are not accepted",
        BillSignInRefusedError,
        "accept them in BILL's developer settings",
    ),
    "BDC_1105": Code("the organization has no API access", BillSignInRefusedError, "ask BILL to enable API access"),
    "BDC_1106": Code("partner type of user and organization differ", BillSignInRefusedError, _CREDENTIALS),
    "BDC_1107": Code(
        "the organization is locked out for some minutes", BillRateLimitError, "leave it alone for 15 minutes"
    ),
    "BDC_1108": Code("a parameter has no value", BillApiError, _CALL),
    "BDC_1109": Code(
        "the session is over, unknown, or of another developer key",
        BillSessionExpiredError,
        "sign in again, once",
    ),
    "BDC_1110": Code("the login is locked", BillSignInRefusedError, "reset the user's password in BILL to unlock it"),
    "BDC_1111": Code("there is no such active user", BillSignInRefusedError, _CREDENTIALS),
    "BDC_1113": Code("login error", BillSignInRefusedError, _CREDENTIALS),
    "BDC_1120": Code("no data found", BillApiError, "check the id that was asked for"),
    "BDC_1121": Code("there is no such API path", BillApiError, "check the path's spelling and capitals"),
    "BDC_1122": Code("the JSON could not be read", BillApiError, _CALL),
    "BDC_1123": Code("the organization id is invalid", BillApiError, "check organization_id"),
    "BDC_1128": Code("there is no such list entity", BillApiError, "check the path's spelling and capitals"),
    "BDC_1129": Code("a parameter has a value that cannot be", BillApiError, _CALL),
    "BDC_1130": Code("a list filter names a field that does not exist", BillApiError, _CALL),
    "BDC_1131": Code("a list filter has an operator that does not exist", BillApiError, _CALL),
    "BDC_1144": Code(
        "the calls allowed in an hour are used up",
        BillRateLimitError,
        "wait for the start of the next clock hour",
    ),
    "BDC_1150": Code("payment set-up error", BillApiError, "complete the payment set-up in BILL"),
    "BDC_1151": Code("payment set-up error", BillApiError, "complete the payment set-up in BILL"),
    "BDC_1152": Code("the process date is invalid", BillApiError, "use a business day in the future"),
    "BDC_1159": Code(
        "more would be paid than is due on the bill",
        BillApiError,
        "read dueAmount of the bill, and pay no more",
    ),
    "BDC_1171": Code(
        "there is an invoice with this number already",
        BillApiError,
        "look in BILL whether it is the one that you mean to create, or give another invoiceNumber",
    ),
    "BDC_1178": Code(
        "no developer key was named", BillSignInRefusedError, "set extra developer_api_key of the connection"
    ),
    "BDC_1205": Code(
        "there is no object with this id", BillApiError, "check the id, and that it belongs to this organization"
    ),
    "BDC_1322": Code(
        "more than three calls at once for this developer key and organization",
        BillConcurrencyError,
        "give the tasks that call BILL an Airflow pool of 3 slots (bill_api)",
    ),
    "BDC_1354": Code(
        "no phone for 2-step verification",
        BillMfaError,
        "register the user's phone in BILL, then ask for a code",
    ),
    "BDC_1355": Code("the MFA code is wrong", BillMfaError, "enter the code from the newest text message"),
    "BDC_1356": Code("the MFA code has expired", BillMfaError, _NEW_CODE),
    "BDC_1358": Code("too many tries for one MFA code", BillMfaError, "wait ten minutes, then ask for a new code"),
    "BDC_1361": Code(
        "the session is not MFA-trusted",
        BillMfaRequiredError,
        "pass MFA once and let the device be remembered; signing in again does not help",
    ),
    "BDC_1374": Code("the MFA code has expired", BillMfaError, _NEW_CODE),
    "BDC_1402": Code("the payment cannot be set up so", BillApiError, "complete the payment set-up in BILL"),
    "BDC_1570": Code("BILL's risk check stopped the call", BillApiError, _SUPPORT),
    "BDC_5324": Code(
        "MFA action blocked, as a phone is registered already",
        BillMfaError,
        "ask for a code instead of a set-up",
    ),
    # RFC 6749 and 6750, of the OAuth token call and of calls with its token
    "invalid_client": Code(
        "client id or client secret is wrong, or of the other environment",
        BillSignInRefusedError,
        _CREDENTIALS,
    ),
    "unauthorized_client": Code("the developer app may not do this", BillSignInRefusedError, _CREDENTIALS),
    "invalid_grant": Code("the credentials are not valid", BillSignInRefusedError, _CREDENTIALS),
    "access_denied": Code("access was denied", BillSignInRefusedError, _CREDENTIALS),
    "invalid_scope": Code("the developer app lacks the scope", BillSignInRefusedError, _SCOPE),
    "unsupported_grant_type": Code(
        "BILL takes no client credentials there", BillApiError, "check the connection's extra oauth_url"
    ),
    "invalid_request": Code("the call is malformed", BillApiError, _CALL),
    "invalid_token": Code("the access token is over or unknown", BillSessionExpiredError, "get a new one, once"),
    "insufficient_scope": Code("the developer app lacks the scope", BillApiError, _SCOPE),
}

#: Codes that at a sign-in mean the credentials, though elsewhere they mean something else -> what to do then.
_REFUSED_AT_SIGN_IN = {
    "BDC_1109": _CREDENTIALS,
    "BDC_1123": "correct organization_id of the connection, or use a key that may enter that organization",
    "BDC_1129": "correct organization_id, then the other fields of the connection",
}
#: Those of them that are about the connection and nothing else.
_FINAL_AT_SIGN_IN = frozenset({"BDC_1123", "BDC_1129"})
#: Codes that say little: another code beside them is preferred, and at a 5xx they decide nothing.
_GENERIC = frozenset({"BDC_1001", "BDC_1002"})


def specificity(code: str) -> int:
    """Return a rank for picking one of several codes: the higher, the more it says."""
    known = CODES.get(code)
    if known is None:
        return 0
    if code in _GENERIC:
        return 1
    return 2 if known.error is BillApiError else 3


def error_class(code: str, status: int, purpose: Purpose) -> type[BillError]:
    """Return the error that an answer becomes: by BILL's code first, then by the HTTP status.

    :param code: BILL's code, or an empty string
    :param status: HTTP status of the answer
    :param purpose: what the call was for
    """
    known = CODES.get(code)
    if purpose is Purpose.SIGN_IN:
        if code in _REFUSED_AT_SIGN_IN:
            return BillSignInRefusedError
        if known is None and status in (401, 403):
            return BillSignInRefusedError
    unclear = known is None or known.error in (BillApiError, BillUnavailableError)
    if (unclear and (status >= 500 or status == 408)) or code == "BDC_1001":
        return unanswered(purpose)
    if known is not None:
        return known.error
    if status == 401:
        return BillSessionExpiredError
    if status in (423, 429):
        return BillRateLimitError
    return BillApiError


def is_session_over(code: str | None) -> bool:
    """Return whether a refusal says by its code that the session is over; HTTP 401 alone can mean anything."""
    known = CODES.get(code or "")
    return known is not None and known.error is BillSessionExpiredError


def is_final_refusal(code: str | None) -> bool:
    """Return whether BILL documents a refusal of a sign-in as one that trying again cannot change."""
    known = CODES.get(code or "")
    return code in _FINAL_AT_SIGN_IN or (known is not None and known.error is BillSignInRefusedError)


def advice_for(code: str, cls: type[BillError]) -> str:
    """Return what to do about an error of that class and code."""
    known = CODES.get(code)
    if known is not None and known.error is cls:
        return known.advice
    if cls is BillSignInRefusedError and code in _REFUSED_AT_SIGN_IN:
        return _REFUSED_AT_SIGN_IN[code]
    return ADVICE.get(cls, "")


def unanswered(purpose: Purpose) -> type[BillError]:
    """Return the error of a call that was sent and got no answer."""
    return BillOutcomeUnknownError if purpose is Purpose.WRITE else BillUnavailableError


#: What to do about an error that has no code of its own.
ADVICE: dict[type[BillError], str] = {
    BillApiError: _CALL,
    BillOutcomeUnknownError: "look in BILL whether it was done before sending it again",
    BillRateLimitError: "wait for some minutes",
    BillSessionExpiredError: CODES["BDC_1109"].advice,
    BillSignInRefusedError: _CREDENTIALS,
    BillUnavailableError: "try again later",
}
