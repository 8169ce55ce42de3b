"""A real browser before a real Airflow: what a person sees and presses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dev.airflow_harness import AirflowHarness
from dev.local_bill import LocalBill
from dev.paths import EXAMPLES

HERE = Path(__file__).parent
#: Milliseconds for which a page may take to show something: the machine may be busy.
PATIENCE = 60_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        message = "no chromium is installed, so nothing is shown in a browser"
        if os.environ.get("BROWSER_REQUIRED"):
            pytest.fail(message)
        pytest.skip(message)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """An empty page of a browser that knows nobody."""
    expect.set_options(timeout=PATIENCE)
    context = chromium.new_context(viewport={"width": 1200, "height": 900}, locale="en-US", timezone_id="UTC")
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def airflow(sandbox: LocalBill) -> Iterator[AirflowHarness]:
    """A running Airflow with the example DAGs and no connection yet; the Test button is allowed."""
    env = {"AIRFLOW__CORE__TEST_CONNECTION": "Enabled"}
    with AirflowHarness(EXAMPLES, env=env, triggerer=True) as airflow:
        yield airflow
