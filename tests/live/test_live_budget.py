"""The live tests, tried on the local BILL: what they ask, what they may not ask, and what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.environments import ENVIRONMENTS, resolve_environment
from airflow_provider_bill.client.request import Purpose, prepare, v2_request, v3_request
from dev.contract_differences import DIFFERENCES, NOT_SERVED
from dev.local_bill import LocalBill
from dev.paths import ROOT
from tests.live.asking import Asker
from tests.live.budget import CALLS, SIGN_INS, Budget, BudgetedTransport, BudgetError
from tests.live.conftest import VARIABLES, what_is_wrong, why_not

HERE = Path(__file__).parent
QUESTIONS = HERE / "test_questions.py"
PAGE = ROOT / "docs" / "live-tests.md"
SANDBOX = "https://gateway.stage.bill.com/connect"
#: As in the Makefile: without the fixtures of the other tests, which import Airflow.
WHERE = ("--confcutdir=tests/live", "tests/live/test_questions.py")
#: Operations of which a known difference of the local BILL is asked there; one more of them needs one more question.
ASKED: set[str] = set()


def run_live(*options: str, account: dict[str, str]) -> Any:
    """Run the live tests in a process of their own; its output is on `stdout`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BILL_LIVE", "LIVE_", "PYTEST"))}
    off = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    command = [sys.executable, "-m", "pytest", *off, *WHERE, "-m", "live", *options]
    return subprocess.run(
        command, cwd=ROOT, env=kept | account, capture_output=True, text=True, timeout=110, check=False
    )


def account_of(bill: LocalBill) -> dict[str, str]:
    fields = bill.fields("v3")
    return {name: str(fields[field]) for name, field in VARIABLES.items()}


def as_sent(bill: LocalBill) -> dict[str, Any]:
    """Return what the local BILL counted."""
    stats = bill.stats()
    return {
        name: stats[name] for name in ("requests", "sign_ins", "refused_sign_ins", "sms_sent", "payments", "writes")
    }


def test_the_live_tests_ask_the_local_bill_thirty_eight_calls_two_sign_ins_and_no_text(bill: LocalBill) -> None:
    done = run_live("--live-at", bill.url, account=account_of(bill))
    assert done.returncode == 0, done.stdout + done.stderr
    assert as_sent(bill) == {
        "requests": 38, "sign_ins": 2, "refused_sign_ins": 0, "sms_sent": 0, "payments": 0, "writes": 0
    }  # fmt: skip
    assert bill.stats()["sign_ins_by_kind"] == {"v3": 1, "v2": 1}
    assert bill.stats()["open_sessions"] == 0
    assert "the local BILL was sent 38 calls, 2 of them sign-ins" in done.stdout
    assert not [secret for secret in bill.secrets() if secret in done.stdout + done.stderr]


def test_a_wrong_assumption_is_named_with_the_places_where_it_stands(bill: LocalBill) -> None:
    bill.settings(mfa_mode="bypass", limit_status=418, latency_seconds=0.05)
    done = run_live("--live-at", bill.url, account=account_of(bill))
    assert done.returncode == 1, done.stdout + done.stderr
    failed = re.findall(r"^FAILED .*::(\w+)", done.stdout, re.M)
    assert failed[0] == "test_the_sandbox_has_mfa_switched_on"
    assert set(failed[1:]) <= {"test_of_four_calls_at_once_the_fourth_is_refused_as_one_too_many"}
    assert "BILL's sandbox enforces MFA" in done.stdout
    assert "Correct it where it stands: mfa_mode in airflow_provider_bill/sandbox/state/settings.py" in done.stdout
    assert not [secret for secret in bill.secrets() if secret in done.stdout + done.stderr]


def test_a_refused_sign_in_is_not_tried_a_second_time(bill: LocalBill) -> None:
    wrong = account_of(bill) | {"BILL_LIVE_PASSWORD": "not-the-password"}
    done = run_live("--live-at", bill.url, account=wrong)
    assert done.returncode == 1, done.stdout + done.stderr
    assert (bill.stats()["sign_ins"], bill.stats()["refused_sign_ins"]) == (0, 1)
    assert "BDC_1101" in done.stdout
    assert "not-the-password" not in done.stdout + done.stderr


def test_without_an_account_nothing_is_asked_and_that_shows() -> None:
    done = run_live(account={})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no account at BILL's sandbox: set BILL_LIVE_USER, BILL_LIVE_PASSWORD" in done.stdout
    assert re.search(r"\b\d+ skipped", done.stdout)
    assert "passed" not in done.stdout


def test_where_it_is_required_a_missing_account_is_a_failure() -> None:
    done = run_live("-k", "second_sign_in", account={"BILL_LIVE_USER": "a", "LIVE_REQUIRED": "1"})
    assert done.returncode == 1, done.stdout + done.stderr
    assert "set BILL_LIVE_PASSWORD, BILL_LIVE_ORGANIZATION, BILL_LIVE_DEV_KEY" in done.stdout


@pytest.mark.parametrize("selected", ["", "not live", "not generated", "live or browser"])
def test_whoever_runs_all_tests_with_an_account_at_hand_asks_nothing(selected: str) -> None:
    account = dict.fromkeys(VARIABLES, "a")
    assert "by `make live` only" in why_not(account, selected)
    assert not why_not(account, "live")


@pytest.mark.parametrize(
    ("environ", "address", "says"),
    [
        ({}, "https://gateway.prod.bill.com", "on this machine"),
        ({}, "https://proxy.example.com", "on this machine"),
        ({}, "gateway.prod.bill.com", "on this machine"),
        ({"PYTEST_XDIST_WORKER": "gw0"}, "", "leave out -n"),
    ],
)
def test_neither_another_host_nor_several_processes_may_ask(environ: dict[str, str], address: str, says: str) -> None:
    assert says in what_is_wrong(environ, address)
    assert not what_is_wrong({}, "")


def test_the_ordinary_targets_leave_the_live_tests_out() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^QUICK := .*\bnot live\b", makefile, re.M)
    assert f"pytest -m live {' '.join(WHERE)}" in makefile


# -- the budget ---------------------------------------------------------------------------------------------


def test_call_forty_one_is_refused_before_it_is_sent(bill: LocalBill) -> None:
    transport = BudgetedTransport(Budget(bill.url))
    environment = resolve_environment("sandbox", bill.url)
    ask = Asker(credentials_from("v3", bill.fields("v3")), environment, transport)
    for _ in range(CALLS):
        ask.send(ask.v3_request("/v3/vendors"), "nobody")
    with pytest.raises(BudgetError, match=r"would be call 41 .* 40 are allowed"):
        ask.send(ask.v3_request("/v3/vendors"), "nobody")
    transport.close()
    assert bill.stats()["requests"] == CALLS == 40


def test_a_third_sign_in_of_whatever_kind_is_refused_before_it_is_sent(bill: LocalBill) -> None:
    transport = BudgetedTransport(Budget(bill.url))
    environment = resolve_environment("sandbox", bill.url)
    kinds = [
        credentials_from(kind, bill.fields(kind)) for kind in ("v3", "v2", "console", "sync_token", "partner", "oauth")
    ]
    clients = [BillClient(credentials, environment, transport=transport) for credentials in kinds]
    for client in clients[:2]:
        client.sign_in()
    for client in clients:
        with pytest.raises(BudgetError, match=r"would be sign-in 3|not one of the calls that change nothing"):
            client.sign_in()
    with pytest.raises(BudgetError, match=r"ListOrgs.json is not one of"):
        clients[1].organizations()
    transport.close()
    assert (bill.stats()["sign_ins"], bill.stats()["requests"]) == (SIGN_INS, 2)


@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("POST", "/v3/mfa/challenge", {}, "would have BILL text a code"),
        ("POST", "/v3/mfa/challenge/validate", {}, "would have BILL text a code"),
        ("POST", "/v3/mfa/setup", {"phone": "5550100", "type": "TEXT"}, "would have BILL text a code"),
        ("POST", "/v3/risk-verifications/phone", {}, "would have BILL text a code"),
        ("POST", "MFAChallenge.json", {}, "would have BILL text a code"),
        ("POST", "/v3/payments", {}, "could move money"),
        ("POST", "/v3/payments/bulk", {}, "could move money"),
        ("POST", "/v3/payments/mass", {}, "could move money"),
        ("POST", "/v3/payments/stp1/void", {}, "could move money"),
        ("POST", "/v3/bills/record-payment", {}, "could move money"),
        ("POST", "/v3/funding-accounts/banks", {}, "could move money"),
        ("POST", "/v3/vendors", {"autoPay": {"enabled": True}}, "could move money"),
        ("POST", "PayBills.json", {}, "could move money"),
        ("POST", "Crud/Create/VendorBankAccount.json", {}, "could move money"),
        ("POST", "/v3/vendors", {"name": "a"}, "not one of the calls that change nothing"),
        ("POST", "Crud/Create/Vendor.json", {}, "not one of the calls that change nothing"),
        ("DELETE", "/v3/attachments/1", None, "not one of the calls that change nothing"),
        ("POST", "/v3/invoices/00e1/email", {}, "not one of the calls that change nothing"),
    ],
)
def test_what_would_text_or_move_money_or_change_anything_is_refused(
    method: str, path: str, body: Any, says: str
) -> None:
    budget = Budget()
    request = prepare(method, path, body=body)
    with pytest.raises(BudgetError, match=says):
        budget.take(request, SANDBOX + request.path)
    assert (budget.calls, budget.sign_ins) == (0, 0)


def test_of_all_of_bills_writes_none_but_those_of_a_session_can_be_sent() -> None:
    from airflow_provider_bill.client.operations import operations

    allowed = []
    for one in operations():
        if one.write:
            path = re.sub(r"\{\w+\}", "1", one.path)
            try:
                Budget().take(v3_request(one.method, path, Purpose.STEP), SANDBOX + path)
            except BudgetError:
                continue
            allowed.append(f"{one.method} {one.path}")
    assert allowed == ["POST /v3/login", "POST /v3/logout", "POST /v3/mfa/step-up"]


@pytest.mark.parametrize(
    "base",
    [
        ENVIRONMENTS["production"].v3_base,
        ENVIRONMENTS["production"].events_base,
        "https://api.bill.com/api/v2",
        "https://auth.bill.com",
        "https://gateway.stage.bill.com.example.com/connect",
        "http://gateway.stage.bill.com/connect",
        "https://gateway.stage.bill.com:8443/connect",
        "http://127.0.0.1:8787/connect",
    ],
)
def test_production_and_whatever_is_not_the_sandbox_is_refused(base: str) -> None:
    with pytest.raises(BudgetError, match="is not BILL's sandbox"):
        Budget().take(v3_request("GET", "/v3/vendors"), f"{base}/v3/vendors")


def test_a_client_of_production_sends_nothing_through_this_transport() -> None:
    transport = BudgetedTransport(Budget())
    fields = {"login": "a", "password": "b", "organization_id": "008A", "developer_api_key": "c"}
    for kind in ("v3", "v2"):
        client = BillClient(credentials_from(kind, fields), ENVIRONMENTS["production"], transport=transport)
        with pytest.raises(BudgetError, match=r"(gateway\.prod|api)\.bill\.com is not BILL's sandbox"):
            client.sign_in()
    assert (transport.budget.calls, transport.budget.sign_ins) == (0, 0)


def test_with_a_local_bill_only_that_one_is_asked() -> None:
    budget = Budget("http://127.0.0.1:8787")
    budget.take(v2_request("/GetSessionInfo.json"), "http://127.0.0.1:8787/api/v2/GetSessionInfo.json")
    for url in ("http://127.0.0.1:8788/api/v2", f"{SANDBOX}/v3/vendors", "https://api.bill.com/api/v2"):
        with pytest.raises(BudgetError, match="is not BILL's sandbox"):
            budget.take(v2_request("/GetSessionInfo.json"), url)


# -- what the questions say ---------------------------------------------------------------------------------


def test_every_file_that_a_question_names_exists() -> None:
    text = QUESTIONS.read_text().replace("{LOCAL}", "airflow_provider_bill/sandbox").replace("{kind}", "v3")
    named = set(re.findall(r"(?:airflow_provider_bill|docs)/[\w./-]+\.(?:py|md|json)", text))
    assert len(named) > 20
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_each_known_difference_of_the_local_bill_has_a_question() -> None:
    assert DIFFERENCES.keys() | NOT_SERVED.keys() == ASKED


def test_the_page_names_every_variable_and_the_numbers_of_the_budget() -> None:
    page = PAGE.read_text()
    assert [name for name in (*VARIABLES, "LIVE_REQUIRED", "--live-at") if name not in page] == []
    assert f"{CALLS} calls" in page
    assert f"{SIGN_INS} sign-ins" in page
