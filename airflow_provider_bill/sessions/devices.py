"""The remembered device: the 30-day proof of MFA, kept sealed beside the session and longer than it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pendulum
from pendulum import DateTime

from airflow_provider_bill.client.auth.base import Credentials
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.session import Clock, utc_now
from airflow_provider_bill.exceptions import BillStoreError
from airflow_provider_bill.sessions import keys
from airflow_provider_bill.sessions.identity import Identity
from airflow_provider_bill.sessions.record import Seal
from airflow_provider_bill.sessions.stores import Store
from airflow_provider_bill.sessions.times import from_optional_text, to_text

log = logging.getLogger(__name__)

#: How long BILL remembers a device (https://developer.bill.com/reference/validatechallenge).
DEVICE_LIFE = pendulum.duration(days=30)
MFA_ADVICE = "run a DAG with BillMfaOperator (example bill_mfa), in which a person enters the code once"


@dataclass(frozen=True)
class DeviceRecord:
    """What is stored about a remembered device.

    :param remembered: BILL's id and the device label
    :param issued_at: when BILL gave it, UTC; None for one that the connection brought
    :param refused_at: when BILL no longer honoured it, UTC
    """

    remembered: RememberedDevice = field(repr=False)
    issued_at: DateTime | None
    refused_at: DateTime | None = None

    @property
    def expires_at(self) -> DateTime | None:
        """When BILL forgets it; None if unknown."""
        return None if self.issued_at is None else self.issued_at + DEVICE_LIFE


class Devices:
    """Reads and writes the device record of one identity.

    :param store: where it lives; longer than a DAG run, so never the XCom store
    :param identity: what it belongs to
    :param credentials: the key of the seal, and the device that the connection itself may bring
    :param clock: gives the present moment in UTC
    :param on_secret: told the device's id before anything else is done with it
    """

    def __init__(
        self,
        store: Store,
        identity: Identity,
        credentials: Credentials,
        *,
        clock: Clock = utc_now,
        on_secret: Callable[[str], None] = lambda secret: None,
    ) -> None:
        self._store = store
        self._key = keys.device_key(identity)
        self._seal = Seal("device", identity, credentials.sealing_secrets())
        self._own = credentials.remembered_device
        self._clock = clock
        self._on_secret = on_secret
        self._organization_id = identity.organization_id

    def record(self) -> DeviceRecord | None:
        """Return the stored record, whatever it says.

        :raises BillStoreError: the store cannot be read
        """
        opened = self._seal.open(self._store.read(self._key))
        if opened is None:
            return None
        facts, secret = opened
        self._on_secret(secret["token"])
        return DeviceRecord(
            RememberedDevice(token=secret["token"], device=facts["device"]),
            from_optional_text(facts["issued_at"]),
            from_optional_text(facts["refused_at"]),
        )

    def usable(self) -> RememberedDevice | None:
        """Return the device to sign in with: the stored one, else the connection's own, unless BILL refused it."""
        record = self.record()
        if record is not None and record.refused_at is None:
            if record.expires_at is None or record.expires_at > self._clock():
                return record.remembered
            return self._own
        return None if record is not None and record.remembered == self._own else self._own

    def days_left(self) -> float | None:
        """Return the days for which BILL still remembers the stored device; None if there is none, or unknown."""
        record = self.record()
        if record is None or record.refused_at is not None or record.expires_at is None:
            return None
        return max(0.0, (record.expires_at - self._clock()).total_seconds() / 86400)

    def remember(self, remembered: RememberedDevice, issued_at: DateTime) -> None:
        """Store what BILL has just given.

        :raises BillStoreError: it could not be stored
        """
        self._on_secret(remembered.token)
        self._write(DeviceRecord(remembered, issued_at))

    def refuse(self, remembered: RememberedDevice) -> None:
        """Note that BILL no longer honours a device, so that it is not tried at every sign-in."""
        log.warning(
            "BILL no longer honours the remembered device %r; %s.",
            remembered.device,
            MFA_ADVICE,
        )
        try:
            record = self.record()
            if record is None or record.remembered != remembered:
                if self.days_left():
                    return  # A person has passed MFA meanwhile: that device is not the refused one.
                record = DeviceRecord(remembered, None)
            self._write(replace(record, refused_at=self._clock()))
        except BillStoreError as error:
            log.warning("The refusal could not be stored: %s", error)

    def _write(self, record: DeviceRecord) -> None:
        facts = {
            "organization_id": self._organization_id,
            "device": record.remembered.device,
            "issued_at": to_text(record.issued_at),
            "expires_at": to_text(record.expires_at),
            "refused_at": to_text(record.refused_at),
        }
        self._store.write(self._key, self._seal.seal(facts, {"token": record.remembered.token}))
