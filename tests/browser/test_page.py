"""The page of sessions and writes, opened from Airflow's menu and pressed by a person."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from dev.airflow_harness import AirflowHarness, airflow_version
from dev.local_bill import LocalBill
from dev.paths import EXAMPLES, ROOT

pytestmark = pytest.mark.skipif(airflow_version() < (3, 2), reason="the command line signs in since Airflow 3.2")
WRITE = "0123456789abcdef"


@pytest.fixture(scope="module", params=["", "/data/airflow"])
def airflow(request: pytest.FixtureRequest, sandbox: LocalBill) -> Iterator[AirflowHarness]:
    """An Airflow at its own address, and one below a path; its `bill_default` leads to the local BILL."""
    with AirflowHarness(EXAMPLES, env=sandbox.connection_env(), base_path=request.param) as airflow:
        yield airflow


def open_page(airflow: AirflowHarness, page: Page) -> FrameLocator:
    """Find the page in Airflow's menu."""
    page.goto(f"{airflow.url}/")
    page.get_by_role("button", name="Admin").click()
    page.get_by_role("menuitem", name="BILL").click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Sessions")).to_contain_text("known")
    return frame


def test_a_person_finds_the_page_in_the_menu_and_presses_its_buttons(
    airflow: AirflowHarness, bill: LocalBill, page: Page
) -> None:
    bill.stop_clock(datetime.now(UTC))
    run, state = airflow.run("bill_share_session")
    assert state == "success"
    task = ["bill_share_session", run, "login", -1]
    note = {"v": 1, "id": WRITE, "state": "sent", "name": "payment", "digest": "d", "call": "POST /v3/payments"}
    note |= {"at": datetime.now(UTC).isoformat(), "task": task}
    airflow.rest("POST", "variables", {"key": "bill_write__0a__open", "value": json.dumps(note)})

    airflow.cli("bill", "sign-in", "bill_default")

    frame = open_page(airflow, page)
    expect(frame.get_by_text("(command line)")).to_be_visible()
    expect(frame.get_by_text(bill.organization)).to_be_visible()
    if os.environ.get("SCREENSHOTS"):
        page.screenshot(path=ROOT / "docs" / "images" / "page.png")
    said = frame.get_by_role("status")
    frame.get_by_text("Settle").click()
    frame.get_by_role("button", name="Done: do not send again").click()
    expect(said).to_contain_text(f"Write {WRITE} counts as carried out")
    frame.get_by_role("button", name="Ask for a code").click()
    expect(said).to_contain_text("A code is on its way")
    assert bill.stats()["sms_sent"] == 1
    frame.get_by_role("button", name="Sign out").click()
    expect(said).to_contain_text("Signed out")
    assert bill.stats()["open_sessions"] == 0
    frame.get_by_role("link", name="bill_share_session / login").click()
    page.wait_for_url("**/dags/bill_share_session/runs/**")
    assert page.url.startswith(f"{airflow.url}/dags/bill_share_session/runs/")
    expect(page.get_by_text("login").first).to_be_visible()


def test_the_page_follows_light_and_dark(airflow: AirflowHarness, page: Page) -> None:
    shades = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        body = open_page(airflow, page).locator("body")
        shades.append(body.evaluate("body => getComputedStyle(body).backgroundColor"))
    assert shades == ["rgb(255, 255, 255)", "rgb(24, 24, 27)"]
