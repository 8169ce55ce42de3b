"""The connection form and its Test button, as a person uses both: on Airflow 3.3 and on 2.11."""

from __future__ import annotations

import json
import os
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from airflow_provider_bill.get_provider_info import SIGN_INS
from dev.airflow_harness import AirflowHarness, airflow_version
from dev.local_bill import LocalBill
from dev.paths import ROOT

IMAGES = ROOT / "docs" / "images"
OWN = ("host", "port", "login", "password")
on_airflow_2 = pytest.mark.skipif(airflow_version() >= (3, 0), reason="the form of Airflow 2")
on_airflow_3 = pytest.mark.skipif(airflow_version() < (3, 2), reason="the form of Airflow 3.2 and newer")

Fields = dict[str, str]


class Form(Protocol):
    """The connection form of one Airflow; ``form`` holds its fields."""

    form: Locator

    def __init__(self, page: Page, url: str) -> None: ...

    def add(self, conn_id: str) -> None:
        """Open an empty form for a BILL connection of this id."""

    def reopen(self, conn_id: str) -> None:
        """Open the form of a stored connection."""

    def field(self, name: str) -> Locator:
        """Return the input of a field."""

    def fill(self, fields: Fields) -> None:
        """Fill in fields."""

    def save(self) -> None:
        """Press Save."""

    def try_out(self, conn_id: str) -> str:
        """Have the connection tested and return what is said."""


class Airflow3Form:
    """A dialog over the list of connections; the list has the Test buttons, for what is stored."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.form = page.get_by_role("dialog")

    def add(self, conn_id: str) -> None:
        self.page.goto(f"{self.url}/connections")
        self.page.get_by_role("button", name="Add Connection").click()
        self.form.locator("[name=connection_id]").fill(conn_id)
        self.form.get_by_role("combobox").first.fill("BILL")
        self.page.keyboard.press("Enter")
        expect(self.form.locator("[name=port]")).to_be_visible()

    def reopen(self, conn_id: str) -> None:
        self.page.goto(f"{self.url}/connections")
        self._row(conn_id).get_by_role("button", name="Edit Connection").click()
        expect(self.form.locator("[name=connection_id]")).to_have_value(conn_id)
        expect(self.form.locator("[name=port]")).to_be_visible()

    def field(self, name: str) -> Locator:
        found = self.form.locator(f"[name={name if name in OWN else f'element_{name}'}]")
        if not found.is_visible():
            section = "Standard Fields" if name in OWN else "Extra Fields"
            self.form.get_by_role("button", name=section, exact=True).click()
            expect(found).to_be_visible()
        return found

    def fill(self, fields: Fields) -> None:
        for name in sorted(fields, key=lambda name: name not in OWN):
            self.field(name).fill(fields[name])

    def save(self) -> None:
        self.form.get_by_role("button", name="Save").click()
        expect(self.form).to_be_hidden()

    def try_out(self, conn_id: str) -> str:
        if self.form.is_visible():
            self.save()
        with self.page.expect_response("**/connections/test") as answered:
            self._row(conn_id).get_by_role("button", name="Test Connection").click()
        answer = answered.value.json()
        said = str(answer.get("message") or answer)
        expect(self.page.get_by_text(said)).to_be_visible()
        return said

    def _row(self, conn_id: str) -> Locator:
        return self.page.locator("tr").filter(has=self.page.get_by_text(conn_id, exact=True))


class Airflow2Form:
    """A page of its own, whose Test button takes what the page holds."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.form = page.locator("form#model_form")

    def add(self, conn_id: str) -> None:
        self.page.goto(f"{self.url}/connection/add")
        self.form.locator("#conn_id").fill(conn_id)
        self.page.evaluate("$('#conn_type').val('bill').trigger('change')")

    def reopen(self, conn_id: str) -> None:
        self.page.goto(f"{self.url}/connection/list/")
        row = self.page.locator("tr").filter(has=self.page.get_by_text(conn_id, exact=True))
        row.locator("a[href*='/connection/edit/']").first.click()
        expect(self.form.locator("#conn_id")).to_have_value(conn_id)

    def field(self, name: str) -> Locator:
        return self.form.locator(f"[name={name if name in OWN else f'extra__bill__{name}'}]")

    def fill(self, fields: Fields) -> None:
        for name, value in fields.items():
            self.field(name).fill(value)

    def save(self) -> None:
        # What is refused is shown again on the same page.
        with self.page.expect_navigation(
            url=lambda url: "/connection/add" not in url and "/connection/edit" not in url
        ):
            self.form.locator("button[type=submit]").click()

    def try_out(self, conn_id: str) -> str:
        with self.page.expect_response("**/connections/test"):
            self.page.locator("#test-connection").click()
        alert = self.page.locator(".alert-success, .alert-error").first
        return alert.inner_text()


@pytest.fixture
def form(page: Page, airflow: AirflowHarness) -> Form:
    """The form of the installed Airflow."""
    return Airflow2Form(page, airflow.url) if airflow_version() < (3, 0) else Airflow3Form(page, airflow.url)


@pytest.fixture
def right(bill: LocalBill) -> Fields:
    """What a person enters for the local BILL."""
    return {
        "host": "http://127.0.0.1",
        "port": str(urlsplit(bill.url).port),
        "login": bill.username,
        "password": bill.password,
        "developer_api_key": bill.key,
        "organization_id": bill.organization,
    }


def picture(page: Page, name: str) -> None:
    """Keep a picture for the docs, if the environment asks for it."""
    if os.environ.get("BROWSER_PICTURES"):
        IMAGES.mkdir(exist_ok=True)
        page.screenshot(path=IMAGES / f"{name}.png")


def stored(airflow: AirflowHarness, conn_id: str) -> dict[str, Any]:
    """Return a connection as it is stored, secrets and all."""
    (row,) = json.loads(airflow.cli("connections", "get", conn_id, "--output", "json"))
    extra = row["extra_dejson"]
    return {**row, "extra": extra if isinstance(extra, dict) else json.loads(str(extra).replace("'", '"'))}


@on_airflow_3
def test_what_was_saved_can_be_reopened_and_tested_as_it_is(
    form: Form, page: Page, right: Fields, bill: LocalBill
) -> None:
    form.add("saved")
    form.fill(right)
    picture(page, "connection-form")
    form.save()
    form.reopen("saved")
    for name in ("host", "port", "login", "organization_id"):
        expect(form.field(name)).to_have_value(right[name])
    assert form.field("developer_api_key").input_value() == "***"
    said = form.try_out("saved")
    assert f"Signed in to Harbor Books ({bill.organization}), sandbox" in said
    assert f"as {bill.username}" in said
    assert "User name and password (v3)" in said
    picture(page, "connection-form-test")
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sign_outs"], stats["sms_sent"]) == (1, 1, 0)


@on_airflow_3
def test_a_kind_of_sign_in_is_chosen_by_its_words(
    form: Form, page: Page, right: Fields, airflow: AirflowHarness, bill: LocalBill
) -> None:
    console = bill.connections["console"]
    form.add("chosen")
    own = {name: console["extra"][name] for name in ("developer_api_key", "organization_id")}
    form.fill({**right, "login": console["login"], "password": console["password"], **own})
    form.form.get_by_role("combobox").nth(1).click()
    expect(page.get_by_role("option")).to_have_text(list(SIGN_INS.values()))
    page.get_by_role("option", name=SIGN_INS["console"]).click()
    said = form.try_out("chosen")
    assert f"as {console['login']}" in said
    assert SIGN_INS["console"] in said
    assert stored(airflow, "chosen")["extra"]["sign_in"] == "console"


WRONG: dict[str, tuple[Fields, str]] = {
    "password": ({"password": "not this one"}, "BDC_1101"),
    "developer key": ({"developer_api_key": "01NOTTHISONE"}, '"Developer key" (developer_api_key)'),
    "organization": ({"organization_id": "00801XXX000100000000"}, '"Organization id" (organization_id)'),
    "port": ({"port": "9"}, "Look at the connection's host, port"),
    "nothing": ({"developer_api_key": ""}, '"Developer key" (developer_api_key) is missing or blank'),
}


@pytest.mark.parametrize("what", WRONG)
def test_the_test_button_says_what_is_wrong_and_names_the_field(
    what: str, form: Form, right: Fields, bill: LocalBill
) -> None:
    change, named = WRONG[what]
    fields = {**right, **change}
    conn_id = f"wrong_{what.replace(' ', '_')}"
    form.add(conn_id)
    form.fill(fields)
    said = form.try_out(conn_id)
    assert named in said
    assert not [secret for secret in (fields["password"], fields["developer_api_key"]) if secret and secret in said]
    assert bill.stats()["sign_ins"] == 0
    assert bill.stats()["refused_sign_ins"] == (0 if what in ("port", "nothing") else 1)


def test_an_edit_of_the_password_keeps_every_extra(form: Form, airflow: AirflowHarness, bill: LocalBill) -> None:
    before = bill.connections["partner"]
    extra = {**before["extra"], "developer_api_keys": {"008OTHER": "other-key"}, "note": "of the user's own"}
    airflow.add_connection("edited", {**before, "extra": extra})
    form.reopen("edited")
    form.fill({"password": "a new password"})
    form.save()
    after = stored(airflow, "edited")
    assert after["password"] == "a new password"
    assert after["extra"] == extra


@on_airflow_2
def test_a_form_filled_in_is_tested_saved_and_tested_again_once_its_secrets_are_typed(
    form: Form, right: Fields, bill: LocalBill
) -> None:
    form.add("saved")
    form.fill(right)
    assert "Signed in to Harbor Books" in form.try_out("saved")
    form.save()
    form.reopen("saved")
    for name in ("host", "port", "login", "organization_id"):
        expect(form.field(name)).to_have_value(right[name])
    assert right["developer_api_key"] not in form.form.inner_html()
    assert "enter password and keys once more" in form.try_out("saved")
    form.fill({name: right[name] for name in ("password", "developer_api_key")})
    assert "Signed in to Harbor Books" in form.try_out("saved")
    assert bill.stats()["sign_ins"] == 2


@on_airflow_2
def test_the_form_names_the_values_that_it_takes(form: Form) -> None:
    form.add("read")
    text = form.form.inner_text()
    for value, words in SIGN_INS.items():
        assert f"{value} ({words})" in text
    assert "sandbox, production" in text
