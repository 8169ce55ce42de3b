"""Imports lead downwards only, never in a circle, and a DAG file that uses us stays quick to parse."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

import pytest

from dev.paths import ROOT

PACKAGE = "airflow_provider_bill"
CLIENT, SESSIONS, SANDBOX, EXCEPTIONS = (
    f"{PACKAGE}.{name}" for name in ("client", "sessions", "sandbox", "exceptions")
)
FOLDERS = (PACKAGE, "example_dags", "dev", "benchmarks", "tests")
#: What knows Airflow, and the one file below the top floor that may ask it, inside its functions.
AIRFLOW = ("airflow", f"{PACKAGE}.version_compat")
ASKS_AIRFLOW = f"{SESSIONS}.stores"
#: What DAG files import, what that must not load, and what it may: rules about names and paths, which import nothing.
FOR_DAG_FILES = [f"{PACKAGE}.{name}" for name in ("hooks.bill", "operators", "sensors", "triggers", "retry_policy")]
HEAVY = ("requests", "cryptography", "tenacity", "filelock", CLIENT, SESSIONS)
LIGHT = (f"{CLIENT}.paths", f"{CLIENT}.device_label", f"{SESSIONS}.identity", f"{SESSIONS}.keys")


class Import(NamedTuple):
    """What is imported, and when: with the module, in a function, or by type checkers only."""

    name: str
    when: str


def module_names() -> Iterator[str]:
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = frozenset(module_names())
#: What the modules of each part may import of this repository; the longest name that fits is a module's part.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    f"{PACKAGE}.get_provider_info": (),
    EXCEPTIONS: (),
    CLIENT: (CLIENT, EXCEPTIONS),
    SESSIONS: (SESSIONS, CLIENT, EXCEPTIONS),
    SANDBOX: (SANDBOX,),
    PACKAGE: tuple(name for name in MODULES if name.startswith(f"{PACKAGE}.") and not name.startswith(SANDBOX)),
    "example_dags": (PACKAGE,),
    "dev": (PACKAGE, "dev"),
    "benchmarks": (PACKAGE, "dev", "benchmarks"),
    "tests": (PACKAGE, "dev", "benchmarks", "tests"),
}
BELOW_THE_TOP = [part for part in MAY_IMPORT if part.startswith(f"{PACKAGE}.")]


def imports_in(node: ast.AST, when: str = "module") -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, when) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield Import(inner if inner in MODULES else str(node.module), when)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        when = "function"
    elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        for statement in node.body:
            yield from imports_in(statement, "typing")
        for statement in node.orelse:
            yield from imports_in(statement, when)
        return
    for child in ast.iter_child_nodes(node):
        yield from imports_in(child, when)


def imports_of(module: str) -> set[Import]:
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return set(imports_in(ast.parse(file.read_text())))


IMPORTS = {module: imports_of(module) for module in sorted(MODULES)}


def is_within(name: str, parts: Iterable[str]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_every_part_imports_only_what_lies_below_it(part: str) -> None:
    more_special = [name for name in MAY_IMPORT if name.startswith(f"{part}.")]
    wrong = [
        f"{module} imports {name}"
        for module, imports in IMPORTS.items()
        if is_within(module, [part]) and not is_within(module, more_special)
        for name, _ in imports
        # The package itself holds its version and nothing else.
        if name in MODULES - {PACKAGE, *AIRFLOW} and not is_within(name, MAY_IMPORT[part])
    ]
    assert wrong == []


def test_only_the_stores_know_airflow_below_the_top_floor_and_only_inside_functions() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, imports in IMPORTS.items()
        if is_within(module, BELOW_THE_TOP)
        for name, when in imports
        if is_within(name, AIRFLOW) and (module, when) != (ASKS_AIRFLOW, "function")
    ]
    assert wrong == []


def test_no_imports_form_a_circle_not_even_in_functions_or_for_type_checkers() -> None:
    graph = {module: {name for name, _ in imports if name in MODULES} for module, imports in IMPORTS.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1]
    else:
        circle = []
    assert circle == []


@pytest.mark.parametrize("module", [module for module in sorted(MODULES) if is_within(module, FOR_DAG_FILES)])
def test_what_a_dag_file_imports_loads_neither_the_client_nor_its_libraries(module: str) -> None:
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        one = waiting.pop()
        if one not in reached:
            reached.add(one)
            waiting += [name for name, when in IMPORTS.get(one, ()) if when == "module"]
    assert [name for name in sorted(reached) if is_within(name, HEAVY) and name not in LIGHT] == []
