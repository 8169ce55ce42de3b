"""Runs a function in a process of its own that has an empty Airflow: a home and a database."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from dev.paths import ROOT


def in_airflow(function: str, *, migrated: bool = True, **arguments: Any) -> Any:
    """Call `module:function` with plain arguments in a fresh Airflow and return its plain result.

    :param migrated: whether it needs the database; without it, nothing of Airflow is loaded before the function
    :param arguments: `env` is more environment of the process; the others go to the function
    """
    with tempfile.TemporaryDirectory(prefix="bill-bench-") as home:
        (Path(home) / "dags").mkdir()
        env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        env |= {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__DAGS_FOLDER": f"{home}/dags",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
            "AIRFLOW__CORE__FERNET_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            "NO_PROXY": "127.0.0.1",
            **arguments.pop("env", {}),
        }
        answer = Path(home) / "answer.json"
        log = Path(home) / "child.log"
        with log.open("w") as output:
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "dev.airflow_child",
                    *(function, json.dumps(arguments), str(answer), "migrated" if migrated else ""),
                ],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if done.returncode:
            raise RuntimeError(f"{function} failed:\n{log.read_text()[-4000:]}")
        return json.loads(answer.read_text())


def main() -> None:
    """Run the function that `in_airflow` names."""
    function, arguments, answer, migrated = sys.argv[1:]
    module, _, name = function.partition(":")
    if migrated:
        from dev.dag_runner import migrate

        migrate()
    result = getattr(importlib.import_module(module), name)(**json.loads(arguments))
    Path(answer).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
