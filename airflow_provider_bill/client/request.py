"""``BillRequest``: one call of BILL as a value, made once; everything below the hook takes it."""

from __future__ import annotations

import copy
import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_bill.client.operations import Base, Operation, base_of, find, spelt_right
from airflow_provider_bill.client.paths import check_body, check_method, check_params, is_read, is_v2, v2_path, v3_path
from airflow_provider_bill.client.protected import is_protected, needs_trust
from airflow_provider_bill.client.uploads import Upload
from airflow_provider_bill.exceptions import BillConfigurationError

#: BILL's two dialects: v3 is JSON over headers, v2 is forms and an envelope.
Dialect = Literal["v2", "v3"]
#: What the catalogue does not have of v2: path in small letters -> fields of its answer that are secrets.
_V2_SECRETS = {"/mfaauthenticate.json": ("mfaId", "rememberMeId")}


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
    :param file: sent as the body, in place of JSON
    :param base: which of BILL's v3 bases the path is appended to
    :param operation: what the catalogue says of it; None if it is not in there, or the client's own step
    :param idempotency_key: sent with it, where BILL takes one
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
    file: Upload | None = field(default=None, repr=False)
    base: Base = "connect"
    operation: Operation | None = field(default=None, repr=False)
    idempotency_key: str = field(default="", repr=False)
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

    @property
    def takes_idempotency_key(self) -> bool:
        """Whether BILL does it once however often it is sent with the same key, for a day."""
        return self.operation is not None and self.operation.idempotency_key

    @property
    def secrets(self) -> tuple[str, ...]:
        """The fields of its answer that are secrets."""
        return _V2_SECRETS.get(self.path.lower(), ()) if self.operation is None else self.operation.secrets


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
    file: Upload | None = None,
    dialect: Dialect | None = None,
    environment: str = "production",
    redact: Callable[[str], str] = str,
) -> BillRequest:
    """Return the request of a call that a user has asked for; sends nothing.

    :param method: HTTP method of a v3 call; v2 has only POST, whatever is given
    :param path: such as ``/v3/vendors`` or ``List/Vendor.json``
    :param params: query parameters of a v3 call; never credentials
    :param body: JSON body (v3) or ``data`` (v2)
    :param file: to send as the body of a v3 call
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
    operation = find(method, path) if dialect == "v3" else None
    label = redact(f"{method} {path}")
    if path.lower() == "/login.json" or (operation is not None and operation.caller == "nobody" and operation.write):
        raise BillConfigurationError(
            f"{label} is a sign-in, and sent like this a wrong password would reach BILL again and again",
            advice="leave it out: each call signs in by itself, as the connection says; or use sign_in() of BillHook",
        )
    if dialect == "v3":
        _check_operation(operation, path, label, file)
    check_body(body, label)
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
        file=file,
        base=base_of(path),
        operation=operation,
        is_protected=protected,
        needs_trust=protected and needs_trust(path, environment),
        # What is deleted is deleted, whatever the answer says.
        may_be_empty=dialect == "v3" and (method == "DELETE" or (operation is not None and operation.may_be_empty)),
        label=label,
    )


def _check_operation(operation: Operation | None, path: str, label: str, file: Upload | None) -> None:
    """Refuse a call that BILL's collection spells otherwise, or for which it wants a body of the other kind."""
    if operation is None:
        if right := spelt_right(path):
            raise BillConfigurationError(
                f"the path of {label} is spelt with other capitals than BILL's", advice=f"give {right}"
            )
    elif file is None and operation.body == "file":
        raise BillConfigurationError(
            f"{label} takes a file, not JSON", advice="use upload_from of BillApiOperator, or upload() of BillHook"
        )
    elif file is not None and operation.body != "file":
        raise BillConfigurationError(f"{label} takes no file", advice="give a body that is JSON instead")


def _copied(what: Any) -> Any:
    try:
        return copy.deepcopy(what)
    except Exception as error:  # anything can be given, and raise anything
        failure = type(error).__name__
    raise BillConfigurationError(
        f"the body or the query cannot be sent ({failure})",
        advice="a body takes finite numbers, texts, lists and objects; a query takes plain values",
    )
