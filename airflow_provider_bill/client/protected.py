"""The calls for which BILL wants a session that has passed MFA: the catalogue's, and those of BILL's older pages.

Sources: https://developer.bill.com/reference/setup (v3), https://developer.bill.com/v2/reference/auth-login (v2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_bill.client.operations import find

#: Values of a field that say it is switched off.
_OFF: tuple[Any, ...] = (None, False, "", "false", "DISABLED", "OFF", [])
#: Those that BILL's sandbox was seen to refuse too.
_PROTECTED_IN_SANDBOX = re.compile(r"/v3/payments(/bulk)?")
#: What only BILL's older pages list: method and path -> fields of the body; an empty one is the body itself.
_OLDER = (
    (re.compile(r"PUT /v3/vendors/[^/]+"), "autoPay"),
    (re.compile(r"(POST|PUT|PATCH) /v3/vendors/[^/]+/auto-?pay", re.I), ""),
)
#: Of v2, in small letters: nobody knows whether BILL looks at capitals.
_V2_PATHS = frozenset(
    {
        "/sendvendorinvite.json",
        "/sendinvite.json",
        "/vendorbankaccount.json",
        "/crud/create/vendorbankaccount.json",
        "/bulk/crud/create/vendorbankaccount.json",
        "/paybills.json",
    }
)


def is_protected(method: str, path: str, body: Any = None) -> bool:
    """Return whether BILL's reference lists a call as one that needs an MFA-trusted session.

    :param method: HTTP method in capitals
    :param path: checked path, of either dialect
    :param body: some v3 calls are protected only for what they set
    """
    if path.lower() in _V2_PATHS:
        return True
    operation = find(method, path)
    fields = [] if operation is None else operation.protected.split()
    if "always" in fields:
        return True
    fields += [field for call, field in _OLDER if call.fullmatch(f"{method} {path}")]
    bodies = body if body and isinstance(body, list | tuple) else [body]  # JSON makes an array of both
    return any(_is_on(_value(one, field)) for one in bodies for field in fields)


def needs_trust(path: str, environment: str) -> bool:
    """Return whether a protected call is known to be refused without MFA in an environment.

    BILL's reference ties its list to production; of its sandbox it is known for payments only, and there BILL
    itself has the word.
    """
    return environment != "sandbox" or bool(_PROTECTED_IN_SANDBOX.fullmatch(path))


def _value(body: Any, field: str) -> Any:
    """Return what a body sets, such as ``processingOptions.autoPayment``; None for nothing."""
    for name in filter(None, field.split(".")):
        body = body.get(name) if isinstance(body, Mapping) else None
    return body


def _is_on(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(_is_on(value[key]) for key in ("enabled", "status") if key in value)
    return value not in _OFF
