"""6. Time added to the import of a DAG file, which Airflow parses again and again."""

from __future__ import annotations

import importlib
import json
import os
import re
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

from airflow_provider_bill.get_provider_info import get_provider_info
from benchmarks.report import COLOURS, Result, Target, plot
from dev.airflow_child import in_airflow
from dev.paths import ROOT

PACKAGE = "airflow_provider_bill"
ROUNDS = 11
OURS = 30
HITL_OVER_BASE = 60
HITL_BASE = "airflow.providers.standard.operators.hitl:HITLOperator"
HITL = f"{PACKAGE}.operators.mfa:BillMfaOperator"
OTHERS = (
    "airflow.providers.http.operators.http:HttpOperator",
    "airflow.providers.databricks.operators.databricks:DatabricksRunNowOperator",
    "airflow.providers.snowflake.operators.snowflake:SnowflakeSqlApiOperator",
)
#: Folders whose modules DAG files import, or Airflow where it reads a DAG.
FOLDERS = ("operators", "sensors", "triggers")
#: Handed out by `operators.mfa` when they are asked for: Airflow's own form is what they cost, see `HITL`.
WITH_HITL = (f"{PACKAGE}.operators.mfa_hitl",)
#: What has been imported already where Airflow imports the modules of a folder.
BEFORE = {"plugins": "airflow.plugins_manager", "cli": "airflow.cli.cli_config", "triggers": "airflow.triggers.base"}


def our_modules(metadata: Mapping[str, Any], plugins: Iterable[str]) -> list[str]:
    """Return our modules that DAG files import or that every process of Airflow loads: found, not written down.

    Besides those in `FOLDERS` these are the modules beside them, and what the provider declares.

    :param metadata: the provider's
    :param plugins: its entry points for plugins
    """
    folder = ROOT / PACKAGE
    found = {f"{PACKAGE}.{path.stem}" for path in folder.glob("*.py")}
    found |= {f"{PACKAGE}.{name}.{path.stem}" for name in FOLDERS for path in (folder / name).glob("*.py")}
    found |= {*_named(metadata), *(point.partition(":")[0] for point in plugins)}
    return sorted(
        name
        for name in found
        if name.startswith(f"{PACKAGE}.") and not name.endswith(".__init__") and name not in WITH_HITL
    )


def _named(value: Any) -> Iterator[str]:
    """Yield the modules of ours in the provider's metadata, whatever Airflow calls the place."""
    if isinstance(value, str) and re.fullmatch(rf"{PACKAGE}(\.\w+)+", value):
        yield value if (ROOT / f"{value.replace('.', '/')}.py").is_file() else value.rpartition(".")[0]
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _named(one)
    elif isinstance(value, list):
        for one in value:
            yield from _named(one)


def names() -> list[str]:
    """Return all that is imported here: ours first, as modules or as `module:attribute`."""
    plugins = [point.value for point in entry_points(group="airflow.plugins")]
    return [*our_modules(get_provider_info(), plugins), HITL, HITL_BASE, *OTHERS]


def run() -> Result:
    """Import each in processes of its own, in turn."""
    samples: dict[str, list[float | None]] = in_airflow("benchmarks.import_time:measure", migrated=False)
    known = {name: [value for value in values if value is not None] for name, values in samples.items()}
    medians = {name: statistics.median(values) for name, values in known.items() if values}
    ours = {name: value for name, value in medians.items() if name.startswith(PACKAGE)}
    plain = max(value for name, value in ours.items() if name != HITL)
    over = medians[HITL] - medians[HITL_BASE]
    with plot("6_import_time", "Time added to the import of a DAG file") as (panel,):
        shown = dict(reversed(medians.items()))
        colours = [COLOURS[0] if name in ours else COLOURS[1] for name in shown]
        panel.bar_label(panel.barh([_short(name) for name in shown], list(shown.values()), color=colours), fmt="%.0f")
        panel.grid(axis="y", visible=False)
        panel.set_xlabel("milliseconds")
    rows: list[tuple[Any, ...]] = []
    for name in names():
        values = known[name]
        cells = (round(medians[name], 1), round(min(values), 1), round(max(values), 1)) if values else ("missing",) * 3
        rows.append((_short(name), *cells))
    return Result(
        name="6_import_time",
        title="Time added to the import of a DAG file",
        columns=("imported", "median, ms", "least, ms", "most, ms"),
        rows=rows,
        targets=[
            Target(f"at most {OURS} ms for each of ours", f"{plain:.1f} ms", plain <= OURS),
            Target(
                f"HITL operator at most {HITL_OVER_BASE} ms over its base", f"{over:.1f} ms", over <= HITL_OVER_BASE
            ),
        ],
        method=f"Each import in a process of its own, forked after `from airflow.sdk import DAG`; {ROUNDS} rounds in "
        "turn. `missing`: that provider is not installed here. Of plugins, commands and triggers: after what Airflow "
        "has imported before it comes to them.",
        remarks=[
            f"{_short(name)} takes {value - OURS:.1f} ms more than that: its module also loads what "
            f"{_short(HITL_BASE)} needs, {medians[HITL_BASE]:.1f} ms of it."
            for name, value in ours.items()
            if name != HITL and value > OURS and name.partition(":")[0] == HITL.partition(":")[0]
        ],
    )


def _short(name: str) -> str:
    """Return the class, or the module without the name of the package."""
    return name.partition(":")[2] or name.removeprefix(f"{PACKAGE}.")


def measure() -> dict[str, list[float | None]]:
    """Import everything again and again; in a process that has loaded what every DAG file loads."""
    from airflow.sdk import DAG  # noqa: F401

    samples: dict[str, list[float | None]] = {name: [] for name in names()}
    for number in range(ROUNDS + 1):
        for name in samples:
            milliseconds = _forked(name)
            if number:  # The first round only compiles and fills caches.
                samples[name].append(milliseconds)
    return samples


def _forked(name: str) -> float | None:
    """Return the milliseconds of an import made in a child process; None if there is no such module."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        text = ""
        try:
            module, _, attribute = name.partition(":")
            if (before := BEFORE.get(module.removeprefix(f"{PACKAGE}.").partition(".")[0])) is not None:
                importlib.import_module(before)
            start = time.perf_counter()
            found = importlib.import_module(module)
            if attribute:
                getattr(found, attribute)
            text = json.dumps((time.perf_counter() - start) * 1000)
        except ModuleNotFoundError as error:
            text = json.dumps(repr(error)) if name.startswith(PACKAGE) else "null"
        except BaseException as error:
            text = json.dumps(repr(error))
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        measured = json.loads(answer.read() or '"it died"')
    os.waitpid(child, 0)
    if isinstance(measured, str):
        raise RuntimeError(f"{name} could not be imported: {measured}")
    return None if measured is None else float(measured)
