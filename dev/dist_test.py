"""Uses what `make build` built, as a company would: `make dist-test`.

The wheel is installed into an empty environment, and a DAG runs there against the local BILL of the same wheel; nothing
of this checkout is on its path. Then the source distribution takes the wheel's place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import requests

from dev.local_bill import LocalBill
from dev.paths import ROOT
from dev.processes import Service, free_port, interrupt_on_sigterm, stop_services, wait_until

DIST = ROOT / "dist"
CONSTRAINTS = ROOT / "constraints" / "airflow-3.3.txt"
DAG_ID = "bill_share_session_taskflow"
#: What must be there besides the modules.
FILES = ("py.typed", "client/operations.json", f"example_dags/{DAG_ID}.py")
#: Run by the Python of the empty environment: everything that a DAG file or Airflow imports can be imported.
IMPORTS = """
import importlib, json, pathlib, airflow_provider_bill as package
folder = pathlib.Path(package.__file__).parent
names = [f"{package.__name__}.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"]
for part in ("hooks", "operators", "sensors", "triggers"):
    names += [f"{package.__name__}.{part}.{path.stem}" for path in (folder / part).glob("*.py")]
for name in names:
    importlib.import_module(name.removesuffix(".__init__"))
print(json.dumps([str(folder), package.__version__, len(names)]))
"""


class Installation:
    """An empty environment, and an Airflow without anything in it.

    :param folder: for all of it
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "env" / "bin"
        (folder / "home" / "dags").mkdir(parents=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
        self.env = kept | {
            "PATH": f"{self.bin}{os.pathsep}{kept.get('PATH', '')}",
            "AIRFLOW_HOME": str(folder / "home"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "home" / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "NO_PROXY": "127.0.0.1",
        }
        self._uv("venv", "--python", sys.executable, str(folder / "env"))

    def install(self, file: Path, *options: str, extras: str = "") -> None:
        """Install one of the built files."""
        constraints = ["--constraint", str(CONSTRAINTS), "--build-constraint", str(CONSTRAINTS)]
        self._uv("pip", "install", "--python", str(self.bin / "python"), *constraints, *options, f"{file}{extras}")

    def run(self, *command: str, **env: str) -> str:
        """Run a command of the environment, outside of this checkout, and return what it printed."""
        return self._run([str(self.bin / command[0]), *command[1:]], self.env | env)

    def check_files(self) -> str:
        """Import everything; return the version. Raise if it is this checkout, or something is missing."""
        folder, version, modules = json.loads(self.run("python", "-c", IMPORTS).splitlines()[-1])
        require(Path(folder).is_relative_to(self.folder), f"{folder} is not of the empty environment")
        missing = [name for name in FILES if not (Path(folder) / name).is_file()]
        require(not missing, f"not installed: {missing}")
        require(modules > 10, f"only {modules} modules were found")
        return str(version)

    def _uv(self, *arguments: str) -> None:
        self._run([str(Path(sys.executable).parent / "uv"), arguments[0], "--quiet", *arguments[1:]], dict(os.environ))

    def _run(self, command: Sequence[str], env: dict[str, str]) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[:3])} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout


def require(holds: bool, otherwise: str) -> None:
    """Raise `RuntimeError` unless it holds."""
    if not holds:
        raise RuntimeError(otherwise)


def run_a_dag(installed: Installation) -> None:
    """Run an example of the wheel against the local BILL of the wheel; raise if it does not share one sign-in."""
    package = next(installed.folder.glob("env/lib/python*/site-packages/airflow_provider_bill"))
    (installed.folder / "home" / "dags" / f"{DAG_ID}.py").write_text(
        (package / "example_dags" / f"{DAG_ID}.py").read_text()
    )
    port = free_port()
    command = [str(installed.bin / "bill-sandbox"), "--port", str(port)]
    server = Service("bill-sandbox", command, installed.env, installed.folder / "bill.log")
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(server, f"{url}/_sandbox/health"), 60, "the local BILL")
        bill = LocalBill(url)
        installed.run("airflow", "db", "migrate")
        providers = installed.run("airflow", "providers", "list", "--output", "json")
        names = [row["package_name"] for row in json.loads(providers[providers.index("[") :])]
        require("airflow-provider-bill" in names, "`airflow providers list` does not name it")
        installed.run("airflow", "dags", "test", DAG_ID, **bill.connection_env())
        stats = bill.stats()
        bill.close()
    finally:
        stop_services([server])
    require(stats["sign_ins"] == 1, f"{stats['sign_ins']} sign-ins instead of 1")
    called = stats["by_path"]
    require({"/connect/v3/vendors", "/connect/v3/bills"} <= called.keys(), f"the DAG called {called}")


def _answers(server: Service, url: str) -> bool:
    server.ensure_alive()
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def main() -> int:
    """Check both files; raise if something is wrong."""
    interrupt_on_sigterm()
    (wheel,) = DIST.glob("*.whl")
    (source,) = DIST.glob("*.tar.gz")
    with tempfile.TemporaryDirectory(prefix="bill-dist-") as folder:
        installed = Installation(Path(folder))
        installed.install(wheel, extras="[sandbox]")
        version = installed.check_files()
        run_a_dag(installed)
        print(f"{wheel.name}: Airflow lists it, and a DAG ran there with one sign-in.")
        installed.install(source, "--reinstall", "--no-deps")
        require(installed.check_files() == version, f"{source.name} is another version than {wheel.name}")
        print(f"{source.name}: can be built and imported.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
