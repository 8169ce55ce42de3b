"""Airflow's own API server in this process, with our page in it, and users of its simple auth manager."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from dev.airflow_harness import airflow_version
from dev.clock import ManualClock
from dev.dag_runner import forget_masked_secrets, forget_task_states, forget_variables
from dev.local_bill import LocalBill

HERE = Path(__file__).parent
SINCE_3_1 = pytest.mark.skipif(airflow_version() < (3, 1), reason="Airflow has no pages of plugins before 3.1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests here; skip what needs the page where Airflow has no place for one."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.interface)
        if HERE in item.path.parents and item.path.name == "test_page.py":
            item.add_marker(SINCE_3_1)


#: The environment of an API server.
SERVER = {
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "vera:viewer,uma:user,otto:op,ada:admin",
    "AIRFLOW__API__SECRET_KEY": "k" * 32,
    "AIRFLOW__API_AUTH__JWT_SECRET": "j" * 64,
    "_AIRFLOW_PROCESS_CONTEXT": "server",
}


class Person:
    """Somebody with a browser.

    :param http: sends requests to Airflow
    :param cookie: what Airflow's sign-in has left in the browser; None for nothing
    :param user: who it is
    """

    def __init__(self, http: Any, cookie: str | None, user: Any = None) -> None:
        self._http = http
        self._user = user
        self._headers = {} if cookie is None else {"Cookie": f"_token={cookie}"}

    def open(self, address: str = "/bill/", **params: str) -> Any:
        """Open an address."""
        return self._http.get(address, params=params, headers=self._headers)

    def see(self, **params: str) -> str:
        """Open the page and return its HTML."""
        answer = self.open(**params)
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    def token(self) -> str:
        """Return what the forms of the page bring along, or did when there were any."""
        from airflow_provider_bill.plugins.page import token_of

        found = re.search('name="token" value="([^"]+)"', self.see())
        return token_of(self._user) if found is None else found[1]

    def press(self, action: str, target: str, headers: dict[str, str] | None = None, **form: str) -> Any:
        """Press a button."""
        form = {"token": self.token(), **form, "action": action, "target": target}
        return self._http.post("/bill/", data=form, headers={**self._headers, **(headers or {})})

    @staticmethod
    def said(answer: Any) -> str:
        """Return what the page says about a button that was pressed."""
        found = re.search('role="status"[^>]*>([^<]*)<', answer.text)
        return "" if found is None else unescape(found[1])


@pytest.fixture(scope="session")
def server(airflow_db: Path) -> Any:
    """Airflow's API server, to which the plugin was given as a file.

    The environment of the tests need not know the plugin's entry point: it is checked by itself.
    """
    from fastapi.testclient import TestClient

    plugins = airflow_db / "plugins"
    plugins.mkdir(exist_ok=True)
    (plugins / "bill_page.py").write_text("from airflow_provider_bill.plugins.bill import BillPlugin\n")
    from airflow import settings
    from airflow.api_fastapi.app import create_app

    # Not for longer: in the tests of other folders this process is no server.
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SERVER.items():
            patch.setenv(name, value)
        patch.setattr(settings, "PLUGINS_FOLDER", str(plugins))
        _forget_plugins()
        return TestClient(create_app(apps="core"))


def _forget_plugins() -> None:
    """Have Airflow look for plugins anew: another test may have had it look before ours was there."""
    from airflow import plugins_manager

    for name, value in list(vars(plugins_manager).items()):
        if hasattr(value, "cache_clear"):
            value.cache_clear()
        elif name == "plugins" or name.endswith("_apps"):  # Airflow before 3.2
            setattr(plugins_manager, name, None)
        elif name == "loaded_plugins":
            value.clear()


@pytest.fixture
def person(
    server: Any, bill: LocalBill, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> Iterator[Callable[[str, str], Person]]:
    """Return a person: `person(name, role)`; nothing is stored, and the connections lead to the local BILL."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    from airflow_provider_bill.plugins.bill import BillPlugin
    from airflow_provider_bill.plugins.page import make_app

    forget_variables()
    forget_task_states()  # what the tasks of other tests have noted
    for name, value in SERVER.items():
        monkeypatch.setenv(name, value)
    # Another test of this process may have run a task here.
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    if runner is not None:
        monkeypatch.delattr(runner, "SUPERVISOR_COMMS", raising=False)
    for name, value in bill.connection_env().items():
        monkeypatch.setenv(name, value)
    for plugin_app in BillPlugin.fastapi_apps:
        monkeypatch.setattr(plugin_app["app"], "_app", make_app(clock))

    def make(name: str, role: str) -> Person:
        manager: Any = get_auth_manager()
        user = SimpleAuthManagerUser(username=name, role=role)
        return Person(server, manager.generate_jwt(user) if role else None, user)

    yield make
    forget_variables()
    forget_masked_secrets()


@pytest.fixture
def otto(person: Callable[[str, str], Person]) -> Person:
    """Somebody who may edit Variables."""
    return person("otto", "OP")


@pytest.fixture
def keep() -> Callable[[str, Any], None]:
    """Store a Variable."""

    def write(key: str, value: Any) -> None:
        from airflow.models.variable import Variable

        Variable.set(key, value if isinstance(value, str) else json.dumps(value))

    return write
