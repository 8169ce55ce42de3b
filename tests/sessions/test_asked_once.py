"""A person is asked at most once in 30 days: whatever changes, whatever is lost on the way, whatever a clock says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.exceptions import BillStoreError
from airflow_provider_bill.sessions.devices import Devices
from airflow_provider_bill.sessions.identity import Identity
from airflow_provider_bill.sessions.keys import device_key, session_key
from airflow_provider_bill.sessions.record import Seal
from airflow_provider_bill.sessions.stores import MemoryStore
from dev.clock import ManualClock
from dev.local_bill import LocalBill
from tests.sessions.present import present

if TYPE_CHECKING:
    from airflow_provider_bill.sessions.shared import SharedSession
    from tests.sessions.conftest import Codes, MakeShared, PassMfa, Pay, Vendors

VALIDATE = {"v3": "/connect/v3/mfa/challenge/validate", "v2": "/api/v2/MFAAuthenticate.json"}
STEP_UP = "/connect/v3/mfa/step-up"
SECOND = "00801SBX000200000000"
GIVEN = RememberedDevice(token="remember-me-id-given-by-bill", device="airflow-test")
NEW = RememberedDevice(token="remember-me-id-given-since", device="airflow-test")


class HookedStore(MemoryStore):
    """A store in which something happens once: right after a record was read, or instead of writing it."""

    def __init__(self) -> None:
        super().__init__()
        self.after_read: dict[str, Callable[[], None]] = {}
        self.failing: dict[str, int] = {}

    def read(self, key: str) -> str | None:
        text = super().read(key)
        for start in [start for start in self.after_read if key.startswith(start)]:
            self.after_read.pop(start)()
        return text

    def write(self, key: str, text: str) -> None:
        for start, left in self.failing.items():
            if key.startswith(start) and left:
                self.failing[start] -= 1
                raise BillStoreError("the record could not be written")
        super().write(key, text)


@pytest.fixture
def store() -> HookedStore:
    return HookedStore()


@pytest.fixture
def notes() -> HookedStore:
    return HookedStore()


@pytest.fixture
def texts(bill: LocalBill) -> Callable[[], int]:
    return lambda: int(bill.stats()["sms_sent"])


# -- what changes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["password", "developer key", "connection", "kind"])
def test_after_a_change_that_bill_does_not_mind_the_device_is_used_on(
    change: str,
    make_shared: MakeShared,
    pass_mfa: PassMfa,
    clock: ManualClock,
    bill: LocalBill,
    texts: Callable[[], int],
) -> None:
    pass_mfa(make_shared())
    if change == "password":
        bill.control("POST", "users/password", {"username": bill.username, "password": "a-new-one"})
    keys = [key["key"] for key in bill.seed["developer_keys"] if "second key" in key["note"]]
    changed: dict[str, dict[str, Any]] = {
        "password": {"fields": {"password": "a-new-one"}},
        "developer key": {"fields": {"developer_api_key": keys[0]}},
        "connection": {"conn_id": "another"},
        "kind": {"kind": "v2"},
    }
    shared = make_shared(**changed[change])
    assert shared.manager.acquire().trusted
    clock.advance(days=29)
    assert make_shared(**changed[change]).trust.acquire().trusted
    assert texts() == 1


@pytest.mark.parametrize("kind", ["v3", "v2"])
def test_where_a_device_holds_for_all_organizations_of_a_user_the_second_costs_no_text(
    kind: str, make_shared: MakeShared, pass_mfa: PassMfa, bill: LocalBill, texts: Callable[[], int]
) -> None:
    bill.settings(device_holds_for="user")
    early = make_shared(kind, fields={"organization_id": SECOND})
    early.manager.acquire()
    pass_mfa(make_shared(kind))
    assert early.trust.acquire().trusted
    assert texts() == 1
    assert bill.stats()["by_path"].get(STEP_UP, 0) == (1 if kind == "v3" else 0)
    assert bill.stats()["sign_ins"] == (2 if kind == "v3" else 3)


def test_where_a_device_holds_for_one_organization_each_keeps_its_own(
    make_shared: MakeShared, pass_mfa: PassMfa, clock: ManualClock, bill: LocalBill, texts: Callable[[], int]
) -> None:
    pass_mfa(make_shared())
    second = {"organization_id": SECOND}
    assert not make_shared(fields=second).manager.acquire().trusted
    pass_mfa(make_shared(fields=second))
    for _ in range(9):
        clock.advance(days=3)
        assert make_shared().manager.acquire().trusted
        assert make_shared(fields=second).manager.acquire().trusted
    assert texts() == 2
    assert bill.stats()["by_path"].get(STEP_UP, 0) == 0
    assert bill.stats()["sign_ins"] == 20


def test_a_refusal_for_one_organization_does_not_lose_the_device_for_another(
    make_shared: MakeShared, pass_mfa: PassMfa, clock: ManualClock, texts: Callable[[], int]
) -> None:
    pass_mfa(make_shared())
    for _ in range(3):
        assert not make_shared(fields={"organization_id": SECOND}).manager.acquire().trusted
        clock.advance(days=1)
    assert make_shared().manager.acquire().trusted
    assert texts() == 1


def test_when_all_devices_are_too_old_one_new_code_serves_all_organizations(
    make_shared: MakeShared, pass_mfa: PassMfa, clock: ManualClock, bill: LocalBill, texts: Callable[[], int]
) -> None:
    bill.settings(device_holds_for="user")
    second = {"organization_id": SECOND}
    pass_mfa(make_shared())
    assert make_shared(fields=second).manager.acquire().trusted
    clock.advance(days=31)
    assert not make_shared(fields=second).manager.acquire().trusted
    assert not make_shared().manager.acquire().trusted
    pass_mfa(make_shared())
    assert make_shared(fields=second).trust.acquire().trusted
    assert texts() == 2


def test_a_firm_with_many_clients_is_asked_once(
    make_shared: MakeShared, pass_mfa: PassMfa, bill: LocalBill, texts: Callable[[], int]
) -> None:
    bill.settings(device_holds_for="user")
    clients = bill.control("POST", "organizations", {"count": 20})
    for number, client in enumerate(clients):
        shared = make_shared(
            "console",
            conn_id=f"client_{number}",
            fields={"organization_id": client["id"], "developer_api_key": client["developer_key"]},
        )
        if not shared.manager.acquire().trusted:
            pass_mfa(shared)
        assert shared.trust.acquire().trusted
    assert texts() == 1
    assert bill.stats()["sign_ins"] == 20


def test_a_firm_with_many_clients_renews_its_trust_once(
    make_shared: MakeShared, pass_mfa: PassMfa, bill: LocalBill, clock: ManualClock, texts: Callable[[], int]
) -> None:
    bill.settings(device_holds_for="user")
    clients = bill.control("POST", "organizations", {"count": 5})

    def shared_of(client: dict[str, str]) -> SharedSession:
        fields = {"organization_id": client["id"], "developer_api_key": client["developer_key"]}
        return make_shared("console", conn_id=client["id"], fields=fields)

    pass_mfa(shared_of(clients[0]))
    for day in (1, 26):
        clock.advance(days=day)
        for client in clients[1:] + clients[:1]:
            shared = shared_of(client)
            assert shared.manager.acquire().trusted
            if (shared.trust.days_left(shared.manager.acquire()) or 0) < 5:
                pass_mfa(shared)
    assert texts() == 2
    assert bill.stats()["sign_ins"] == 11


def test_a_device_that_an_older_version_has_stored_is_carried_over_once(
    make_shared: MakeShared, pass_mfa: PassMfa, notes: HookedStore, clock: ManualClock, texts: Callable[[], int]
) -> None:
    first = make_shared()
    pass_mfa(first)
    record = present(first.manager.devices.record())
    facts = {
        "organization_id": first.manager.identity.organization_id,
        "device": record.remembered.device,
        "issued_at": clock.now.isoformat(),
        "expires_at": None,
        "refused_at": None,
    }
    old = Seal("device", first.manager.identity, first.client.credentials.sealing_secrets())
    notes._texts.clear()
    key = "bill_device_token__bill__00801SBX000100000000"
    notes.write(key, old.seal(facts, {"token": record.remembered.token}))
    clock.advance(days=1)
    assert make_shared().manager.acquire().trusted
    notes.delete(key)
    clock.advance(days=1)
    assert make_shared(fields={}, conn_id="another").manager.acquire().trusted
    assert texts() == 1


def test_what_is_stored_of_a_device_shows_neither_its_id_nor_the_users_address(
    make_shared: MakeShared, pass_mfa: PassMfa, notes: HookedStore, bill: LocalBill
) -> None:
    shared = make_shared()
    pass_mfa(shared)
    token = present(shared.manager.devices.usable()).token
    make_shared(fields={"organization_id": SECOND}).manager.acquire()  # leaves a refusal
    stored = json.dumps(notes._texts)
    assert token not in stored
    assert bill.username not in stored
    assert bill.username[0] + "***@" in stored


class Exposed(MemoryStore):
    """A store that others read."""

    exposed = True


def test_where_others_read_the_store_the_connections_secrets_seal_the_device(
    make_shared: MakeShared, clock: ManualClock
) -> None:
    notes = Exposed()
    make_shared(notes=notes).manager.devices.remember(GIVEN, clock.now)
    assert not [key for key in notes._texts if "key" in key]
    assert make_shared(notes=notes).manager.devices.usable() == GIVEN
    assert make_shared(notes=notes, fields={"password": "changed"}).manager.devices.usable() is None


@pytest.mark.parametrize("purpose", ["session", "devices"])
def test_where_others_read_the_store_a_password_is_costly_to_guess_from_it(
    purpose: str, make_shared: MakeShared, clock: ManualClock
) -> None:
    store = notes = Exposed()
    shared = make_shared(store=store, notes=notes)
    manager, credentials = shared.manager, shared.client.credentials
    manager.acquire()
    manager.devices.remember(GIVEN, clock.now)
    key, identity = session_key(manager.identity), manager.identity
    if purpose == "devices":
        key = device_key(manager.identity, credentials.mfa_user())
        identity = Identity(key, "", "", manager.identity.environment)
    text, secrets = store.read(key), credentials.sealing_secrets()
    assert Seal(purpose, identity, secrets).open(text) is None
    assert Seal(purpose, identity, secrets, exposed=True).open(text) is not None


# -- what is lost --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["v3", "v2"])
def test_a_code_that_did_not_reach_bill_is_entered_once_more(
    kind: str,
    make_shared: MakeShared,
    pass_mfa: PassMfa,
    clock: ManualClock,
    bill: LocalBill,
    texts: Callable[[], int],
) -> None:
    bill.fault(VALIDATE[kind], kind="reset")
    pass_mfa(make_shared(kind))
    clock.advance(days=29)
    assert make_shared(kind).manager.acquire().trusted
    assert (texts(), bill.count_calls(VALIDATE[kind])) == (1, 2)


@pytest.mark.parametrize("kind", ["v3", "v2"])
def test_a_code_whose_answer_is_lost_is_taken_and_it_is_said_that_the_next_session_needs_another(
    kind: str,
    make_shared: MakeShared,
    pass_mfa: PassMfa,
    bill: LocalBill,
    texts: Callable[[], int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    bill.fault(VALIDATE[kind], kind="reset", after_effect=True)
    shared = make_shared(kind)
    pass_mfa(shared)
    assert make_shared(kind).manager.acquire().trusted
    assert "the next session will need a new code" in caplog.text
    assert shared.trust.days_left(shared.manager.acquire()) == 0
    assert (texts(), bill.count_calls(VALIDATE[kind])) == (1, 2)


def test_a_device_whose_write_fails_once_is_written_again(
    make_shared: MakeShared, pass_mfa: PassMfa, notes: HookedStore, clock: ManualClock, texts: Callable[[], int]
) -> None:
    notes.failing["bill_device_token__"] = 1
    shared = make_shared()
    pass_mfa(shared)
    assert shared.trust.days_left(shared.manager.acquire()) == 30
    clock.advance(days=29)
    assert make_shared().manager.acquire().trusted
    assert texts() == 1


def test_a_device_that_cannot_be_stored_fails_nothing_and_is_stored_later(
    make_shared: MakeShared,
    pass_mfa: PassMfa,
    notes: HookedStore,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    texts: Callable[[], int],
) -> None:
    notes.failing["bill_device_token__"] = 4
    shared = make_shared()
    pass_mfa(shared)
    assert "could not be stored" in caplog.text
    assert shared.trust.days_left(shared.manager.acquire()) == 0
    assert shared.trust.days_left(shared.manager.acquire()) == 30
    clock.advance(days=1)
    assert make_shared().manager.acquire().trusted
    assert texts() == 1


def test_trust_that_cannot_be_stored_is_used_in_this_task_all_the_same(
    make_shared: MakeShared,
    pass_mfa: PassMfa,
    pay: Pay,
    vendors: Vendors,
    store: HookedStore,
    clock: ManualClock,
    bill: LocalBill,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shared = make_shared()
    shared.manager.acquire()
    store.failing["bill_session_token__"] = 2
    pass_mfa(shared)
    assert "could not be noted for other tasks" in caplog.text
    assert shared.manager.acquire().trusted
    clock.advance(minutes=2)
    vendors(shared)  # writes the session's last use, and now also that it is trusted
    assert present(make_shared().manager.peek()).trusted
    pay(make_shared())
    stats = bill.stats()
    assert (stats["sms_sent"], stats["payments"], stats["by_path"].get(STEP_UP, 0)) == (1, 1, 0)


def test_trust_that_could_not_be_stored_is_not_that_of_the_next_session(
    make_shared: MakeShared, pass_mfa: PassMfa, vendors: Vendors, store: HookedStore, clock: ManualClock
) -> None:
    shared = make_shared()
    shared.manager.acquire()
    store.failing["bill_session_token__"] = 2
    pass_mfa(shared, remember=False)
    clock.advance(minutes=36)
    vendors(shared)
    clock.advance(minutes=2)
    vendors(shared)
    assert not shared.manager.acquire().trusted
    assert not present(make_shared().manager.peek()).trusted


# -- what a clock says, and who writes when ------------------------------------------------------------------


@pytest.mark.parametrize(("days_ahead", "days_left"), [(1, 0), (-1, 2), (40, 0), (-40, 30)])
def test_whether_a_device_is_too_old_bill_decides_and_not_a_hosts_clock(
    days_ahead: int,
    days_left: int,
    make_shared: MakeShared,
    pass_mfa: PassMfa,
    clock: ManualClock,
    texts: Callable[[], int],
) -> None:
    pass_mfa(make_shared())
    clock.advance(days=29)
    host = make_shared()
    manager = host.manager
    manager.devices = Devices(
        host._notes, manager.identity, host.client.credentials, clock=lambda: clock.now.add(days=days_ahead)
    )
    assert manager.acquire().trusted
    assert present(manager.devices.days_left()) == days_left
    assert texts() == 1


def test_a_device_that_bill_has_forgotten_is_tried_once(
    make_shared: MakeShared, pass_mfa: PassMfa, clock: ManualClock, bill: LocalBill
) -> None:
    bill.settings(bad_remember_me="refuse")
    pass_mfa(make_shared())
    clock.advance(days=30)
    for _ in range(4):
        assert not make_shared().manager.acquire().trusted
        clock.advance(days=1)
    assert bill.stats()["refused_sign_ins"] == 1


@pytest.mark.parametrize("ahead", [0, 31])
def test_the_refusal_of_an_old_device_leaves_the_new_one_of_another_host(
    ahead: int, make_shared: MakeShared, notes: HookedStore, clock: ManualClock
) -> None:
    there = make_shared()
    here = Devices(notes, there.manager.identity, there.client.credentials, clock=lambda: clock.now.add(days=ahead))
    there.manager.devices.remember(GIVEN, clock.now)

    def a_new_one_comes() -> None:
        there.manager.devices.remember(NEW, clock.now)

    notes.after_read["bill_device_token__"] = a_new_one_comes
    here.refuse(GIVEN)
    assert make_shared().manager.devices.usable() == NEW
    here.refuse(GIVEN)
    assert make_shared().manager.devices.usable() == NEW


def test_noting_the_last_use_does_not_overwrite_trust_that_another_has_just_made(
    make_shared: MakeShared,
    pass_mfa: PassMfa,
    pay: Pay,
    vendors: Vendors,
    store: HookedStore,
    clock: ManualClock,
    bill: LocalBill,
    codes: Codes,
) -> None:
    slow, other = make_shared(), make_shared()
    slow.manager.acquire()
    other.manager.acquire()
    clock.advance(minutes=2)
    store.after_read["bill_session_token__"] = lambda: pass_mfa(other, remember=False)
    vendors(slow)
    assert present(make_shared().manager.peek()).trusted
    pay(make_shared())
    assert bill.stats()["by_path"].get("/connect/v3/login/session", 0) == 0


# -- where MFA is off ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["off", "bypass"])
def test_a_v2_session_is_known_to_need_no_mfa(
    mode: str, make_shared: MakeShared, pay: Pay, clock: ManualClock, bill: LocalBill
) -> None:
    bill.settings(mfa_mode=mode)
    nora = bill.user("no MFA phone")
    for _ in range(3):
        shared = make_shared("v2", fields={"login": nora["username"], "password": nora["password"]})
        assert shared.trust.acquire().trusted
        assert shared.trust.days_left(shared.manager.acquire()) is None
        pay(shared)
        clock.advance(days=1)
    stats = bill.stats()
    assert (stats["sign_ins"], stats["sms_sent"], stats["payments"]) == (3, 0, 3)
