"""The pages say what the code does: errors, settings, names, and what was tested."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from airflow_provider_bill.client.codes import CODES
from airflow_provider_bill.get_provider_info import CONNECTION_FIELDS, get_provider_info
from airflow_provider_bill.sessions import keys
from dev import errors_page, site_check
from dev.paths import ROOT
from dev.tested import COLUMNS, Row, noted, result_of

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.rglob("*.md"))]
README = (ROOT / "README.md").read_text()


@functools.cache
def defined_names() -> set[str]:
    """All classes of ours, and what modules hand out under a name."""
    found: set[str] = set()
    for folder in ("airflow_provider_bill", "dev", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    found.add(node.name)
    return found


def test_the_readme_is_short_and_begins_with_the_two_commands() -> None:
    assert len(README.splitlines()) < 130
    first = re.search(r"^```\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert first is not None
    assert [line.split()[:2] for line in first[1].splitlines()] == [["make", "demo"], ["make", "test"]]


def test_the_page_of_errors_is_what_the_codes_say_now() -> None:
    assert errors_page.PAGE.read_text() == errors_page.page(), "run `python -m dev.errors_page`"


def test_the_page_of_errors_has_a_heading_for_each_error_and_an_anchor_for_each_code() -> None:
    page = errors_page.PAGE.read_text()
    assert re.findall(r"^### (Bill\w+)$", page, re.MULTILINE) == [error.__name__ for error in errors_page.errors()]
    assert re.findall(r'<span id="(\w+)">', page) == [code.lower() for code in CODES]
    assert set(errors_page.MORE) == {error.__name__ for error in errors_page.errors()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_class_and_every_make_target_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    code = " ".join(re.findall(r"`[^`\n]+`|^```.*?^```", text, re.MULTILINE | re.DOTALL))
    assert set(re.findall(r"\bBill[A-Z]\w+\b", code)) - defined_names() == set()
    targets = set(re.findall(r"^([a-z][\w.-]*(?:-%)?):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z][\w.-]*)`", text))
    assert {name for name in named if name not in targets and not name.startswith("matrix-")} == set()


@pytest.mark.parametrize("name", CONNECTION_FIELDS)
def test_every_field_of_the_form_stands_on_the_page_of_the_connection(name: str) -> None:
    assert f"`{name}`" in (DOCS / "connection.md").read_text()


def test_every_kind_of_sign_in_stands_on_the_page_of_the_connection() -> None:
    rows = re.findall(r"^\| (`.+?) \|", (DOCS / "connection.md").read_text(), re.MULTILINE)
    named = {kind for row in rows for kind in re.findall(r"`(\w+)`", row)}
    assert set(CONNECTION_FIELDS["sign_in"]["schema"]["enum"]) <= named


def test_the_settings_and_their_defaults_are_those_of_the_provider() -> None:
    options = get_provider_info()["config"]["bill"]["options"]
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \|", (DOCS / "limits.md").read_text(), re.MULTILINE)
    assert rows == [(name, option["default"]) for name, option in options.items()]


def test_every_kind_of_variable_has_a_row_on_the_page_about_security() -> None:
    source = Path(keys.__file__).read_text()
    made = {name.rstrip("_") for name in re.findall(r"\bbill_[a-z_]+", source) if not name.startswith("bill_conn")}
    rows = set(re.findall(r"^\| `(bill_[a-z_]+?)(?:_[_<].*)?` \|", (DOCS / "security.md").read_text(), re.MULTILINE))
    assert made - rows == set()
    assert rows - made <= {"bill_write_probe"}  # kept by another module


def test_every_page_of_the_docs_is_in_the_site() -> None:
    config = (ROOT / "mkdocs.yml").read_text()
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert set(re.findall(r"([\w/-]+\.md)$", config, re.MULTILINE)) == pages
    assert "strict: true" in config
    assert "font: false" in config


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<img alt="" src="//cdn.example/a.png">',
        '<link rel="stylesheet" href="https://fonts.example/a.css">',
        '<link rel="preconnect" href="https://fonts.example">',
        '<iframe src="https://example.com"></iframe>',
        "<style>@import 'https://fonts.example/a.css'</style>",
        '<p style="background: url(https://cdn.example/a.png)">',
        '<div class="md-source" data-md-component="source">',
        '<pre class="mermaid">',
    ],
)
def test_a_page_that_loads_something_from_elsewhere_is_found(text: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(f"<html><body>{text}</body></html>")
    assert len(list(site_check.check(tmp_path))) == 1


def test_a_style_that_loads_something_from_elsewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text('@font-face { src: url("https://fonts.example/a.woff2") }')
    assert list(site_check.check(tmp_path)) == ["a.css loads https://fonts.example/a.woff2"]


def test_links_that_a_reader_may_press_and_files_of_the_site_are_fine(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<link rel="canonical" href="https://example.com/"><link rel="stylesheet" href="assets/a.css">'
        '<script src="assets/a.js"></script><img src="a.png"><a href="https://www.bill.com">BILL</a>'
    )
    (tmp_path / "a.css").write_text("a { background: url(data:image/png;base64,AAAA) }")
    assert list(site_check.check(tmp_path)) == []


def row(result: str, *, airflow: str = "3.2.2", python: str = "3.11.7", what: str = "all") -> Row:
    return Row(airflow, python, what, result, "2026-12-01")


def test_a_result_takes_the_place_of_the_last_one_of_the_same_run() -> None:
    page = noted(noted(f"# Tested\n\n{COLUMNS}", row("1 passed")), row("2 passed", airflow="3.2.3", python="3.11.9"))
    assert page == f"# Tested\n\n{COLUMNS}| 3.2.3 | 3.11.9 | all | 2 passed | 2026-12-01 |\n"


def test_results_of_other_runs_stay_the_newest_airflow_first() -> None:
    page = f"# Tested\n\n{COLUMNS}"
    for one in (
        row("1 passed"),
        row("2 passed", airflow="3.10.0"),
        row("3 passed", python="3.9.0"),
        row("4 passed", what="some"),
    ):
        page = noted(page, one)
    assert re.findall(r"(\d) passed", page) == ["2", "3", "1", "4"]


def test_a_page_without_the_table_is_not_written_over() -> None:
    with pytest.raises(ValueError, match=r"tested\.md has no table"):
        noted("# Tested", row("1 passed"))


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ('tests="5" failures="0" errors="0" skipped="1"', "4 passed, 1 skipped"),
        ('tests="5" failures="1" errors="1" skipped="1"', "**2 failed**, 2 passed, 1 skipped"),
    ],
)
def test_the_result_is_what_pytest_has_counted(counts: str, said: str, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite {counts}/></testsuites>")
    assert result_of(report) == said


def test_a_run_that_left_no_report_did_not_run(tmp_path: Path) -> None:
    assert result_of(tmp_path / "report.xml") == "**did not run**"


def test_the_committed_table_can_be_read_and_written() -> None:
    page = (DOCS / "tested.md").read_text()
    assert "| 99.0.0 |" in noted(page, row("1 passed", airflow="99.0.0"))
