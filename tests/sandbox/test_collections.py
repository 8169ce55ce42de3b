"""The verbs that all collections share: what a body may set, what follows from it, and all or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from airflow_provider_bill.sandbox.data.catalog import COLLECTIONS
from airflow_provider_bill.sandbox.data.contract import load
from dev.local_bill import Headers, LocalBill

CodeOf = Callable[[requests.Response], str]

BULK = sorted(path for path in COLLECTIONS if ("POST", f"/v3/{path}/bulk") in load() and "classif" in path)
LINE = {"amount": 10.5, "description": "one"}


@pytest.fixture
def headers(bill: LocalBill) -> Headers:
    return bill.sign_in()


def first(bill: LocalBill, headers: Headers, path: str) -> dict[str, Any]:
    return dict(bill.get(f"/{path}?max=1", headers).json()["results"][0])


def make_bill(bill: LocalBill, headers: Headers, **more: Any) -> requests.Response:
    body = {"vendorId": bill.vendor(headers), "dueDate": "2026-12-31", "billLineItems": [LINE, LINE], **more}
    return bill.post("/bills", headers, body)


def problems(answer: requests.Response) -> list[str]:
    return [one["message"] for one in answer.json()]


def test_a_bills_amounts_follow_from_its_lines_and_no_body_sets_them(bill: LocalBill, headers: Headers) -> None:
    row = make_bill(bill, headers, amount=1, dueAmount=1, paidAmount=5, paymentStatus="PAID", id="mine").json()
    assert (row["amount"], row["dueAmount"], row["fundingAmount"], row["paidAmount"]) == (21.0, 21.0, 21.0, 0)
    assert (row["paymentStatus"], row["approvalStatus"], row["archived"]) == ("UNPAID", "UNASSIGNED", False)
    assert row["id"].startswith("00n")
    assert len({line["id"] for line in row["billLineItems"]}) == 2
    assert bill.get(f"/bills/{row['id']}", headers).json() == {**row, "vendorName": "Print Vendor 001"}


def test_what_is_not_set_is_left_out_and_what_bill_does_not_know_is_not_kept(bill: LocalBill, headers: Headers) -> None:
    made = make_bill(bill, headers, description=None, colour="red", archived=True)
    assert made.status_code == 201
    row = made.json()
    assert row["archived"] is False
    assert "description" not in row
    assert "colour" not in row
    assert "classifications" not in row


def test_patch_changes_what_it_names_and_put_all_that_a_body_can_set(bill: LocalBill, headers: Headers) -> None:
    made = make_bill(bill, headers, description="old", invoice={"invoiceNumber": "7", "invoiceDate": "2026-01-01"})
    row, path = made.json(), f"/bills/{made.json()['id']}"
    patched = bill.call("PATCH", path, headers, json={"invoice": {"invoiceNumber": "8"}}).json()
    assert patched["invoice"] == {"invoiceNumber": "8", "invoiceDate": "2026-01-01"}
    assert (patched["description"], patched["amount"]) == ("old", 21.0)
    assert patched["billLineItems"] == row["billLineItems"]
    kept = [{"id": row["billLineItems"][0]["id"], "amount": 3}]
    body = {"vendorId": row["vendorId"], "dueDate": "2027-01-01", "billLineItems": kept}
    put = bill.call("PUT", path, headers, json=body).json()
    assert (put["amount"], put["dueAmount"], put["dueDate"]) == (3, 3, "2027-01-01")
    assert {"description", "invoice"} & put.keys() == set()
    assert (put["id"], put["createdTime"], put["billLineItems"]) == (row["id"], row["createdTime"], kept)


def test_a_field_is_unset_by_null(bill: LocalBill, headers: Headers) -> None:
    path = f"/bills/{make_bill(bill, headers, description='x').json()['id']}"
    assert "description" not in bill.call("PATCH", path, headers, json={"description": None}).json()


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"dueDate": None}, "BDC_1108", "dueDate: must not be null"),
        ({"vendorId": ""}, "BDC_1108", "vendorId: must not be null"),
        ({"billLineItems": []}, "BDC_1108", "billLineItems: must not be null"),
        ({"billLineItems": [{"description": "no amount"}]}, "BDC_1129", "billLineItems[0].amount"),
        ({"billLineItems": [{"amount": -1}]}, "BDC_1129", "billLineItems[0].amount"),
        ({"billLineItems": "all"}, "BDC_1122", "Json"),
        ({"billLineItems": [7]}, "BDC_1122", "Json"),
        ({"invoice": "7"}, "BDC_1122", "Json"),
        ({"dueDate": "31.12.2026"}, "BDC_1129", "YYYY-MM-DD"),
        ({"description": "x" * 4001}, "BDC_1129", "4001 characters"),
        ({"description": {"text": "x"}}, "BDC_1122", "Json"),
        ({"vendorId": "00901NOSUCHVENDOR"}, "BDC_1205", "given id"),
        ({"billLineItems": [{"amount": 1, "quantity": "much"}]}, "BDC_1129", "billLineItems[0].quantity"),
        ({"billLineItems": [{"amount": 1, "quantity": 10**15}]}, "BDC_1129", "billLineItems[0].quantity"),
    ],
)
def test_a_body_that_cannot_be_right_is_refused_and_makes_nothing(
    bill: LocalBill, headers: Headers, code_of: CodeOf, change: dict[str, Any], code: str, said: str
) -> None:
    writes = bill.stats()["writes"]
    answer = make_bill(bill, headers, **change)
    assert (answer.status_code, code_of(answer)) == (404 if code == "BDC_1205" else 400, code)
    assert said in problems(answer)[0]
    assert bill.stats()["writes"] == writes


def test_values_are_taken_as_the_type_that_bill_documents(bill: LocalBill, headers: Headers) -> None:
    row = make_bill(bill, headers, description=12, billLineItems=[{"amount": "7.25"}]).json()
    assert (row["description"], row["amount"]) == ("12", 7.25)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "1" * 400])
def test_no_number_that_is_none_gets_in(bill: LocalBill, headers: Headers, number: str) -> None:
    text = (
        f'{{"vendorId": "{bill.vendor(headers)}", "dueDate": "2026-12-31", "billLineItems": [{{"amount": {number}}}]}}'
    )
    assert bill.call("POST", "/bills", headers, data=text).status_code == 400


def test_an_enumerated_value_is_one_of_bills(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    answer = bill.call("PATCH", f"/vendors/{bill.vendor(headers)}", headers, json={"accountType": "COMPANY"})
    assert (answer.status_code, code_of(answer)) == (400, "BDC_1129")
    assert "BUSINESS" in problems(answer)[0]


def test_several_are_made_or_none(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    good = {"vendorId": bill.vendor(headers), "dueDate": "2026-12-31", "billLineItems": [LINE]}
    writes = bill.stats()["writes"]
    assert code_of(bill.post("/bills/bulk", headers, [good, {**good, "dueDate": None}])) == "BDC_1108"
    assert bill.stats()["writes"] == writes
    made = bill.post("/bills/bulk", headers, [good, good])
    assert made.status_code == 201
    assert [row["amount"] for row in made.json()] == [10.5, 10.5]
    assert bill.stats()["writes"] == writes + 2


@pytest.mark.parametrize(("path", "most"), [("bills", 100), ("vendors", 20), ("classifications/items", 100)])
def test_a_bulk_call_takes_so_many_and_not_one_more(bill: LocalBill, headers: Headers, path: str, most: int) -> None:
    address = {"line1": "1 Main", "city": "San Jose", "zipOrPostalCode": "95002", "country": "US"}
    body: dict[str, Any] = {"name": "x", "type": "INVENTORY", "address": address}
    body |= {"vendorId": bill.vendor(headers), "dueDate": "2026-12-31", "billLineItems": [LINE]}
    assert bill.post(f"/{path}/bulk", headers, [body] * most).status_code == 201
    assert bill.post(f"/{path}/bulk", headers, [body] * (most + 1)).status_code == 400
    assert bill.post(f"/{path}/bulk", headers, []).status_code == 400
    assert bill.post(f"/{path}/bulk", headers, body).status_code == 400


@pytest.mark.parametrize("path", BULK)
def test_every_classification_is_made_changed_archived_and_restored_in_bulk(
    bill: LocalBill, headers: Headers, path: str
) -> None:
    key, body = COLLECTIONS[path].bulk, {"name": "A", "firstName": "A", "lastName": "B", "type": "INVENTORY"}
    made = bill.post(f"/{path}/bulk", headers, [body, body])
    assert (made.status_code, len(made.json()[key])) == (201, 2)
    ids = [row["id"] for row in made.json()[key]]
    named = "firstName" if path.endswith("employees") else "name"
    wanted = [{"id": ids[0], named: "C"}, {"id": "nobody", named: "D"}]
    assert bill.call("PATCH", f"/{path}/bulk", headers, json=wanted).status_code == 404
    assert bill.get(f"/{path}/{ids[0]}", headers).json()[named] == "A"
    changed = bill.call("PATCH", f"/{path}/bulk", headers, json=wanted[:1]).json()[key]
    assert [row[named] for row in changed] == ["C"]
    for verb, archived in (("archive", True), ("restore", False)):
        assert bill.post(f"/{path}/bulk/{verb}?ids={ids[0]}&ids=nobody", headers).status_code == 404
        assert bill.get(f"/{path}/{ids[0]}", headers).json()["archived"] is not archived
        marked = bill.post(f"/{path}/bulk/{verb}?ids={ids[0]}&ids={ids[1]}", headers).json()[key]
        assert [(row["id"], row["archived"]) for row in marked] == [(ids[0], archived), (ids[1], archived)]
    assert bill.post(f"/{path}/bulk/archive", headers).status_code == 400


def test_an_invoice_names_its_customer_and_its_number_is_used_once(
    bill: LocalBill, headers: Headers, code_of: CodeOf
) -> None:
    customer = first(bill, headers, "customers")["id"]
    lines = [{"price": 5, "quantity": 3}, {"price": 4.5, "quantity": 2}]
    body: dict[str, Any] = {"customer": {"id": customer}, "dueDate": "2026-12-31", "invoiceNumber": "N-1"}
    body["invoiceLineItems"] = lines
    made = bill.post("/invoices", headers, body)
    assert made.status_code == 201
    row = made.json()
    assert (row["customerId"], row["totalAmount"], row["dueAmount"], row["status"]) == (customer, 24.0, 24.0, "OPEN")
    assert "customer" not in row
    again = bill.post("/invoices", headers, body)
    assert (again.status_code, code_of(again)) == (422, "BDC_1171")
    for _ in range(2):  # only a number that is given is taken
        unnumbered = {name: value for name, value in body.items() if name != "invoiceNumber"}
        assert bill.post("/invoices", headers, unnumbered).status_code == 201
    put = bill.call("PUT", f"/invoices/{row['id']}", headers, json=body | {"invoiceLineItems": [{"amount": 30}]})
    assert (put.json()["totalAmount"], put.json()["invoiceLineItems"][0]["price"]) == (30, 30)
    same = bill.call("PATCH", f"/invoices/{row['id']}", headers, json={"invoiceNumber": "N-1"})
    assert same.status_code == 200
    other = bill.call("PATCH", f"/invoices/{first(bill, headers, 'invoices')['id']}", headers, json=body)
    assert code_of(other) == "BDC_1171"
    nobody = bill.post("/invoices", headers, {**body, "customer": {"id": "none"}, "invoiceNumber": "N-2"})
    assert code_of(nobody) == "BDC_1205"
    del body["customer"]
    flat = bill.post("/invoices", headers, body | {"invoiceNumber": "N-3", "customerId": customer})
    assert (flat.status_code, problems(flat)) == (400, ["customer.id: must not be null"])


def test_credit_memos_and_vendor_credits_add_up_their_lines(bill: LocalBill, headers: Headers) -> None:
    lines = [{"price": 14.99, "quantity": 2}, {"price": 50, "quantity": 1}, {"ratePercent": -10}]
    memo = {"customerId": first(bill, headers, "customers")["id"], "creditDate": "2026-12-01"}
    made = bill.post("/credit-memos", headers, {**memo, "creditMemoLineItems": lines}).json()
    assert (made["amount"], made["status"], made["appliedAmount"]) == (71.98, "NOT_APPLIED", 0)
    credit = {"vendorId": bill.vendor(headers), "creditDate": "2026-12-01"}
    made = bill.post("/vendor-credits", headers, {**credit, "vendorCreditLineItems": [LINE, LINE]}).json()
    assert made["amount"] == 21.0
    assert bill.post("/vendor-credits", headers, credit).status_code == 400


def test_a_bill_cannot_become_smaller_than_what_was_paid_of_it(
    bill: LocalBill, headers: Headers, code_of: CodeOf
) -> None:
    bill.trust(headers)
    row = make_bill(bill, headers).json()
    paid = bill.post("/payments", headers, {"vendorId": row["vendorId"], "billId": row["id"], "amount": 15})
    assert paid.status_code == 201
    answer = bill.call("PATCH", f"/bills/{row['id']}", headers, json={"billLineItems": [{"amount": 14}]})
    assert (answer.status_code, code_of(answer)) == (422, "BDC_1159")
    fine = bill.call("PATCH", f"/bills/{row['id']}", headers, json={"billLineItems": [{"amount": 16}]})
    assert (fine.json()["dueAmount"], fine.json()["amount"]) == (1, 16)
    body = {"vendorId": row["vendorId"], "dueDate": "2027-01-01", "billLineItems": [{"amount": 20}]}
    assert bill.call("PUT", f"/bills/{row['id']}", headers, json=body).json()["dueAmount"] == 5
    lines = [{"billId": row["id"], "amount": 5}]
    record = {"vendorId": row["vendorId"], "processDate": "2026-01-01", "payments": lines}
    assert bill.post("/bills/record-payment", headers, record).json()["status"] == "PAID"
    answer = bill.call("PATCH", f"/bills/{row['id']}", headers, json={"billLineItems": [{"amount": 19}]})
    assert (answer.status_code, code_of(answer)) == (422, "BDC_1159")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_vendors_bank_account_is_never_answered_in_full(bill: LocalBill, headers: Headers, method: str) -> None:
    address = {"line1": "1 Main", "city": "San Jose", "zipOrPostalCode": "95002", "country": "US"}
    account = {"nameOnAccount": "N", "accountNumber": "111222333", "routingNumber": "074000010"}
    body = {"name": "N", "address": address, "paymentInformation": {"bankAccount": account}}
    path = "/vendors" if method == "POST" else f"/vendors/{bill.vendor(headers)}"
    answer = bill.call(method, path, headers, json=body)
    assert answer.json()["paymentInformation"]["bankAccount"]["accountNumber"] == "*****2333"
    assert "111222333" not in answer.text
    if method == "POST":
        read = bill.get(f"/vendors/{answer.json()['id']}/bank-account", headers).json()
        assert (read["accountNumber"], read["routingNumber"]) == ("*****2333", "074000010")


def test_what_pays_by_itself_needs_a_trusted_session_and_what_switches_it_off_does_not(
    bill: LocalBill, headers: Headers, code_of: CodeOf
) -> None:
    vendor, recurring = bill.vendor(headers), first(bill, headers, "recurringbills")["id"]
    on: list[tuple[str, str, Any]] = [
        ("PATCH", f"/vendors/{vendor}", {"autoPay": {"enabled": True}}),
        ("PATCH", f"/recurringbills/{recurring}", {"processingOptions": {"autoPayment": True}}),
        ("PATCH", f"/recurring-bills/{recurring}", {"processingOptions": {"autoPayment": True}}),
    ]
    for method, path, body in on:
        answer = bill.call(method, path, headers, json=body)
        assert (answer.status_code, code_of(answer)) == (403, "BDC_1361")
    for method, path, body in (
        ("PATCH", f"/vendors/{vendor}", {"autoPay": {"enabled": False}}),
        ("PATCH", f"/recurringbills/{recurring}", {"processingOptions": {"autoPayment": False}}),
    ):
        assert bill.call(method, path, headers, json=body).status_code == 200
    app = next(one for one in bill.seed["oauth_clients"] if one["scope"] == "accounting")
    form = {"grant_type": "client_credentials", "client_id": app["client_id"], "client_secret": app["client_secret"]}
    bearer = bill.http.post(f"{bill.url}/connect/authx/token", data=form, timeout=10).json()["access_token"]
    for method, path, body in on:
        answer = bill.call(method, path, {"Authorization": f"Bearer {bearer}"}, json=body)
        assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    bill.trust(headers)
    assert [bill.call(method, path, headers, json=body).status_code for method, path, body in on] == [200, 200, 200]
    assert bill.get(f"/recurringbills/{recurring}", headers).json()["processingOptions"] == {"autoPayment": True}


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("bills", "filters=invoiceNumber:eq:1", "BDC_1130"),
        ("bills", "filters=amount:gt:1", "BDC_1130"),
        ("bills", "filters=approvalStatus:eq:UNASSIGNED", "BDC_1130"),
        ("bills", "filters=vendorId:ne:x", "BDC_1131"),
        ("bills", "filters=paymentStatus:sw:UN", "BDC_1131"),
        ("bills", "filters=vendorId", "BDC_1131"),
        ("bills", "sort=amount:asc", "BDC_1129"),
        ("bills", "sort=dueDate:up", "BDC_1129"),
        ("recurringbills", "sort=createdTime:asc", "BDC_1129"),
        ("vendors", "filters=colour:eq:red", "BDC_1130"),
    ],
)
def test_what_a_list_cannot_be_filtered_or_sorted_by_is_refused(
    bill: LocalBill, headers: Headers, code_of: CodeOf, path: str, query: str, code: str
) -> None:
    answer = bill.get(f"/{path}?{query}", headers)
    assert (answer.status_code, code_of(answer)) == (400, code)


def test_a_filter_reaches_into_a_rows_objects(bill: LocalBill, headers: Headers) -> None:
    for country, count in (("US", 20), ("CA", 0)):
        rows = bill.get(f"/vendors?filters=address.country:eq:{country}", headers).json()["results"]
        assert len(rows) == count


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_line_is_changed_by_its_id_and_only_if_it_is_the_rows_own(bill: LocalBill, method: str) -> None:
    headers = bill.sign_in()
    first, second = bill.get("/bills?max=2", headers).json()["results"]
    own, other = first["billLineItems"][0]["id"], second["billLineItems"][0]["id"]
    common = {"vendorId": first["vendorId"], "dueDate": first["dueDate"]}
    lines = [{"id": own, "amount": 7}, {"amount": 8}]
    path = f"/bills/{first['id']}"
    kept = bill.call(method, path, headers, json={**common, "billLineItems": lines}).json()["billLineItems"]
    assert (kept[0]["id"], kept[0]["amount"], kept[1]["amount"]) == (own, 7, 8)
    assert kept[1]["id"] not in (None, own)
    refused = bill.call(method, path, headers, json={**common, "billLineItems": [{"id": other, "amount": 9}]})
    assert (refused.status_code, "billLineItems[0].id" in refused.text) == (400, True)
    made = bill.post("/bills", headers, {**common, "billLineItems": [{"id": own, "amount": 9}]}).json()
    assert made["billLineItems"][0]["id"] != own


@pytest.mark.parametrize("path", ["/vendors", "/vendors/bulk", "/recurringbills", "/recurring-bills"])
def test_nothing_new_pays_by_itself_without_a_trusted_session(
    bill: LocalBill, headers: Headers, code_of: CodeOf, path: str
) -> None:
    bank = first(bill, headers, "funding-accounts/banks")["id"]
    address = {"line1": "1", "city": "c", "zipOrPostalCode": "1", "country": "US"}
    body: Any = {"name": "V", "address": address, "autoPay": {"enabled": True, "bankAccountId": bank}}
    if "recurring" in path:
        body = {
            "vendorId": bill.vendor(headers),
            "schedule": {"period": "MONTHLY", "frequency": 1, "nextDueDate": "2026-12-31", "daysInAdvance": 5},
            "recurringBillLineItems": [{"amount": 5}],
            "processingOptions": {"autoPayment": True},
            "paymentInformation": {"bankAccountId": bank},
        }
    body = [body] if path.endswith("bulk") else body
    refused = bill.post(path, headers, body)
    assert (refused.status_code, code_of(refused), bill.stats()["writes"]) == (403, "BDC_1361", 0)
    bill.trust(headers)
    assert bill.post(path, headers, body).status_code == 201


def test_what_is_paid_automatically_is_changed_in_a_trusted_session_only(bill: LocalBill, headers: Headers) -> None:
    path = f"/vendors/{bill.vendor(headers)}"
    changes: list[dict[str, Any]] = [{"maxAmount": 1_000_000}, {"daysBeforeDueDate": 20}]
    for change in changes:
        assert bill.call("PATCH", path, headers, json={"autoPay": change}).status_code == 403
    assert bill.stats()["writes"] == 0


def test_a_recurring_bill_has_lines_and_a_schedule_and_no_amount(bill: LocalBill, headers: Headers) -> None:
    cases: dict[str, Any] = {"recurringbills": {"amount": 5}, "recurring-invoices": {"price": 5, "quantity": 1}}
    for path, line in cases.items():
        row = first(bill, headers, path)
        lines = next(name for name in row if name.endswith("LineItems"))
        assert set(row["schedule"]) == {"period", "frequency", "nextDueDate", "endDate", "daysInAdvance"}
        assert {"amount", "frequency", "nextDueDate", "autoPayment", "vendorName"} & set(row) == set()
        owner: dict[str, Any] = {name: row[name] for name in ("vendorId", "customerId") if name in row}
        body: dict[str, Any] = {**owner, "schedule": row["schedule"], lines: [line]}
        made = bill.post(f"/{path}", headers, {**body, "amount": 7})
        assert made.status_code == 201
        assert made.json()[lines][0]["id"].startswith("lin")
        assert "amount" not in made.json()
        for missing in ("schedule", lines):
            assert bill.post(f"/{path}", headers, {**body, missing: None}).status_code == 400


def test_a_recurring_bill_names_a_bank_account_that_there_is(
    bill: LocalBill, headers: Headers, code_of: CodeOf
) -> None:
    row = first(bill, headers, "recurringbills")
    body = {"paymentInformation": {"bankAccountId": "bac01NOSUCHBANK00000"}}
    refused = bill.call("PATCH", f"/recurringbills/{row['id']}", headers, json=body)
    assert (code_of(refused), first(bill, headers, "recurringbills")) == ("BDC_1151", row)


@pytest.mark.parametrize(
    ("path", "has", "lacks"),
    [
        ("users", {"role", "firstName", "lastName", "email"}, {"roleType"}),
        ("classifications/chart-of-accounts", {"account", "name"}, {"accountNumber", "accountType"}),
        ("classifications/employees", {"firstName", "lastName", "shortName"}, {"name", "email"}),
        ("classifications/jobs", {"name", "shortName"}, {"customerId", "status"}),
        ("receivable-payments", {"receivablesType", "invoicePayments"}, {"archived", "paymentType"}),
    ],
)
def test_rows_have_bills_own_names(
    bill: LocalBill, headers: Headers, path: str, has: set[str], lacks: set[str]
) -> None:
    row = first(bill, headers, path)
    assert has <= row.keys()
    assert not lacks & row.keys()
    if path == "users":
        assert row["role"].keys() == {"id", "type", "description"}
    if "account" in row:
        assert row["account"] == {"type": "EXPENSE", "number": "6001"}


def test_a_whole_number_is_whole(bill: LocalBill, headers: Headers) -> None:
    row = first(bill, headers, "recurringbills")
    for frequency, status in ((1.5, 400), ("2", 200), (2.0, 200)):
        body = {"schedule": {"frequency": frequency}}
        answer = bill.call("PATCH", f"/recurringbills/{row['id']}", headers, json=body)
        assert answer.status_code == status
    assert repr(answer.json()["schedule"]["frequency"]) == "2"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("classifications/chart-of-accounts", {"name": "N", "account": {"type": "INCOME", "number": "1"}}),
        ("classifications/items", {"name": "N", "type": "SERVICE"}),
    ],
)
def test_values_that_no_example_shows_but_bill_documents_are_taken(
    bill: LocalBill, headers: Headers, path: str, body: dict[str, Any]
) -> None:
    assert body.items() <= bill.post(f"/{path}", headers, body).json().items()
