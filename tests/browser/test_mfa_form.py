"""A person before the form for BILL's code: what it tells, a wrong code, the right one, and what is left of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from airflow_provider_bill.operators.mfa_form import ENTER
from dev.airflow_harness import AirflowHarness, airflow_version
from dev.local_bill import LocalBill
from dev.paths import ROOT
from dev.processes import wait_until

pytestmark = pytest.mark.skipif(airflow_version() < (3, 1), reason="Airflow has no forms for tasks before 3.1")
DAG_ID = "bill_mfa"
#: Wide as the docs want it; taken only when asked for, as a test run leaves the checkout as it was.
SCREENSHOTS = ROOT / "docs" / "images" if os.environ.get("SCREENSHOTS") else None


@pytest.fixture
def run_id(airflow: AirflowHarness, bill: LocalBill) -> Iterator[str]:
    """A run that waits for a code: its connection, without stored sessions, and an unpaid bill of the seed."""
    unpaid = next(
        row for row in bill.get("/bills", bill.sign_in()).json()["results"] if row["paymentStatus"] == "UNPAID"
    )
    bill.reset()
    for key in airflow.variables():
        airflow.rest("DELETE", f"variables/{key}")
    for row in airflow.rest_all("connections", "connections"):
        if row["connection_id"] == "bill_default":
            airflow.rest("DELETE", "connections/bill_default")
    connection: dict[str, Any] = {"connection_id": "bill_default", **bill.connections["v3"]}
    airflow.rest("POST", "connections", {**connection, "extra": json.dumps(connection["extra"])})
    yield airflow.trigger(DAG_ID, {"vendor_id": unpaid["vendorId"], "bill_id": unpaid["id"], "amount": 1.5})
    airflow.rest("DELETE", "connections/bill_default")


def show_form(airflow: AirflowHarness, page: Page, run_id: str) -> Locator:
    """Open the task's required action, and return the field for the code."""
    page.goto(f"{airflow.url}/dags/{DAG_ID}/runs/{run_id}/tasks/mfa/required_actions")
    field = page.locator("input[type=password]")
    expect(field).to_be_visible()
    return field


def form_of(airflow: AirflowHarness, run_id: str) -> dict[str, Any]:
    """Return what Airflow stores of the form; nothing if there is none."""
    forms = airflow.rest("GET", f"dags/{DAG_ID}/dagRuns/{run_id}/hitlDetails")["hitl_details"]
    return dict(forms[0]) if forms else {}


def is_waiting(airflow: AirflowHarness, run_id: str) -> bool:
    """Return whether the task waits, and the scheduler knows that its process has ended."""
    (task,) = (task for task in airflow.task_instances(DAG_ID, run_id) if task["task_id"] == "mfa")
    return task["state"] in ("awaiting_input", "deferred") and airflow.scheduler_knows(task)


def wait_until_asked_again(airflow: AirflowHarness, run_id: str) -> None:
    def asked_again() -> bool:
        return form_of(airflow, run_id).get("response_received") is False and is_waiting(airflow, run_id)

    wait_until(asked_again, 90, "the next form")


def shoot(page: Page, name: str) -> None:
    if SCREENSHOTS is not None:
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / name)


def test_a_person_enters_a_wrong_code_then_the_right_one_and_the_bill_is_paid(
    airflow: AirflowHarness, bill: LocalBill, run_id: str, page: Page
) -> None:
    (code,) = wait_until(bill.codes, 90, "BILL to send a code")
    wait_until(lambda: is_waiting(airflow, run_id), 90, "the form")
    (text,) = bill.control("GET", "sms")

    field = show_form(airflow, page, run_id)
    for told in (bill.organization, "a***@harborbooks.example", f"ends in {text['to'][-4:]}", run_id, "3 of 3", "UTC"):
        expect(page.get_by_text(told).first).to_be_visible()
    shoot(page, "mfa-form.png")
    field.fill(f"{(int(code) + 1) % 1_000_000:06d}")
    page.get_by_test_id(f"hitl-option-{ENTER}").click()
    wait_until(lambda: bill.count_calls("/connect/v3/mfa/challenge/validate") == 1, 90, "the wrong code to reach BILL")
    wait_until_asked_again(airflow, run_id)

    # Airflow keeps the words of a form as they are: it says so, and the log says what has become of the code.
    page.goto(f"{airflow.url}/dags/{DAG_ID}/runs/{run_id}/tasks/mfa")
    expect(page.get_by_text("BILL leaves 2 more tries for this one")).to_be_visible()
    field = show_form(airflow, page, run_id)
    expect(field).to_have_value("")
    expect(page.get_by_text("the task's log says whether the code was wrong")).to_be_visible()
    field.fill(code)
    page.get_by_test_id(f"hitl-option-{ENTER}").click()
    assert airflow.wait(DAG_ID, run_id) == "success"
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sms_sent"], stats["payments"]) == (1, 1, 1)

    expect(page.get_by_test_id(f"hitl-option-{ENTER}")).to_be_disabled()
    page.goto(f"{airflow.url}/required_actions?dag_display_name_pattern={DAG_ID}")
    expect(page.get_by_text("No Response Received")).to_be_visible()
    form = form_of(airflow, run_id)
    assert code not in json.dumps(form)
    assert 'says "No Response Received" later on, although the code was entered' in form["body"]
    assert airflow.xcom(DAG_ID, run_id, "mfa")["entered_by"]
