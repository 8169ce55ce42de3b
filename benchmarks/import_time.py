"""6. Time added to the import of a DAG file, which Airflow parses again and again."""

from __future__ import annotations

import importlib
import json
import os
import statistics
import time
from typing import Any

from benchmarks.report import COLOURS, Result, Target, plot
from dev.airflow_child import in_airflow

ROUNDS = 11
OURS = 30
HITL_OVER_BASE = 60
HITL_BASE = "airflow.providers.standard.operators.hitl:HITLOperator"
HITL = "airflow_provider_bill.operators.mfa:BillMfaOperator"
NAMES = (
    "airflow_provider_bill.operators.bill:BillLoginOperator",
    "airflow_provider_bill.operators.bill:BillApiOperator",
    "airflow_provider_bill.operators.bill:BillLogoutOperator",
    "airflow_provider_bill.sensors.bill:BillSessionSensor",
    "airflow_provider_bill.hooks.bill:BillHook",
    "airflow_provider_bill.operators.mfa:BillMfaChallengeOperator",
    HITL,
    HITL_BASE,
    "airflow.providers.http.operators.http:HttpOperator",
    "airflow.providers.databricks.operators.databricks:DatabricksRunNowOperator",
    "airflow.providers.snowflake.operators.snowflake:SnowflakeSqlApiOperator",
)


def run() -> Result:
    """Import each in processes of its own, in turn."""
    samples: dict[str, list[float | None]] = in_airflow("benchmarks.import_time:measure", migrated=False)
    known = {name: [value for value in values if value is not None] for name, values in samples.items()}
    medians = {name: statistics.median(values) for name, values in known.items() if values}
    ours = {name: value for name, value in medians.items() if name.startswith("airflow_provider_bill")}
    plain = max(value for name, value in ours.items() if name != HITL)
    over = medians[HITL] - medians[HITL_BASE]
    with plot("6_import_time", "Time added to the import of a DAG file") as (panel,):
        shown = dict(reversed(medians.items()))
        colours = [COLOURS[0] if name in ours else COLOURS[1] for name in shown]
        panel.bar_label(panel.barh([_short(name) for name in shown], list(shown.values()), color=colours), fmt="%.0f")
        panel.grid(axis="y", visible=False)
        panel.set_xlabel("milliseconds")
    rows: list[tuple[Any, ...]] = []
    for name in NAMES:
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
        "turn. `missing`: that provider is not installed here.",
        remarks=[
            f"{_short(name)} takes {value - OURS:.1f} ms more than that: its module also loads what "
            f"{_short(HITL_BASE)} needs, {medians[HITL_BASE]:.1f} ms of it."
            for name, value in ours.items()
            if name != HITL and value > OURS and name.partition(":")[0] == HITL.partition(":")[0]
        ],
    )


def _short(name: str) -> str:
    return name.partition(":")[2]


def measure() -> dict[str, list[float | None]]:
    """Import everything again and again; in a process that has loaded what every DAG file loads."""
    from airflow.sdk import DAG  # noqa: F401

    samples: dict[str, list[float | None]] = {name: [] for name in NAMES}
    for number in range(ROUNDS + 1):
        for name in NAMES:
            milliseconds = _forked(name)
            if number:  # The first round only compiles and fills caches.
                samples[name].append(milliseconds)
    return samples


def _forked(name: str) -> float | None:
    """Return the milliseconds of an import made in a child process; None if there is no such module."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        text = "null"
        try:
            module, _, attribute = name.partition(":")
            start = time.perf_counter()
            getattr(importlib.import_module(module), attribute)
            text = json.dumps((time.perf_counter() - start) * 1000)
        except ModuleNotFoundError:
            pass
        except BaseException as error:
            text = json.dumps(repr(error))
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        found = json.loads(answer.read() or '"it died"')
    os.waitpid(child, 0)
    if isinstance(found, str):
        raise RuntimeError(f"{name} could not be imported: {found}")
    return None if found is None else float(found)
