"""The controls: seed, reset, clock, settings, stats and the request log."""

from __future__ import annotations

import json

import pytest
import requests

from dev.local_bill import LocalBill


def test_the_server_is_healthy(bill: LocalBill) -> None:
    assert bill.control("GET", "health")["status"] == "ok"


def test_the_seed_is_the_same_after_every_reset(bill: LocalBill) -> None:
    before = bill.control("GET", "seed")
    bill.control("POST", "organizations", {"count": 2})
    bill.control("POST", "users/phone", {"username": bill.username, "phone": None})
    assert bill.control("GET", "seed") != before
    bill.reset()
    assert bill.seed == before


def test_there_is_a_connection_for_each_kind_of_sign_in(bill: LocalBill) -> None:
    kinds = {"v3", "v2", "console", "sync_token", "partner", "oauth", "spend_token"}
    assert set(bill.connections) == kinds
    for kind, row in bill.connections.items():
        assert (row["conn_type"], row["host"]) == ("bill", bill.url)
        assert row["extra"]["sign_in"] == {"v3": "password_v3", "v2": "password_v2"}.get(kind, kind)
        assert json.dumps(row) in bill.seed["commands"][kind]


def test_reset_forgets_sessions_clock_settings_faults_and_stats(bill: LocalBill) -> None:
    headers = bill.sign_in()
    bill.advance(60)
    bill.settings(concurrent=9)
    bill.fault("*")
    bill.reset()
    assert bill.get("/vendors", headers).status_code == 401
    assert bill.control("GET", "clock")["offset_seconds"] == 0
    assert bill.control("GET", "settings")["concurrent"] == 3
    assert bill.control("GET", "faults") == []
    assert bill.stats()["requests"] == 1


def test_a_stopped_clock_is_moved_by_the_test_alone(bill: LocalBill) -> None:
    stopped = bill.control("POST", "clock", {"stop_at": "2026-12-31T23:59:30+00:00"})
    assert stopped["now"] == "2026-12-31T23:59:30.000+00:00"
    assert bill.control("GET", "clock")["timestamp"] == stopped["timestamp"]
    assert bill.control("POST", "clock", {"advance_seconds": 60})["now"] == "2027-01-01T00:00:30.000+00:00"
    bill.reset()
    assert bill.control("GET", "clock")["offset_seconds"] == 0
    assert bill.control("GET", "clock")["now"] != "2026-12-31T23:59:30.000+00:00"


def test_settings_change_one_by_one_and_go_back_to_their_defaults(bill: LocalBill) -> None:
    bill.settings(idle_seconds=10)
    bill.settings(mfa_mode="off")
    settings = bill.control("GET", "settings")
    assert (settings["idle_seconds"], settings["mfa_mode"]) == (10, "off")
    assert bill.control("DELETE", "settings")["idle_seconds"] == 2100


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"nope": 1}, "nope: this name is not known"),
        ({"mfa_mode": "odd"}, "mfa_mode"),
        ({"mfa_code": "12"}, "mfa_code"),
    ],
)
def test_a_bad_setting_is_refused_by_name(bill: LocalBill, body: dict[str, object], words: str) -> None:
    answer = requests.put(f"{bill.url}/_sandbox/settings", json=body, timeout=30)
    assert answer.status_code == 422
    assert words in answer.json()["error"]


def test_an_unknown_control_answers_the_list_of_controls(bill: LocalBill) -> None:
    answer = requests.get(f"{bill.url}/_sandbox/nope", timeout=30)
    assert answer.status_code == 404
    assert any(row.startswith("GET /_sandbox/stats") for row in answer.json()["controls"])


def test_an_unknown_user_is_named_with_those_that_exist(bill: LocalBill) -> None:
    answer = requests.post(f"{bill.url}/_sandbox/users/unlock", json={"username": "x"}, timeout=30)
    assert answer.status_code == 404
    assert bill.username in answer.json()["error"]


def test_stats_count_calls_by_path_but_not_controls(bill: LocalBill) -> None:
    headers = bill.sign_in()
    bill.get("/vendors", headers)
    stats = bill.stats()
    assert stats["requests"] == 2
    assert stats["by_path"] == {"/connect/v3/login": 1, "/connect/v3/vendors": 1}


def test_the_request_log_holds_no_readable_secret(bill: LocalBill) -> None:
    headers = bill.sign_in()
    remembered = bill.trust(headers, rememberMe=True, device="worker").json()["rememberMeId"]
    bill.login(rememberMeId=remembered, device="worker")
    bill.login(password="sbxPasswordWrong-1")
    bill.get(f"/vendors/{headers['sessionId']}?sessionId={headers['sessionId']}", headers)
    bill.get("/vendors", {**headers, "User-Agent": f"client {bill.key}"})
    bill.v2_sign_in()
    rows = bill.control("GET", "requests")
    text = json.dumps(rows) + json.dumps(bill.stats())
    for secret in (
        bill.password,
        bill.key,
        headers["sessionId"],
        remembered,
        bill.codes()[-1],
        "sbxPasswordWrong-1",
    ):
        assert secret not in text
    assert rows[0]["credentials"]["devKey"].startswith("fp:")
    assert rows[0]["credentials"]["devKey"] == rows[-1]["credentials"]["devKey"]
    assert rows[0]["organization"] == bill.organization
    assert rows[0]["user_agent"].startswith("python-requests/")
    shown = {row["session"] for row in bill.control("GET", "sessions")}
    assert rows[1]["credentials"]["sessionId"] in shown


def test_the_page_for_people_shows_the_stats(bill: LocalBill) -> None:
    answer = requests.get(bill.url, timeout=30)
    assert "sign_ins" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_a_secret_in_a_url_is_a_fingerprint_in_the_journal_even_if_it_is_not_known(bill: LocalBill) -> None:
    bill.get("/vendors?password=never-given-out-1&max=1", bill.sign_in())
    (row,) = bill.control("GET", "requests?path=/connect/v3/vendors")
    assert row["query"]["max"] == "1"
    assert row["query"]["password"].startswith("fp:")


def test_a_user_is_made_inactive_and_active_again(bill: LocalBill) -> None:
    headers = bill.sign_in()
    ben = bill.user("second user")
    names = {"username": ben["username"], "password": ben["password"]}
    for active, status, archived in ((False, 401, True), (True, 200, False)):
        bill.control("POST", "users/active", {"username": ben["username"], "active": active})
        assert bill.login(**names).status_code == status
        assert bill.get(f"/users/{ben['id']}", headers).json()["archived"] is archived
