"""``BillRequest``: one call of BILL as a value, made once; everything below the hook takes it."""

from __future__ import annotations

import copy
import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_bill.client.empty_answers import may_be_empty
from airflow_provider_bill.client.paths import check_body, check_method, check_params, is_read, is_v2, v2_path, v3_path
from airflow_provider_bill.client.protected import is_protected, needs_trust
from airflow_provider_bill.exceptions import BillConfigurationError

#: BILL's two dialects: v3 is JSON over headers, v2 is forms and an envelope.
Dialect = Literal["v2", "v3"]


class Purpose(enum.Enum):
    """What a call is for: it decides what a missing or unclear answer means."""

    #: Changes nothing at BILL, so it may be asked again.
    READ = "read"
    #: May move money or change books: if no answer comes, the outcome is unknown.
    WRITE = "write"
    #: Proves who we are; ten refusals lock the user, so it is sent once.
    SIGN_IN = "sign_in"
    #: Sign-out and MFA steps: harmless if the answer is lost, but not sent again by itself (a text would come twice).
    STEP = "step"


@dataclass(frozen=True, kw_only=True)
class BillRequest:
    """One call of BILL.

    :param dialect: v2 or v3
    :param method: HTTP method, in capitals
    :param path: checked path with its leading slash
    :param purpose: what the call is for
    :param params: query parameters (v3)
    :param body: JSON body (v3), or what goes into the form field ``data`` (v2)
    :param is_protected: whether BILL's reference lists it as one that needs an MFA-trusted session
    :param needs_trust: whether it is known to be refused without MFA in this environment
    :param may_be_empty: whether an empty answer to it is an answer
    :param label: method and path without secrets, for messages and logs
    """

    dialect: Dialect
    method: str
    path: str = field(repr=False)
    purpose: Purpose
    params: Mapping[str, Any] | None = field(default=None, repr=False)
    body: Any = field(default=None, repr=False)
    is_protected: bool = False
    needs_trust: bool = False
    may_be_empty: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", f"{self.method} {self.path}")

    @property
    def is_write(self) -> bool:
        """Whether it may change something at BILL."""
        return self.purpose is Purpose.WRITE


def v3_request(method: str, path: str, purpose: Purpose = Purpose.READ, **parts: Any) -> BillRequest:
    """Return a v3 request of the client's own, such as a sign-in or an MFA step."""
    own_step = purpose in (Purpose.SIGN_IN, Purpose.STEP)
    return BillRequest(dialect="v3", method=method, path=path, purpose=purpose, may_be_empty=own_step, **parts)


def v2_request(path: str, purpose: Purpose = Purpose.READ, **parts: Any) -> BillRequest:
    """Return a v2 request of the client's own, such as a sign-in or an MFA step."""
    return BillRequest(dialect="v2", method="POST", path=path, purpose=purpose, **parts)


def prepare(
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    body: Any = None,
    dialect: Dialect | None = None,
    environment: str = "production",
    redact: Callable[[str], str] = str,
) -> BillRequest:
    """Return the request of a call that a user has asked for; sends nothing.

    :param method: HTTP method of a v3 call; v2 has only POST, whatever is given
    :param path: such as ``/v3/vendors`` or ``List/Vendor.json``
    :param params: query parameters of a v3 call; never credentials
    :param body: JSON body (v3) or ``data`` (v2)
    :param dialect: which one the path must be of; by default the path decides
    :param environment: ``sandbox`` or ``production``
    :param redact: takes secrets out of the label
    :raises BillConfigurationError: if the call cannot be right
    """
    if dialect is None:
        dialect = "v2" if isinstance(path, str) and is_v2(path) else "v3"
    if dialect == "v2":
        method, path = "POST", v2_path(path)
        if params:
            raise BillConfigurationError(
                f"{path} is a v2 call and takes no query parameters", advice="give its arguments as data"
            )
    else:
        method, path = check_method(method), v3_path(path)
        check_params(params)
    label = redact(f"{method} {path}")
    check_body(body, "data" if dialect == "v2" else "json", label)
    # A value stays what it was, whatever happens to what it was made from.
    params, body = _copied(params), _copied(body)
    protected = is_protected(method, path, body)
    return BillRequest(
        dialect=dialect,
        method=method,
        path=path,
        purpose=Purpose.READ if is_read(path, method) else Purpose.WRITE,
        params=params,
        body=body,
        is_protected=protected,
        needs_trust=protected and needs_trust(path, environment),
        may_be_empty=dialect == "v3" and may_be_empty(method, path),
        label=label,
    )


def _copied(what: Any) -> Any:
    try:
        return copy.deepcopy(what)
    except Exception as error:  # anything can be given, and raise anything
        failure = type(error).__name__
    raise BillConfigurationError(
        f"json or params cannot be sent ({failure})",
        advice="json takes finite numbers, texts, lists and objects; params take plain values",
    )
