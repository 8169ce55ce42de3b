"""Funding accounts: who may pay from a bank account, cards, and what the user may do."""

from __future__ import annotations

import pytest

from dev.local_bill import Headers, LocalBill
from tests.sandbox.conformity import differences

USERS = "/funding-accounts/banks/users"


@pytest.fixture
def headers(bill: LocalBill) -> Headers:
    """A session."""
    return bill.sign_in()


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("banks/users", "currentUser=false&max=100"),
        ("cards/users", "currentUser=false"),
        ("cards", "cardUserStatus=VERIFIED"),
        ("cards/{card}", ""),
        ("cards/funding-purposes", "vendorId={vendor}&brand=VISA"),
        ("ap-cards", ""),
        ("permissions", ""),
    ],
)
def test_funding_accounts_answer_as_the_contract_has_it(
    bill: LocalBill, headers: Headers, path: str, query: str
) -> None:
    card = bill.get("/funding-accounts/cards", headers).json()["cards"][0]["id"]
    query = query.format(vendor=bill.vendor(headers))
    answer = bill.get(f"/funding-accounts/{path.format(card=card)}?{query}", headers)
    assert differences(answer, "GET", f"/v3/funding-accounts/{path.replace('{card}', '{}')}") == []
    assert answer.json()


def test_a_user_is_nominated_once_and_then_archived(bill: LocalBill, headers: Headers) -> None:
    ada = bill.seed["users"][0]["id"]
    account = {"nameOnAccount": "x", "accountNumber": "123456789", "routingNumber": "021000021"}
    bill.trust(headers)
    bank = bill.post("/funding-accounts/banks", headers, account).json()["id"]
    nominate = f"{USERS}/nominate"
    answer = bill.post(nominate, headers, {"bankAccountId": bank, "userId": ada})
    assert differences(answer, "POST", "/v3/funding-accounts/banks/users/nominate") == []
    assert answer.json() == {"status": "SUCCESS"}
    query = {"filters": f"bankAccountId:eq:{bank}", "currentUser": "true"}
    (row,) = bill.get(USERS, headers, params=query).json()["results"]
    assert (row["userId"], row["archived"], row["verificationStatus"]) == (ada, False, "UNDEFINED")
    assert bill.post(nominate, headers, {"bankAccountId": bank, "userId": ada}).status_code == 422
    archived = bill.post(f"{USERS}/{row['id']}/archive", headers)
    assert differences(archived, "POST", "/v3/funding-accounts/banks/users/{}/archive") == []
    assert archived.json()["archived"] is True
    assert bill.post(nominate, headers, {"bankAccountId": bank, "userId": ada}).status_code == 200
    assert bill.post(nominate, headers, {"bankAccountId": bank, "userId": "006X"}).status_code == 404


def test_the_users_of_accounts_can_be_narrowed_to_oneself(bill: LocalBill, headers: Headers) -> None:
    ada = bill.seed["users"][0]["id"]
    everyone = bill.get(f"{USERS}?currentUser=false", headers).json()["results"]
    mine = bill.get(f"{USERS}?currentUser=true", headers).json()["results"]
    assert len(everyone) == 4
    assert [row["userId"] for row in mine] == [ada]
    (one,) = bill.get(USERS, headers, params={"filters": f"id:eq:{mine[0]['id']}"}).json()["results"]
    assert one == mine[0]


def test_cards_are_those_that_the_user_may_pay_with(bill: LocalBill, headers: Headers) -> None:
    shown = bill.get("/funding-accounts/cards?cardUserStatus=VERIFIED", headers).json()
    assert [card["last4"] for card in shown["cards"]] == ["4242"]
    assert shown["rates"]["defaultCardAccountId"] == shown["cards"][0]["id"]
    assert bill.get("/funding-accounts/cards?cardUserStatus=UNDEFINED", headers).json()["cards"] == []
    assert bill.get("/funding-accounts/cards/cda00NOSUCHCARD00000", headers).status_code == 404


@pytest.mark.parametrize(
    ("role", "pays"),
    [("ADMINISTRATOR", True), ("ACCOUNTANT", True), ("PAYER", True), ("APPROVER", False), ("CLERK", False)],
)
def test_who_may_pay_follows_from_the_role(bill: LocalBill, role: str, pays: bool) -> None:
    connection = bill.connections["partner"]
    key, name = connection["extra"]["app_api_key"], f"new-{role.lower()}"
    body = {"appKey": key, "username": connection["login"], "password": connection["password"]}
    partner = {"appKey": key, "sessionId": bill.post("/partner/login", body=body).json()["sessionId"]}
    inside = {**partner, "organizationId": bill.organization}
    role_id = next(row["id"] for row in bill.get("/partner/roles", inside).json()["results"] if row["type"] == role)
    user = {"firstName": "N", "lastName": "P", "email": "n@post.example", "roleId": role_id, "username": name}
    made = bill.post("/partner/users", inside, user).json()["id"]
    who = {"organizationId": bill.organization, "userId": made}
    session = bill.post("/partner/login-as-user", partner, who).json()["sessionId"]
    shown = bill.get("/funding-accounts/permissions", {"devKey": bill.key, "sessionId": session}).json()
    assert shown["user"] == {"payOnline": pays}


def test_purposes_are_those_of_a_vendor_that_there_is(bill: LocalBill, headers: Headers) -> None:
    path = "/funding-accounts/cards/funding-purposes"
    assert bill.get(f"{path}?vendorId=nobody&brand=VISA", headers).status_code == 404
    assert bill.get(f"{path}?vendorId={bill.vendor(headers)}", headers).status_code == 400


def test_an_app_for_accounting_data_sees_no_funding_accounts(bill: LocalBill) -> None:
    client = next(row for row in bill.seed["oauth_clients"] if row["scope"] == "accounting")
    form = {"grant_type": "client_credentials", "client_id": client["client_id"]}
    form["client_secret"] = client["client_secret"]
    token = bill.http.post(f"{bill.url}/connect/authx/token", data=form, timeout=30).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    for path in ("/funding-accounts/cards", "/funding-accounts/ap-cards", USERS):
        assert bill.get(path, bearer).status_code == 403
