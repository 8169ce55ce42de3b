"""A local BILL in a process of its own, reset before each test."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]


class Bill:
    """Talks to the process: BILL's own calls and the controls."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.v3 = url + "/connect/v3"
        self.v2 = url + "/api/v2"
        self.http = requests.Session()
        self.http.trust_env = False

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, f"{self.url}/_sandbox/{path}", json=body, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def reset(self) -> None:
        self.control("POST", "reset")
        self.seed = self.control("GET", "seed")
        self.connections = self.seed["connections"]
        main = self.connections["v3"]
        self.username, self.password = main["login"], main["password"]
        self.key = main["extra"]["developer_api_key"]
        self.organization = main["extra"]["organization_id"]

    def stats(self) -> dict[str, Any]:
        return dict(self.control("GET", "stats"))

    def settings(self, **changes: Any) -> None:
        self.control("PUT", "settings", changes)

    def advance(self, seconds: float) -> None:
        self.control("POST", "clock", {"advance_seconds": seconds})

    def fault(self, path: str, kind: str = "status", **order: Any) -> Any:
        return self.control("POST", "faults", {"path": path, "kind": kind, **order})

    def user(self, note: str) -> dict[str, Any]:
        return next(row for row in self.seed["users"] if note in row["note"])

    def login(self, **changes: Any) -> requests.Response:
        body = {
            "devKey": self.key,
            "username": self.username,
            "password": self.password,
            "organizationId": self.organization,
            **changes,
        }
        body = {name: value for name, value in body.items() if value is not None}
        return self.http.post(self.v3 + "/login", json=body, timeout=30)

    def sign_in(self, **changes: Any) -> dict[str, str]:
        answer = self.login(**changes)
        assert answer.status_code == 200, answer.text
        return {"devKey": changes.get("devKey", self.key), "sessionId": answer.json()["sessionId"]}

    def call(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> requests.Response:
        return requests.request(method, self.v3 + path, headers=headers, timeout=30, **more)

    def get(self, path: str, headers: dict[str, str] | None = None, **more: Any) -> requests.Response:
        return self.call("GET", path, headers, **more)

    def post(self, path: str, headers: dict[str, str] | None = None, body: Any = None) -> requests.Response:
        return self.call("POST", path, headers, json=body)

    def form(self, name: str, data: Any = None, **fields: str) -> dict[str, Any]:
        if data is not None:
            fields["data"] = json.dumps(data)
        answer = self.http.post(f"{self.v2}/{name}.json", data=fields, timeout=30)
        assert answer.status_code == 200
        return dict(answer.json())

    def v2_login(self, **changes: str) -> dict[str, Any]:
        fields = {
            "devKey": self.key,
            "userName": self.username,
            "password": self.password,
            "orgId": self.organization,
        }
        return self.form("Login", **{**fields, **changes})

    def v2_sign_in(self, **changes: str) -> dict[str, str]:
        answer = self.v2_login(**changes)
        assert answer["response_status"] == 0, answer
        return {"devKey": self.key, "sessionId": answer["response_data"]["sessionId"]}

    def code(self) -> dict[str, str]:
        return dict(self.control("GET", "sms")[-1])

    def trust(self, headers: dict[str, str], **more: Any) -> requests.Response:
        challenge = self.post("/mfa/challenge", headers, {}).json()["challengeId"]
        body = {"challengeId": challenge, "token": self.code()["code"], **more}
        return self.post("/mfa/challenge/validate", headers, body)

    def vendor(self, headers: dict[str, str]) -> str:
        return str(self.get("/vendors?max=1", headers).json()["results"][0]["id"])


def error_code(answer: requests.Response) -> str:
    return str(answer.json()[0]["code"])


@pytest.fixture(scope="session")
def bill_process() -> Iterator[str]:
    command = [sys.executable, "-m", "airflow_provider_bill.sandbox", "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = ""
    for line in process.stdout:
        if line.startswith("bill-sandbox is ready at "):
            url = line.split()[4]
            break
    assert url, "bill-sandbox did not start"
    yield url
    process.terminate()
    process.wait(30)


@pytest.fixture
def bill(bill_process: str) -> Bill:
    found = Bill(bill_process)
    found.reset()
    return found


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits for a condition, with a limit."""

    def wait(condition: Callable[[], bool]) -> None:
        pause = threading.Event()
        for _ in range(1000):
            if condition():
                return
            pause.wait(0.02)
        raise AssertionError("the condition never came true")

    return wait


@pytest.fixture
def code_of() -> Callable[[requests.Response], str]:
    return error_code
