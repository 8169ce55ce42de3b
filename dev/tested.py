"""Runs pytest and notes the result in ``docs/tested.md``: ``python -m dev.tested WHAT [pytest's arguments ...]``.

It notes the Airflow and the Python that it runs in itself, so each environment starts it with its own Python.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from dev.paths import ROOT

PAGE = ROOT / "docs" / "tested.md"
COLUMNS = "| Airflow | Python | what was run | result | when |\n|---|---|---|---|---|\n"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    :param airflow: its version
    :param python: its version
    :param what: was run
    :param result: in words
    :param when: the day
    """

    airflow: str
    python: str
    what: str
    result: str
    when: str

    @property
    def place(self) -> tuple[str, str, str]:
        """Return what a newer result takes the place of: the same run on another patch version."""
        return _minor(self.airflow), _minor(self.python), self.what


def noted(page: str, row: Row) -> str:
    """Return the page with this result, in the place of an older one of the same run."""
    head, columns, table = page.partition(COLUMNS)
    if not columns:
        raise ValueError("docs/tested.md has no table of results")
    rows = [Row(*(cell.strip() for cell in line.strip("|").split("|"))) for line in table.splitlines() if line]
    rows = sorted([*(one for one in rows if one.place != row.place), row], key=lambda one: _order(one.place))
    return head + columns + "".join(f"| {' | '.join(astuple(one))} |\n" for one in rows)


def result_of(report: Path) -> str:
    """Return the counts of pytest's JUnit report in words."""
    if not report.is_file():
        return "**did not run**"
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))  # noqa: S314 - pytest wrote it
    total, failures, errors, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    )
    wrong = failures + errors
    passed = f"{total - wrong - skipped} passed, {skipped} skipped"
    return f"**{wrong} failed**, {passed}" if wrong else passed


def _minor(text: str) -> str:
    return ".".join(text.split(".")[:2])


def _order(place: tuple[str, str, str]) -> tuple[list[int], list[int], str]:
    airflow, python, what = place
    return [-int(part) for part in airflow.split(".")], [int(part) for part in python.split(".")], what


def main() -> int:
    """Run pytest, note the result and return pytest's exit code."""
    what, *arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="bill-tested-") as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", f"--junit-xml={report}", *arguments], cwd=ROOT, check=False
        )
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        row = Row(version("apache-airflow"), platform.python_version(), what, result_of(report), today)
    PAGE.write_text(noted(PAGE.read_text(), row))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
