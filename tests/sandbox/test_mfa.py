"""MFA in both dialects: set-up, challenge, trust, remembered devices, protected calls."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from dev.local_bill import LocalBill

CodeOf = Callable[[requests.Response], str]

PAY = {"amount": 10, "processDate": "2035-01-01"}


def pay(bill: LocalBill, headers: dict[str, str]) -> requests.Response:
    return bill.post("/payments", headers, {**PAY, "vendorId": bill.vendor(headers)})


def status(bill: LocalBill, headers: dict[str, str]) -> str:
    return str(bill.get("/login/session", headers).json()["mfaStatus"])


def test_a_challenge_makes_the_session_trusted_and_allows_payments(bill: LocalBill, code_of: CodeOf) -> None:
    headers = bill.sign_in()
    assert status(bill, headers) == "CHALLENGE"
    refused = pay(bill, headers)
    assert (refused.status_code, code_of(refused)) == (403, "BDC_1361")
    assert bill.trust(headers).json() == {}
    assert status(bill, headers) == "COMPLETE"
    assert pay(bill, headers).status_code == 201
    assert bill.stats()["payments"] == 1


def test_a_remembered_device_signs_in_trusted_for_thirty_days(bill: LocalBill) -> None:
    remembered = bill.trust(bill.sign_in(), rememberMe=True, device="worker", machineName="m").json()
    pair = {"rememberMeId": remembered["rememberMeId"], "device": "worker"}
    assert bill.login(**pair).json()["trusted"] is True
    assert bill.login(**{**pair, "device": "other"}).json()["trusted"] is False
    ben = bill.user("second user")
    other = bill.login(**pair, username=ben["username"], password=ben["password"])
    assert other.json()["trusted"] is False
    bill.advance(30 * 86400)
    assert bill.login(**pair).json()["trusted"] is False


@pytest.mark.parametrize("holds_for", ["organization", "user"])
def test_for_which_organizations_a_remembered_device_holds_is_a_setting(bill: LocalBill, holds_for: str) -> None:
    bill.settings(device_holds_for=holds_for)
    remembered = bill.trust(bill.sign_in(), rememberMe=True, device="worker").json()["rememberMeId"]
    second = next(row["id"] for row in bill.seed["organizations"] if row["name"] == "Lighthouse Coffee")
    pair = {"rememberMeId": remembered, "device": "worker"}
    assert bill.login(**pair, organizationId=second).json()["trusted"] is (holds_for == "user")
    stepped_up = bill.post("/mfa/step-up", bill.sign_in(organizationId=second), pair)
    assert stepped_up.json() == {"trusted": holds_for == "user"}
    ben = bill.user("second user")
    assert not bill.login(**pair, username=ben["username"], password=ben["password"]).json()["trusted"]


def test_a_bad_remembered_device_can_be_set_to_refuse_the_sign_in(bill: LocalBill, code_of: CodeOf) -> None:
    bill.settings(bad_remember_me="refuse")
    assert code_of(bill.login(rememberMeId="nothing", device="worker")) == "BDC_1109"


def test_stepping_up_trusts_a_session_and_a_bad_id_is_no_error(bill: LocalBill) -> None:
    remembered = bill.trust(bill.sign_in(), rememberMe="true", device="worker").json()["rememberMeId"]
    headers = bill.sign_in()
    bad = bill.post("/mfa/step-up", headers, {"rememberMeId": "nothing", "device": "worker"})
    assert (bad.status_code, bad.json()) == (200, {"trusted": False})
    good = bill.post("/mfa/step-up", headers, {"rememberMeId": remembered, "device": "worker"})
    assert good.json() == {"trusted": True}
    assert status(bill, headers) == "COMPLETE"


@pytest.mark.parametrize(
    ("field", "names"),
    [("mfaId", {"mfaId"}), ("both", {"mfaId", "rememberMeId"}), ("rememberMeId", {"rememberMeId"})],
)
def test_the_name_of_the_remembered_field_is_a_setting(bill: LocalBill, field: str, names: set[str]) -> None:
    bill.settings(remember_field=field)
    assert set(bill.trust(bill.sign_in(), rememberMe=True, device="worker").json()) == names


def test_a_code_may_be_written_with_a_dash(bill: LocalBill) -> None:
    bill.settings(mfa_code="123456")
    headers = bill.sign_in()
    challenge = bill.post("/mfa/challenge", headers, {"useBackup": "false"}).json()["challengeId"]
    body = {"challengeId": challenge, "token": "123-456"}
    assert bill.post("/mfa/challenge/validate", headers, body).status_code == 200


def test_the_third_wrong_code_ends_the_challenge(bill: LocalBill, code_of: CodeOf) -> None:
    bill.settings(mfa_code="123456")
    headers = bill.sign_in()
    challenge = bill.post("/mfa/challenge", headers, {}).json()["challengeId"]
    codes = [
        code_of(bill.post("/mfa/challenge/validate", headers, {"challengeId": challenge, "token": token}))
        for token in ("000000", "000000", "000000", "123456")
    ]
    assert codes == ["BDC_1355", "BDC_1355", "BDC_1358", "BDC_1358"]


def test_a_code_expires(bill: LocalBill, code_of: CodeOf) -> None:
    headers = bill.sign_in()
    challenge = bill.post("/mfa/challenge", headers, {}).json()["challengeId"]
    bill.advance(300)
    body = {"challengeId": challenge, "token": bill.codes()[-1]}
    assert code_of(bill.post("/mfa/challenge/validate", headers, body)) == "BDC_1356"


@pytest.mark.parametrize("backup", [True, "true"])
def test_the_backup_phone_is_refused(bill: LocalBill, backup: object) -> None:
    assert bill.post("/mfa/challenge", bill.sign_in(), {"useBackup": backup}).status_code == 400


def test_a_challenge_without_a_body_is_a_bad_request(bill: LocalBill) -> None:
    assert bill.post("/mfa/challenge", bill.sign_in()).status_code == 400
    assert bill.stats()["sms_sent"] == 0


def test_the_sixth_text_in_a_minute_is_refused(bill: LocalBill) -> None:
    headers = bill.sign_in()
    statuses = [bill.post("/mfa/challenge", headers, {}).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [422]
    bill.advance(60)
    assert bill.post("/mfa/challenge", headers, {}).status_code == 200
    assert bill.stats()["sms_sent"] == 6


@pytest.mark.parametrize("path", ["/mfa/validate", "/mfa/setup/validate"])
def test_a_user_without_a_phone_sets_one_up(bill: LocalBill, code_of: CodeOf, path: str) -> None:
    user = bill.user("no MFA phone")
    headers = bill.sign_in(username=user["username"], password=user["password"])
    assert status(bill, headers) == "SETUP"
    assert code_of(bill.post("/mfa/challenge", headers, {})) == "BDC_1354"
    assert bill.get("/mfa/phones", headers).json() == {"results": []}
    body = {"phone": "+14085550199", "type": "TEXT"}
    assert bill.post("/mfa/setup", headers, {**body, "primary": False}).status_code == 400
    setup = bill.post("/mfa/setup", headers, body).json()["setupId"]
    answer = bill.post(path, headers, {"setupId": setup, "type": "TEXT", "token": bill.codes()[-1]})
    assert answer.json() == {"status": "SUCCESS"}
    phones = bill.get("/mfa/phones", headers).json()["results"]
    assert phones == [{"type": "MOBILE", "last4digits": "0199", "primary": True}]
    assert bill.trust(headers).status_code == 200


def test_setting_up_a_second_phone_is_blocked(bill: LocalBill, code_of: CodeOf) -> None:
    answer = bill.post("/mfa/setup", bill.sign_in(), {"phone": "+14085550199", "type": "TEXT"})
    assert code_of(answer) == "BDC_5324"


def test_a_device_label_has_at_most_a_hundred_characters(bill: LocalBill) -> None:
    assert bill.trust(bill.sign_in(), rememberMe=True, device="d" * 101).status_code == 400
    assert bill.trust(bill.sign_in(), rememberMe=True, device="d" * 100).status_code == 200
    assert bill.trust(bill.sign_in(), rememberMe=True).status_code == 400


@pytest.mark.parametrize(("mode", "expected"), [("off", ("DISABLED", False)), ("bypass", ("CHALLENGE", True))])
def test_mfa_can_be_off_or_bypassed(bill: LocalBill, mode: str, expected: tuple[str, bool]) -> None:
    bill.settings(mfa_mode=mode)
    headers = bill.sign_in()
    details = bill.get("/login/session", headers).json()
    assert (details["mfaStatus"], details["mfaBypass"]) == expected
    assert pay(bill, headers).status_code == 201
    assert bill.login().json()["trusted"] is False
    bill.settings(trusted_when_mfa_off=True)
    assert bill.login().json()["trusted"] is True


def test_protected_calls_need_a_trusted_session(bill: LocalBill) -> None:
    headers = bill.sign_in()
    vendor = bill.vendor(headers)
    bank = {"nameOnAccount": "x", "accountNumber": "123456789", "routingNumber": "021000021"}
    recurring = bill.get("/recurring-bills", headers).json()["results"][0]["id"]
    calls = [
        ("POST", "/payments/bulk", {"payments": []}),
        ("POST", "/funding-accounts/banks", bank),
        ("PATCH", f"/vendors/{vendor}/autoPay", {"enabled": True}),
        ("PATCH", f"/recurring-bills/{recurring}", {"processingOptions": {"autoPayment": True}}),
        ("POST", "/payments/mass", {"payments": []}),
        ("PATCH", f"/vendors/{vendor}", {"autoPay": {"enabled": True}}),
    ]
    assert [bill.call(how, path, headers, json=body).status_code for how, path, body in calls] == [403] * 6
    assert bill.stats()["writes"] == 0
    bill.trust(headers)
    assert [bill.call(how, path, headers, json=body).status_code for how, path, body in calls] == [
        400,
        201,
        200,
        200,
        400,
        200,
    ]


def test_the_production_list_protects_a_vendors_bank_account_too(bill: LocalBill) -> None:
    headers = bill.sign_in()
    path = f"/vendors/{bill.vendor(headers)}/bank-account"
    body = {"nameOnAccount": "x", "accountNumber": "123456789", "routingNumber": "021000021"}
    created = bill.post(path, headers, body)
    assert (created.status_code, created.json()["accountNumber"]) == (200, "*****6789")
    bill.settings(mfa_mode="production-list")
    assert bill.post(path, headers, body).status_code == 403
    assert bill.call("DELETE", path, headers).status_code == 403


def test_the_v2_dialect_challenges_and_remembers(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    challenge = bill.form("MFAChallenge", {"useBackup": False}, **fields)["response_data"]["challengeId"]
    assert challenge.startswith("!")
    data = {
        "challengeId": challenge,
        "token": bill.codes()[-1],
        "deviceId": "worker",
        "machineName": "m",
        "rememberMe": True,
    }
    mfa_id = bill.form("MFAAuthenticate", data, **fields)["response_data"]["mfaId"]
    assert mfa_id.startswith("!")
    pair = {"mfaId": mfa_id, "deviceId": "worker"}
    assert bill.form("MFAStatus", pair, **fields)["response_data"] == {"isTrusted": True}
    assert status(bill, bill.v2_sign_in(**pair)) == "COMPLETE"
    assert bill.form("MFAStatus", {**pair, "deviceId": "x"}, **fields)["response_data"] == {"isTrusted": False}


def test_v2_remembers_no_device_without_a_name(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    challenge = bill.form("MFAChallenge", {}, **fields)["response_data"]["challengeId"]
    data = {"challengeId": challenge, "token": bill.codes()[-1], "rememberMe": True}
    answer = bill.form("MFAAuthenticate", data, **fields)["response_data"]
    assert (answer["error_code"], "deviceId" in answer["error_message"]) == ("BDC_1108", True)
    assert status(bill, fields) == "CHALLENGE"


def test_without_remembering_v2_gives_an_id_that_is_good_in_its_session_only(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    challenge = bill.form("MFAChallenge", {}, **fields)["response_data"]["challengeId"]
    data = {"challengeId": challenge, "token": bill.codes()[-1], "deviceId": "worker"}
    mfa_id = bill.form("MFAAuthenticate", data, **fields)["response_data"]["mfaId"]
    pair = {"mfaId": mfa_id, "deviceId": "worker"}
    assert bill.form("MFAStatus", pair, **fields)["response_data"] == {"isTrusted": True}
    assert bill.form("MFAStatus", {**pair, "deviceId": "x"}, **fields)["response_data"] == {"isTrusted": False}
    other = bill.v2_sign_in(**pair)
    assert status(bill, other) == "CHALLENGE"
    assert bill.form("MFAStatus", pair, **other)["response_data"] == {"isTrusted": False}
    assert mfa_id not in str(bill.control("GET", "requests"))


def test_the_v2_backup_phone_is_an_error_envelope(bill: LocalBill) -> None:
    answer = bill.form("MFAChallenge", {"useBackup": True}, **bill.v2_sign_in())
    assert answer["response_status"] == 1


def test_a_code_is_good_once(bill: LocalBill, code_of: CodeOf) -> None:
    headers = bill.sign_in()
    challenge = bill.post("/mfa/challenge", headers, {}).json()["challengeId"]
    body = {"challengeId": challenge, "token": bill.codes()[-1]}
    assert bill.post("/mfa/challenge/validate", headers, body).status_code == 200
    again = bill.post("/mfa/challenge/validate", bill.sign_in(), body)
    assert code_of(again) == "BDC_1374"


@pytest.mark.parametrize("who", ["user", "organization"])
def test_the_code_of_another_user_or_organization_trusts_nothing(bill: LocalBill, code_of: CodeOf, who: str) -> None:
    challenge = bill.post("/mfa/challenge", bill.sign_in(), {}).json()["challengeId"]
    body = {"challengeId": challenge, "token": bill.codes()[-1]}
    ben, second = bill.user("second user"), bill.seed["organizations"][1]["id"]
    changes = {"organizationId": second}
    if who == "user":
        changes = {"username": ben["username"], "password": ben["password"]}
    other = bill.sign_in(**changes)
    assert code_of(bill.post("/mfa/challenge/validate", other, body)) == "BDC_1129"
    assert status(bill, other) == "CHALLENGE"


def test_the_code_of_a_set_up_answers_no_challenge(bill: LocalBill, code_of: CodeOf) -> None:
    user = bill.user("no MFA phone")
    headers = bill.sign_in(username=user["username"], password=user["password"])
    setup = bill.post("/mfa/setup", headers, {"phone": "+14085550199", "type": "TEXT"}).json()["setupId"]
    body = {"challengeId": setup, "token": bill.codes()[-1]}
    assert code_of(bill.post("/mfa/challenge/validate", headers, body)) == "BDC_1129"
    assert status(bill, headers) == "SETUP"
