"""The calls for which BILL wants a session that has passed MFA.

Sources: https://developer.bill.com/reference/setup (v3), https://developer.bill.com/v2/reference/auth-login (v2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

#: v3 calls that change something by these methods may be protected for what their body sets.
_CHANGES = frozenset({"POST", "PUT", "PATCH"})
#: Values of a field that say it is switched off.
_OFF: tuple[Any, ...] = (None, False, "", "false", "DISABLED", "OFF", [])
#: Those that BILL's sandbox was seen to refuse too.
_PROTECTED_IN_SANDBOX = re.compile(r"/v3/payments(/bulk)?/?")


def _always(body: Any) -> bool:
    return True


def _is_on(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(_is_on(value[key]) for key in ("enabled", "status") if key in value)
    return value not in _OFF


def _sets(field: str) -> Callable[[Any], bool]:
    return lambda body: isinstance(body, Mapping) and _is_on(body.get(field))


@dataclass(frozen=True)
class _Rule:
    """A v3 call that is protected: its methods, its path, and for which bodies."""

    methods: frozenset[str]
    path: re.Pattern[str]
    applies_to: Callable[[Any], bool] = _always


_V3_RULES = (
    _Rule(frozenset({"POST"}), re.compile(r"/v3/payments(/bulk)?/?")),
    _Rule(frozenset({"POST"}), re.compile(r"/v3/funding-accounts/banks/?")),
    _Rule(_CHANGES, re.compile(r"/v3/vendors(/[^/]+)?/?"), _sets("autoPay")),
    _Rule(_CHANGES, re.compile(r"/v3/vendors/[^/]+/auto-?pay/?", re.I), _is_on),
    _Rule(_CHANGES, re.compile(r"/v3/recurring-?bills(/[^/]+)?/?", re.I), _sets("autoPayment")),
)
_V2_PATHS = frozenset(
    {
        "/SendVendorInvite.json",
        "/SendInvite.json",
        "/VendorBankAccount.json",
        "/Crud/Create/VendorBankAccount.json",
        "/Bulk/Crud/Create/VendorBankAccount.json",
        "/PayBills.json",
    }
)


def is_protected(method: str, path: str, body: Any = None) -> bool:
    """Return whether BILL's reference lists a call as one that needs an MFA-trusted session.

    :param method: HTTP method in capitals
    :param path: checked path, of either dialect
    :param body: some v3 calls are protected only for what they set
    """
    if path in _V2_PATHS:
        return True
    bodies = body if body and isinstance(body, list) else [body]
    return any(
        method in rule.methods and rule.path.fullmatch(path) and any(map(rule.applies_to, bodies)) for rule in _V3_RULES
    )


def needs_trust(path: str, environment: str) -> bool:
    """Return whether a protected call is known to be refused without MFA in an environment.

    BILL's reference ties its list to production; of its sandbox it is known for payments only, and there BILL
    itself has the word.
    """
    return environment != "sandbox" or bool(_PROTECTED_IN_SANDBOX.fullmatch(path))
