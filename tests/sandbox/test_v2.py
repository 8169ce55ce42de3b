"""v2's wire format: envelopes with HTTP 200, forms, lists and entities."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from airflow_provider_bill.sandbox.data.catalog import BY_ENTITY
from airflow_provider_bill.sandbox.operations.shape import row_schema
from airflow_provider_bill.sandbox.v2.fields import SHAPES
from dev.local_bill import LocalBill
from tests.sandbox.conformity import differences

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
    "Profile",
    "ApprovalPolicy",
]


#: What v2 shows beside v3, and what it computes.
_OWN_OF_THE_LOCAL_BILL = ("toPrintCheck",)
_COMPUTED = {("Invoice", "amount"), ("CreditMemo", "amount"), ("RecurringInvoice", "amount")}


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
    assert bill.form(f"Crud/Read/{entity}", {"id": rows[0]["id"]}, **bill.v2_sign_in())["response_data"] == rows[0]


@pytest.mark.parametrize("entity", sorted(BY_ENTITY))
def test_a_list_is_filtered_and_sorted_by_names_that_its_rows_have(bill: LocalBill, entity: str) -> None:
    fields = bill.v2_sign_in()
    row = bill.form(f"List/{entity}", {"start": 0, "max": 1}, **fields)["response_data"][0]
    assert BY_ENTITY[entity].v2_fields - set(row) == set()
    for name in BY_ENTITY[entity].v2_fields:
        data = {"start": 0, "max": 1, "sort": [{"field": name, "asc": True}]}
        assert bill.form(f"List/{entity}", data, **fields)["response_status"] == 0, name


def listed(bill: LocalBill, entity: str, **conditions: str) -> list[dict[str, Any]]:
    filters = [{"field": name, "op": "=", "value": value} for name, value in conditions.items()]
    answer = bill.form(f"List/{entity}", {"start": 0, "max": 999, "filters": filters}, **bill.v2_sign_in())
    return list(answer["response_data"])


def test_a_bill_is_shown_with_v2s_names_codes_and_empty_references(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    vendor = bill.vendor(fields)
    account = bill.get("/classifications/chart-of-accounts?max=1", fields).json()["results"][0]["id"]
    line = {"entity": "BillLineItem", "amount": "149.00", "chartOfAccountId": account, "description": "a"}
    obj = {
        "entity": "Bill",
        "isActive": "1",
        "vendorId": vendor,
        "invoiceNumber": "01",
        "invoiceDate": "2026-11-01",
        "dueDate": "2026-12-01",
        "billLineItems": [line, {"entity": "BillLineItem", "amount": 1}],
    }
    created = bill.form("Crud/Create/Bill", {"obj": obj}, **fields)["response_data"]
    none, stamp = "0" * 20, "2026-11-21T12:34:56.000+0000"
    assert {name: created[name] for name in created if name not in ("id", "billLineItems")} == {
        "entity": "Bill",
        "isActive": "1",
        "createdTime": stamp,
        "updatedTime": stamp,
        "vendorId": vendor,
        "invoiceNumber": "01",
        "approvalStatus": "0",
        "invoiceDate": "2026-11-01",
        "dueDate": "2026-12-01",
        "amount": 150,
        "exchangeRate": 1,
        "scheduledAmount": 0,
        "paidAmount": 0,
        "dueAmount": 150,
        "creditAmount": 0,
        "paymentStatus": "1",
        "description": None,
        "poNumber": None,
        "payFromChartOfAccountId": none,
        "chartOfAccountId": none,
        "departmentId": none,
        "locationId": none,
        "actgClassId": none,
    }
    first = created["billLineItems"][0]
    assert (first["entity"], first["billId"], first["lineOrder"]) == ("BillLineItem", created["id"], 0)
    assert (first["amount"], first["chartOfAccountId"], first["jobId"]) == (149, account, none)
    in_v3 = bill.get(f"/bills/{created['id']}", fields).json()
    assert in_v3["invoice"] == {"invoiceNumber": "01", "invoiceDate": "2026-11-01"}
    assert in_v3["billLineItems"][0]["classifications"] == {"chartOfAccountId": account}
    assert in_v3["paymentStatus"] == "UNPAID"


def test_bills_are_found_by_the_code_of_their_state(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    bill.trust(fields)
    assert len(listed(bill, "Bill", paymentStatus="1")) == 40
    rows = bill.get("/bills?max=3", fields).json()["results"]
    for row, amount in zip(rows, (row["amount"] / 2 for row in rows), strict=True):
        bill.post("/payments", fields, {"billId": row["id"], "amount": amount, "processDate": "2026-11-30"})
    bill.post("/payments", fields, {"billId": rows[2]["id"], "amount": rows[2]["amount"] / 2})
    assert len(listed(bill, "Bill", paymentStatus="1")) == 37
    assert [row["id"] for row in listed(bill, "Bill", paymentStatus="2")] == [rows[0]["id"], rows[1]["id"]]
    assert [row["id"] for row in listed(bill, "Bill", paymentStatus="4")] == [rows[2]["id"]]
    bill.advance(30 * 86400)
    assert [row["id"] for row in listed(bill, "Bill", paymentStatus="0")] == [rows[2]["id"]]
    assert {row["status"] for row in listed(bill, "SentPay")} == {"2"}


def test_approval_is_a_code_too(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    lines = {"dueDate": "2035-01-01", "billLineItems": [{"amount": 1000}], "billApprovals": True}
    ids = [bill.post("/bills", fields, {"vendorId": bill.vendor(fields), **lines}).json()["id"] for _ in range(3)]
    decisions = [{"billId": ids[1], "action": "APPROVE"}, {"billId": ids[2], "action": "DENY"}]
    bill.post("/bill-approvals/actions", fields, decisions)
    for code, row in (("1", ids[0]), ("3", ids[1]), ("5", ids[2])):
        assert [one["id"] for one in listed(bill, "Bill", approvalStatus=code)] == [row]
    (policy,) = listed(bill, "ApprovalPolicy")
    assert (policy["amountThreshold"], policy["minNumApprovers"]) == (1000, 1)


def test_an_invoice_has_an_amount_due_and_lines_with_amounts(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    (row,) = listed(bill, "Invoice", invoiceNumber="S-0001")
    assert (row["amount"], row["amountDue"], row["paymentStatus"]) == (201, 201, "1")
    (line,) = row["invoiceLineItems"]
    assert (line["entity"], line["quantity"], line["price"], line["amount"]) == ("InvoiceLineItem", 1, 201, 201)
    body = {"customerId": row["customerId"], "paymentDate": "2026-11-20", "paymentType": "CHECK", "amount": "201"}
    bill.post("/invoices/record-payment", fields, {**body, "invoices": [{"id": row["id"], "amount": "201"}]})
    (settled,) = listed(bill, "Invoice", paymentStatus="0")
    assert (settled["id"], settled["amount"], settled["amountDue"]) == (row["id"], 201, 0)
    paid = listed(bill, "ReceivedPay")[-1]
    assert (paid["paymentType"], paid["status"], paid["amount"]) == ("1", "0", 201)
    assert paid["invoicePays"][0]["invoiceId"] == row["id"]


def test_names_that_v2_spells_in_its_own_way(bill: LocalBill) -> None:
    vendor = listed(bill, "Vendor", name="Print Vendor 001")[0]
    assert (vendor["accNumber"], vendor["nameOnCheck"]) == ("*****1001", "Print Vendor 001")
    assert (vendor["accountType"], vendor["addressCity"], vendor["track1099"]) == ("1", "Austin", False)
    assert {row["accountType"] for row in listed(bill, "Vendor", accountType="2")} == {"2"}
    bank = listed(bill, "BankAccount")[0]
    assert (bank["nameOnAcct"], bank["status"]) == ("Harbor Books", "1")
    credit = listed(bill, "VendorCredit", refNumber="VC-001")[0]
    assert credit["vendorCreditLineItems"][0]["amount"] == 10
    account = listed(bill, "ChartOfAccount")[0]
    assert (account["accountNumber"], account["accountType"]) == ("6001", "7")
    recurring = listed(bill, "RecurringBill")[0]
    assert (recurring["timePeriod"], recurring["frequencyPerTimePeriod"]) == ("2", 1)
    user = listed(bill, "User", email=bill.username)[0]
    assert user["profileId"] == listed(bill, "Profile", name="Administrator")[0]["id"]


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


@pytest.mark.parametrize("entity", sorted(SHAPES))
def test_what_v2_shows_stands_somewhere_in_v3(entity: str) -> None:
    collection = BY_ENTITY[entity]
    if not collection.in_v3:
        return
    schema = row_schema(collection.path)
    paths = [field.path for field in SHAPES[entity].fields if field.name not in _OWN_OF_THE_LOCAL_BILL]
    lines = SHAPES[entity].lines
    if lines is not None:
        paths += [(lines.v3_name, *field.path) for field in lines.fields if (entity, field.name) not in _COMPUTED]
    for path in paths:
        inner = schema
        for name in path:
            inner = inner.get("items", inner)["properties"].get(name, {})
        assert inner, path


def test_payments_and_approvals_have_all_of_v2s_codes(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    bill.trust(fields)
    made = listed(bill, "SentPay")[0]["id"]
    bill.post(f"/payments/{made}/void", fields, {"type": "VOID_ONLY", "reason": "x"})
    assert [row["id"] for row in listed(bill, "SentPay", status="4")] == [made]
    users = [row["id"] for row in bill.seed["users"][:2]]
    rule = {"key": "BILL_AMOUNT", "op": "gt", "values": ["1"]}
    bill.post("/bill-approvals/policies", fields, {"policyName": "x", "rules": [rule], "approvers": users})
    lines = {"dueDate": "2035-01-01", "billLineItems": [{"amount": 10}], "billApprovals": True}
    row = bill.post("/bills", fields, {"vendorId": bill.vendor(fields), **lines}).json()["id"]
    bill.post("/bill-approvals/actions", fields, [{"billId": row, "action": "APPROVE"}])
    assert [one["id"] for one in listed(bill, "Bill", approvalStatus="4")] == [row]
    week = {"schedule": {"period": "WEEKLY", "frequency": 2}}
    recurring = bill.get("/recurringbills?max=1", fields).json()["results"][0]["id"]
    assert bill.call("PATCH", f"/recurringbills/{recurring}", fields, json=week).status_code == 200
    shown = bill.form("Crud/Read/RecurringBill", {"id": recurring}, **fields)["response_data"]
    assert (shown["timePeriod"], shown["frequencyPerTimePeriod"]) == ("1", 2)


def test_a_code_that_v2_does_not_have_is_refused(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    obj = {"entity": "Vendor", "name": "New", "accountType": "9"}
    assert error(bill.form("Crud/Create/Vendor", {"obj": obj}, **fields))[0] == "BDC_1129"
    obj["accountType"] = "2"
    created = bill.form("Crud/Create/Vendor", {"obj": obj}, **fields)["response_data"]
    assert bill.get(f"/vendors/{created['id']}", fields).json()["accountType"] == "PERSON"


def test_what_a_bill_owes_is_not_for_clients_to_set(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    row = listed(bill, "Bill")[0]
    wanted = {"entity": "Bill", "id": row["id"], "paymentStatus": "0", "dueAmount": 0, "approvalStatus": "3"}
    changed = bill.form("Crud/Update/Bill", {"obj": {**wanted, "description": "new"}}, **fields)["response_data"]
    names = ("paymentStatus", "dueAmount", "approvalStatus", "description")
    assert [changed[name] for name in names] == ["1", row["amount"], "0", "new"]


def test_a_deleted_row_comes_back(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    who = {"id": listed(bill, "Customer")[0]["id"]}
    assert bill.form("Crud/Delete/Customer", who, **fields)["response_data"]["isActive"] == "2"
    assert len(listed(bill, "Customer", isActive="1")) == 24
    assert [row["id"] for row in listed(bill, "Customer", isActive="2")] == [who["id"]]
    assert bill.form("Crud/Undelete/Customer", who, **fields)["response_data"]["isActive"] == "1"
    assert len(listed(bill, "Customer", isActive="1")) == 25


@pytest.mark.parametrize("entity", ["SentPay", "ReceivedPay", "Profile", "ApprovalPolicy", "Organization"])
def test_what_is_not_written_this_way_is_refused(bill: LocalBill, entity: str) -> None:
    fields = bill.v2_sign_in()
    assert error(bill.form(f"Crud/Create/{entity}", {"obj": {"entity": entity, "x": 1}}, **fields))[0] == "BDC_1121"
    assert error(bill.form(f"Crud/Delete/{entity}", {"id": "x"}, **fields))[0] == "BDC_1121"


def test_a_vendors_bank_account_is_never_changed(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    account = bill.form("List/VendorBankAccount", {"start": 0, "max": 1}, **fields)["response_data"][0]
    change = {"id": account["id"], "routingNumber": "074000010"}
    assert error(bill.form("Crud/Update/VendorBankAccount", {"obj": change}, **fields))[0] == "BDC_1121"
    assert bill.form("Crud/Read/VendorBankAccount", {"id": account["id"]}, **fields)["response_data"] == account


def test_rows_need_what_v2_says(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    for entity in ("Customer", "Bill", "Invoice", "VendorCredit", "CreditMemo", "User", "Employee", "Item"):
        code, message = error(bill.form(f"Crud/Create/{entity}", {"obj": {"entity": entity}}, **fields))
        assert (code, message.split(": ")[0]) == ("BDC_1108", "Missing parameter value for parameter"), entity
    assert error(bill.form("Crud/Create/Vendor", {}, **fields)) == (
        "BDC_1108",
        "Missing parameter value for parameter: obj.",
    )
    empty: list[Any] = [{}, "Vendor"]
    for nothing in empty:
        assert error(bill.form("Crud/Create/Vendor", {"obj": nothing}, **fields))[0] == "BDC_1108"
    assert error(bill.form("Crud/Read/Vendor", {}, **fields))[0] == "BDC_1108"
    assert bill.stats()["writes"] == 0


@pytest.mark.parametrize("entity", ["Customer", "Invoice", "VendorCredit", "CreditMemo", "User", "Item", "Department"])
def test_rows_of_every_kind_are_created_and_shown_in_v3(bill: LocalBill, entity: str) -> None:
    fields = bill.v2_sign_in()
    vendor, customer = bill.vendor(fields), listed(bill, "Customer")[0]["id"]
    lines = [{"amount": 5, "description": "x"}]
    objects: dict[str, dict[str, Any]] = {
        "Customer": {"name": "New"},
        "Invoice": {
            "customerId": customer,
            "invoiceNumber": "N1",
            "invoiceDate": "2026-11-01",
            "dueDate": "2026-12-01",
            "invoiceLineItems": [{"quantity": 2, "price": 4}],
        },
        "VendorCredit": {
            "vendorId": vendor,
            "refNumber": "1",
            "creditDate": "2026-11-01",
            "vendorCreditLineItems": lines,
        },
        "CreditMemo": {
            "customerId": customer,
            "refNumber": "1",
            "creditDate": "2026-11-01",
            "creditMemoLineItems": [{"price": 5}],
        },
        "User": {
            "firstName": "N",
            "lastName": "P",
            "email": "n@post.example",
            "profileId": listed(bill, "Profile")[0]["id"],
        },
        "Item": {"name": "New", "price": "3.5"},
        "Department": {"name": "New", "parentDepartmentId": "0" * 20},
    }
    obj = {"entity": entity, **objects[entity]}
    created = bill.form(f"Crud/Create/{entity}", {"obj": obj}, **fields)["response_data"]
    for name, value in objects[entity].items():
        if not isinstance(value, list):
            assert str(created[name]) == value, name
    if entity in ("Invoice", "CreditMemo"):
        amounts = {"Invoice": 8, "CreditMemo": 5}
        (line,) = created[f"{entity[0].lower()}{entity[1:]}LineItems"]
        assert (created["amount"], line["amount"]) == (amounts[entity], amounts[entity])
    in_v3 = bill.get(f"/{BY_ENTITY[entity].path}/{created['id']}", fields)
    assert differences(in_v3, "GET", f"/v3/{BY_ENTITY[entity].path}/{{}}") == []
    again = bill.form(f"Crud/Update/{entity}", {"obj": created}, **fields)["response_data"]
    assert again == created


def test_several_rows_at_once_have_an_envelope_each(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    objects = [{"obj": {"entity": "Vendor", "name": "A"}}, {"obj": {"entity": "Vendor"}}]
    answer = bill.form("Bulk/Crud/Create/Vendor", {"bulk": objects}, **fields)
    assert answer["response_status"] == 0
    good, bad = answer["response_data"]["bulk"]
    assert (good["response_status"], good["response_data"]["name"]) == (0, "A")
    assert error(bad)[0] == "BDC_1108"
    vendor = good["response_data"]["id"]
    change = [{"obj": {"entity": "Vendor", "id": vendor, "name": "B"}}]
    changed = bill.form("Bulk/Crud/Update/Vendor", {"bulk": change}, **fields)["response_data"]["bulk"]
    assert changed[0]["response_data"]["name"] == "B"
    for action, active in (("Delete", "2"), ("Undelete", "1"), ("Read", "1")):
        bulk = bill.form(f"Bulk/Crud/{action}/Vendor", {"bulk": [{"id": vendor}]}, **fields)["response_data"]["bulk"]
        assert [one["response_data"]["isActive"] for one in bulk] == [active]
    assert error(bill.form("Bulk/Crud/Create/Vendor", {"bulk": objects * 51}, **fields))[0] == "BDC_1129"
    assert error(bill.form("Bulk/Crud/Create/Vendor", {}, **fields))[0] == "BDC_1108"


def test_bank_accounts_at_once_need_a_trusted_session(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    account = {"vendorId": bill.vendor(fields), "accountNumber": "123456789", "routingNumber": "021000021"}
    data = {"bulk": [{"obj": {"entity": "VendorBankAccount", **account, "nameOnAcct": "x"}}]}
    assert error(bill.form("Bulk/Crud/Create/VendorBankAccount", data, **fields))[0] == "BDC_1361"
    bill.trust(fields)
    (made,) = bill.form("Bulk/Crud/Create/VendorBankAccount", data, **fields)["response_data"]["bulk"]
    assert (made["response_data"]["accountNumber"], made["response_data"]["nameOnAcct"]) == ("*****6789", "x")
    obj = {
        "obj": {"entity": "BankAccount", "bankName": "B", "accountNumber": "987654321", "routingNumber": "021000021"}
    }
    obj["obj"]["nameOnAcct"] = "y"
    bank = bill.form("Crud/Create/BankAccount", obj, **fields)["response_data"]
    assert (bank["accountNumber"], bank["status"], bank["nameOnAcct"]) == ("*****4321", "0", "y")


def test_bills_of_one_vendor_are_paid_with_one_payment(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    bill.trust(fields)
    vendor = bill.vendor(fields)
    lines = {"dueDate": "2035-01-01", "billLineItems": [{"amount": 10}]}
    ids = [bill.post("/bills", fields, {"vendorId": vendor, **lines}).json()["id"] for _ in range(2)]
    pays = [{"billId": one, "amount": "10.00"} for one in ids]
    data = {"vendorId": vendor, "processDate": "2035-01-01", "billPays": pays}
    paid = bill.form("PayBills", data, **fields)["response_data"]
    assert (paid["status"], paid["amount"], paid["isOnline"]) == ("1", 20, True)
    assert [(one["entity"], one["billId"], one["amount"]) for one in paid["billPays"]] == [
        ("BillPay", ids[0], 10),
        ("BillPay", ids[1], 10),
    ]
    assert [(row["id"], row["bill"]) for row in bill.payments()] == [(paid["id"], one) for one in ids]
    other = {**data, "billPays": [*pays, {"billId": "00n01NOSUCHBILL00000", "amount": 1}]}
    assert error(bill.form("PayBills", other, **fields))[0] == "BDC_1120"
    assert len(bill.payments()) == 2
    canceled = bill.form("CancelAPPayment", {"sentPayId": paid["id"]}, **fields)["response_data"]
    assert canceled["status"] == "3"
    assert [row["id"] for row in listed(bill, "Bill", dueDate="2035-01-01", paymentStatus="1")] == ids
    assert error(bill.form("CancelAPPayment", {"sentPayId": paid["id"]}, **fields))[0] == "BDC_1129"


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


def test_rows_without_the_field_that_sorts_come_last(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    made = bill.form("Crud/Create/Vendor", {"obj": {"name": "No mail"}}, **fields)["response_data"]["id"]
    for ascending in (True, False):
        data = {"start": 0, "max": 999, "sort": [{"field": "email", "asc": ascending}]}
        assert bill.form("List/Vendor", data, **fields)["response_data"][-1]["id"] == made


def test_a_bulk_call_takes_a_hundred_rows_and_not_one_more(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    rows = [{"obj": {"name": f"D{number}"}} for number in range(101)]
    assert error(bill.form("Bulk/Crud/Create/Department", {"bulk": rows}, **fields))[0] == "BDC_1129"
    assert bill.stats()["writes"] == 0
    made = bill.form("Bulk/Crud/Create/Department", {"bulk": rows[:100]}, **fields)["response_data"]["bulk"]
    assert [one["response_status"] for one in made] == [0] * 100


def test_twenty_zeros_refer_to_nothing(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    first = bill.form("List/Department", {"start": 0, "max": 1}, **fields)["response_data"][0]["id"]
    for parent in (first, "0" * 20):
        department = {"name": "D", "parentDepartmentId": parent}
        made = bill.form("Crud/Create/Department", {"obj": department}, **fields)["response_data"]
        assert made["parentDepartmentId"] == parent
    assert "parentId" not in bill.get(f"/classifications/departments/{made['id']}", dict(fields)).json()
