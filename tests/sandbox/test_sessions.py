"""Sessions: sliding life, binding, sign-out, and both dialects on one session."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import requests

from dev.local_bill import LocalBill

CodeOf = Callable[[requests.Response], str]
Until = Callable[[Callable[[], bool]], None]


def test_a_session_dies_after_35_idle_minutes(bill: LocalBill, code_of: CodeOf) -> None:
    headers = bill.sign_in()
    bill.advance(2099)
    assert bill.get("/login/session", headers).status_code == 200
    bill.advance(2100)
    answer = bill.get("/login/session", headers)
    assert (answer.status_code, code_of(answer)) == (401, "BDC_1109")
    assert answer.json()[0]["message"] == "Session is invalid.  Please log in."


def test_every_call_pushes_the_end_forward(bill: LocalBill) -> None:
    headers = bill.sign_in()
    for _ in range(5):
        bill.advance(2000)
        assert bill.get("/vendors?max=1", headers).status_code == 200


def test_sessions_live_side_by_side(bill: LocalBill) -> None:
    first, second = bill.sign_in(), bill.sign_in()
    assert bill.get("/vendors", first).status_code == bill.get("/vendors", second).status_code == 200
    assert bill.stats()["open_sessions"] == 2


def test_a_session_works_only_with_its_own_developer_key(bill: LocalBill, code_of: CodeOf) -> None:
    headers = bill.sign_in()
    other = {**headers, "devKey": bill.seed["developer_keys"][1]["key"]}
    assert code_of(bill.get("/vendors", other)) == "BDC_1109"


def test_missing_headers_are_unauthorized(bill: LocalBill) -> None:
    headers = bill.sign_in()
    assert bill.get("/vendors").status_code == 401
    assert bill.get("/vendors", {"devKey": bill.key}).status_code == 401
    assert bill.get("/vendors", {"sessionId": headers["sessionId"]}).status_code == 401


def test_signing_out_ends_the_session_with_an_empty_answer(bill: LocalBill) -> None:
    headers = bill.sign_in()
    answer = bill.post("/logout", headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert bill.get("/vendors", headers).status_code == 401
    assert bill.stats()["sign_outs"] == 1


def test_sessions_can_be_expired_on_order(bill: LocalBill) -> None:
    second = next(row["id"] for row in bill.seed["organizations"] if row["name"] == "Lighthouse Coffee")
    bill.sign_in()
    kept = bill.sign_in(organizationId=second)
    assert bill.control("POST", "sessions/expire", {"organization_id": bill.organization}) == {"expired": 1}
    assert bill.get("/vendors", kept).status_code == 200
    assert bill.control("POST", "sessions/expire") == {"expired": 1}
    assert bill.stats()["open_sessions"] == 0


def test_a_v2_session_works_on_v3_and_the_other_way_round(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    assert bill.get("/vendors", fields).status_code == 200
    info = bill.form("GetSessionInfo", **bill.sign_in())
    assert info["response_data"]["organizationId"] == bill.organization


def test_three_calls_at_once_are_allowed_and_a_fourth_is_refused(
    bill: LocalBill, until: Until, code_of: CodeOf
) -> None:
    headers = bill.sign_in()
    bill.fault("/v3/bills", "stall", times=3)
    with ThreadPoolExecutor(3) as pool:
        held = [pool.submit(bill.get, "/bills", headers) for _ in range(3)]
        until(lambda: bill.stats()["in_flight"] == 3)
        refused = bill.get("/bills", headers)
        assert (refused.status_code, code_of(refused)) == (422, "BDC_1322")
        other = next(row["id"] for row in bill.seed["organizations"] if row["name"] == "Lighthouse Coffee")
        assert bill.login(organizationId=other).status_code == 200
        assert bill.control("POST", "faults/release") == {"released": 3}
        assert [answer.result().status_code for answer in held] == [200, 200, 200]
    stats = bill.stats()
    assert (stats["peak_concurrency"], stats["refused_concurrency"], stats["in_flight"]) == (4, 1, 0)
    assert bill.get("/bills", headers).status_code == 200


def test_the_hourly_limit_counts_every_call_of_a_developer_key(bill: LocalBill, code_of: CodeOf) -> None:
    bill.advance(3600 - bill.control("GET", "clock")["timestamp"] % 3600 + 1)
    headers = bill.sign_in()
    bill.settings(calls_per_hour=3)
    assert [bill.get("/users", headers).status_code for _ in range(2)] == [200, 200]
    assert code_of(bill.get("/users", headers)) == "BDC_1144"
    bill.advance(3600)
    assert bill.login().status_code == 200
