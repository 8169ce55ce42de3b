"""Sign-in by password: the order of checks, the lock-out and the bad fields."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from dev.local_bill import LocalBill

CodeOf = Callable[[requests.Response], str]


def test_a_v3_sign_in_answers_the_four_documented_fields(bill: LocalBill) -> None:
    answer = bill.login().json()
    assert set(answer) == {"sessionId", "organizationId", "userId", "trusted"}
    assert answer["trusted"] is False
    assert bill.stats()["sign_ins"] == 1


@pytest.mark.parametrize("missing", ["devKey", "username", "organizationId", "password"])
def test_a_missing_field_is_a_bad_request_that_names_it(bill: LocalBill, missing: str) -> None:
    answer = bill.login(**{missing: None})
    assert answer.status_code == 400
    assert missing in answer.json()[0]["message"]
    assert bill.stats()["refused_sign_ins"] == 0


def test_several_missing_fields_give_several_error_objects(bill: LocalBill) -> None:
    assert len(bill.login(devKey=None, username=None).json()) == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"password": "wrong"}, "BDC_1101"),
        ({"username": "nobody@harborbooks.example"}, "BDC_1101"),
        ({"devKey": "no-such-key"}, "BDC_1102"),
        ({"organizationId": "00801NOSUCHORG"}, "BDC_1123"),
    ],
)
def test_wrong_credentials_are_refused_with_their_code(
    bill: LocalBill, code_of: CodeOf, changes: dict[str, str], code: str
) -> None:
    answer = bill.login(**changes)
    assert answer.status_code == 401
    assert code_of(answer) == code
    assert bill.stats()["refused_sign_ins"] == 1


def test_the_developer_keys_state_is_checked(bill: LocalBill, code_of: CodeOf) -> None:
    keys = {row["state"]: row["key"] for row in bill.seed["developer_keys"]}
    assert code_of(bill.login(devKey=keys["inactive"])) == "BDC_1103"
    assert code_of(bill.login(devKey=keys["terms"])) == "BDC_1104"


def test_the_organizations_state_is_checked(bill: LocalBill, code_of: CodeOf) -> None:
    ids = {row["name"]: row["id"] for row in bill.seed["organizations"]}
    locked = bill.login(organizationId=ids["Locked Lumber"])
    assert (locked.status_code, code_of(locked)) == (423, "BDC_1107")
    assert code_of(bill.login(organizationId=ids["No Access Nails"])) == "BDC_1105"


def test_an_inactive_user_is_refused(bill: LocalBill, code_of: CodeOf) -> None:
    user = bill.user("not active")
    assert code_of(bill.login(username=user["username"], password=user["password"])) == "BDC_1111"


def test_ten_wrong_passwords_lock_the_user_until_the_password_is_reset(bill: LocalBill, code_of: CodeOf) -> None:
    assert [code_of(bill.login(password="wrong")) for _ in range(10)] == ["BDC_1101"] * 10
    assert code_of(bill.login()) == "BDC_1110"
    bill.control("POST", "users/password", {"username": bill.username, "password": "sbxPasswordNew-1"})
    assert bill.login(password="sbxPasswordNew-1").status_code == 200


def test_a_right_password_in_between_keeps_the_user_unlocked(bill: LocalBill) -> None:
    for _ in range(2):
        for _ in range(9):
            bill.login(password="wrong")
        assert bill.login().status_code == 200


def test_a_locked_user_can_be_unlocked(bill: LocalBill) -> None:
    for _ in range(10):
        bill.login(password="wrong")
    bill.control("POST", "users/unlock", {"username": bill.username})
    assert bill.login().status_code == 200


def test_two_hundred_sign_ins_in_an_hour_are_allowed_and_the_next_full_hour_allows_more(
    bill: LocalBill, code_of: CodeOf
) -> None:
    now = bill.control("GET", "clock")["timestamp"]
    bill.advance(3600 - now % 3600 + 1)
    assert {bill.login().status_code for _ in range(200)} == {200}
    refused = bill.login()
    assert (refused.status_code, code_of(refused)) == (422, "BDC_1144")
    assert (
        bill.form("ListOrgs", devKey=bill.key, userName=bill.username, password=bill.password)["response_data"][
            "error_code"
        ]
        == "BDC_1144"
    )
    second = bill.seed["developer_keys"][1]["key"]
    assert bill.login(devKey=second).status_code == 200
    bill.advance(3600)
    assert bill.login().status_code == 200


def test_the_status_of_refusals_is_a_setting(bill: LocalBill) -> None:
    bill.settings(sign_ins_per_hour=0, limit_status=429)
    assert bill.login().status_code == 429
    bill.settings(sign_ins_per_hour=5, sign_in_status=400)
    assert bill.login(password="wrong").status_code == 400


def test_a_body_that_is_not_json_is_a_bad_request(bill: LocalBill, code_of: CodeOf) -> None:
    answer = bill.call("POST", "/login", data="devKey=x")
    assert (answer.status_code, code_of(answer)) == (400, "BDC_1122")


@pytest.mark.parametrize("alone", ["rememberMeId", "device"])
def test_a_remembered_device_needs_both_of_its_fields(bill: LocalBill, alone: str) -> None:
    assert bill.login(**{alone: "something"}).status_code == 400


def test_credentials_in_a_url_are_refused_and_counted(bill: LocalBill) -> None:
    answer = bill.get(f"/vendors?devKey={bill.key}")
    assert answer.status_code == 400
    assert "URL" in answer.json()[0]["message"]
    assert bill.stats()["credentials_in_urls"] == 1
