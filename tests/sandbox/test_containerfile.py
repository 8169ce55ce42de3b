"""The steps of the Containerfile, taken in a fresh virtual environment: there is no container engine in the tests."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.local_bill import LocalBill
from dev.paths import ROOT
from dev.processes import Service, free_port, stop_services, wait_until

LINES = (ROOT / "Containerfile").read_text().splitlines()
PLUGIN = "airflow_provider_bill.sandbox.pytest_plugin"
UV = Path(sys.executable).parent / "uv"


def steps(word: str) -> list[str]:
    return [line.removeprefix(word).strip() for line in LINES if line.startswith(f"{word} ")]


def in_venv(command: list[str], venv: Path, port: int) -> list[str]:
    """Return a command of the image as one of the virtual environment, at a free port."""
    return [str(venv / "bin" / command[0]), *(word.replace("8787", str(port)) for word in command[1:])]


def uv(*words: str, cwd: Path) -> None:
    """Run uv with what it has at hand, or else with what it fetches."""
    commands = [[str(UV), *words, *more] for more in (["--offline"], [])]
    done = [subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False) for command in commands[:1]]
    if done[0].returncode != 0:
        done.append(subprocess.run(commands[1], cwd=cwd, capture_output=True, text=True, check=False))
    assert done[-1].returncode == 0, done[-1].stderr


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds what the image does."""
    folder = tmp_path_factory.mktemp("image")
    made, source, wheels = folder / "venv", folder / "src", folder / "wheels"
    source.mkdir()
    copies = [step.split() for step in steps("COPY")]
    for *names, _target in copies:
        for name in names:
            if not name.startswith(("--", "/")):
                (source / name).parent.mkdir(exist_ok=True)
                (source / name).symlink_to(ROOT / name)
    places = {"/constraints.txt": str(source / "constraints" / "airflow-3.3.txt"), "/wheels": str(wheels)}
    uv("venv", "--python", sys.executable, str(made), cwd=folder)
    build, *installs = [shlex.split(step) for step in steps("RUN")]
    assert build == shlex.split("pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .")
    uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(wheels), cwd=source)
    for words in installs:
        assert words[:3] == ["pip", "install", "--no-cache-dir"]
        rest = [re.sub("^/(constraints.txt|wheels)", lambda found: places[found.group()], word) for word in words[3:]]
        rest = [str(path) for word in rest for path in (sorted(wheels.glob("*.whl")) if "*" in word else [word])]
        uv("pip", "install", "--python", str(made / "bin" / "python"), *rest, cwd=folder)
    return made


def python(venv: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AIRFLOW", "PYTEST"))}
    command = [str(venv / "bin" / "python"), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, **more)


@pytest.fixture
def service(venv: Path, tmp_path: Path) -> Iterator[tuple[Service, int]]:
    """What the image runs, in the environment that has nothing of this test run in it, and its port."""
    port = free_port()
    (entry,), (words,) = steps("ENTRYPOINT"), steps("CMD")
    command = in_venv([*json.loads(entry), *json.loads(words)], venv, port)
    started = Service("bill-sandbox", command, {"PATH": "/usr/bin:/bin", "HOME": "/"}, tmp_path / "log")
    yield started, port
    stop_services([started])


def is_healthy(venv: Path, port: int) -> bool:
    ((_options, command),) = [step.split(" CMD ") for step in steps("HEALTHCHECK")]
    return subprocess.run(in_venv(json.loads(command), venv, port), capture_output=True, check=False).returncode == 0


def test_the_image_serves_bill_without_airflow_and_its_health_check_tells_whether_it_does(
    venv: Path, service: tuple[Service, int]
) -> None:
    started, port = service
    wait_until(lambda: started.ensure_alive() or is_healthy(venv, port), 30, "the health check to be good", 0.1)  # type: ignore[func-returns-value]
    bill = LocalBill(f"http://127.0.0.1:{port}")
    # As the guide says: the connections that it hands out lead to the address it was asked at.
    assert bill.connections["v3"]["host"] == bill.url
    assert bill.login().status_code == 200
    assert bill.stats()["sign_ins"] == 1
    bill.close()
    stop_services([started])
    assert not is_healthy(venv, port)
    assert f"bill-sandbox is ready at http://0.0.0.0:{port}" in started.log_file.read_text()
    assert "No module named 'airflow'" in python(venv, "-c", "import airflow").stderr


def test_the_image_holds_the_pinned_versions(venv: Path) -> None:
    pins = dict(re.findall(r"^(\S+)==(\S+)", (ROOT / "constraints" / "airflow-3.3.txt").read_text(), re.MULTILINE))
    code = "from importlib.metadata import version; print(*map(version, ('fastapi', 'uvicorn', 'starlette')))"
    assert python(venv, "-c", code).stdout.split() == [pins[name] for name in ("fastapi", "uvicorn", "starlette")]


def test_the_image_is_not_run_by_root() -> None:
    (user,) = steps("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    kept = LINES[LINES.index(f"USER {user}") :]
    assert not [line for line in kept if line.startswith(("RUN", "COPY", "FROM"))]


def test_the_built_package_gives_pytest_the_fixture_without_being_asked(venv: Path, tmp_path: Path) -> None:
    constraints = str(ROOT / "constraints" / "airflow-3.3.txt")
    uv("pip", "install", "--python", str(venv / "bin" / "python"), "--constraint", constraints, "pytest", cwd=tmp_path)
    (tmp_path / "test_one.py").write_text(
        "def test_one(bill_sandbox, pytestconfig):\n"
        f"    assert pytestconfig.pluginmanager.has_plugin({PLUGIN!r})\n"
        "    assert bill_sandbox.stats()['requests'] == 0\n"
    )
    for more in ([], ["-p", PLUGIN]):
        done = python(venv, "-m", "pytest", "-q", "-p", "no:cacheprovider", *more, cwd=tmp_path)
        assert "1 passed" in done.stdout, done.stdout + done.stderr
    done = python(venv, "-m", "pytest", "-q", "-p", f"no:{PLUGIN}", cwd=tmp_path)
    assert "fixture 'bill_sandbox' not found" in done.stdout
