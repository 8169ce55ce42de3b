"""The pytest plugin: what it loads, the one server of a run and its end, and what `bill_sandbox` offers."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import time_machine

from airflow_provider_bill.sandbox.data.connections import make_connections
from airflow_provider_bill.sandbox.data.seed import build_seed
from airflow_provider_bill.sandbox.testing import process
from dev.local_bill import LocalBill
from dev.paths import ROOT
from dev.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_bill.sandbox.testing.bill import BillSandbox

PLUGIN = "airflow_provider_bill.sandbox.pytest_plugin"
#: The second one is there already where the installed package's metadata name it.
pytest_plugins = ["pytester", PLUGIN]

LOADED = ["airflow_provider_bill", "airflow_provider_bill.sandbox", PLUGIN]
#: A test that leaves a line with the address it was given.
NOTES_URL = """
    import pathlib

    def note(url):
        with pathlib.Path("urls").open("a") as file:
            file.write(url + "\\n")
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Run pytest with the plugin, and no other, in a process of its own: `run(options) -> its result`."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return lambda *options: pytester.runpytest_subprocess("-p", PLUGIN, *options, timeout=60)


@pytest.fixture
def broken_uvicorn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have the server's process import this text in place of uvicorn."""

    def break_it(text: str) -> None:
        (tmp_path / "uvicorn.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)

    return break_it


@pytest.fixture
def server() -> Iterator[process.ServerProcess]:
    """A server that is stopped at the end."""
    made = process.ServerProcess()
    yield made
    made.stop()


@pytest.fixture
def calls(bill_sandbox: BillSandbox) -> Iterator[LocalBill]:
    """What makes BILL's own calls at this test's address."""
    made = LocalBill(bill_sandbox.url)
    yield made
    made.close()


def port_of(url: str) -> int:
    return int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/test-\d+", url).group(1))  # type: ignore[union-attr]


def is_closed(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port_of(url))) != 0


# -- what it loads -------------------------------------------------------------------------------------------------


def test_the_plugin_loads_nothing_but_itself() -> None:
    code = f"import sys, pytest; before = set(sys.modules); import {PLUGIN}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == LOADED


def test_a_run_that_does_not_use_the_fixture_starts_and_loads_nothing(
    pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]
) -> None:
    pytester.makepyfile(
        f"""
        import subprocess, sys

        def test_what_is_loaded(monkeypatch):
            assert sorted(name for name in sys.modules if name.startswith("airflow")) == {LOADED}
            assert not {{"requests", "fastapi", "uvicorn", "starlette", "pydantic"}} & sys.modules.keys()
        """
    )
    run("-q").assert_outcomes(passed=1)


def test_the_installed_package_names_the_plugin_by_its_module_so_that_it_is_loaded_once() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {PLUGIN: PLUGIN}


# -- the server of a run -------------------------------------------------------------------------------------------


def test_all_tests_of_a_run_have_one_server_which_ends_with_it_also_when_they_fail(
    pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]
) -> None:
    pytester.makepyfile(
        NOTES_URL
        + """
    def test_one(bill_sandbox):
        note(bill_sandbox.url)
        bill_sandbox.settings(mfa_mode="off")
        bill_sandbox.clock.advance(86400)
        bill_sandbox.faults.add("*")
        raise AssertionError("on purpose")

    def test_two(bill_sandbox):
        note(bill_sandbox.url)
        assert bill_sandbox.settings()["mfa_mode"] == "enforced"
        assert bill_sandbox.faults.pending() == []
        assert bill_sandbox.control("GET", "clock")["offset_seconds"] == 0

    def test_three(bill_sandbox):
        note(bill_sandbox.url)
        raise KeyboardInterrupt
    """
    )
    result = run("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    urls = Path("urls").read_text().split()
    assert [url.rpartition("/")[2] for url in urls] == ["test-1", "test-2", "test-3"]
    assert len({port_of(url) for url in urls}) == 1
    assert is_closed(urls[0])


def test_each_worker_of_xdist_has_a_server_of_its_own(
    pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]
) -> None:
    pytester.makepyfile(NOTES_URL + "\n    def test_one(bill_sandbox):\n        note(bill_sandbox.url)\n")
    run("-q", "-p", "xdist", "--dist=each", "--tx=2*popen//python=" + sys.executable).assert_outcomes(passed=2)
    urls = [path.read_text().strip() for path in pytester.path.rglob("urls")]
    found = [url for text in urls for url in text.split()]
    assert len({port_of(url) for url in found}) == 2
    assert all(is_closed(url) for url in found)


def test_the_server_ends_with_a_run_that_is_killed(
    pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]
) -> None:
    pytester.makepyfile(
        NOTES_URL
        + """
    import os, signal

    def test_one(bill_sandbox):
        note(bill_sandbox.url)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    )
    assert run("-q").ret == -signal.SIGKILL
    (url,) = Path("urls").read_text().split()
    wait_until(lambda: is_closed(url), 20, "the server to end", 0.05)


def test_without_the_extra_the_fixture_says_what_to_install(
    pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]
) -> None:
    pytester.makeconftest("import sys\nsys.modules['fastapi'] = sys.modules['uvicorn'] = None")
    pytester.makepyfile("def test_one(bill_sandbox): pass")
    result = run("-q")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "The fixture bill_sandbox needs fastapi and uvicorn: "
            "run pip install 'airflow-provider-bill[[]sandbox[]]' where the tests run."
        ]
    )


def test_a_server_that_does_not_start_says_what_it_wrote(
    server: process.ServerProcess, broken_uvicorn: Callable[[str], None]
) -> None:
    broken_uvicorn("raise ImportError('this uvicorn is too old')")
    with pytest.raises(RuntimeError, match=r"(?s)The local BILL did not start: .*this uvicorn is too old"):
        server.start()
    assert server.pid is None


def test_a_server_that_never_listens_is_given_up(
    server: process.ServerProcess, broken_uvicorn: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_START_SECONDS", 0.2)
    broken_uvicorn("import signal\nsignal.pause()")
    with pytest.raises(RuntimeError, match="did not start: it wrote nothing"):
        server.start()
    assert server.pid is None


def test_a_server_that_does_not_heed_is_killed(
    server: process.ServerProcess, broken_uvicorn: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_STOP_SECONDS", 0.1)
    broken_uvicorn(
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\nsignal.pause()"
    )
    assert server.start() == "up"
    pid = server.pid
    assert pid is not None
    server.stop()
    server.stop()
    assert not psutil.pid_exists(pid)


def test_the_server_heeds_its_end_also_while_a_forked_task_goes_on_and_no_ctrl_c(server: process.ServerProcess) -> None:
    server.start()
    pid = server.pid
    assert pid is not None
    assert os.getsid(pid) == pid
    forked = os.fork()
    if forked == 0:
        signal.pause()
        os._exit(0)
    try:
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < process._STOP_SECONDS
    finally:
        os.kill(forked, signal.SIGKILL)
        os.waitpid(forked, 0)
    assert not psutil.pid_exists(pid)


def test_the_server_imports_nothing_from_the_folder_that_it_is_started_in(
    server: process.ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fastapi.py").write_text("raise ImportError('not this one')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [name for name in sys.path if name])
    assert server.start().startswith("http://127.0.0.1:")


# -- what the fixture offers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["v3", "v2", "console", "sync_token", "partner", "oauth", "spend_token"])
def test_the_connection_of_each_kind_is_the_seeds_at_this_tests_address(kind: str, bill_sandbox: BillSandbox) -> None:
    assert json.loads(bill_sandbox.connection(kind)) == make_connections(build_seed(), bill_sandbox.url)[kind]


def test_those_are_all_kinds_that_the_local_bill_has_and_v3_is_what_is_meant(bill_sandbox: BillSandbox) -> None:
    assert list(bill_sandbox.control("GET", "seed")["connections"]) == [
        *("v3", "v2", "console", "sync_token", "partner", "oauth", "spend_token")
    ]
    assert bill_sandbox.connection() == bill_sandbox.connection("v3")


def test_an_unknown_kind_is_a_sentence(bill_sandbox: BillSandbox) -> None:
    with pytest.raises(ValueError, match=r"has no connection of kind 'v4'; use one of: v3, v2, console, .*spend_token"):
        bill_sandbox.connection("v4")


def test_a_connection_can_be_changed_in_its_fields_and_extras(bill_sandbox: BillSandbox) -> None:
    plain = json.loads(bill_sandbox.connection())
    changed = json.loads(bill_sandbox.connection(password="wrong", login=None, organization_id=None, device="ours"))
    assert changed["password"] == "wrong"
    assert "login" not in changed
    assert changed["host"] == plain["host"] == bill_sandbox.url
    assert json.loads(bill_sandbox.connection(host="localhost:1")) == {**plain, "host": "localhost:1"}
    assert changed["extra"] == {
        "sign_in": "password_v3",
        "developer_api_key": plain["extra"]["developer_api_key"],
        "device": "ours",
    }
    assert json.loads(bill_sandbox.connection()) == plain


def test_what_reached_bill_is_told(bill_sandbox: BillSandbox, calls: LocalBill) -> None:
    session = calls.sign_in()
    assert calls.trust(session).status_code == 200
    payment = {"vendorId": calls.vendor(session), "amount": 2.5, "processDate": "2099-01-01"}
    made = calls.post("/payments", session, payment).json()
    stats = bill_sandbox.stats()
    assert (stats["sign_ins"], stats["sms_sent"], stats["payments"], stats["paid_total"]) == (1, 1, 1, 2.5)
    assert [row["id"] for row in bill_sandbox.payments] == [made["id"]]
    assert [len(code) for code in bill_sandbox.sms] == [6]
    assert [row["path"] for row in bill_sandbox.requests] == [
        "/connect/v3/login",
        "/connect/v3/mfa/challenge",
        "/connect/v3/mfa/challenge/validate",
        "/connect/v3/vendors",
        "/connect/v3/payments",
    ]


def test_the_clock_runs_until_it_is_stopped_and_moves_by_the_seconds(bill_sandbox: BillSandbox) -> None:
    before = bill_sandbox.clock.now()
    assert timedelta(hours=1) <= _moved(bill_sandbox, 3600) - before < timedelta(hours=1, minutes=1)
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    bill_sandbox.clock.stop(at)
    assert bill_sandbox.clock.now() == at
    assert _moved(bill_sandbox, 90.5) == at + timedelta(seconds=90.5)
    with pytest.raises(RuntimeError, match=r"422 .*advance_seconds"):
        bill_sandbox.clock.advance(-1)
    with pytest.raises(RuntimeError, match=r"422 .*stop_at"):
        bill_sandbox.clock.stop(datetime(2026, 3, 1))


def _moved(bill: BillSandbox, seconds: float) -> datetime:
    bill.clock.advance(seconds)
    return bill.clock.now()


def test_a_session_ends_when_the_clock_is_moved(bill_sandbox: BillSandbox, calls: LocalBill) -> None:
    session = calls.sign_in()
    bill_sandbox.clock.advance(36 * 60)
    assert calls.get("/vendors", session).status_code == 401
    assert bill_sandbox.stats()["by_code"] == {"BDC_1109": 1}


def test_faults_come_once_after_the_effect_or_not_at_all(bill_sandbox: BillSandbox, calls: LocalBill) -> None:
    session = calls.sign_in()
    number = bill_sandbox.faults.add("/v3/vendors", code="BDC_1322", times=2)
    assert [(row["id"], row["left"], row["code"]) for row in bill_sandbox.faults.pending()] == [(number, 2, "BDC_1322")]
    assert calls.get("/vendors", session).json()[0]["code"] == "BDC_1322"
    bill_sandbox.faults.clear()
    assert bill_sandbox.faults.pending() == []
    assert calls.get("/vendors", session).status_code == 200
    assert bill_sandbox.faults.release() == 0
    with pytest.raises(RuntimeError, match=r"422 .*kind"):
        bill_sandbox.faults.add("/v3/vendors", kind="earthquake")


def test_settings_are_changed_and_returned_and_an_unknown_one_is_a_sentence(bill_sandbox: BillSandbox) -> None:
    assert bill_sandbox.settings(sign_ins_per_hour=3)["sign_ins_per_hour"] == 3
    assert bill_sandbox.settings()["sign_ins_per_hour"] == 3
    with pytest.raises(RuntimeError, match=r"PUT settings: 422 .*colour: this name is not known here"):
        bill_sandbox.settings(colour="red")


def test_a_task_left_over_from_an_earlier_test_is_refused(bill_sandbox: BillSandbox, calls: LocalBill) -> None:
    earlier = LocalBill(re.sub(r"\d+$", lambda found: str(int(found.group()) - 1), bill_sandbox.url))
    answer = earlier.get("/vendors")
    earlier.close()
    assert answer.status_code == 410
    assert answer.json() == {"error": "This address of the local BILL belongs to a test that has ended."}
    assert bill_sandbox.stats()["requests"] == 0
    assert calls.login().status_code == 200
    assert bill_sandbox.stats()["requests"] == 1


def test_what_a_test_does_to_its_own_process_does_not_reach_the_server(
    bill_sandbox: BillSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests

    def refuse(*_args: Any, **_more: Any) -> None:
        raise AssertionError("replaced")

    monkeypatch.setattr(requests.Session, "send", refuse)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with time_machine.travel(datetime(2001, 1, 1, tzinfo=UTC), tick=False):
        assert bill_sandbox.clock.now() > datetime(2020, 1, 1, tzinfo=UTC)
