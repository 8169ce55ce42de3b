"""Tables and plots of the results, all in one form."""

from __future__ import annotations

import csv
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
#: Ours, the others, and further ones.
COLOURS = ("#2f7d4f", "#c0504d", "#4f6d9f", "#b58a2f", "#7a5a95")


@dataclass(frozen=True)
class Target:
    """What was wanted, and what was measured.

    :param wanted: in words
    :param measured: in words
    :param met: whether the measured is as wanted
    """

    wanted: str
    measured: str
    met: bool


@dataclass(frozen=True)
class Result:
    """What one benchmark found.

    :param name: of its files
    :param title: one line
    :param columns: of the table
    :param rows: of the table
    :param targets: what was wanted, and what was measured
    :param method: how it was measured, in a few sentences
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    targets: Sequence[Target]
    method: str
    remarks: Sequence[str] = field(default_factory=tuple)

    def save(self) -> None:
        """Write the table as Markdown and CSV."""
        RESULTS.mkdir(exist_ok=True)
        with (RESULTS / f"{self.name}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.columns)
            writer.writerows(self.rows)
        lines = [f"# {self.title}", "", self.method, "", *_table(self.columns, self.rows), ""]
        lines += [f"![{self.title}]({self.name}.png)", ""]
        lines += _table(("target", "measured", "met"), [(t.wanted, t.measured, _yes(t.met)) for t in self.targets])
        for remark in self.remarks:
            lines += ["", remark]
        (RESULTS / f"{self.name}.md").write_text("\n".join(lines) + "\n")

    def summary(self) -> str:
        """Return the targets as lines for the terminal."""
        return "\n".join(f"  {'met   ' if t.met else 'MISSED'} {t.wanted}: {t.measured}" for t in self.targets)


@contextmanager
def plot(name: str, title: str, *, panels: int = 1) -> Iterator[list[Any]]:
    """Draw panels side by side and write them as a PNG.

    :param name: of the file
    :return: matplotlib axes, one for each panel
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, panels, figsize=(5.2 * panels + 1.2, 3.8), squeeze=False, layout="constrained")
    figure.suptitle(title)
    for axis in axes[0]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_axisbelow(True)
        axis.grid(axis="y", alpha=0.3)
    yield list(axes[0])
    RESULTS.mkdir(exist_ok=True)
    # Without the version of the plotter, equal plots are equal files.
    figure.savefig(RESULTS / f"{name}.png", dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def machine() -> str:
    """Return what this was measured on, without the name of the machine."""
    import os
    from importlib.metadata import version

    return (
        f"Python {platform.python_version()}, Airflow {version('apache-airflow')}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    )


def write_index(results: Sequence[Result]) -> None:
    """Write the targets of all benchmarks of this run into one table."""
    rows = [
        (f"[{result.title}]({result.name}.md)", target.wanted, target.measured, _yes(target.met))
        for result in results
        for target in result.targets
    ]
    table = _table(("benchmark", "target", "measured", "met"), rows)
    text = ["# Benchmarks", "", f"Made by `make bench`: {machine()}.", "", *table]
    (RESULTS / "README.md").write_text("\n".join(text) + "\n")


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return [*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)]


def _yes(met: bool) -> str:
    return "yes" if met else "**no**"
