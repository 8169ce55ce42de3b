"""The remembered device's record: sealed, thirty days long, its age readable, and a refusal noted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.exceptions import BillConfigurationError, BillStoreError
from airflow_provider_bill.sessions.devices import Devices
from airflow_provider_bill.sessions.keys import session_key
from airflow_provider_bill.sessions.stores import MemoryStore
from dev.clock import ManualClock
from tests.sessions.present import device_key_of, present

if TYPE_CHECKING:
    from tests.sessions.conftest import MakeShared

GIVEN = RememberedDevice(token="remember-me-id-given-by-bill", device="airflow-test")
OWN = {"remembered_device_token": "remember-me-id-of-the-connection", "device": "laptop"}


@pytest.fixture
def devices(make_shared: MakeShared) -> Devices:
    return make_shared().manager.devices


def test_a_device_has_thirty_days_from_when_bill_gave_it(devices: Devices, clock: ManualClock) -> None:
    devices.remember(GIVEN, clock.now)
    clock.advance(days=29, hours=23)
    assert devices.usable() == GIVEN
    assert devices.days_left() == pytest.approx(1 / 24)
    clock.advance(hours=1)
    assert devices.days_left() == 0
    assert devices.usable() == GIVEN  # until BILL itself says no
    devices.refuse(GIVEN)
    assert devices.usable() is None


def test_its_age_is_readable_and_its_secret_is_not(
    devices: Devices, notes: MemoryStore, clock: ManualClock, make_shared: MakeShared
) -> None:
    devices.remember(GIVEN, clock.now)
    text = present(notes.read(device_key_of(make_shared())))
    (facts,) = json.loads(text)["devices"]
    assert facts["issued_at"] == clock.now.isoformat()
    assert facts["expires_at"] == clock.now.add(days=30).isoformat()
    assert facts["device"] == "airflow-test"
    assert GIVEN.token not in text
    assert GIVEN.token not in repr(devices.record())


def test_another_task_reads_the_same_device_and_its_secret_is_told_first(
    devices: Devices, clock: ManualClock, make_shared: MakeShared
) -> None:
    devices.remember(GIVEN, clock.now)
    secrets: list[str] = []
    assert make_shared(secrets=secrets).manager.devices.usable() == GIVEN
    assert GIVEN.token in secrets


@pytest.mark.parametrize("fact", ["issued_at", "expires_at", "device", "organization_id"])
def test_a_tampered_record_is_a_miss(
    fact: str, devices: Devices, notes: MemoryStore, clock: ManualClock, make_shared: MakeShared
) -> None:
    devices.remember(GIVEN, clock.now)
    key = device_key_of(make_shared())
    document = json.loads(present(notes.read(key)))
    document["devices"][0][fact] = clock.now.add(years=1).isoformat()
    notes.write(key, json.dumps(document))
    assert devices.record() is None
    assert devices.usable() is None
    assert devices.days_left() is None


@pytest.mark.parametrize("garbage", ["", "no JSON", "[]", '{"v": 2, "sealed": ""}', '{"v": 1}'])
def test_garbage_is_a_miss_and_no_error(
    garbage: str, devices: Devices, notes: MemoryStore, make_shared: MakeShared
) -> None:
    notes.write(device_key_of(make_shared()), garbage)
    assert devices.record() is None


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": {"login": "ben@harborbooks.example"}},
        {"kind": "console"},
        {"kind": "partner"},
    ],
)
def test_the_record_of_one_user_is_a_miss_for_another(
    changes: dict[str, Any], devices: Devices, notes: MemoryStore, clock: ManualClock, make_shared: MakeShared
) -> None:
    devices.remember(GIVEN, clock.now)
    mine, other = device_key_of(make_shared()), make_shared(**changes)
    notes.write(device_key_of(other), present(notes.read(mine)))
    assert other.manager.devices.record() is None


def test_a_session_record_does_not_open_as_a_device_record(
    make_shared: MakeShared, store: MemoryStore, notes: MemoryStore
) -> None:
    shared = make_shared()
    shared.manager.acquire()
    notes.write(device_key_of(shared), present(store.read(session_key(shared.manager.identity))))
    assert shared.manager.devices.record() is None


def test_the_stored_device_comes_before_the_connections_own(make_shared: MakeShared, clock: ManualClock) -> None:
    devices = make_shared(fields=OWN).manager.devices
    assert present(devices.usable()).device == "laptop"
    assert devices.days_left() is None  # nobody knows when BILL gave it
    devices.remember(GIVEN, clock.now)
    assert devices.usable() == GIVEN


@pytest.mark.parametrize("how", ["over", "refused"])
def test_the_connections_own_device_is_tried_when_the_stored_one_serves_no_more(
    how: str, make_shared: MakeShared, clock: ManualClock
) -> None:
    devices = make_shared(fields=OWN).manager.devices
    devices.remember(GIVEN, clock.now)
    if how == "over":
        clock.advance(days=30)
    devices.refuse(GIVEN)
    assert present(devices.usable()).device == "laptop"
    devices.refuse(present(devices.usable()))
    assert devices.usable() is None


def test_a_refusal_is_noted_and_logged_with_the_way_out(
    devices: Devices, clock: ManualClock, make_shared: MakeShared, caplog: pytest.LogCaptureFixture
) -> None:
    devices.remember(GIVEN, clock.now)
    devices.refuse(GIVEN)
    assert devices.usable() is None
    assert devices.days_left() is None
    assert present(make_shared().manager.devices.record()).refused_at == clock.now
    assert "BillMfaOperator" in caplog.text
    assert GIVEN.token not in caplog.text


def test_a_late_refusal_of_an_old_device_does_not_hide_the_new_one(devices: Devices, clock: ManualClock) -> None:
    devices.remember(GIVEN, clock.now)
    new = RememberedDevice(token="remember-me-id-given-since", device="airflow-test")
    devices.remember(new, clock.now)
    devices.refuse(GIVEN)
    assert devices.usable() == new


def test_of_other_organizations_devices_one_is_tried_and_bills_no_to_it_stands_for_all(
    make_shared: MakeShared, clock: ManualClock
) -> None:
    def devices(organization_id: str) -> Devices:
        return make_shared(fields={"organization_id": organization_id}).manager.devices

    for organization in ("ONE", "TWO"):
        given = RememberedDevice(token=f"remember-me-id-of-{organization}", device="airflow-test")
        devices(organization).remember(given, clock.now)
        clock.advance(days=1)
    newest = present(devices("THREE").usable())
    assert newest.token == "remember-me-id-of-TWO"
    devices("THREE").refuse(newest)
    assert devices("THREE").usable() is None
    devices("FOUR").remember(RememberedDevice(token="remember-me-id-of-FOUR", device="airflow-test"), clock.now)
    assert devices("THREE").usable() is None
    # Where they were given, both are good still.
    assert [present(devices(name).usable()).token[-3:] for name in ("ONE", "TWO")] == ["ONE", "TWO"]


def test_of_several_old_devices_of_other_organizations_the_newest_alone_is_tried(
    make_shared: MakeShared, clock: ManualClock
) -> None:
    for organization in ("ONE", "TWO"):
        given = RememberedDevice(token=f"remember-me-id-of-{organization}", device="airflow-test")
        make_shared(fields={"organization_id": organization}).manager.devices.remember(given, clock.now)
    clock.advance(days=29)
    devices = make_shared(fields={"organization_id": "THREE"}).manager.devices
    devices.refuse(present(devices.usable()))
    assert devices.usable() is None


def test_an_old_device_that_is_refused_elsewhere_leaves_the_others_to_be_tried(
    make_shared: MakeShared, clock: ManualClock
) -> None:
    def devices(organization_id: str) -> Devices:
        return make_shared(fields={"organization_id": organization_id}).manager.devices

    devices("ONE").remember(GIVEN, clock.now)
    clock.advance(days=29)
    devices("TWO").refuse(present(devices("TWO").usable()))
    new = RememberedDevice(token="remember-me-id-given-since", device="airflow-test")
    devices("ONE").remember(new, clock.now)
    assert devices("TWO").usable() == new


def test_what_bill_honours_no_more_where_it_was_given_is_tried_nowhere(
    make_shared: MakeShared, clock: ManualClock
) -> None:
    devices = make_shared().manager.devices
    devices.remember(GIVEN, clock.now)
    devices.refuse(GIVEN)
    assert make_shared(fields={"organization_id": "ANOTHER"}).manager.devices.usable() is None


def test_a_device_of_a_host_whose_clock_is_ahead_has_no_more_than_its_days(
    devices: Devices, clock: ManualClock
) -> None:
    devices.remember(GIVEN, clock.now.add(hours=2))
    assert devices.days_left() == 30


def test_a_new_device_in_the_connection_is_used_after_the_old_one_was_refused(make_shared: MakeShared) -> None:
    devices = make_shared(fields=OWN).manager.devices
    devices.refuse(present(devices.usable()))
    changed = make_shared(fields={**OWN, "remembered_device_token": "a-newer-one"}).manager.devices
    assert present(changed.usable()).token == "a-newer-one"


def test_a_refusal_that_cannot_be_noted_is_no_error(make_shared: MakeShared, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryStore):
        def write(self, key: str, text: str) -> None:
            raise BillStoreError("the record could not be written")

    devices = make_shared(notes=Broken()).manager.devices
    devices.refuse(GIVEN)
    assert "could not be stored" in caplog.text


@pytest.mark.parametrize(
    ("given", "missing"), [("device", "remembered_device_token"), ("remembered_device_token", "device")]
)
def test_a_label_without_its_token_and_a_token_without_its_label_are_refused(
    given: str, missing: str, make_shared: MakeShared
) -> None:
    with pytest.raises(BillConfigurationError, match=f"^{missing} of the remembered device is missing"):
        make_shared(fields={given: OWN[given]})


@pytest.mark.parametrize(
    "garbage", ["", "no JSON", "[]", "7", '{"devices": {"x": 5}}', '{"devices": [], "own_only": {"x": "y"}}']
)
def test_garbage_in_place_of_the_refusals_refuses_nothing(
    garbage: str, devices: Devices, notes: MemoryStore, clock: ManualClock, make_shared: MakeShared
) -> None:
    devices.remember(GIVEN, clock.now)
    devices.refuse(GIVEN)
    (key,) = [key for key in notes._texts if key.startswith("bill_device_refused__")]
    notes.write(key, garbage)
    assert devices.usable() == GIVEN


def test_without_the_key_the_record_is_a_miss_and_the_next_device_gets_a_new_one(
    devices: Devices, notes: MemoryStore, clock: ManualClock, make_shared: MakeShared
) -> None:
    devices.remember(GIVEN, clock.now)
    (key,) = [key for key in notes._texts if key.startswith("bill_device_token_key__")]
    notes.delete(key)
    later = make_shared().manager.devices
    assert later.usable() is None
    later.remember(GIVEN, clock.now)
    assert make_shared().manager.devices.usable() == GIVEN
