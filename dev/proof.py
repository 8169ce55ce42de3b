"""The tables of `docs/proof/`: what a run has shown, with the command that makes it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from dev.paths import ROOT

FOLDER = ROOT / "docs" / "proof"


def write_table(name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Print a table and return it; with `PROOF=1` it takes the place of the one in `docs/proof/NAME.md`.

    :param name: of the page, which must have a table already
    """
    lines = [list(columns), ["---"] * len(columns), *rows]
    table = "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
    print(f"\n{table}")
    if os.environ.get("PROOF"):
        page = FOLDER / f"{name}.md"
        head, bar, _ = page.read_text().partition("| ")
        if not bar:
            raise ValueError(f"docs/proof/{name}.md has no table")
        page.write_text(head + table)
    return table
