"""Faults on order, before and after the call took effect."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from dev.local_bill import LocalBill

CodeOf = Callable[[requests.Response], str]
Until = Callable[[Callable[[], bool]], None]


def test_the_next_answers_fail_with_a_status_and_then_all_is_well(bill: LocalBill, code_of: CodeOf) -> None:
    headers = bill.sign_in()
    bill.fault("/connect/v3/vendors", status=503, code="BDC_1001", times=2, repeat=2)
    answers = [bill.get("/vendors", headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert len(answers[0].json()) == 2
    assert code_of(answers[0]) == "BDC_1001"
    assert bill.control("GET", "faults") == []


def test_a_code_alone_brings_its_own_status(bill: LocalBill) -> None:
    headers = bill.sign_in()
    bill.fault("/v3/vendors", code="BDC_1107")
    assert bill.get("/vendors", headers).status_code == 423


def test_a_v2_fault_is_an_envelope_with_http_200(bill: LocalBill) -> None:
    fields = bill.v2_sign_in()
    bill.fault("/v2/List/*", code="BDC_1001")
    assert bill.form("List/Vendor", {}, **fields)["response_data"]["error_code"] == "BDC_1001"


@pytest.mark.parametrize(
    ("kind", "status", "start"),
    [
        ("html", 502, "<html>"),
        ("malformed", 200, '{"results":['),
        ("empty", 200, ""),
        ("error_object", 500, '{"timestamp"'),
    ],
)
def test_answers_can_be_spoilt_in_several_ways(bill: LocalBill, kind: str, status: int, start: str) -> None:
    headers = bill.sign_in()
    bill.fault("/v3/vendors", kind)
    answer = bill.get("/vendors", headers)
    assert (answer.status_code, answer.text[: len(start)]) == (status, start)


@pytest.mark.parametrize(("after", "paid"), [(False, 0), (True, 1)])
@pytest.mark.parametrize("kind", ["reset", "html", "malformed", "status"])
def test_a_payment_whose_answer_is_lost_may_have_been_made_or_not(
    bill: LocalBill, kind: str, after: bool, paid: int
) -> None:
    headers = bill.sign_in()
    bill.trust(headers)
    body = {"vendorId": bill.vendor(headers), "amount": 3}
    bill.fault("/v3/payments", kind, method="POST", after_effect=after)
    if kind == "reset":
        with pytest.raises(requests.ConnectionError):
            bill.post("/payments", headers, body)
    else:
        bill.post("/payments", headers, body)
    assert bill.stats()["payments"] == len(bill.control("GET", "payments")) == paid
    last = bill.control("GET", "requests")[-1]
    assert (last["path"], last["fault"]) == ("/connect/v3/payments", kind)
    assert bill.post("/payments", headers, body).status_code == 201


def test_a_stalled_call_holds_its_answer_and_blocks_nobody_else(bill: LocalBill, until: Until) -> None:
    headers = bill.sign_in()
    bill.fault("/v3/vendors", "stall")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(bill.get, "/vendors", headers)
        until(lambda: bill.stats()["in_flight"] == 1)
        assert bill.get("/bills", headers).status_code == 200
        assert bill.control("GET", "faults")[0]["held"] == 1
        bill.control("POST", "faults/release")
        assert held.result().status_code == 200


def test_a_call_stalled_after_its_effect_has_taken_effect_before_the_client_gives_up(
    bill: LocalBill, until: Until
) -> None:
    headers = bill.sign_in()
    bill.trust(headers)
    body = {"vendorId": bill.vendor(headers), "amount": 3}
    bill.fault("/v3/payments", "stall", after_effect=True)
    with pytest.raises(requests.ReadTimeout):
        requests.post(bill.v3 + "/payments", headers=headers, json=body, timeout=(5, 0.2))
    assert bill.stats()["payments"] == 1
    bill.control("DELETE", "faults")
    until(lambda: bill.stats()["in_flight"] == 0)


def test_a_call_held_over_a_reset_is_dropped_and_leaves_no_trace(bill: LocalBill, until: Until) -> None:
    bill.fault("/v3/login", "stall")
    with ThreadPoolExecutor(1) as pool:
        body = {"devKey": bill.key, "username": bill.username, "password": bill.password}
        body["organizationId"] = bill.organization
        held = pool.submit(bill.post, "/login", None, body)
        until(lambda: bill.stats()["in_flight"] == 1)
        bill.reset()
        with pytest.raises(requests.ConnectionError):
            held.result()
    assert (bill.stats()["sign_ins"], bill.stats()["in_flight"]) == (0, 0)


def test_calls_can_pass_before_the_fault_and_faults_can_be_withdrawn(bill: LocalBill) -> None:
    headers = bill.sign_in()
    bill.fault("*/users", "html", skip=1)
    second = bill.fault("/v3/bills", "html")
    assert [bill.get("/users", headers).status_code for _ in range(3)] == [200, 502, 200]
    assert bill.control("DELETE", f"faults/{second['id']}") == {"removed": 1}
    assert bill.get("/bills", headers).status_code == 200


def test_latency_makes_calls_overlap(bill: LocalBill, code_of: CodeOf) -> None:
    headers = bill.sign_in()
    bill.settings(latency_seconds=1)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: bill.get("/users", headers), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 422]
    assert bill.stats()["peak_concurrency"] == 4
