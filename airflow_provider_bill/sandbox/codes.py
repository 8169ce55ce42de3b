"""BILL's error codes as data: the message, the HTTP status v3 answers with, and the category."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """One BDC code."""

    message: str
    status: int = 422
    category: str = "APPLICATION"


CODES: dict[str, Code] = {
    "BDC_1001": Code("System error occurred.", 500, "SERVER"),
    "BDC_1002": Code("Unknown error occurred.", 400, "REQUEST"),
    "BDC_1101": Code("User name and/or password do not match our records.", 401, "DOWNSTREAM"),
    "BDC_1102": Code("Developer key is invalid.", 401, "DOWNSTREAM"),
    "BDC_1103": Code("Developer key is inactive.", 401, "DOWNSTREAM"),
    "BDC_1104": Code("Developer terms are not accepted.", 401, "DOWNSTREAM"),
    "BDC_1105": Code("Organization does not have API access.", 403, "DOWNSTREAM"),
    "BDC_1106": Code("Partner type of user and organization differ.", 403, "DOWNSTREAM"),
    "BDC_1107": Code("Organization is locked out.", 423, "DOWNSTREAM"),
    "BDC_1108": Code("Missing parameter value for parameter: {0}.", 400, "REQUEST"),
    "BDC_1109": Code("Session is invalid.  Please log in.", 401, "DOWNSTREAM"),
    "BDC_1110": Code("Login is locked.", 401, "DOWNSTREAM"),
    "BDC_1111": Code("No active user for: {0}, {1}.", 401, "DOWNSTREAM"),
    "BDC_1113": Code("Login error.", 401, "DOWNSTREAM"),
    "BDC_1120": Code("No data found.", 404, "DOWNSTREAM"),
    "BDC_1121": Code("API not supported.", 404, "REQUEST"),
    "BDC_1122": Code("Error Parsing Json Object. Please check your request.", 400, "REQUEST"),
    "BDC_1123": Code("Invalid organization id.", 401, "DOWNSTREAM"),
    "BDC_1128": Code("Invalid List entity: {0}.", 400, "REQUEST"),
    "BDC_1129": Code("Invalid parameter value for parameter,value: {0}, {1}.", 400, "REQUEST"),
    "BDC_1130": Code("Invalid list filter field: {0}.", 400, "REQUEST"),
    "BDC_1131": Code("Invalid list filter operator: {0}.", 400, "REQUEST"),
    "BDC_1144": Code("Max number of allowed requests per hour reached: {0}.", 422, "DOWNSTREAM"),
    "BDC_1150": Code("Payment cannot be made: {0}.", 422),
    "BDC_1151": Code("Bank account is not set up for payments.", 422),
    "BDC_1152": Code("Invalid Process Date : ${paramName0}.", 422),
    "BDC_1159": Code("Cannot overpay a bill.", 422),
    "BDC_1171": Code("Invoice number {0} is already in use.", 422),
    "BDC_1178": Code("Developer key must be specified.", 401, "REQUEST"),
    "BDC_1205": Code("No object found with the given id.", 404, "DOWNSTREAM"),
    "BDC_1322": Code("Max number of concurrent requests per organization reached.", 422, "DOWNSTREAM"),
    "BDC_1354": Code("Specified 2-Step Verification phone is not setup or is invalid.", 422),
    "BDC_1355": Code("2-Step Verification token is not valid.", 422),
    "BDC_1356": Code("2-Step Verification token has expired.", 422),
    "BDC_1358": Code("2-Step Verification too many token response attempts.", 422),
    "BDC_1361": Code("Untrusted session.", 403, "DOWNSTREAM"),
    "BDC_1374": Code("2-Step Verification token has already been used.", 422),
    "BDC_1402": Code("Vendor is not set up for this payment.", 422),
    "BDC_1570": Code("Shield Service Errors.", 422, "DOWNSTREAM"),
    "BDC_5324": Code("Mfa action blocked.", 422),
}

LIMIT_CODES = frozenset({"BDC_1144", "BDC_1322"})
"""Codes whose HTTP status in v3 is disputed, and therefore a setting."""

SIGN_IN_CODES = frozenset(
    {"BDC_1101", "BDC_1102", "BDC_1103", "BDC_1104", "BDC_1110", "BDC_1111", "BDC_1113", "BDC_1123"}
)
"""Codes of a refused sign-in, whose HTTP status in v3 is a setting."""
