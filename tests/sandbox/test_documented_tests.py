"""The tests that the documentation shows are run as they stand there, by a pytest and an Airflow of their own."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from dev.airflow_harness import airflow_version
from dev.paths import ROOT

GUIDE = (ROOT / "docs" / "testing-your-dags.md").read_text()
README = (ROOT / "README.md").read_text()
PLUGIN = "airflow_provider_bill.sandbox.pytest_plugin"
#: A file's name in a line of its own, and the block that follows it.
FILES = dict(re.findall(r"^`([\w/]+\.py)`:\n\n```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
MIGRATE = "airflow db migrate\n"
FIRST = "test_vendors.py"


def test_the_guide_shows_three_dags_and_a_test_of_each() -> None:
    names = ("vendors", "pay", "trust")
    assert list(FILES) == [file for name in names for file in (f"dags/{name}.py", f"test_{name}.py")]


def test_the_first_test_has_six_lines_and_stands_alike_in_the_readme() -> None:
    assert len(FILES[FIRST].splitlines()) == 6
    assert f"```python\n{FILES[FIRST]}```" in README


@pytest.mark.skipif(airflow_version()[:2] == (3, 2), reason="its dag.test() does not wait until its server has started")
@pytest.mark.timeout(300)  # an Airflow is loaded and runs four DAGs
def test_the_documented_tests_are_green(airflow_db: Path, tmp_path: Path) -> None:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    # What `airflow db migrate` makes was made for all tests already.
    (tmp_path / ".airflow").mkdir()
    with (
        closing(sqlite3.connect(airflow_db / "airflow.db")) as made,
        closing(sqlite3.connect(tmp_path / ".airflow" / "airflow.db")) as copy,
    ):
        made.backup(copy)
    (commands,) = COMMANDS
    assert MIGRATE in commands
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    env |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}",
        "PYTHONPATH": str(ROOT),
        "AIRFLOW__API_AUTH__JWT_SECRET": "0123456789abcdef0123456789abcdef",  # `airflow db migrate` makes one
        "PYTEST_ADDOPTS": f"-p {PLUGIN} -p no:cacheprovider -rA",
    }
    done = subprocess.run(
        ["/bin/sh", "-ec", commands.replace(MIGRATE, "")],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(re.findall(r"^PASSED (\S+)$", done.stdout, re.MULTILINE)) == [
        "test_pay.py::test_a_payment_is_made_once_although_the_answer_is_lost",
        "test_trust.py::test_a_code_is_sent_once_and_entered",
        "test_vendors.py::test_the_three_tasks_share_one_sign_in",
    ]
