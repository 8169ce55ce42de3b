"""What a partner does: organizations, their users and roles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from dev.local_bill import Headers, LocalBill
from tests.sandbox.conformity import differences

CodeOf = Callable[[requests.Response], str]

USER = {"firstName": "New", "lastName": "Person", "email": "new@post.example", "username": "new-person"}
ORGANIZATION = {
    "name": "Rice Kitchen",
    "address": {"line1": "1 Main", "city": "San Jose", "zipOrPostalCode": "95002", "country": "US"},
    "phone": "5550100",
    "taxId": "999888777",
    "taxIdType": "EIN",
    "companyOwner": {"name": "Olive Owner", "dateOfBirth": "1985-01-01"},
    "industry": "Retail",
    "businessCategory": "LLC",
    "accountType": "BUSINESS",
    "processingOptions": {"mailingAddressSameAsPhysical": "true"},
}


@pytest.fixture
def partner(bill: LocalBill) -> Headers:
    """The partner's own session."""
    connection = bill.connections["partner"]
    key = connection["extra"]["app_api_key"]
    body = {"appKey": key, "username": connection["login"], "password": connection["password"]}
    return {"appKey": key, "sessionId": bill.post("/partner/login", body=body).json()["sessionId"]}


@pytest.fixture
def inside(bill: LocalBill, partner: Headers) -> Headers:
    """The partner's session, in one of its organizations."""
    return {**partner, "organizationId": bill.organization}


def role(bill: LocalBill, inside: Headers, kind: str = "PAYER") -> str:
    rows = bill.get("/partner/roles", inside).json()["results"]
    return str(next(row["id"] for row in rows if row["type"] == kind))


def new_user(bill: LocalBill, inside: Headers, **fields: Any) -> requests.Response:
    return bill.post("/partner/users", inside, {**USER, "roleId": role(bill, inside), **fields})


def test_a_partner_lists_its_organizations(bill: LocalBill, partner: Headers) -> None:
    answer = bill.get("/partner/organizations", partner)
    assert differences(answer, "GET", "/v3/partner/organizations") == []
    assert [row["name"] for row in answer.json()["results"]] == ["Harbor Books", "Lighthouse Coffee"]
    query = {"filters": f"id:eq:{bill.organization}"}
    (one,) = bill.get("/partner/organizations", partner, params=query).json()["results"]
    assert one["id"] == bill.organization
    newest = bill.get("/partner/organizations?sort=createdTime:desc&max=1", partner).json()
    assert (newest["results"][0]["name"], "nextPage" in newest) == ("Lighthouse Coffee", True)


def test_a_partner_creates_an_organization_and_works_in_it(bill: LocalBill, partner: Headers) -> None:
    answer = bill.post("/partner/organizations", partner, ORGANIZATION)
    assert differences(answer, "POST", "/v3/partner/organizations") == []
    row = answer.json()
    assert (row["name"], row["taxId"], row["partnerName"]) == ("Rice Kitchen", "*****8777", "Pia Partner")
    assert len(bill.get("/partner/organizations", partner).json()["results"]) == 3
    inside = {**partner, "organizationId": row["id"]}
    user = new_user(bill, inside)
    assert differences(user, "POST", "/v3/partner/users") == []
    body = {"organizationId": row["id"], "userId": user.json()["id"]}
    session = bill.post("/partner/login-as-user", partner, body).json()["sessionId"]
    headers = {"devKey": bill.key, "sessionId": session}
    assert bill.get(f"/organizations/{row['id']}", headers).json()["name"] == "Rice Kitchen"
    second = bill.post("/partner/organizations", partner, ORGANIZATION).json()
    assert second["id"] != row["id"]
    missing = bill.post("/partner/organizations", partner, {"name": "x"})
    assert [one["params"][0]["name"] for one in missing.json()] == [
        *("address", "phone", "taxId", "taxIdType", "companyOwner", "industry", "businessCategory"),
    ]


def test_a_partner_changes_the_plan_of_an_organization(bill: LocalBill, partner: Headers) -> None:
    path = f"/partner/organizations/{bill.organization}/price-plan"
    answer = bill.call("PATCH", path, partner, json={"pricePlanType": "Team"})
    assert differences(answer, "PATCH", "/v3/partner/organizations/{}/price-plan") == []
    plan = bill.get(f"/organizations/{bill.organization}/price-plan", bill.sign_in()).json()
    assert plan["name"] == "Team"
    assert bill.call("PATCH", path, partner, json={}).status_code == 400


def test_users_are_created_changed_archived_and_restored(bill: LocalBill, partner: Headers, inside: Headers) -> None:
    created = new_user(bill, inside)
    assert differences(created, "POST", "/v3/partner/users") == []
    user = created.json()
    assert user["role"]["type"] == "PAYER"
    path = f"/partner/users/{user['id']}"
    changed = bill.call("PATCH", path, inside, json={"lastName": "Named", "roleId": role(bill, inside, "CLERK")})
    assert differences(changed, "PATCH", "/v3/partner/users/{}") == []
    assert (changed.json()["firstName"], changed.json()["lastName"]) == ("New", "Named")
    assert changed.json()["role"]["type"] == "CLERK"
    sign_in = {"organizationId": bill.organization, "userId": user["id"]}
    archived = bill.post(f"{path}/archive", inside)
    assert differences(archived, "POST", "/v3/partner/users/{}/archive") == []
    assert archived.json()["archived"] is True
    assert bill.post("/partner/login-as-user", partner, sign_in).json()[0]["code"] == "BDC_1111"
    restored = bill.post(f"{path}/restore", inside)
    assert differences(restored, "POST", "/v3/partner/users/{}/restore") == []
    assert bill.post("/partner/login-as-user", partner, sign_in).status_code == 200
    read = bill.get(path, inside)
    assert differences(read, "GET", "/v3/partner/users/{}") == []
    assert read.json() == restored.json()
    listed = bill.get("/partner/users", inside)
    assert differences(listed, "GET", "/v3/partner/users") == []
    assert read.json() in listed.json()["results"]
    assert bill.get("/users", bill.sign_in()).json()["results"][-1]["id"] == user["id"]


def test_a_user_name_is_taken_once(bill: LocalBill, inside: Headers) -> None:
    assert [new_user(bill, inside).status_code for _ in range(2)] == [201, 422]
    assert new_user(bill, inside, username="other", roleId="0rl00NOSUCHROLE00000").status_code == 404
    assert new_user(bill, inside, username="").status_code == 400


def test_roles_are_read(bill: LocalBill, inside: Headers) -> None:
    listed = bill.get("/partner/roles", inside)
    assert differences(listed, "GET", "/v3/partner/roles") == []
    first = listed.json()["results"][0]
    read = bill.get(f"/partner/roles/{first['id']}", inside)
    assert differences(read, "GET", "/v3/partner/roles/{}") == []
    assert read.json() == first
    assert bill.get("/partner/roles/0rl00NOSUCHROLE00000", inside).status_code == 404


def test_a_users_phone_for_checks_is_given_by_the_partner(bill: LocalBill, inside: Headers) -> None:
    ada, body = bill.seed["users"][0]["id"], {"phoneNumber": "+14085550199", "phoneType": "MOBILE"}
    answer = bill.post(f"/partner/risk-verifications/{ada}/phone", inside, body)
    assert differences(answer, "POST", "/v3/partner/risk-verifications/{}/phone") == []
    assert bill.get("/risk-verifications/phone", bill.sign_in()).json() == {"hasPhone": True}
    assert bill.post("/partner/risk-verifications/nobody/phone", inside, body).status_code == 404


def test_only_the_partner_in_its_own_organizations_is_served(
    bill: LocalBill, partner: Headers, code_of: CodeOf
) -> None:
    strange = bill.get("/partner/users", {**partner, "organizationId": bill.seed["organizations"][2]["id"]})
    assert (strange.status_code, code_of(strange)) == (403, "BDC_1123")
    assert bill.get("/partner/users", partner).status_code == 400  # no organization is named
    user = bill.get("/partner/organizations", bill.sign_in())
    assert (user.status_code, code_of(user)) == (401, "BDC_1109")
    assert bill.get("/partner/organizations").status_code == 401
    session = bill.post(
        "/partner/login-as-user", partner, {"organizationId": bill.organization, "userId": bill.seed["users"][0]["id"]}
    ).json()["sessionId"]
    assert bill.get("/partner/organizations", {**partner, "sessionId": session}).status_code == 401


def test_a_new_user_has_no_card_to_pay_with(bill: LocalBill, partner: Headers, inside: Headers) -> None:
    user = new_user(bill, inside).json()["id"]
    body = {"organizationId": bill.organization, "userId": user}
    session = bill.post("/partner/login-as-user", partner, body).json()["sessionId"]
    assert bill.get("/funding-accounts/cards", {"devKey": bill.key, "sessionId": session}).json()["cards"] == []
