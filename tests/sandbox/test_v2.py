"""v2's wire format: envelopes with HTTP 200, forms, lists and entities."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from dev.local_bill import LocalBill

ENTITIES = [
    "Vendor",
    "Customer",
    "Bill",
    "Invoice",
    "SentPay",
    "ReceivedPay",
    "VendorCredit",
    "VendorBankAccount",
    "BankAccount",
    "User",
    "Organization",
    "Item",
    "ChartOfAccount",
    "Department",
    "Location",
    "ActgClass",
    "Job",
    "Employee",
    "RecurringBill",
    "RecurringInvoice",
    "CreditMemo",
]


def error(answer: dict[str, Any]) -> tuple[str, str]:
    assert (answer["response_status"], answer["response_message"]) == (1, "Error")
    return answer["response_data"]["error_code"], answer["response_data"]["error_message"]


def test_sign_in_answers_with_v2s_own_names(bill: LocalBill) -> None:
    data = bill.v2_login()["response_data"]
    assert set(data) == {"sessionId", "orgId", "apiEndPoint", "usersId"}
    assert data["sessionId"].startswith("!")
    assert data["apiEndPoint"] == bill.v2


def test_the_known_messages_are_word_for_word(bill: LocalBill) -> None:
    assert error(bill.form("GetSessionInfo")) == ("BDC_1178", "Developer key must be specified.")
    stale = bill.form("GetSessionInfo", devKey=bill.key, sessionId="!old")
    assert error(stale) == ("BDC_1109", "Session is invalid.  Please log in.")
    wrong = bill.v2_login(orgId="fakeOrganizationId")
    text = "Invalid parameter value for parameter,value: orgId, fakeOrganizationId."
    assert error(wrong) == ("BDC_1129", text)
    assert error(bill.v2_login(password="wrong"))[0] == "BDC_1101"
    assert error(bill.v2_login(devKey="wrong"))[0] == "BDC_1102"


def test_sign_out_ends_the_session(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    assert bill.form("Logout", **fields)["response_data"] == {}
    assert error(bill.form("GetSessionInfo", **fields))[0] == "BDC_1109"


def test_organizations_are_listed_without_a_session(bill: LocalBill) -> None:
    answer = bill.form("ListOrgs", devKey=bill.key, userName=bill.username, password=bill.password)
    assert answer["response_data"][0] == {"orgId": bill.organization, "orgName": "Harbor Books"}
    assert bill.stats()["open_sessions"] == 0


def test_a_json_body_sent_by_mistake_is_an_error_envelope(bill: LocalBill) -> None:
    answer = requests.post(f"{bill.v2}/Login.json", json={"devKey": bill.key}, timeout=30)
    assert (answer.status_code, error(answer.json())[0]) == (200, "BDC_1178")


def test_data_that_is_not_json_is_an_error_envelope(bill: LocalBill) -> None:
    assert error(bill.form("List/Vendor", **bill.v2_sign_in(), data="{"))[0] == "BDC_1122"


def test_only_post_is_served_and_capitals_matter(bill: LocalBill) -> None:
    answer = requests.get(f"{bill.v2}/GetSessionInfo.json", timeout=30)
    assert (answer.status_code, error(answer.json())[0]) == (200, "BDC_1121")
    assert error(bill.form("login"))[0] == "BDC_1121"


def test_the_error_list_needs_no_credentials(bill: LocalBill) -> None:
    for method in ("GET", "POST"):
        rows = requests.request(method, f"{bill.v2}/Errors.json", timeout=30).json()["response_data"]
        assert "BDC_1109" in {row["error_code"] for row in rows}


@pytest.mark.parametrize("entity", ENTITIES)
def test_every_entity_lists_as_a_bare_array(bill: LocalBill, entity: str) -> None:
    rows = bill.form(f"List/{entity}", {"start": 0, "max": 999}, **bill.v2_sign_in())["response_data"]
    assert rows
    assert {row["entity"] for row in rows} == {entity}
    assert rows[0]["isActive"] == "1"
    assert rows[0]["createdTime"].endswith("+0000")


def test_an_unknown_entity_and_a_page_too_long_are_refused(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    assert error(bill.form("List/Nothing", {"start": 0, "max": 9}, **fields))[0] == "BDC_1128"
    assert error(bill.form("List/Vendor", {"start": 0, "max": 1000}, **fields))[0] == "BDC_1129"


def test_a_list_pages_filters_and_sorts(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    sizes = [
        len(bill.form("List/Vendor", {"start": start, "max": 100}, **fields)["response_data"])
        for start in (0, 100, 200, 300)
    ]
    assert sizes == [100, 100, 60, 0]
    data = {
        "start": 0,
        "max": 3,
        "filters": [
            {"field": "name", "op": "sw", "value": "Paper"},
            {"field": "isActive", "op": "=", "value": "1"},
        ],
        "sort": [{"field": "name", "asc": "false"}],
    }
    rows = bill.form("List/Vendor", data, **fields)["response_data"]
    assert [row["name"] for row in rows] == ["Paper Vendor 260", "Paper Vendor 250", "Paper Vendor 240"]
    bad = {"start": 0, "max": 3, "filters": [{"field": "nope", "op": "=", "value": "1"}]}
    assert error(bill.form("List/Vendor", bad, **fields))[0] == "BDC_1130"
    bad["filters"] = [{"field": "name", "op": "~", "value": "1"}]
    assert error(bill.form("List/Vendor", bad, **fields))[0] == "BDC_1131"


def test_a_vendor_is_created_read_changed_and_deleted(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    obj = {"entity": "Vendor", "name": "New", "address1": "1 Main", "addressCity": "San Jose"}
    created = bill.form("Crud/Create/Vendor", {"obj": obj}, **fields)["response_data"]
    who = {"id": created["id"]}
    assert bill.form("Crud/Read/Vendor", who, **fields)["response_data"] == created
    assert bill.get(f"/vendors/{created['id']}", fields).json()["address"]["city"] == "San Jose"
    update = {"obj": {**who, "entity": "Vendor", "name": "Newer"}}
    assert bill.form("Crud/Update/Vendor", update, **fields)["response_data"]["name"] == "Newer"
    assert bill.form("Crud/Delete/Vendor", who, **fields)["response_data"]["isActive"] == "2"
    assert error(bill.form("Crud/Read/Vendor", {"id": "00901NOSUCH"}, **fields))[0] == "BDC_1120"
    assert error(bill.form("Crud/Create/Vendor", {"obj": {"entity": "Vendor"}}, **fields))[0] == "BDC_1108"


def test_an_organization_is_read(bill: LocalBill) -> None:
    answer = bill.form("Crud/Read/Organization", {"id": bill.organization}, **bill.v2_sign_in())
    assert answer["response_data"]["name"] == "Harbor Books"


def test_the_four_protected_calls_need_a_trusted_session(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    headers = dict(fields)
    vendor = bill.vendor(headers)
    customer = bill.get("/customers", headers).json()["results"][0]["id"]
    due = bill.get("/bills", headers).json()["results"][0]
    account = {
        "entity": "VendorBankAccount",
        "vendorId": vendor,
        "accountNumber": "123456789",
        "routingNumber": "021000021",
    }
    pays = {
        "vendorId": due["vendorId"],
        "processDate": "2035-01-01",
        "billPays": [{"billId": due["id"], "amount": due["amount"]}],
    }
    calls = {
        "SendVendorInvite": {"vendorId": vendor},
        "SendInvite": {"customerId": customer},
        "Crud/Create/VendorBankAccount": {"obj": account},
        "PayBills": pays,
    }
    refused = {error(bill.form(name, data, **fields))[0] for name, data in calls.items()}
    assert refused == {"BDC_1361"}
    assert bill.stats()["writes"] == 0
    bill.trust(headers)
    answers = {name: bill.form(name, data, **fields) for name, data in calls.items()}
    assert {answer["response_status"] for answer in answers.values()} == {0}
    assert answers["Crud/Create/VendorBankAccount"]["response_data"]["accountNumber"] == "*****6789"
    assert answers["PayBills"]["response_data"]["entity"] == "SentPay"
    assert [row["via"] for row in bill.control("GET", "payments")] == ["v2"]


def test_the_old_cookie_signs_calls_only_when_so_configured(bill: LocalBill) -> None:
    fields = {"devKey": bill.key}
    assert "sid" not in bill.http.cookies
    bill.settings(v2_cookies=True)
    bill.v2_sign_in()
    assert bill.form("GetSessionInfo", **fields)["response_status"] == 0
    bill.settings(v2_cookies=False)
    assert error(bill.form("GetSessionInfo", **fields))[0] == "BDC_1109"


def test_credentials_in_a_url_are_refused(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    answer = requests.post(f"{bill.v2}/GetSessionInfo.json", params=fields, timeout=30)
    assert error(answer.json())[0] == "BDC_1002"
    bill.settings(credentials_in_urls="allow")
    answer = requests.post(
        f"{bill.v2}/List/Vendor.json", params=fields, data={"data": json.dumps({"max": 1})}, timeout=30
    )
    assert answer.json()["response_status"] == 0
    assert bill.stats()["credentials_in_urls"] == 2
