"""Talks to a running `bill-sandbox`: its controls, and BILL's own calls as a client would make them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from typing import Any

import requests

from airflow_provider_bill.sandbox.testing.controls import Controls

SECRET_FIELDS = {"password", "key", "developer_key", "token", "value", "client_secret", "developer_api_key"}

Headers = dict[str, str]


class LocalBill(Controls):
    """The local BILL at an address.

    The calls of BILL itself return what was answered, also a refusal; a control that is refused raises.

    :param url: where it listens, such as `http://127.0.0.1:8787`
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.v3 = f"{url}/connect/v3"
        self.v2 = f"{url}/api/v2"
        self.http = requests.Session()
        self.http.trust_env = False  # a proxy from the environment has no business on loopback

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    # -- controls -----------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Go back to the seeded state: clock, settings, counters, sessions, cookies."""
        super().reset()
        self.http.cookies.clear()
        self.__dict__.pop("seed", None)

    def count_calls(self, path: str) -> int:
        """Count the calls of one of BILL's own paths."""
        return int(self.stats()["by_path"].get(path, 0))

    def fault(self, path: str, kind: str = "status", **order: Any) -> dict[str, Any]:
        """Have the next answers on a path go wrong."""
        return dict(self.control("POST", "faults", {"path": path, "kind": kind, **order}))

    def payments(self) -> list[dict[str, Any]]:
        """Return every payment that was made, by whatever call."""
        return list(self.control("GET", "payments"))

    def held_answers(self) -> int:
        """Return how many answers faults are holding back."""
        return sum(row["held"] for row in self.control("GET", "faults"))

    def release_answers(self) -> int:
        """Let every answer go that a fault holds back, and return how many there were."""
        return int(self.control("POST", "faults/release")["released"])

    def expire_sessions(self) -> None:
        """End all sessions, as if they had been idle for too long."""
        self.control("POST", "sessions/expire")

    def stop_clock(self, at: datetime) -> None:
        """Stop BILL's clock at a moment; from now on only `advance` moves it."""
        self.control("POST", "clock", {"stop_at": at.isoformat()})

    def advance(self, seconds: float) -> None:
        """Move BILL's clock forward."""
        self.control("POST", "clock", {"advance_seconds": seconds})

    def codes(self) -> list[str]:
        """Return the MFA codes that were sent by text, oldest first."""
        return [str(text["code"]) for text in self.control("GET", "sms")]

    # -- what it knows from its start -----------------------------------------------------------------------

    @cached_property
    def seed(self) -> dict[str, Any]:
        """Return organizations, users, passwords, keys and tokens, as they were when this was first asked for."""
        return dict(self.control("GET", "seed"))

    @property
    def connections(self) -> dict[str, dict[str, Any]]:
        """Return an Airflow connection for each kind of sign-in."""
        return dict(self.seed["connections"])

    @property
    def username(self) -> str:
        """Return the user name of the v3 connection."""
        return str(self.connections["v3"]["login"])

    @property
    def password(self) -> str:
        """Return the password of the v3 connection."""
        return str(self.connections["v3"]["password"])

    @property
    def key(self) -> str:
        """Return the developer key of the v3 connection."""
        return str(self.connections["v3"]["extra"]["developer_api_key"])

    @property
    def organization(self) -> str:
        """Return the organization of the v3 connection."""
        return str(self.connections["v3"]["extra"]["organization_id"])

    def user(self, note: str) -> dict[str, Any]:
        """Return the user whose note says this."""
        return next(row for row in self.seed["users"] if note in row["note"])

    def fields(self, kind: str, **changes: str | None) -> dict[str, str | None]:
        """Return the connection fields of a kind of sign-in, with these changes."""
        connection = self.connections[kind]
        fields = {"login": connection.get("login"), "password": connection.get("password"), **connection["extra"]}
        return {**{name: value for name, value in fields.items() if name != "sign_in"}, **changes}

    def connection_env(self) -> dict[str, str]:
        """Return every connection as an environment variable of Airflow; `bill_default` is the v3 one."""
        names = {kind: "DEFAULT" if kind == "v3" else kind.upper() for kind in self.connections}
        return {f"AIRFLOW_CONN_BILL_{names[kind]}": json.dumps(row) for kind, row in self.connections.items()}

    def secrets(self) -> set[str]:
        """Return every password, key and token of the seed."""
        return set(_secrets_in(self.seed))

    # -- BILL's own calls -----------------------------------------------------------------------------------

    def call(self, method: str, path: str, headers: Headers | None = None, **more: Any) -> requests.Response:
        """Call a path of v3."""
        return self.http.request(method, self.v3 + path, headers=headers, timeout=30, **more)

    def get(self, path: str, headers: Headers | None = None, **more: Any) -> requests.Response:
        """GET a path of v3."""
        return self.call("GET", path, headers, **more)

    def post(self, path: str, headers: Headers | None = None, body: Any = None) -> requests.Response:
        """POST to a path of v3."""
        return self.call("POST", path, headers, json=body)

    def login(self, **changes: Any) -> requests.Response:
        """Sign in as the v3 connection's user, with these changes of the body; None leaves a field out."""
        body = {
            "devKey": self.key,
            "username": self.username,
            "password": self.password,
            "organizationId": self.organization,
            **changes,
        }
        return self.post("/login", body={name: value for name, value in body.items() if value is not None})

    def sign_in(self, **changes: Any) -> Headers:
        """Sign in and return the headers of a session."""
        answer = self.login(**changes)
        if answer.status_code != 200:
            raise RuntimeError(f"v3 login: {answer.status_code} {answer.text[:500]}")
        return {"devKey": changes.get("devKey", self.key), "sessionId": answer.json()["sessionId"]}

    def trust(self, headers: Headers, **more: Any) -> requests.Response:
        """Pass MFA with the code of a new text."""
        challenge = self.post("/mfa/challenge", headers, {}).json()["challengeId"]
        body = {"challengeId": challenge, "token": self.codes()[-1], **more}
        return self.post("/mfa/challenge/validate", headers, body)

    def vendor(self, headers: Headers) -> str:
        """Return the id of a vendor."""
        return str(self.get("/vendors?max=1", headers).json()["results"][0]["id"])

    def form(self, name: str, data: Any = None, **fields: str) -> dict[str, Any]:
        """Call an operation of v2, whose answers always have status 200."""
        if data is not None:
            fields["data"] = json.dumps(data)
        answer = self.http.post(f"{self.v2}/{name}.json", data=fields, timeout=30)
        if answer.status_code != 200:
            raise RuntimeError(f"v2 {name}: {answer.status_code} {answer.text[:500]}")
        return dict(answer.json())

    def v2_login(self, **changes: str) -> dict[str, Any]:
        """Sign in by v2 as the v3 connection's user, with these changes of the form."""
        fields = {
            "devKey": self.key,
            "userName": self.username,
            "password": self.password,
            "orgId": self.organization,
        }
        return self.form("Login", **{**fields, **changes})

    def v2_sign_in(self, **changes: str) -> Headers:
        """Sign in by v2 and return the fields of a session."""
        answer = self.v2_login(**changes)
        if answer["response_status"] != 0:
            raise RuntimeError(f"v2 Login: {answer}")
        return {"devKey": self.key, "sessionId": answer["response_data"]["sessionId"]}


def _secrets_in(seed: Any) -> Iterator[str]:
    if isinstance(seed, list):
        for item in seed:
            yield from _secrets_in(item)
    elif isinstance(seed, dict):
        for name, value in seed.items():
            if name in SECRET_FIELDS and isinstance(value, str):
                yield value
            else:
                yield from _secrets_in(value)
