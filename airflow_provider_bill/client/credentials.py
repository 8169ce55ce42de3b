"""The kinds of sign-in, one frozen class each: what it needs, and under which name a connection holds it.

Sources: https://developer.bill.com/docs/bill-keys-tokens, https://developer.bill.com/reference/login,
https://developer.bill.com/docs/token-based-sign-in, https://developer.bill.com/docs/bill-partner-operations,
https://developer.bill.com/docs/oauth-client-credentials, https://developer.bill.com/docs/spend-expense-api.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pendulum import Duration

from airflow_provider_bill.client.session import IDLE_LIMIT, SYNC_TOKEN_IDLE_LIMIT
from airflow_provider_bill.exceptions import BillConfigurationError

_ORGANIZATION_ID = re.compile(r"[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*")
_HEADER_SAFE = re.compile(r"[!-~]+")
#: BILL takes a device label of up to 100 characters
#: (https://developersupport.bill.com/hc/en-us/articles/115000169443-MFAAuthenticate).
DEVICE_LENGTH = 100
#: Fields that an Airflow connection has of its own; all others are keys of its extra.
_OWN_FIELDS = ("login", "password")


class SignIn(enum.StrEnum):
    """The kinds of sign-in, as the connection's extra ``sign_in`` names them."""

    V3 = "v3"
    V2 = "v2"
    CONSOLE = "console"
    SYNC_TOKEN = "sync_token"  # noqa: S105
    PARTNER = "partner"
    OAUTH = "oauth"
    SPEND_TOKEN = "spend_token"  # noqa: S105


def check_device(label: str) -> str:
    """Give a device label that BILL can take.

    :raises BillConfigurationError: if it is blank or too long
    """
    if not label.strip() or len(label) > DEVICE_LENGTH:
        raise BillConfigurationError(
            f"the device label is blank or longer than {DEVICE_LENGTH} characters",
            advice="set device to the name of this installation, and keep it",
        )
    return label


@dataclass(frozen=True)
class RememberedDevice:
    """The 30-day proof that a person passed MFA: v3 ``rememberMeId``, v2 ``mfaId``, and its device label.

    :param token: BILL's id; secret
    :param device: the label given when the id was made, unchanged, up to 100 characters
    :raises BillConfigurationError: if one of the two is blank
    """

    token: str = field(repr=False)
    device: str

    def __post_init__(self) -> None:
        for name, other, value in (
            ("remembered_device_token", "device", self.token),
            ("device", "remembered_device_token", self.device),
        ):
            if not isinstance(value, str) or not value.strip():
                raise BillConfigurationError(
                    f"{name} of the remembered device is missing",
                    advice=f"set the extra {name} too, or remove the extra {other}: one needs the other",
                )
        check_device(self.device)


def _from_connection(source: str, meaning: str, *, secret: bool = False, header: bool = False) -> Any:
    """Declare a required value: the connection field it comes from, and what it is for this kind.

    :param secret: whether it is masked and kept out of ``repr``
    :param header: whether it travels in an HTTP header, so that only printable ASCII can work
    """
    return field(repr=not secret, metadata={"source": source, "meaning": meaning, "secret": secret, "header": header})


def _developer_key() -> Any:
    return _from_connection(
        "developer_api_key",
        "BILL's developer key (in BILL: Settings > Sync & Integrations > Manage Developer Keys)",
        secret=True,
        header=True,
    )


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What one kind of sign-in needs; the base of all kinds.

    :param organization_id: the organization to sign in to; empty where the kind names none
    :param remembered_device: the pair that makes a sign-in trusted, where the kind knows MFA
    """

    kind: ClassVar[SignIn]
    #: How long a session lives without a call; None where use does not matter.
    idle_limit: ClassVar[Duration | None] = IDLE_LIMIT
    #: Whether there is a sign-in call at all.
    signs_in: ClassVar[bool] = True
    #: Whether its sessions may pass MFA, and so make protected calls.
    mfa: ClassVar[bool] = True
    needs_organization: ClassVar[bool] = True

    organization_id: str = ""
    remembered_device: RememberedDevice | None = None

    def secrets(self) -> tuple[str, ...]:
        """Give every value that must be masked."""
        own = tuple(getattr(self, f.name) for f in dataclasses.fields(self) if f.metadata.get("secret"))
        return own + (() if self.remembered_device is None else (self.remembered_device.token,))

    def limit_key(self) -> str:
        """Give that by which BILL counts the sign-ins of an hour: the developer key, or the client id."""
        return str(getattr(self, "developer_key", "") or getattr(self, "client_id", ""))

    def sealing_secrets(self) -> tuple[str, ...]:
        """Give all that this sign-in depends on, in a fixed order and without the remembered device.

        A key made of it changes whenever the session would be another one.
        """
        declared = (getattr(self, f.name) for f in dataclasses.fields(self) if "source" in f.metadata)
        return (str(self.kind), self.organization_id, *declared)


@dataclass(frozen=True, kw_only=True)
class KeyedCredentials(Credentials):
    """Base of the kinds that name a developer key with each call."""

    developer_key: str = _developer_key()


@dataclass(frozen=True, kw_only=True)
class V3Password(KeyedCredentials):
    """User name and password, through v3 (``POST /v3/login``)."""

    kind = SignIn.V3
    login: str = _from_connection("login", "the BILL user name (an e-mail address)")
    password: str = _from_connection("password", "that user's password", secret=True)


@dataclass(frozen=True, kw_only=True)
class V2Password(KeyedCredentials):
    """User name and password, through v2 (``Login.json``)."""

    kind = SignIn.V2
    login: str = _from_connection("login", "the BILL user name (an e-mail address)")
    password: str = _from_connection("password", "that user's password", secret=True)


@dataclass(frozen=True, kw_only=True)
class Console(KeyedCredentials):
    """BILL Accountant Console: the console user's e-mail and Console API token."""

    kind = SignIn.CONSOLE
    login: str = _from_connection("login", "the e-mail address of the console user")
    console_token: str = _from_connection("password", "the Console API token", secret=True)


@dataclass(frozen=True, kw_only=True)
class SyncToken(KeyedCredentials):
    """AP & AR sync token, through v2; 48 idle hours, no MFA and so no protected calls."""

    kind = SignIn.SYNC_TOKEN
    idle_limit = SYNC_TOKEN_IDLE_LIMIT
    mfa = False
    token_name: str = _from_connection("login", "the name of the AP & AR sync token")
    token_value: str = _from_connection("password", "the value of the AP & AR sync token", secret=True)


@dataclass(frozen=True, kw_only=True)
class Partner(KeyedCredentials):
    """Partner sign-in (``appKey``), then sign-in as a user of an organization."""

    kind = SignIn.PARTNER
    login: str = _from_connection("login", "the partner's user name")
    password: str = _from_connection("password", "the partner's password", secret=True)
    app_key: str = _from_connection("app_api_key", "the partner's application key", secret=True, header=True)
    partner_user_id: str = _from_connection("partner_user_id", "the id (006...) of the user to sign in as")


@dataclass(frozen=True, kw_only=True)
class OAuthClient(Credentials):
    """OAuth client credentials: a Bearer token with a fixed end."""

    kind = SignIn.OAUTH
    idle_limit = None
    mfa = False
    needs_organization = False
    client_id: str = _from_connection("login", "the client id of the developer app")
    client_secret: str = _from_connection("password", "the client secret of the developer app", secret=True)


@dataclass(frozen=True, kw_only=True)
class SpendToken(Credentials):
    """Spend & Expense API token: a header on each call, no sign-in."""

    kind = SignIn.SPEND_TOKEN
    idle_limit = None
    signs_in = False
    mfa = False
    needs_organization = False
    api_token: str = _from_connection("password", "the Spend & Expense API token", secret=True, header=True)


KINDS: dict[SignIn, type[Credentials]] = {
    cls.kind: cls for cls in (V3Password, V2Password, Console, SyncToken, Partner, OAuthClient, SpendToken)
}


def credentials_from(kind: str, fields: Mapping[str, str | None]) -> Credentials:
    """Make the credentials of a kind from the fields of a connection.

    Spaces around a value are dropped, save around a password: a stray space on a key is a common trap.

    :param kind: a value of ``SignIn``
    :param fields: ``login``, ``password`` and the extras ``developer_api_key``, ``organization_id``,
        ``app_api_key``, ``partner_user_id``, ``device``, ``remembered_device_token``; others are ignored
    :raises BillConfigurationError: if the kind does not exist, or a field is missing, blank or unfit
    """
    if kind not in tuple(SignIn):
        raise BillConfigurationError(
            f"the connection's extra sign_in is {kind!r}, which does not exist",
            advice=f"use one of: {', '.join(SignIn)}",
        )
    cls = KINDS[SignIn(kind)]
    values: dict[str, Any] = {
        f.name: _value(cls, fields, **{k: f.metadata[k] for k in ("source", "meaning", "header")})
        for f in dataclasses.fields(cls)
        if "source" in f.metadata
    }
    organization_id = _text(fields, "organization_id")
    if cls.needs_organization and not organization_id:
        raise _missing(cls, "organization_id", "the id (008...) of the organization to sign in to")
    if organization_id and (len(organization_id) > 64 or not _ORGANIZATION_ID.fullmatch(organization_id)):
        raise BillConfigurationError(
            f"the connection's extra organization_id is {organization_id[:64]!r}, not an organization id",
            advice="copy the id (008...) from BILL: Settings > Sync & Integrations > Manage Developer Keys",
        )
    return cls(organization_id=organization_id, remembered_device=_remembered(cls, fields), **values)


def _text(fields: Mapping[str, str | None], name: str) -> str:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise BillConfigurationError(f"the connection's {_label(name)} is not text", advice="put it in quotes")
    text = value or ""
    return (text if text.strip() else "") if name == "password" else text.strip()


def _label(source: str) -> str:
    return source if source in _OWN_FIELDS else f"extra {source}"


def _missing(cls: type[Credentials], source: str, meaning: str) -> BillConfigurationError:
    return BillConfigurationError(
        f"the connection's {_label(source)} is missing or blank: for sign_in {cls.kind} it is {meaning}",
        advice="edit the connection and fill it in",
    )


def _value(cls: type[Credentials], fields: Mapping[str, str | None], *, source: str, meaning: str, header: bool) -> str:
    value = _text(fields, source)
    if not value:
        raise _missing(cls, source, meaning)
    if header:
        value = value.strip()
        if not _HEADER_SAFE.fullmatch(value):
            raise BillConfigurationError(
                f"the connection's {_label(source)} holds a space or a character that no key has",
                advice="copy it again, without what stands around it",
            )
    return value


def _remembered(cls: type[Credentials], fields: Mapping[str, str | None]) -> RememberedDevice | None:
    token, device = _text(fields, "remembered_device_token"), _text(fields, "device")
    if not token and not device:
        return None
    if not cls.mfa:
        raise BillConfigurationError(
            f"extras remembered_device_token and device are of no use: sign_in {cls.kind} knows no MFA",
            advice="remove both, or use a kind with MFA (v3, v2, console, partner)",
        )
    return RememberedDevice(token=token, device=device)
