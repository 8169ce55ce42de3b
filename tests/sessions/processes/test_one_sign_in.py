"""One sign-in, among real processes on pretended hosts."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.clock import START
from dev.local_bill import LocalBill
from dev.processes import wait_until
from dev.shared_store import SharedStore
from dev.worker import Outcome

if TYPE_CHECKING:
    from tests.sessions.processes.conftest import RunAll, StartWorker

LOGIN = "/connect/v3/login"
LEASE = 2.0
#: Seconds for everything else, on a machine that is busy with other tests.
SLACK = 6.0
AN_HOUR_LATER = START.add(hours=1).isoformat()
AN_HOUR_EARLIER = START.subtract(hours=1).isoformat()


def refusals(outcomes: list[Outcome]) -> list[str]:
    return [error for outcome in outcomes for error in outcome.errors]


@pytest.mark.parametrize("latency", [(0, 0), (20, 200)])
def test_a_herd_of_cold_tasks_on_two_hosts_makes_one_sign_in(
    latency: tuple[float, float], start_worker: StartWorker, run_all: RunAll, bill: LocalBill
) -> None:
    workers = [start_worker(host, tasks=10, latency=latency) for host in ("one", "two", "one", "two")]
    outcomes = run_all(*workers)
    assert refusals(outcomes) == []
    assert len({outcome.session for outcome in outcomes}) == 1
    assert len(outcomes) == 40
    assert bill.stats()["sign_ins"] == 1


@pytest.mark.parametrize(("killed", "sign_ins"), [("before", 1), ("after", 2)])
@pytest.mark.parametrize(
    ("host", "lease_seconds", "least", "most"), [("one", 60.0, 0.0, 59.0), ("two", LEASE, LEASE, 60.0)]
)
def test_a_worker_killed_next_to_its_sign_in_holds_up_another_host_for_its_lease_and_its_own_not_at_all(
    killed: str,
    sign_ins: int,
    host: str,
    lease_seconds: float,
    least: float,
    most: float,
    start_worker: StartWorker,
    run_all: RunAll,
    bill: LocalBill,
) -> None:
    victim = start_worker(lease_seconds=lease_seconds, killed=killed)
    others = [start_worker(host, tasks=3, lease_seconds=lease_seconds) for _ in range(2)]
    victim.begin()
    assert victim.wait() == -signal.SIGKILL
    outcomes = run_all(*others)
    assert refusals(outcomes) == []
    assert len({outcome.session for outcome in outcomes}) == 1
    assert least <= max(outcome.seconds for outcome in outcomes) < most
    assert bill.stats()["sign_ins"] == sign_ins


@pytest.mark.parametrize(("after_effect", "sign_ins"), [(False, 1), (True, 2)])
def test_a_worker_killed_during_its_sign_in_holds_others_up_for_its_lease_only(
    after_effect: bool, sign_ins: int, start_worker: StartWorker, bill: LocalBill
) -> None:
    bill.fault(LOGIN, kind="stall", after_effect=after_effect)
    victim = start_worker(lease_seconds=LEASE)
    others = [start_worker(host, tasks=3, lease_seconds=LEASE) for host in ("one", "two")]
    victim.begin()
    wait_until(bill.held_answers, 20, "the sign-in to stall")
    for worker in others:
        worker.begin()
    victim.kill()
    outcomes = [outcome for worker in others for outcome in worker.outcomes()]
    assert refusals(outcomes) == []
    assert len({outcome.session for outcome in outcomes}) == 1
    assert bill.stats()["sign_ins"] == sign_ins


def test_hosts_whose_clocks_differ_by_an_hour_make_one_sign_in_together(
    start_worker: StartWorker, run_all: RunAll, bill: LocalBill
) -> None:
    workers = [start_worker("one", tasks=8), start_worker("two", tasks=8, clock_at=AN_HOUR_LATER)]
    outcomes = run_all(*workers)
    assert refusals(outcomes) == []
    assert len({outcome.session for outcome in outcomes}) == 1
    assert bill.stats()["sign_ins"] == 1


@pytest.mark.parametrize("clock_at", [AN_HOUR_LATER, AN_HOUR_EARLIER])
def test_a_dead_hosts_lease_runs_out_whatever_its_clock_said(
    clock_at: str, start_worker: StartWorker, run_all: RunAll, bill: LocalBill
) -> None:
    victim = start_worker("one", lease_seconds=LEASE, clock_at=clock_at, killed="before")
    other = start_worker("two", lease_seconds=LEASE)
    victim.begin()
    victim.wait()
    (outcome,) = run_all(other)
    assert outcome.errors == []
    assert LEASE <= outcome.seconds < LEASE + SLACK
    assert bill.stats()["sign_ins"] == 1


def test_a_wrong_password_in_a_hundred_tasks_of_three_tries_reaches_bill_once(
    start_worker: StartWorker, run_all: RunAll, bill: LocalBill
) -> None:
    workers = [start_worker(host, tasks=25, tries=3, password="wrong") for host in ("one", "two", "one", "two")]
    errors = refusals(run_all(*workers))
    assert len(errors) == 300
    assert {error.split(":")[0] for error in errors} == {"BillSignInRefusedError"}
    assert all("BDC_1101" in error and "connection" in error for error in errors)
    assert bill.stats()["refused_sign_ins"] == 1

    (corrected,) = run_all(start_worker("two"))
    assert corrected.errors == []
    stats = bill.stats()
    assert (stats["sign_ins"], stats["refused_sign_ins"]) == (1, 1)


@pytest.fixture
def organizations(bill: LocalBill) -> list[str]:
    """Two organizations that one connection reaches."""
    return [row["id"] for row in bill.seed["organizations"]][:2]


def test_organizations_do_not_wait_for_one_another_once_the_credentials_are_proven(
    organizations: list[str], start_worker: StartWorker, run_all: RunAll, bill: LocalBill, shared_folder: Path
) -> None:
    quick, slow = organizations
    run_all(start_worker(organizations=[quick]))
    SharedStore(shared_folder).delete(f"bill_session_token__bill__{quick}__v3")
    bill.fault(LOGIN, kind="stall")
    stalled = start_worker(organizations=[slow])
    stalled.begin()
    wait_until(bill.held_answers, 20, "the sign-in to stall")
    (outcome,) = run_all(start_worker(organizations=[quick]))
    assert outcome.organization == quick
    assert bill.stats()["sign_ins"] == 2
    bill.control("POST", "faults/release")
    assert [outcome.organization for outcome in stalled.outcomes()] == [slow]
    assert bill.stats()["sign_ins"] == 3


def test_cold_organizations_sign_in_once_each(
    organizations: list[str], start_worker: StartWorker, run_all: RunAll, bill: LocalBill
) -> None:
    workers = [start_worker(host, organizations=5 * organizations, latency=(5, 20)) for host in ("one", "two")]
    outcomes = run_all(*workers)
    assert refusals(outcomes) == []
    assert Counter(outcome.organization for outcome in outcomes) == dict.fromkeys(organizations, 10)
    assert len({outcome.session for outcome in outcomes}) == 2
    assert bill.stats()["sign_ins"] == 2


def test_a_wrong_password_reaches_bill_once_for_all_organizations(
    organizations: list[str], start_worker: StartWorker, run_all: RunAll, bill: LocalBill
) -> None:
    workers = [start_worker(host, organizations=5 * organizations, password="wrong") for host in ("one", "two")]
    assert all("BDC_1101" in outcome.errors[0] for outcome in run_all(*workers))
    assert bill.stats()["refused_sign_ins"] == 1


def test_used_up_sign_ins_block_every_organization_of_the_developer_key_until_the_hour_turns(
    organizations: list[str], start_worker: StartWorker, run_all: RunAll, bill: LocalBill
) -> None:
    bill.settings(sign_ins_per_hour=1)
    signed_in, refused = (run_all(start_worker(organizations=[organization]))[0] for organization in organizations)
    assert signed_in.session
    assert "BillRateLimitError" in refused.errors[0]
    calls = bill.stats()["requests"]

    blocked = run_all(*(start_worker(host, organizations=organizations[1:], tries=3) for host in ("one", "two")))
    assert ["BDC_1144" in error for error in refusals(blocked)] == [True] * 6
    assert bill.stats()["requests"] == calls

    bill.advance(3600)
    (next_hour,) = run_all(start_worker(organizations=organizations[1:], clock_at=AN_HOUR_LATER))
    assert next_hour.organization == organizations[1]
    assert bill.stats()["sign_ins"] == 2


def test_a_store_that_fails_now_and_then_fails_tries_and_never_the_task(
    start_worker: StartWorker, run_all: RunAll, bill: LocalBill
) -> None:
    """How many sign-ins it costs depends on which operations fail; that none is refused does not."""
    workers = [start_worker(host, tasks=10, failures=0.02, tries=20, lease_seconds=LEASE) for host in ("one", "two")]
    outcomes = run_all(*workers)
    assert all(outcome.session for outcome in outcomes)
    assert {error.split(":")[0] for error in refusals(outcomes)} <= {"BillStoreError"}
    assert bill.stats()["refused_sign_ins"] == 0
