"""The other kinds of sign-in: console, sync token, partner, OAuth, Spend & Expense."""

from __future__ import annotations

from collections.abc import Callable

import requests

from dev.local_bill import LocalBill

CodeOf = Callable[[requests.Response], str]


def test_the_console_signs_in_to_a_client_with_its_token(bill: LocalBill, code_of: CodeOf) -> None:
    row = bill.connections["console"]
    extra = row["extra"]
    body = {
        "devKey": extra["developer_api_key"],
        "organizationId": extra["organization_id"],
        "username": row["login"],
        "password": None,
    }
    headers = bill.sign_in(**body, consoleApiToken=row["password"])
    results = bill.get("/login/organizations", headers).json()["results"]
    clients = [one for one in results if "consoleOrganization" in one]
    assert len(clients) == 3
    assert bill.stats()["sign_ins_by_kind"] == {"console": 1}
    assert code_of(bill.login(**body, consoleApiToken="wrong")) == "BDC_1101"
    assert code_of(bill.login(**{**body, "devKey": bill.key}, consoleApiToken=row["password"])) == "BDC_1102"


def test_many_console_clients_make_pages_of_a_hundred(bill: LocalBill) -> None:
    added = bill.control("POST", "organizations", {"count": 250})
    row = bill.connections["console"]
    headers = bill.sign_in(
        devKey=added[-1]["developer_key"],
        organizationId=added[-1]["id"],
        username=row["login"],
        password=None,
        consoleApiToken=row["password"],
    )
    sizes: list[int] = []
    page: dict[str, str] = {}
    while True:
        answer = bill.get("/login/organizations", headers, params=page).json()
        sizes.append(len(answer["results"]))
        if not answer.get("nextPage"):
            break
        page = {"page": answer["nextPage"]}
    assert sizes == [100, 100, 54]


def test_a_sync_token_lives_48_idle_hours_and_may_not_pay(bill: LocalBill, code_of: CodeOf) -> None:
    row = bill.connections["sync_token"]
    fields = bill.v2_sign_in(userName=row["login"], password=row["password"])
    bill.settings(mfa_mode="off")
    bill.advance(172799)
    assert bill.get("/vendors", fields).status_code == 200
    paid = bill.post("/payments", fields, {"vendorId": bill.vendor(fields), "amount": 1})
    assert code_of(paid) == "BDC_1361"
    assert bill.form("MFAChallenge", {}, **fields)["response_data"]["error_code"] == "BDC_1361"
    bill.advance(172800)
    assert bill.get("/vendors", fields).status_code == 401


def test_v3_takes_a_sync_token_only_when_so_configured(bill: LocalBill, code_of: CodeOf) -> None:
    row = bill.connections["sync_token"]
    pair = {"username": row["login"], "password": row["password"]}
    assert code_of(bill.login(**pair)) == "BDC_1101"
    bill.settings(sync_token_on_v3=True)
    assert bill.login(**pair).status_code == 200


def test_a_partner_signs_in_as_a_user(bill: LocalBill, code_of: CodeOf) -> None:
    row = bill.connections["partner"]
    extra = row["extra"]
    body = {"appKey": extra["app_api_key"], "username": row["login"], "password": row["password"]}
    partner = bill.post("/partner/login", None, body).json()
    assert set(partner) == {"sessionId"}
    headers = {"appKey": extra["app_api_key"], "sessionId": partner["sessionId"]}
    who = {"organizationId": extra["organization_id"], "userId": extra["partner_user_id"]}
    as_user = bill.post("/partner/login-as-user", headers, who).json()
    assert (set(as_user), as_user["trusted"]) == ({"sessionId", "trusted"}, False)
    session = {"sessionId": as_user["sessionId"]}
    assert bill.get("/vendors", {**session, "devKey": bill.key}).status_code == 200
    assert bill.get("/vendors", {**session, "appKey": extra["app_api_key"]}).status_code == 401
    assert bill.get("/vendors", headers).status_code == 401
    assert code_of(bill.post("/partner/login-as-user", headers, {**who, "organizationId": "x"})) == "BDC_1123"
    assert bill.post("/logout", headers).status_code == 200


def token(bill: LocalBill, **changes: str) -> requests.Response:
    row = bill.connections["oauth"]
    form = {"grant_type": "client_credentials", "client_id": row["login"], "client_secret": row["password"]}
    return requests.post(f"{bill.url}/connect/authx/token", data={**form, **changes}, timeout=30)


def test_an_oauth_token_has_a_fixed_life(bill: LocalBill, code_of: CodeOf) -> None:
    answer = token(bill).json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    bill.advance(3599)
    details = bill.get("/login/session", headers).json()
    assert details["organizationId"] == bill.organization
    assert bill.get("/spend/users", headers).status_code == 200
    bill.advance(2)
    late = bill.get("/vendors", headers)
    assert (late.status_code, code_of(late)) == (401, "BDC_1109")


def test_oauth_refuses_as_rfc_6749_says(bill: LocalBill) -> None:
    wrong = token(bill, client_secret="wrong")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    other = token(bill, grant_type="password")
    assert (other.status_code, other.json()["error"]) == (400, "unsupported_grant_type")
    assert requests.post(f"{bill.url}/connect/authx/token", timeout=30).json()["error"] == "invalid_request"


def test_full_access_pays_and_accounting_access_does_not(bill: LocalBill) -> None:
    full = {"Authorization": f"Bearer {token(bill).json()['access_token']}"}
    body = {"vendorId": bill.vendor(full), "amount": 5}
    assert bill.post("/payments", full, body).status_code == 201
    row = next(one for one in bill.seed["oauth_clients"] if one["scope"] == "accounting")
    limited = token(bill, client_id=row["client_id"], client_secret=row["client_secret"]).json()
    headers = {"Authorization": f"Bearer {limited['access_token']}"}
    assert bill.get("/vendors", headers).status_code == 200
    assert bill.post("/payments", headers, body).status_code == 403
    assert bill.get("/funding-accounts/banks", headers).status_code == 403
    bill.settings(oauth_needs_mfa=True)
    assert bill.post("/payments", full, body).status_code == 403


def test_a_spend_token_works_on_spend_paths_only_and_sixty_times_a_minute(bill: LocalBill) -> None:
    headers = {"apiToken": bill.connections["spend_token"]["password"]}
    assert bill.get("/vendors", headers).status_code == 401
    assert bill.get("/spend/users", {"apiToken": "wrong"}).status_code == 401
    first = bill.get("/spend/transactions?max=50&unknown=1", headers).json()
    rest = bill.get("/spend/transactions", headers, params={"max": 50, "nextPage": first["nextPage"]}).json()
    assert (len(first["results"]), len(rest["results"])) == (50, 50)
    statuses = [bill.get("/spend/users/current", headers).status_code for _ in range(59)]
    assert statuses == [200] * 58 + [429]
    bill.advance(60)
    assert bill.get("/spend/users/current", headers).status_code == 200
