"""What the documentation shows can be copied: it compiles, makes its DAG, and uses what exists."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bill.exceptions import BillConfigurationError
from airflow_provider_bill.hooks.bill import BillHook
from dev.airflow_harness import airflow_version
from dev.paths import EXAMPLES, ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
#: Its blocks are files that are run as they stand: see tests/sandbox/test_documented_tests.py.
RUN_ELSEWHERE = ("testing-your-dags.md",)
#: What the blocks leave to the reader to import.
NAMES = {
    "datetime": ("datetime",),
    "airflow.providers.common.compat.sdk": ("DAG", "task", "task_group"),
    "airflow_provider_bill.hooks.bill": ("BillHook",),
    "airflow_provider_bill.operators.bill": ("BillLoginOperator", "BillApiOperator", "BillLogoutOperator"),
    "airflow_provider_bill.operators.mfa": ("BillMfaOperator",),
    "airflow_provider_bill.retry_policy": ("BillRetryPolicy",),
}
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INCLUDE = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)


def included(match: re.Match[str]) -> str:
    return (ROOT / match[1]).read_text()


def blocks() -> Iterator[Any]:
    for page in PAGES:
        for number, block in enumerate(BLOCK.findall(page.read_text())):
            yield pytest.param(page, block, id=f"{page.stem}-{number}")


def namespace_for(block: str) -> dict[str, Any]:
    """Import what the block names; skip where this Airflow is too old for it."""
    found: dict[str, Any] = {"__name__": "snippet"}
    for module, names in NAMES.items():
        for name in names:
            if re.search(rf"\b{name}\b", block):
                try:
                    found[name] = getattr(importlib.import_module(module), name)
                except Exception as error:
                    pytest.skip(f"{name} is not for this Airflow: {error}")
    return found


@pytest.mark.parametrize(("page", "block"), [*blocks()])
def test_every_block_of_python_makes_its_dag_and_names_what_is_there(page: Path, block: str) -> None:
    code = INCLUDE.sub(included, block)
    tree = ast.parse(code)
    if page.name in RUN_ELSEWHERE or (page == ROOT / "README.md" and "from dags." in code):
        return
    namespace = namespace_for(code)
    with namespace.get("DAG", _dag())("around_it", schedule=None):
        try:
            exec(compile(tree, str(page), "exec"), namespace)
        except BillConfigurationError as error:
            if "needs Airflow 3.1 or newer" not in str(error) or airflow_version() >= (3, 1):
                raise
            pytest.skip(str(error))
    known = {*namespace, *vars(builtins), *_bound(tree)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    # In capitals: what is the reader's own. "requests": of the code before.
    assert {name for name in used - known if not name.isupper()} <= {"requests"}
    assert [text for text in _hook_calls(tree) if not _exists(text)] == []


def _dag() -> Any:
    from airflow.providers.common.compat.sdk import DAG

    return DAG


def _bound(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _hook_calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls of methods of a hook."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            of_class = isinstance(owner, ast.Name) and owner.id in ("hook", "BillHook")
            made = isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "BillHook"
            if of_class or made:
                yield node


def _exists(call: ast.Call) -> bool:
    assert isinstance(call.func, ast.Attribute)
    method: Callable[..., Any] | None = getattr(BillHook, call.func.attr, None)
    if method is None:
        return False
    return {keyword.arg for keyword in call.keywords} <= {*inspect.signature(method).parameters}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_call_of_the_hook_in_the_text_is_one_of_its_methods(page: Path) -> None:
    named = re.findall(r"`BillHook(?:\(\))?\.(\w+)", page.read_text())
    assert [name for name in named if not hasattr(BillHook, name)] == []


def test_every_example_dag_is_on_the_page_of_examples_and_no_other() -> None:
    page = (DOCS / "examples.md").read_text()
    examples = sorted(path.stem for path in EXAMPLES.glob("*.py"))
    assert sorted(INCLUDE.findall(page)) == [f"example_dags/{name}.py" for name in examples]
    assert sorted(re.findall(r"^## `(\w+)`$", page, re.MULTILINE)) == examples
