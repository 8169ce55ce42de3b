"""One sign-in, among real processes on pretended hosts."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from benchmarks.shared_store import SharedStore
from dev.processes import wait_until

LOGIN = "/connect/v3/login"
LEASE = 2.0
#: Seconds for everything else, on a machine that is busy with other tests.
SLACK = 6.0
HOUR = 3600


def refusals(outcomes):
    return [error for outcome in outcomes for error in outcome.errors]


@pytest.mark.parametrize("latency", [(0, 0), (20, 200)])
def test_a_herd_of_cold_tasks_on_two_hosts_makes_one_sign_in(latency, hire, run_all, bill_sandbox):
    workers = [hire(host, tasks=10, latency=latency) for host in ("one", "two", "one", "two")]
    outcomes = run_all(*workers)
    assert refusals(outcomes) == []
    assert len({outcome.session for outcome in outcomes}) == 1
    assert len(outcomes) == 40
    assert bill_sandbox.stats()["sign_ins"] == 1


@pytest.mark.parametrize(("dies", "sign_ins"), [("before", 1), ("after", 2)])
def test_a_worker_killed_next_to_its_sign_in_holds_others_up_for_its_lease_only(
    dies, sign_ins, hire, run_all, bill_sandbox
):
    victim = hire(lease_seconds=LEASE, dies=dies)
    others = [hire(host, tasks=3, lease_seconds=LEASE) for host in ("one", "two")]
    victim.go()
    assert victim.wait() == -signal.SIGKILL
    outcomes = run_all(*others)
    assert refusals(outcomes) == []
    assert len({outcome.session for outcome in outcomes}) == 1
    assert LEASE <= max(outcome.seconds for outcome in outcomes) < LEASE + SLACK
    assert bill_sandbox.stats()["sign_ins"] == sign_ins


@pytest.mark.parametrize(("after_effect", "sign_ins"), [(False, 1), (True, 2)])
def test_a_worker_killed_during_its_sign_in_holds_others_up_for_its_lease_only(
    after_effect, sign_ins, hire, bill_sandbox
):
    bill_sandbox.post("faults", {"path": LOGIN, "kind": "stall", "after_effect": after_effect})
    victim = hire(lease_seconds=LEASE)
    others = [hire(host, tasks=3, lease_seconds=LEASE) for host in ("one", "two")]
    victim.go()
    wait_until(lambda: any(row["held"] for row in bill_sandbox.get("faults")), 20, "the sign-in to stall")
    for worker in others:
        worker.go()
    victim.kill()
    outcomes = [outcome for worker in others for outcome in worker.outcomes()]
    assert refusals(outcomes) == []
    assert len({outcome.session for outcome in outcomes}) == 1
    assert bill_sandbox.stats()["sign_ins"] == sign_ins


def test_hosts_whose_clocks_differ_by_an_hour_make_one_sign_in_together(hire, run_all, bill_sandbox):
    workers = [hire("one", tasks=8), hire("two", tasks=8, clock_offset=HOUR)]
    outcomes = run_all(*workers)
    assert refusals(outcomes) == []
    assert len({outcome.session for outcome in outcomes}) == 1
    assert bill_sandbox.stats()["sign_ins"] == 1


@pytest.mark.parametrize("offset", [HOUR, -HOUR])
def test_a_dead_hosts_lease_runs_out_whatever_its_clock_said(offset, hire, run_all, bill_sandbox):
    victim = hire("one", lease_seconds=LEASE, clock_offset=offset, dies="before")
    other = hire("two", lease_seconds=LEASE)
    victim.go()
    victim.wait()
    (outcome,) = run_all(other)
    assert outcome.errors == []
    assert LEASE <= outcome.seconds < LEASE + SLACK
    assert bill_sandbox.stats()["sign_ins"] == 1


def test_a_wrong_password_in_a_hundred_tasks_of_three_tries_reaches_bill_once(hire, run_all, bill_sandbox):
    workers = [hire(host, tasks=25, tries=3, password="wrong") for host in ("one", "two", "one", "two")]
    errors = refusals(run_all(*workers))
    assert len(errors) == 300
    assert {error.split(":")[0] for error in errors} == {"BillSignInRefusedError"}
    assert all("BDC_1101" in error and "connection" in error for error in errors)
    assert bill_sandbox.stats()["refused_sign_ins"] == 1

    (corrected,) = run_all(hire("two"))
    assert corrected.errors == []
    stats = bill_sandbox.stats()
    assert (stats["sign_ins"], stats["refused_sign_ins"]) == (1, 1)


@pytest.fixture
def organizations(bill_sandbox):
    """Two organizations that one connection reaches."""
    return [row["id"] for row in bill_sandbox.seed()["organizations"]][:2]


def test_organizations_do_not_wait_for_one_another_once_the_credentials_are_proven(
    organizations, hire, run_all, bill_sandbox, shared_folder
):
    quick, slow = organizations
    run_all(hire(organizations=[quick]))
    SharedStore(shared_folder).delete(f"bill_session_token__bill__{quick}__v3")
    bill_sandbox.post("faults", {"path": LOGIN, "kind": "stall"})
    stalled = hire(organizations=[slow])
    stalled.go()
    wait_until(lambda: any(row["held"] for row in bill_sandbox.get("faults")), 20, "the sign-in to stall")
    (outcome,) = run_all(hire(organizations=[quick]))
    assert outcome.organization == quick
    assert bill_sandbox.stats()["sign_ins"] == 2
    bill_sandbox.post("faults/release")
    assert [outcome.organization for outcome in stalled.outcomes()] == [slow]
    assert bill_sandbox.stats()["sign_ins"] == 3


def test_cold_organizations_sign_in_once_each(organizations, hire, run_all, bill_sandbox):
    workers = [hire(host, organizations=5 * organizations, latency=(5, 20)) for host in ("one", "two")]
    outcomes = run_all(*workers)
    assert refusals(outcomes) == []
    assert Counter(outcome.organization for outcome in outcomes) == dict.fromkeys(organizations, 10)
    assert len({outcome.session for outcome in outcomes}) == 2
    assert bill_sandbox.stats()["sign_ins"] == 2


def test_a_wrong_password_reaches_bill_once_for_all_organizations(organizations, hire, run_all, bill_sandbox):
    workers = [hire(host, organizations=5 * organizations, password="wrong") for host in ("one", "two")]
    assert all("BDC_1101" in outcome.errors[0] for outcome in run_all(*workers))
    assert bill_sandbox.stats()["refused_sign_ins"] == 1


def test_used_up_sign_ins_block_every_organization_of_the_developer_key_until_the_hour_turns(
    organizations, hire, run_all, bill_sandbox
):
    bill_sandbox.put("settings", {"sign_ins_per_hour": 1})
    # Half past, so that the hour does not turn while this runs.
    into_the_hour = bill_sandbox.get("clock")["timestamp"] % HOUR
    offset = (HOUR / 2 - into_the_hour) % HOUR
    bill_sandbox.post("clock", {"advance_seconds": offset})
    signed_in, refused = (
        run_all(hire(organizations=[organization], clock_offset=offset))[0] for organization in organizations
    )
    assert signed_in.session
    assert "BillRateLimitError" in refused.errors[0]
    calls = bill_sandbox.stats()["requests"]

    blocked = run_all(
        *(hire(host, organizations=organizations[1:], clock_offset=offset, tries=3) for host in ("one", "two"))
    )
    assert ["BDC_1144" in error for error in refusals(blocked)] == [True] * 6
    assert bill_sandbox.stats()["requests"] == calls

    bill_sandbox.post("clock", {"advance_seconds": HOUR / 2 + 1})
    (next_hour,) = run_all(hire(organizations=organizations[1:], clock_offset=offset + HOUR / 2 + 1))
    assert next_hour.organization == organizations[1]
    assert bill_sandbox.stats()["sign_ins"] == 2


def test_a_store_that_fails_now_and_then_fails_tries_and_never_the_task(hire, run_all, bill_sandbox):
    """How many sign-ins it costs depends on which operations fail; that none is refused does not."""
    workers = [hire(host, tasks=10, failures=0.02, tries=20, lease_seconds=LEASE) for host in ("one", "two")]
    outcomes = run_all(*workers)
    assert all(outcome.session for outcome in outcomes)
    assert {error.split(":")[0] for error in refusals(outcomes)} <= {"BillStoreError"}
    assert bill_sandbox.stats()["refused_sign_ins"] == 0
