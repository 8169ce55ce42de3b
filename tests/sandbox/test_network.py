"""The BILL network: its search, and how vendors and customers become connected."""

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
    """A session."""
    return bill.sign_in()


def find(bill: LocalBill, headers: Headers, name: str, **query: str) -> list[dict[str, Any]]:
    answer = bill.get("/network", headers, params={"name": name, "scope": "BILL", **query})
    assert differences(answer, "GET", "/v3/network") == []
    return list(answer.json()["results"])


def test_companies_are_found_by_a_part_of_their_name_and_where_they_are(bill: LocalBill, headers: Headers) -> None:
    (found,) = find(bill, headers, "courier")
    assert (found["name"], found["id"][:3]) == ("Coastal Courier", "0rv")
    code = found["addresses"][0]["zipOrPostalCode"]
    assert find(bill, headers, "courier", zipOrPostalCode=code) == [found]
    assert find(bill, headers, "courier", zipOrPostalCode="00000") == []
    assert find(bill, headers, "courier", accountNumber="N000002") == [found]
    assert find(bill, headers, "courier", accountNumber="N000001") == []
    assert bill.get("/network?name=courier", headers).status_code == 400


@pytest.mark.parametrize(("kind", "path"), [("vendor", "/vendors"), ("customer", "/customers")])
def test_an_invitation_is_pending_until_it_is_taken_back(
    bill: LocalBill, headers: Headers, code_of: CodeOf, kind: str, path: str
) -> None:
    row = bill.get(f"{path}?max=1", headers).json()["results"][0]["id"]
    network = find(bill, headers, "print")[0]["id"]
    invitation, pattern = f"/network/invitation/{kind}/{row}", f"/v3/network/invitation/{kind}/{{}}"

    def state() -> dict[str, Any]:
        answer = bill.get(invitation, headers)
        assert differences(answer, "GET", pattern) == []
        return dict(answer.json())

    assert state() == {"id": row, "status": "NOT_CONNECTED"}
    body = {"networkId": network, "networkType": "BILL"}
    assert code_of(bill.post(invitation, headers, {**body, "networkId": "0rv01NOSUCHCOMPANY00"})) == "BDC_1205"
    invited = bill.post(invitation, headers, body)
    assert differences(invited, "POST", pattern) == []
    assert state() == {"id": row, "status": "PENDING", "networkId": network}
    assert differences(bill.call("DELETE", invitation, headers), "DELETE", pattern) == []
    assert state() == {"id": row, "status": "NOT_CONNECTED"}
    accepted = bill.post("/network/invitation/accept", headers, {"networkId": network, "type": kind.upper(), "id": row})
    assert differences(accepted, "POST", "/v3/network/invitation/accept") == []
    assert state() == {"id": row, "status": "CONNECTED", "networkId": network}
    assert bill.post(invitation, headers, body).status_code == 422
    assert bill.get(f"/network/invitation/{kind}/nobody", headers).status_code == 404


def test_a_vendor_shows_its_place_in_the_network(bill: LocalBill, headers: Headers) -> None:
    vendor = bill.vendor(headers)
    answer = bill.post(f"/network/invitation/vendor/{vendor}/email", headers, {"email": "v@vendors.example"})
    assert differences(answer, "POST", "/v3/network/invitation/vendor/{}/email") == []
    assert bill.get(f"/vendors/{vendor}", headers).json()["networkStatus"] == "PENDING"
    pending = bill.get("/vendors?filters=networkStatus:eq:PENDING", headers).json()["results"]
    assert [row["id"] for row in pending] == [vendor]
    assert bill.post(f"/network/invitation/vendor/{vendor}/email", headers, {}).status_code == 400


def test_v2_invites_in_the_same_network(bill: LocalBill, headers: Headers) -> None:
    bill.trust(headers)
    vendor = bill.vendor(headers)
    customer = bill.get("/customers?max=1", headers).json()["results"][0]["id"]
    assert bill.form("SendVendorInvite", {"vendorId": vendor}, **headers)["response_status"] == 0
    assert bill.form("SendInvite", {"customerId": customer}, **headers)["response_status"] == 0
    for kind, row in (("vendor", vendor), ("customer", customer)):
        assert bill.get(f"/network/invitation/{kind}/{row}", headers).json()["status"] == "PENDING"


def test_accepting_as_something_else_is_refused(bill: LocalBill, headers: Headers) -> None:
    network = find(bill, headers, "print")[0]["id"]
    body = {"networkId": network, "type": "FRIEND", "id": bill.vendor(headers)}
    assert bill.post("/network/invitation/accept", headers, body).status_code == 400
    unknown = {**body, "type": "VENDOR", "networkId": "0rv01NOSUCHCOMPANY00"}
    assert bill.post("/network/invitation/accept", headers, unknown).status_code == 404
