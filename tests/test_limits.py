"""Numbers and defaults on which the promises rest: BILL's limits, what must fit into what, what DAGs leave open."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pendulum
import pytest

from airflow_provider_bill.client import downloads, redaction, retries, session, transport, uploads
from airflow_provider_bill.hooks import wiring
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.hooks.mfa import HookMfa
from airflow_provider_bill.operators import bill as operators
from airflow_provider_bill.operators.mfa import BillMfaChallengeOperator, BillMfaValidateOperator
from airflow_provider_bill.operators.mfa_form import RESPONSE_TIMEOUT
from airflow_provider_bill.sensors.bill import BillSessionSensor
from airflow_provider_bill.sessions import devices, guard, locks, manager, mfa, record, stores, writes
from airflow_provider_bill.sessions.host import HostStore
from dev.airflow_harness import airflow_version

MIB = 2**20
#: Calls that BILL answers at once for a developer key and organization.
AT_ONCE = 3
#: Refusals by which BILL locks a user.
LOCKING = 10
#: Hours for which BILL keeps the answer to a write with an idempotency key.
KEPT_HOURS = 24


def test_sessions_devices_and_codes_live_as_long_as_bill_says() -> None:
    assert pendulum.duration(minutes=35) == session.IDLE_LIMIT
    assert pendulum.duration(hours=48) == session.SYNC_TOKEN_IDLE_LIMIT
    assert pendulum.duration(days=30) == devices.DEVICE_LIFE
    assert pendulum.duration(minutes=5) == mfa.CODE_LIFE
    assert mfa.TRIES == 3


def test_a_session_is_given_up_and_kept_alive_in_time() -> None:
    longest_call = sum(timeouts())
    assert longest_call / 2 < session.SAFETY_MARGIN.total_seconds() <= 2 * longest_call
    assert session.SAFETY_MARGIN < session.FRESH_MARGIN < session.IDLE_LIMIT / 2
    assert session.SAFETY_MARGIN.total_seconds() >= manager.TOUCH_INTERVAL
    assert 2 * longest_call >= manager.YOUNG_SECONDS


def test_a_device_is_young_within_its_life_and_forgotten_after_it() -> None:
    assert devices.DEVICE_LIFE - pendulum.duration(days=3) < devices.YOUNG < devices.DEVICE_LIFE
    assert devices.DEVICE_LIFE < devices.FORGET_AFTER <= 2 * devices.DEVICE_LIFE


def test_sign_ins_leave_room_for_calls_and_cannot_lock_a_user() -> None:
    assert 1 < guard.IN_FLIGHT < AT_ONCE
    # A password that was good until a moment ago is refused once for each sign-in in flight, and for each of its tries.
    assert guard.IN_FLIGHT * manager.RENEWALS < LOCKING / 2
    assert 300 <= guard.PROVEN_SECONDS <= 1800
    assert 300 <= guard.UNSURE_SECONDS <= 1800


def test_a_lease_outlives_the_longest_call_and_no_lease_stops_all_others_for_good() -> None:
    longest_call = sum(timeouts())
    assert longest_call + locks.PROLONG_SECONDS < locks.LEASE_SECONDS < 2 * longest_call
    assert locks.LEASE_SECONDS < locks.LONGEST_LEASE_SECONDS <= 3600
    assert locks.SETTLE_SECONDS >= 1
    assert locks.HOST_POLL_SECONDS < locks.POLL_SECONDS <= locks.SETTLE_SECONDS < locks.TELL_SECONDS < 10


def test_a_write_with_a_key_of_bills_is_sent_again_only_while_bill_knows_it() -> None:
    assert KEPT_HOURS - 2 <= writes.REPEATABLE_HOURS < KEPT_HOURS
    assert writes.PERSISTENCE_SECONDS >= 120, "an API server takes so long to start again"
    assert max(writes.PAUSE_SECONDS) <= 10


def test_what_is_sent_again_is_so_a_few_times_only() -> None:
    assert retries.READ_ATTEMPTS == 3
    assert AT_ONCE < retries.CONCURRENCY_ATTEMPTS <= 2 * AT_ONCE
    assert manager.RENEWALS == 2
    assert (stores.WRITE_ATTEMPTS, devices.WRITE_ATTEMPTS) == (3, 3)
    assert 5 <= sum(wiring._CONNECTION_PAUSES) <= 10, "an API server that is away for some seconds fails no task"


def test_what_is_read_and_sent_has_the_sizes_that_are_documented() -> None:
    assert (transport.MAX_ANSWER_BYTES, downloads.MAX_DOWNLOAD_BYTES) == (64 * MIB, 100 * MIB)
    assert uploads.MAX_UPLOAD_BYTES == 6 * MIB
    assert transport.DOWNLOAD_SECONDS == 600
    assert transport.POOL_SIZE > AT_ONCE
    assert redaction.SHORTEST == 4


def test_a_form_waits_about_as_long_as_its_code_lives() -> None:
    assert mfa.CODE_LIFE == RESPONSE_TIMEOUT


def test_a_record_is_of_the_version_and_the_sizes_that_earlier_ones_had() -> None:
    assert (record.VERSION, record._SALT_BYTES, record._NONCE_BYTES) == (1, 16, 12)


def test_which_stores_are_read_by_people_who_may_not_read_the_connection() -> None:
    kinds = (stores.MemoryStore, stores.VariableStore, stores.XComStore, stores.TaskStateStore, HostStore)
    assert [kind.exposed for kind in kinds] == [False, False, True, True, True]


def timeouts() -> tuple[float, float]:
    """Return the seconds to connect and to answer that a call has."""
    return inspect.signature(BillHook.__init__).parameters["timeout"].default  # type: ignore[no-any-return]


CONNECTION = {"bill_conn_id": "bill_default", "organization_id": None}
NEVER = timedelta(0)
#: What a DAG means that does not say otherwise; another default would change it with an upgrade.
DEFAULTS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (
        BillHook.__init__,
        {
            **CONNECTION,
            "store": None,
            "require_trusted": False,
            "timeout": (5.0, 60.0),
            "max_answer_bytes": 64 * MIB,
            "clock": None,
            "unprotected_writes": False,
        },
    ),
    (BillHook.live_handle, {"require_trusted": False, "minutes_left": 0}),
    (BillHook.download, {"max_bytes": 100 * MIB}),
    (BillHook.paginate, {"params": None, "page_size": None}),
    (BillHook.request, {"params": None, "json": None, "idempotency_key": None}),
    (BillHook.sign_out, {"only_if_opened_by_this_run": False}),
    (HookMfa.challenge, {"anew": False}),
    (HookMfa.challenge_if_needed, {"renew_within": NEVER, "instead_of": None}),
    (HookMfa.is_trusted, {"renew_within": NEVER}),
    (HookMfa.looks_trusted, {"renew_within": NEVER}),
    (HookMfa.pending, {"also_over": False}),
    (HookMfa.validate, {"device": "", "remember": True}),
    (operators.BillLoginOperator.__init__, {**CONNECTION, "store": "variable", "require_trusted": False}),
    (operators.BillLogoutOperator.__init__, {"end_shared": False}),
    (
        operators.BillSessionWarmupOperator.__init__,
        {**CONNECTION, "renew_within": timedelta(days=5), "notifiers": (), "pause_when_refused": True},
    ),
    (
        operators.BillApiOperator.__init__,
        {
            "method": "GET",
            **dict.fromkeys(("query", "data", "page_size", "idempotency_key", "upload_from", "download_to")),
            "paginate": False,
            "response_filter": None,
        },
    ),
    (BillMfaChallengeOperator.__init__, {**CONNECTION, "renew_within": NEVER}),
    (
        BillMfaValidateOperator.__init__,
        {
            **CONNECTION,
            "remember": True,
            "device": "",
            "mode": "reschedule",
            "poke_interval": 15,
            "timeout": mfa.CODE_LIFE.total_seconds(),
        },
    ),
    (
        BillSessionSensor.__init__,
        {**CONNECTION, "require_trusted": False, "minutes_left": 0, "deferrable": False},
    ),
]
if airflow_version() >= (3, 1):
    from airflow_provider_bill.operators.mfa_hitl import BillMfaOperator

    DEFAULTS.append(
        (
            BillMfaOperator.__init__,
            {
                **CONNECTION,
                "renew_within": NEVER,
                "remember": True,
                "device": "",
                "max_texts": 3,
                "subject": None,
                "body": None,
                "response_timeout": RESPONSE_TIMEOUT,
            },
        )
    )


@pytest.mark.parametrize(("function", "defaults"), DEFAULTS, ids=[one.__qualname__ for one, _ in DEFAULTS])
def test_a_dag_that_does_not_say_otherwise_means_what_it_always_has(
    function: Callable[..., Any], defaults: dict[str, Any]
) -> None:
    parameters = inspect.signature(function).parameters.values()
    assert {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty} == defaults
