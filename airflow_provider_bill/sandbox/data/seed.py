"""The accounts that exist at the start; their names, keys and passwords are the same at every start."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_bill.sandbox.data.accounts import (
    AppKey,
    ConsoleToken,
    DeveloperKey,
    OAuthClient,
    Organization,
    SpendToken,
    SyncToken,
    User,
)
from airflow_provider_bill.sandbox.ids import make_id


@dataclass(slots=True)
class Seed:
    """All accounts, indexed for look-ups."""

    organizations: dict[str, Organization] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    developer_keys: dict[str, DeveloperKey] = field(default_factory=dict)
    console_tokens: dict[str, ConsoleToken] = field(default_factory=dict)
    sync_tokens: dict[str, SyncToken] = field(default_factory=dict)
    app_keys: dict[str, AppKey] = field(default_factory=dict)
    oauth_clients: dict[str, OAuthClient] = field(default_factory=dict)
    spend_tokens: dict[str, SpendToken] = field(default_factory=dict)

    def find_user(self, user_id: str) -> User | None:
        """Return the user with this id."""
        return next((user for user in self.users.values() if user.id == user_id), None)

    def is_key_of(self, key: str, organization: Organization) -> bool:
        """Return whether a developer key belongs to the organization's developer or to its console's."""
        developers = [organization.developer]
        if organization.console_id:
            developers.append(self.organizations[organization.console_id].developer)
        return self.developer_keys[key].developer in developers

    def organizations_of(self, user: User) -> list[Organization]:
        """Return the organizations that a user reaches, oldest first; a console user reaches all its clients."""
        return [
            row
            for row in self.organizations.values()
            if row.id in user.organizations or (row.console_id and row.console_id in user.organizations)
        ]

    def reaches(self, user: User, organization_id: str) -> bool:
        """Return whether a user reaches an organization."""
        return any(row.id == organization_id for row in self.organizations_of(user))

    def add_console_clients(self, count: int) -> None:
        """Add client organizations to the accountant console, each with a developer key of its own."""
        console = self.organizations[CONSOLE_ID]
        start = 1 + sum(1 for row in self.organizations.values() if row.console_id)
        for number in range(start, start + count):
            developer = f"console-client-{number}"
            row = Organization(
                1000 + number,
                f"Client {number:03d} of {console.name}",
                developer,
                "client of the accountant console",
                console.id,
            )
            self.organizations[row.id] = row
            key = f"sbxDevKeyClient{number:04d}Wq5Zt8Rm2Vx7"
            self.developer_keys[key] = DeveloperKey(key, developer, note=f"the key of {row.name}")


MAIN_ID = make_id("008", 1)
SECOND_ID = make_id("008", 2)
LOCKED_ID = make_id("008", 3)
NO_API_ID = make_id("008", 4)
CONSOLE_ID = make_id("008", 10)

MAIN_KEY = "sbxDevKeyMain7Qm2xT9vLw4KpR6sYd"
SECOND_KEY = "sbxDevKeySecond3Hb8Zc5Nf1Jg9Wq"
INACTIVE_KEY = "sbxDevKeyInactive6Pk4Vt2Xr8Ms"
TERMS_KEY = "sbxDevKeyTerms9Ld3Bw7Qz5Yn1Cx"

ADMIN = "ada@harborbooks.example"
ADMIN_PASSWORD = "sbxPasswordAda-4kT9wQz7Lm2V"  # noqa: S105 - a public constant of the sandbox
SYNC_NAME = "sbxSyncTokenName-nightly"
CONSOLE_USER = "cora@tallyfirm.example"
PARTNER_USER = "pia@partnerhub.example"


def build_seed(console_clients: int = 3) -> Seed:
    """Return a fresh seed."""
    seed = Seed()
    for organization in (
        Organization(1, "Harbor Books", "main", "the one to start with: 260 vendors"),
        Organization(2, "Lighthouse Coffee", "main", "a second company of the same developer"),
        Organization(3, "Locked Lumber", "main", "locked out: BDC_1107", locked=True),
        Organization(4, "No Access Nails", "main", "has no API access: BDC_1105", api_access=False),
        Organization(10, "Tally Firm", "console", "the accountant console"),
    ):
        seed.organizations[organization.id] = organization
    main = [MAIN_ID, SECOND_ID, LOCKED_ID, NO_API_ID]
    for user in (
        User(1, ADMIN, ADMIN_PASSWORD, "Ada", "Admin", main, "+14085550101", note="has an MFA phone"),
        User(
            2,
            "ben@harborbooks.example",
            "sbxPasswordBen-8vH3cXp5Rd6N",
            "Ben",
            "Bookkeeper",
            main,
            "+14085550102",
            note="a second user with an MFA phone",
        ),
        User(
            3,
            "nora@harborbooks.example",
            "sbxPasswordNora-2gJ7bYs9Fk4W",
            "Nora",
            "Nophone",
            main,
            note="has no MFA phone: BDC_1354 until one is set up",
        ),
        User(
            4,
            "ivan@harborbooks.example",
            "sbxPasswordIvan-6tM5zDq3Hw8P",
            "Ivan",
            "Inactive",
            main,
            active=False,
            note="is not active: BDC_1111",
        ),
        User(
            5,
            CONSOLE_USER,
            "sbxPasswordCora-9xL2nVf7Gb3S",
            "Cora",
            "Console",
            [CONSOLE_ID],
            "+14085550105",
            role="ACCOUNTANT",
            note="the accountant console's user",
        ),
        User(
            6,
            PARTNER_USER,
            "sbxPasswordPia-5rK8mWc4Tj6Q",
            "Pia",
            "Partner",
            [],
            role="PARTNER",
            note="the partner's user",
        ),
    ):
        seed.users[user.username] = user
    for key in (
        DeveloperKey(MAIN_KEY, "main", note="use this one"),
        DeveloperKey(SECOND_KEY, "main", note="a second key with limits of its own"),
        DeveloperKey(INACTIVE_KEY, "main", "inactive", "inactive: BDC_1103"),
        DeveloperKey(TERMS_KEY, "main", "terms", "developer terms not accepted: BDC_1104"),
        DeveloperKey(
            "sbxDevKeyConsole1Gs6Fh4Tk8Zp2",
            "console",
            note="the accountant console's own key; it opens all its clients",
        ),
    ):
        seed.developer_keys[key.key] = key
    token = ConsoleToken("sbxConsoleApiToken-3mW8yRq6Xv9Bt5Kd2Hc7", CONSOLE_USER, CONSOLE_ID)
    seed.console_tokens[token.username] = token
    ada, pia = seed.users[ADMIN], PARTNER_USER
    sync = SyncToken(SYNC_NAME, "sbxSyncTokenValue-7pN4sJz2Qf8Lw6Vb9Gt3", MAIN_ID, ada.id)
    seed.sync_tokens[sync.name] = sync
    app = AppKey("sbxAppKey-5cT8xHm3Yd7Rk9Pw2Zs6", pia, [MAIN_ID, SECOND_ID])
    seed.app_keys[app.key] = app
    for client in (
        OAuthClient("sbxOAuthFull-4b7e", "sbxOAuthSecretFull-8hQ2vKx6Nc9Zt5Wm3Jd7Rf", "full", MAIN_ID, ada.id),
        OAuthClient(
            "sbxOAuthAccounting-9c1d",
            "sbxOAuthSecretAccounting-6yB4gPs8Tw2Xn7Vk5Lq",
            "accounting",
            MAIN_ID,
            ada.id,
        ),
    ):
        seed.oauth_clients[client.client_id] = client
    for spend in (
        SpendToken("sbxSpendApiToken-2fV9kHt7Yw4Mc8Qz6Rx3", MAIN_ID),
        SpendToken("sbxSpendApiTokenSecond-7wD3mKz9Hq5Tc2Vx8Lb4", SECOND_ID),
    ):
        seed.spend_tokens[spend.token] = spend
    seed.add_console_clients(console_clients)
    return seed
