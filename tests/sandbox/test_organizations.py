"""An organization's own affairs: its details, its plan and statements, its risk verification; and BILL's health."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from airflow_provider_bill.sandbox.data.contract import load
from dev.local_bill import Headers, LocalBill
from tests.sandbox.conformity import differences

CodeOf = Callable[[requests.Response], str]


@pytest.fixture
def headers(bill: LocalBill) -> Headers:
    """A session."""
    return bill.sign_in()


def test_an_organization_is_read_by_its_id(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    answer = bill.get(f"/organizations/{bill.organization}", headers)
    assert differences(answer, "GET", "/v3/organizations/{}") == []
    documented = set((load()["GET", "/v3/organizations/{}"].answer or {})["properties"])
    assert documented - set(answer.json()) == {"partnerName"}  # no partner has created it
    assert answer.json()["name"] == "Harbor Books"
    unknown = bill.get("/organizations/00801NOSUCHORG", headers)
    assert (unknown.status_code, code_of(unknown)) == (404, "BDC_1205")


def test_an_organization_is_changed_in_part(bill: LocalBill, headers: Headers) -> None:
    path = f"/organizations/{bill.organization}"
    before = bill.get(path, headers).json()
    body = {"name": "Harbor Books Inc", "address": {"city": "Oakland"}, "id": "0080", "partnerName": "me"}
    answer = bill.call("PATCH", path, headers, json=body)
    assert differences(answer, "PATCH", "/v3/organizations/{}") == []
    address = {**before["address"], "city": "Oakland"}
    changed = {**before, "name": "Harbor Books Inc", "address": address, "updatedTime": "2026-11-21T12:34:56.000+00:00"}
    assert answer.json() == changed
    assert bill.get(path, headers).json() == changed
    names = [row["name"] for row in bill.get("/login/organizations", headers).json()["results"]]
    assert names[0] == "Harbor Books Inc"


@pytest.mark.parametrize("name", ["price-plan", "billing-statements", "billing-statements/{statement}"])
def test_what_an_organization_pays_for_is_read(bill: LocalBill, headers: Headers, name: str) -> None:
    path = f"/organizations/{bill.organization}"
    statement = bill.get(f"{path}/billing-statements", headers).json()["results"][0]["id"]
    answer = bill.get(f"{path}/{name.format(statement=statement)}", headers)
    assert differences(answer, "GET", f"/v3/organizations/{{}}/{name.replace('{statement}', '{}')}") == []
    assert answer.json()


def test_statements_are_narrowed_by_their_day(bill: LocalBill, headers: Headers) -> None:
    path = f"/organizations/{bill.organization}/billing-statements"
    days = [row["invoiceDate"] for row in bill.get(path, headers).json()["results"]]
    assert len(days) == 3
    query = {"invoiceDateFrom": days[1], "invoiceDateTo": days[1]}
    assert [row["invoiceDate"] for row in bill.get(path, headers, params=query).json()["results"]] == [days[1]]
    since = bill.get(path, headers, params={"invoiceDateFrom": days[1]}).json()["results"]
    assert [row["invoiceDate"] for row in since] == days[1:]
    assert bill.get(f"{path}/bst00NOSUCHSTATEMENT", headers).status_code == 404


def test_the_industries_are_listed(bill: LocalBill, headers: Headers) -> None:
    answer = bill.get("/organizations/industries", headers)
    assert differences(answer, "GET", "/v3/organizations/industries") == []
    assert bill.get(f"/organizations/{bill.organization}", headers).json()["industry"] in answer.json()["results"]


def test_a_risk_verification_is_begun_once(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    assert code_of(bill.get("/risk-verifications", headers)) == "BDC_1205"
    begun = bill.post("/risk-verifications", headers)
    assert differences(begun, "POST", "/v3/risk-verifications") == []
    assert begun.json()["processingStatus"] == "IN_PROGRESS"
    again, read = bill.post("/risk-verifications", headers), bill.get("/risk-verifications", headers)
    assert differences(read, "GET", "/v3/risk-verifications") == []
    assert begun.json() == again.json() == read.json()


def test_the_phone_for_checks_belongs_to_its_user(bill: LocalBill, headers: Headers) -> None:
    def has_phone(who: Headers) -> bool:
        answer = bill.get("/risk-verifications/phone", who)
        assert differences(answer, "GET", "/v3/risk-verifications/phone") == []
        return bool(answer.json()["hasPhone"])

    ben = bill.user("second user")
    second = bill.sign_in(username=ben["username"], password=ben["password"])
    assert (has_phone(headers), has_phone(second)) == (False, False)
    body = {"phoneNumber": "+14085550199", "phoneType": "MOBILE"}
    assert bill.post("/risk-verifications/phone", headers, {"phoneType": "MOBILE"}).status_code == 400
    assert (
        differences(bill.post("/risk-verifications/phone", headers, body), "POST", "/v3/risk-verifications/phone") == []
    )
    assert (has_phone(headers), has_phone(second)) == (True, False)


def test_health_needs_no_credentials(bill: LocalBill) -> None:
    answer = bill.get("/health")
    assert differences(answer, "GET", "/v3/health") == []
    assert set(answer.json()) == {"appId", "appEnv", "appVersion", "bdcRegion"}


def test_of_a_tax_id_only_the_last_digits_are_kept(bill: LocalBill) -> None:
    headers = bill.sign_in()
    changed = bill.call("PATCH", f"/organizations/{bill.organization}", headers, json={"taxId": "123456789"})
    assert changed.json()["taxId"] == "*****6789"
    assert bill.get(f"/organizations/{bill.organization}", headers).json()["taxId"] == "*****6789"


@pytest.mark.parametrize("way", ["v3", "v2"])
def test_a_user_who_is_archived_signs_in_no_more_where_that_is_so(bill: LocalBill, way: str) -> None:
    ben = next(row for row in bill.seed["users"] if row["first_name"] == "Ben")
    names = {"username": ben["username"], "password": ben["password"]}
    second = bill.seed["organizations"][1]["id"]
    headers = bill.sign_in()
    if way == "v3":
        bill.post(f"/users/{ben['id']}/archive", headers)
    else:
        bill.form("Crud/Delete/User", {"id": ben["id"]}, **headers)
    assert bill.login(**names).json()[0]["code"] == "BDC_1111"
    assert bill.login(**names, organizationId=second).status_code == 200
    bill.post(f"/users/{ben['id']}/restore", headers)
    assert bill.login(**names).status_code == 200


def test_what_a_user_may_pay_follows_from_the_role(bill: LocalBill) -> None:
    headers = bill.sign_in()
    roles = {row["type"]: row["id"] for row in bill.get("/roles", headers).json()["results"]}
    ada = bill.seed["users"][0]["id"]
    for role, pays in (("CLERK", False), ("PAYER", True), ("APPROVER", False), ("ACCOUNTANT", True)):
        bill.form("Crud/Update/User", {"obj": {"id": ada, "profileId": roles[role]}}, **headers)
        assert bill.get("/funding-accounts/permissions", headers).json()["user"]["payOnline"] is pays
