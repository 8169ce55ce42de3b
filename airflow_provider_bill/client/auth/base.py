"""What all kinds of sign-in have in common: their fields, and what each must be able to do.

Source: https://developer.bill.com/docs/bill-keys-tokens.
"""

from __future__ import annotations

import dataclasses
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from pendulum import Duration

from airflow_provider_bill.client.answers import Answer
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.developer_keys import developer_keys
from airflow_provider_bill.client.environments import Environment
from airflow_provider_bill.client.operations import PARTNER_PATHS, SPEND_PATHS
from airflow_provider_bill.client.request import BillRequest, Dialect, v3_request
from airflow_provider_bill.client.requester import Requester
from airflow_provider_bill.client.results import Organization
from airflow_provider_bill.client.secret import Secret
from airflow_provider_bill.client.session import IDLE_LIMIT, BillSession
from airflow_provider_bill.exceptions import BillConfigurationError, BillError, BillSessionExpiredError

_ORGANIZATION_ID = re.compile(r"[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*")
_HEADER_SAFE = re.compile(r"[!-~]+")
#: Fields that an Airflow connection has of its own; all others are keys of its extra.
_OWN_FIELDS = ("login", "password")


def from_connection(source: str, meaning: str, *, secret: bool = False, header: bool = False) -> Any:
    """Declare a required value of a kind of sign-in.

    :param source: the connection field it comes from
    :param meaning: what it is for this kind
    :param secret: whether it is masked and kept out of ``repr``
    :param header: whether it travels in an HTTP header, so that only printable ASCII can work
    """
    return field(repr=not secret, metadata={"source": source, "meaning": meaning, "secret": secret, "header": header})


@dataclass(frozen=True, kw_only=True)
class Credentials(ABC):
    """What one kind of sign-in needs, and all that depends on the kind; the base of all kinds.

    :param organization_id: the organization to sign in to; empty where the kind names none
    :param remembered_device: the pair that makes a sign-in trusted, where the kind can pass MFA
    """

    #: The kind, as the connection's extra ``sign_in`` names it.
    kind: ClassVar[str]
    #: In which dialect it signs in and out, and passes MFA.
    dialect: ClassVar[Dialect] = "v3"
    #: How long a session lives without a call; None where use does not matter.
    idle_limit: ClassVar[Duration | None] = IDLE_LIMIT
    #: Whether there is a sign-in call at all.
    signs_in: ClassVar[bool] = True
    #: Whether there is a session to end.
    signs_out: ClassVar[bool] = True
    #: Whether its sessions may pass MFA, and so make protected calls.
    has_mfa: ClassVar[bool] = True
    #: Whether a live session can become trusted by a remembered device; else only a sign-in can.
    steps_up: ClassVar[bool] = True
    #: Whether organizations are listed by sending the credentials, which counts as a sign-in; else in a session.
    lists_by_credentials: ClassVar[bool] = False
    #: Whether a sign-in must name an organization.
    needs_organization: ClassVar[bool] = True

    #: Every kind whose module was imported.
    registry: ClassVar[dict[str, type[Credentials]]] = {}

    organization_id: str = ""
    remembered_device: RememberedDevice | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" in vars(cls):
            cls.registry[cls.kind] = cls

    @classmethod
    def from_fields(cls, fields: Mapping[str, str | None]) -> Self:
        """Return the credentials that the fields of a connection hold.

        Spaces around a value are dropped, save around a password: a stray space on a key is a common trap.

        :raises BillConfigurationError: if a field is missing, blank or unfit
        """
        values = {
            declared.name: cls._value(fields, declared.metadata)
            for declared in dataclasses.fields(cls)
            if "source" in declared.metadata
        }
        organization_id = _text(fields, "organization_id")
        if cls.needs_organization and not organization_id:
            raise cls._missing("organization_id", "the id (008...) of the organization to sign in to")
        if organization_id and (len(organization_id) > 64 or not _ORGANIZATION_ID.fullmatch(organization_id)):
            raise BillConfigurationError(
                f"the connection's extra organization_id is {organization_id[:64]!r}, not an organization id",
                advice="copy the id (008...) from BILL: Settings > Sync & Integrations > Manage Developer Keys",
            )
        return cls(organization_id=organization_id, remembered_device=cls._device(fields), **values)

    @abstractmethod
    def sign_in(self, requester: Requester, remembered: RememberedDevice | None) -> BillSession:
        """Open a session.

        :raises BillError: see ``BillClient.sign_in``
        """

    @abstractmethod
    def headers(self, token: str, request: BillRequest) -> dict[str, str]:
        """Return the headers that prove who makes a v3 call.

        :param token: of the session
        :param request: the call
        """

    def token_for(self, session: BillSession, request: BillRequest) -> str:
        """Return the session's token that goes with a v3 call."""
        return session.session_token

    def download_headers(self, token: str) -> dict[str, str]:
        """Return the headers that prove who downloads a file from the API's own host.

        :param token: of the session
        """
        return self.headers(token, v3_request("GET", "/download"))

    def form(self, token: str) -> dict[str, str]:
        """Return the form fields that prove who makes a v2 call.

        :param token: of the session
        :raises BillConfigurationError: if this kind makes no v2 calls
        """
        raise BillConfigurationError(
            f"sign_in {self.kind} makes no v2 calls",
            advice="use a connection of kind v2, v3, console or sync_token",
        )

    def organizations(self, requester: Requester) -> list[Organization]:
        """List the organizations by sending the credentials.

        :raises BillConfigurationError: if this kind lists them in a session only
        """
        raise BillConfigurationError(
            f"sign_in {self.kind} lists organizations only in a session", advice="sign in first, or use sign_in v2"
        )

    def check(self, request: BillRequest) -> None:
        """Refuse a call that this kind of sign-in cannot make.

        :raises BillConfigurationError: naming a kind that can
        """
        if request.dialect == "v2":
            raise BillConfigurationError(
                f"{request.path} is a v2 call, which sign_in {self.kind} cannot make",
                advice="use a v3 path, or a connection of kind v2, v3, console or sync_token",
            )
        if self.kind != "partner" and request.path.startswith(PARTNER_PATHS):
            raise BillConfigurationError(
                f"{request.path} is a partner's call, which sign_in {self.kind} cannot make",
                advice="use a connection of kind partner",
            )

    def session_refused(self, error: BillSessionExpiredError, request: BillRequest) -> BillError:
        """Return what a refused session means; for most kinds that it is over."""
        return error

    def sign_out_beside(self, requester: Requester, session: BillSession) -> None:
        """End what the sign-in has opened beside the session; for most kinds nothing."""
        return

    def check_mfa(self) -> None:
        """Refuse what only a kind with MFA can do.

        :raises BillConfigurationError: if sessions of this kind cannot pass MFA
        """
        if not self.has_mfa:
            raise BillConfigurationError(
                f"sign_in {self.kind} cannot pass MFA", advice="use a connection of kind v3, v2 or console"
            )

    def opened_session(self, token: str, answer: Answer, **facts: Any) -> BillSession:
        """Return the session that a sign-in has opened.

        :param token: its secret
        :param answer: to the sign-in
        :param facts: further fields of the session
        """
        return BillSession(
            session_token=token,
            signed_in_at=answer.sent_at,
            last_used_at=answer.sent_at,
            **{"organization_id": self.organization_id, "idle_limit": self.idle_limit, **facts},
        )

    def secrets(self) -> tuple[str, ...]:
        """Return every value that must be masked."""
        own = tuple(getattr(self, f.name) for f in dataclasses.fields(self) if f.metadata.get("secret"))
        return own + (() if self.remembered_device is None else (self.remembered_device.token,))

    def account(self) -> str:
        """Return as whom it signs in: what BILL locks after ten refusals. No secret; empty where nobody signs in."""
        return ""

    def addresses(self, environment: Environment) -> tuple[str, ...]:
        """Return where it signs in: one user signs in by v2 and v3 alike, whatever address gives out tokens."""
        return environment.name, environment.v3_base, environment.v2_base

    def mfa_user(self) -> str:
        """Return the user who passes MFA, no secret: what BILL remembers a device for."""
        return self.account()

    def limit_key(self) -> str:
        """Return that by which BILL counts the sign-ins of an hour; empty where it does not count."""
        return ""

    def sealing_secrets(self) -> tuple[str, ...]:
        """Return all that this sign-in depends on, in a fixed order and without the remembered device.

        A key made of it changes whenever the session would be another one.
        """
        declared = (getattr(self, f.name) for f in dataclasses.fields(self) if "source" in f.metadata)
        return (self.kind, self.organization_id, *declared)

    @classmethod
    def _value(cls, fields: Mapping[str, str | None], declared: Mapping[str, Any]) -> str:
        value = _text(fields, declared["source"])
        if not value:
            raise cls._missing(declared["source"], declared["meaning"])
        if declared["header"]:
            value = value.strip()
            if not _HEADER_SAFE.fullmatch(value):
                raise BillConfigurationError(
                    f"the connection's {_label(declared['source'])} holds a space or a character that no key contains",
                    advice="copy it again, without what stands around it",
                )
        return Secret(value) if declared["secret"] else value

    @classmethod
    def _device(cls, fields: Mapping[str, str | None]) -> RememberedDevice | None:
        token, device = _text(fields, "remembered_device_token"), _text(fields, "device")
        if not token and not device:
            return None
        if not cls.has_mfa:
            raise BillConfigurationError(
                f"extras remembered_device_token and device are of no use: sign_in {cls.kind} cannot pass MFA",
                advice="remove both, or use a kind with MFA (v3, v2, console, partner)",
            )
        return RememberedDevice(token=token, device=device)

    @classmethod
    def _missing(cls, source: str, meaning: str) -> BillConfigurationError:
        return BillConfigurationError(
            f"the connection's {_label(source)} is missing or blank: for sign_in {cls.kind} it is {meaning}",
            advice="edit the connection and fill it in",
        )


@dataclass(frozen=True, kw_only=True)
class KeyedCredentials(Credentials):
    """Base of the kinds that name a developer key with each call.

    :param developer_key: that of the organization, or the one for all that have none of their own
    :param other_keys: those of the connection's other organizations; never sent, but secrets too
    """

    developer_key: str = from_connection(
        "developer_api_key",
        "BILL's developer key (in BILL: Settings > Sync & Integrations > Manage Developer Keys)",
        secret=True,
        header=True,
    )
    other_keys: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def from_fields(cls, fields: Mapping[str, str | None]) -> Self:
        """Return the credentials that the fields of a connection hold, with the developer key of the organization.

        :raises BillConfigurationError: if a field is missing, blank or unfit, or the organization has no key
        """
        keys = developer_keys(_text(fields, "developer_api_keys"))
        organization_id = _text(fields, "organization_id")
        if not keys or not organization_id:
            return super().from_fields(fields)
        key = keys.get(organization_id) or _text(fields, "developer_api_key")
        if not key:
            raise BillConfigurationError(
                f"the connection has no developer key for organization {organization_id[:64]!r}: its extra "
                "developer_api_keys lacks it, and its extra developer_api_key is blank",
                advice="add the organization's key to developer_api_keys, or a key for all others as developer_api_key",
            )
        credentials = super().from_fields({**fields, "developer_api_key": key})
        return replace(credentials, other_keys=tuple(keys.values()))

    def secrets(self) -> tuple[str, ...]:
        """Return every value that must be masked, the other organizations' keys too."""
        own = super().secrets()
        return own + tuple(key for key in self.other_keys if key not in own)

    def headers(self, token: str, request: BillRequest) -> dict[str, str]:
        """Return developer key and session id."""
        return {"devKey": self.developer_key, "sessionId": token}

    def form(self, token: str) -> dict[str, str]:
        """Return developer key and session id."""
        return {"devKey": self.developer_key, "sessionId": token}

    def check(self, request: BillRequest) -> None:
        """Refuse Spend & Expense calls, and those of partners."""
        if request.dialect == "v3":
            super().check(request)
        if request.path.startswith(SPEND_PATHS):
            raise BillConfigurationError(
                f"{request.path} is a Spend & Expense call, which sign_in {self.kind} cannot make",
                advice="use a connection of kind oauth or spend_token",
            )

    def limit_key(self) -> str:
        """Return the developer key."""
        return self.developer_key


def _text(fields: Mapping[str, str | None], name: str) -> str:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise BillConfigurationError(f"the connection's {_label(name)} is not text", advice="put it in quotes")
    text = value or ""
    return (text if text.strip() else "") if name == "password" else text.strip()


def _label(source: str) -> str:
    return source if source in _OWN_FIELDS else f"extra {source}"
