"""Approvals of bills: policies, who is asked, and what decisions make of a bill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from dev.local_bill import Headers, LocalBill
from tests.sandbox.conformity import differences

CodeOf = Callable[[requests.Response], str]


@pytest.fixture
def headers(bill: LocalBill) -> Headers:
    """A session of the first user, whom the organization's first policy asks."""
    return bill.sign_in()


@pytest.fixture
def second(bill: LocalBill) -> Headers:
    """A session of another user."""
    ben = bill.user("second user")
    return bill.sign_in(username=ben["username"], password=ben["password"])


def new_bill(bill: LocalBill, headers: Headers, amount: float, **fields: Any) -> dict[str, Any]:
    line = {"amount": amount, **fields.pop("line", {})}
    body = {"vendorId": bill.vendor(headers), "dueDate": "2035-01-01", "billLineItems": [line], "billApprovals": True}
    answer = bill.post("/bills", headers, {**body, **fields})
    assert differences(answer, "POST", "/v3/bills") == []
    return dict(answer.json())


def pending(bill: LocalBill, headers: Headers) -> list[str]:
    answer = bill.get("/bill-approvals/pending-user-approvals", headers)
    assert differences(answer, "GET", "/v3/bill-approvals/pending-user-approvals") == []
    return [row["billId"] for row in answer.json()["bills"]]


def decide(bill: LocalBill, headers: Headers, *decisions: tuple[str, str]) -> requests.Response:
    body = [{"billId": bill_id, "action": action, "comment": "because"} for bill_id, action in decisions]
    return bill.post("/bill-approvals/actions", headers, body)


def policy(bill: LocalBill, *users: str, **rule: Any) -> dict[str, Any]:
    wanted = {"key": "BILL_AMOUNT", "op": "gte", "values": ["500"], **rule}
    return {"policyName": "Big ones", "rules": [wanted], "approvers": list(users)}


def test_a_bill_that_a_policy_catches_waits_for_its_approvers(bill: LocalBill, headers: Headers) -> None:
    ada = bill.seed["users"][0]["id"]
    caught, free = new_bill(bill, headers, 1000), new_bill(bill, headers, 999.99)
    assert (caught["approvalStatus"], free["approvalStatus"]) == ("ASSIGNED", "UNASSIGNED")
    (entry,) = caught["approvers"]
    assert entry == {
        "userId": ada,
        "status": "WAITING",
        "approverOrder": 0,
        "statusChangedTime": "2026-11-21T12:34:56.000+00:00",
    }
    assert free["approvers"] == []
    assert pending(bill, headers) == [caught["id"]]


def test_only_who_asks_for_approvals_gets_them(bill: LocalBill, headers: Headers) -> None:
    assert new_bill(bill, headers, 1000, billApprovals=False)["approvalStatus"] == "UNASSIGNED"
    assert pending(bill, headers) == []


def test_a_change_of_a_bill_is_caught_too(bill: LocalBill, headers: Headers) -> None:
    row = new_bill(bill, headers, 10)
    body = {"billLineItems": [{"amount": 2000}], "billApprovals": True}
    changed = bill.call("PATCH", f"/bills/{row['id']}", headers, json=body).json()
    assert changed["approvalStatus"] == "ASSIGNED"
    assert pending(bill, headers) == [row["id"]]


def test_bills_are_approved_and_denied_at_once(bill: LocalBill, headers: Headers) -> None:
    first, second = new_bill(bill, headers, 1000)["id"], new_bill(bill, headers, 1000)["id"]
    answer = decide(bill, headers, (first, "APPROVE"), (second, "DENY"))
    assert differences(answer, "POST", "/v3/bill-approvals/actions") == []
    assert answer.json() == {"status": "SUCCESS"}
    rows = [bill.get(f"/bills/{one}", headers).json() for one in (first, second)]
    assert [row["approvalStatus"] for row in rows] == ["APPROVED", "DENIED"]
    assert [row["approvers"][0]["status"] for row in rows] == ["APPROVED", "DENIED"]
    assert pending(bill, headers) == []


def test_decisions_are_all_or_none(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    row = new_bill(bill, headers, 1000)["id"]
    free = new_bill(bill, headers, 1)["id"]
    for other, action, status in (
        ("00n01NOSUCHBILL00000", "APPROVE", 404),
        (free, "APPROVE", 422),
        (row, "MAYBE", 400),
    ):
        assert decide(bill, headers, (row, "APPROVE"), (other, action)).status_code == status
    assert pending(bill, headers) == [row]
    assert code_of(bill.post("/bill-approvals/actions", headers, {"billId": row, "action": "APPROVE"})) == "BDC_1122"


def test_only_who_is_asked_decides(bill: LocalBill, headers: Headers, second: Headers, code_of: CodeOf) -> None:
    row = new_bill(bill, headers, 1000)["id"]
    assert pending(bill, second) == []
    refused = decide(bill, second, (row, "APPROVE"))
    assert (refused.status_code, code_of(refused)) == (422, "BDC_1129")
    assert decide(bill, headers, (row, "APPROVE")).status_code == 200
    assert decide(bill, headers, (row, "APPROVE")).status_code == 422


def test_all_approvers_have_to_agree(bill: LocalBill, headers: Headers, second: Headers) -> None:
    ada, ben = (bill.seed["users"][n]["id"] for n in (0, 1))
    bill.post("/bill-approvals/policies", headers, policy(bill, ada, ben))
    row = new_bill(bill, headers, 1000)
    # Two policies catch the bill; who stands in both is asked once.
    assert [(one["userId"], one["approverOrder"]) for one in row["approvers"]] == [(ada, 0), (ben, 1)]
    assert pending(bill, second) == [row["id"]]
    decide(bill, second, (row["id"], "APPROVE"))
    assert bill.get(f"/bills/{row['id']}", headers).json()["approvalStatus"] == "APPROVING"
    decide(bill, headers, (row["id"], "APPROVE"))
    assert bill.get(f"/bills/{row['id']}", headers).json()["approvalStatus"] == "APPROVED"


def test_a_bill_is_paid_only_once_it_is_approved(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    bill.trust(headers)
    row, denied = new_bill(bill, headers, 1000)["id"], new_bill(bill, headers, 1000)["id"]
    refused = bill.post("/payments", headers, {"billId": row, "amount": 1})
    assert (refused.status_code, code_of(refused)) == (422, "BDC_1150")
    decide(bill, headers, (row, "APPROVE"), (denied, "DENY"))
    assert bill.post("/payments", headers, {"billId": row, "amount": 1}).status_code == 201
    assert code_of(bill.post("/payments", headers, {"billId": denied, "amount": 1})) == "BDC_1150"
    assert [one["bill"] for one in bill.payments()] == [row]


def test_a_policy_is_created_replaced_and_deleted(bill: LocalBill, headers: Headers, code_of: CodeOf) -> None:
    ben = bill.user("second user")
    created = bill.post("/bill-approvals/policies", headers, policy(bill, ben["id"]))
    assert differences(created, "POST", "/v3/bill-approvals/policies") == []
    row = created.json()
    assert row["approvers"]["users"] == [{"userId": ben["id"], "fullName": "Ben Bookkeeper"}]
    assert row["rules"] == [
        {"key": "BILL_AMOUNT", "op": "gte", "values": [{"value": "500", "displayName": "500"}]},
    ]
    path = f"/bill-approvals/policies/{row['id']}"
    assert new_bill(bill, headers, 600)["approvers"][0]["userId"] == ben["id"]
    replaced = bill.call("PUT", path, headers, json={**policy(bill, ben["id"], values=["700"]), "policyName": "New"})
    assert differences(replaced, "PUT", "/v3/bill-approvals/policies/{}") == []
    assert (replaced.json()["id"], replaced.json()["policyName"]) == (row["id"], "New")
    assert new_bill(bill, headers, 600)["approvers"] == []
    listed = bill.get("/bill-approvals/policies", headers)
    assert differences(listed, "GET", "/v3/bill-approvals/policies") == []
    assert listed.json() == bill.get("/bill-approvals", headers).json()
    assert [one["policyName"] for one in listed.json()] == ["Bills of 1000 and more", "New"]
    deleted = bill.call("DELETE", path, headers)
    assert differences(deleted, "DELETE", "/v3/bill-approvals/policies/{}") == []
    assert new_bill(bill, headers, 800)["approvers"] == []
    assert code_of(bill.call("DELETE", path, headers)) == "BDC_1205"


def test_a_policy_may_look_at_the_vendor_and_at_the_lines(bill: LocalBill, headers: Headers) -> None:
    ben, vendor = bill.user("second user")["id"], bill.vendor(headers)
    place = bill.get("/classifications/locations?max=1", headers).json()["results"][0]
    by_vendor = policy(bill, ben, key="VENDOR_ID", op="eq", values=[vendor])
    shown = bill.post("/bill-approvals/policies", headers, by_vendor).json()
    assert shown["rules"][0]["values"] == [{"value": vendor, "displayName": "Print Vendor 001"}]
    assert new_bill(bill, headers, 1)["approvalStatus"] == "ASSIGNED"
    bill.call("DELETE", f"/bill-approvals/policies/{shown['id']}", headers)
    bill.post("/bill-approvals/policies", headers, policy(bill, ben, key="LOCATION_ID", op="in", values=[place["id"]]))
    assert new_bill(bill, headers, 1)["approvalStatus"] == "UNASSIGNED"
    line = {"classifications": {"locationId": place["id"]}}
    assert new_bill(bill, headers, 1, line=line)["approvalStatus"] == "ASSIGNED"
    lines = [{"amount": 1}, {"amount": 1, **line}]
    assert new_bill(bill, headers, 1, billLineItems=lines)["approvalStatus"] == "ASSIGNED"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"policyName": ""}, 400),
        ({"rules": []}, 400),
        ({"approvers": []}, 400),
        ({"rules": [{"key": "COLOUR", "op": "eq", "values": ["red"]}]}, 400),
        ({"rules": [{"key": "BILL_AMOUNT", "op": "like", "values": ["1"]}]}, 400),
        ({"rules": [{"key": "BILL_AMOUNT", "op": "gte", "values": ["much"]}]}, 400),
        ({"rules": [{"key": "BILL_AMOUNT", "op": "gte", "values": []}]}, 400),
        ({"rules": ["all"]}, 400),
        ({"approvers": "me"}, 400),
        ({"rules": [{"key": "VENDOR_ID", "op": "eq", "values": ["00901NOSUCHVENDOR000"]}]}, 404),
        ({"approvers": ["00601NOSUCHUSER00000"]}, 404),
    ],
)
def test_a_policy_that_cannot_be_is_refused(
    bill: LocalBill, headers: Headers, change: dict[str, Any], status: int
) -> None:
    body = {**policy(bill, bill.seed["users"][0]["id"]), **change}
    assert bill.post("/bill-approvals/policies", headers, body).status_code == status
    assert len(bill.get("/bill-approvals/policies", headers).json()) == 1


def test_a_bill_of_which_one_approver_is_still_to_agree_is_not_paid(
    bill: LocalBill, headers: Headers, second: Headers, code_of: CodeOf
) -> None:
    ada, ben = (bill.seed["users"][n]["id"] for n in (0, 1))
    bill.post("/bill-approvals/policies", headers, policy(bill, ada, ben))
    row = new_bill(bill, headers, 1000)["id"]
    decide(bill, second, (row, "APPROVE"))
    bill.trust(headers)
    assert code_of(bill.post("/payments", headers, {"billId": row, "amount": 1})) == "BDC_1150"
    assert bill.payments() == []


def test_a_policy_catches_only_what_all_its_rules_are_about(bill: LocalBill, headers: Headers) -> None:
    ben = bill.user("second user")["id"]
    body = policy(bill, ben)
    body["rules"].append({"key": "VENDOR_ID", "op": "eq", "values": [bill.vendor(headers)]})
    bill.post("/bill-approvals/policies", headers, body)
    other = bill.get("/vendors?max=2", headers).json()["results"][1]["id"]
    found = [new_bill(bill, headers, 600), new_bill(bill, headers, 400), new_bill(bill, headers, 600, vendorId=other)]
    assert [row["approvalStatus"] for row in found] == ["ASSIGNED", "UNASSIGNED", "UNASSIGNED"]


def test_an_archived_bill_waits_for_nobody(bill: LocalBill, headers: Headers) -> None:
    row = new_bill(bill, headers, 1000)["id"]
    bill.post(f"/bills/{row}/archive", headers)
    assert pending(bill, headers) == []
    assert decide(bill, headers, (row, "APPROVE")).status_code == 422
    bill.post(f"/bills/{row}/restore", headers)
    assert pending(bill, headers) == [row]


def test_one_denial_is_enough(bill: LocalBill, headers: Headers, second: Headers) -> None:
    ada, ben = (bill.seed["users"][n]["id"] for n in (0, 1))
    bill.post("/bill-approvals/policies", headers, policy(bill, ada, ben))
    row = new_bill(bill, headers, 1000)["id"]
    decide(bill, second, (row, "DENY"))
    assert bill.get(f"/bills/{row}", headers).json()["approvalStatus"] == "DENIED"
    assert pending(bill, headers) == []
