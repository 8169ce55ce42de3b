"""Links of a task's page: what BILL says about its operation, and what our docs say about its error.

BILL documents no address of a bill, vendor, payment or organization in its web application, only that of its sign-in:
so there is no link to them. What is linked are the pages of BILL's reference whose addresses are known, else its
overview. No link holds anything of the task but its kind, the kind of its call, and the code of its error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink

from airflow_provider_bill.client.paths import is_v2

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

#: Key of the XCom in which Airflow 2 keeps the code of the error that has ended a task.
ERROR_KEY = "bill_error"
#: Our page of errors by code.
ERRORS = "https://github.com/airflow-provider-bill/airflow-provider-bill/blob/main/docs/errors.md"
_BILL = "https://developer.bill.com"
_OVERVIEW = f"{_BILL}/reference/api-reference-overview"
_OVERVIEW_V2 = f"{_BILL}/docs/api-response-format"

#: Pages of the operators that stand for one operation.
_OF_OPERATORS = {
    "BillLoginOperator": f"{_BILL}/reference/login",
    "BillLogoutOperator": f"{_BILL}/reference/logout",
    "BillSessionWarmupOperator": f"{_BILL}/reference/getsessioninfo",
    "BillMfaChallengeOperator": f"{_BILL}/reference/generatechallenge",
}
#: Pages of calls: method, path with `*` for an id or a template, page.
_OF_CALLS = (
    ("POST", "/v3/login", "reference/login"),
    ("GET", "/v3/login/session", "reference/getsessioninfo"),
    ("GET", "/v3/vendors", "reference/listvendors"),
    ("PATCH", "/v3/vendors/*", "reference/updatevendor"),
    ("POST", "/v3/vendors/*/bank-account", "reference/ap-vendormgmt-createvendorbankaccount"),
    ("GET", "/v3/documents/*", "reference/getdocument"),
    ("POST", "/v3/payments/*/void", "reference/voidpayment"),
    ("GET", "/v3/payments/options", "reference/listpaymentoptions"),
    ("POST", "/v3/bill-approvals/policies", "reference/createbillapprovalpolicy"),
    ("POST", "/v3/risk-verifications", "reference/initiateriskverifications"),
)


class BillReferenceLink(BaseOperatorLink):
    """BILL's reference of what the task does."""

    name = "BILL's reference"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the address; Airflow 2 asks with what it has stored of the operator."""
        kind = str(getattr(operator, "task_type", ""))
        if kind != "BillApiOperator":
            return _OF_OPERATORS.get(kind, _OVERVIEW)
        return reference_of(getattr(operator, "method", ""), getattr(operator, "endpoint", ""))


class BillErrorLink(BaseOperatorLink):
    """What our docs say about the error that has ended the task; none for a task that has met none."""

    name = "BILL: what the error means"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the address, or an empty text."""
        code = getattr(operator, "bill_error", None)
        if code is None:
            code = _stored_code(ti_key)
        if code is None:
            return ""
        # BILL's codes and nothing else: of what stands in an XCom nothing is believed.
        return f"{ERRORS}#{code.lower()}" if re.fullmatch(r"[A-Za-z]{2,8}_\d{1,8}", code) else ERRORS


def reference_of(method: Any, path: Any) -> str:
    """Return the address of BILL's reference of a call.

    :param method: HTTP method
    :param path: v3 or v2 path; also a template that is not rendered
    """
    if not isinstance(path, str) or not isinstance(method, str):
        return _OVERVIEW
    if is_v2(path):
        return _OVERVIEW_V2
    wanted = path.partition("?")[0].strip().strip("/").split("/")
    for known_method, known_path, page in _OF_CALLS:
        known = known_path.strip("/").split("/")
        if (method.upper(), len(wanted)) == (known_method, len(known)) and all(map(_fits, known, wanted)):
            return f"{_BILL}/{page}"
    return _OVERVIEW


def _fits(known: str, given: str) -> bool:
    # Words, such as `upload-status`, are no ids: they name another operation.
    return known == given or (known == "*" and re.fullmatch("[a-z-]+", given) is None)


def _stored_code(ti_key: Any) -> str | None:
    """Return the code that Airflow 2 has kept of a task; None if there is none."""
    from airflow_provider_bill.version_compat import AIRFLOW_V_3_0_PLUS

    if AIRFLOW_V_3_0_PLUS:
        return None
    from airflow.providers.common.compat.sdk import XCom

    try:
        code = XCom.get_value(key=ERROR_KEY, ti_key=ti_key)
    except Exception:  # The page of the task must be shown.
        return None
    return code if isinstance(code, str) else None
