"""Organizations, users, keys and tokens: what there is to sign in with and to."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_bill.sandbox.ids import make_id


@dataclass(slots=True)
class Organization:
    """A company on BILL; ``developer`` says whose developer keys work with it."""

    number: int
    name: str
    developer: str
    note: str = ""
    console_id: str | None = None
    locked: bool = False
    api_access: bool = True
    id: str = ""

    def __post_init__(self) -> None:
        self.id = make_id("008", self.number)


@dataclass(slots=True)
class User:
    """A person who can sign in; ``failures`` and ``locked`` are the lock-out's state."""

    number: int
    username: str
    password: str
    first_name: str
    last_name: str
    organizations: list[str]
    phone: str | None = None
    active: bool = True
    role: str = "ADMINISTRATOR"
    note: str = ""
    failures: int = 0
    locked: bool = False
    id: str = ""

    def __post_init__(self) -> None:
        self.id = make_id("006", self.number)


@dataclass(slots=True)
class DeveloperKey:
    """A developer key; state is ``active``, ``inactive`` (BDC_1103) or ``terms`` (BDC_1104)."""

    key: str
    developer: str
    state: str = "active"
    note: str = ""


@dataclass(slots=True)
class ConsoleToken:
    """A Console API token of an accounting firm's user."""

    token: str
    username: str
    console_id: str


@dataclass(slots=True)
class SyncToken:
    """An AP & AR sync token: its name signs in as the user name, its value as the password."""

    name: str
    value: str
    organization_id: str
    user_id: str


@dataclass(slots=True)
class AppKey:
    """A partner's key and its user."""

    key: str
    username: str
    organizations: list[str]


@dataclass(slots=True)
class OAuthClient:
    """A developer app; scope is ``full`` or ``accounting``."""

    client_id: str
    client_secret: str
    scope: str
    organization_id: str
    user_id: str


@dataclass(slots=True)
class SpendToken:
    """A Spend & Expense API token."""

    token: str
    organization_id: str
