"""The remembered device: the 30-day proof of MFA, kept longer than any session.

BILL honours it for a user, whatever becomes of connection, password and developer key; so it is kept for the user and
the environment, and for nothing else. It is sealed under a random key that lies in a Variable of its own, so that a
changed password loses nothing. That key protects the device from whoever sees only its record: in a log, in a form, as
one Variable. It does not protect it from whoever reads all Variables in clear, as a DAG can, nor from whoever reads
the database where Airflow has no Fernet key; there the passwords of connections lie open too, and without one of them
the device is of no use. In a store that others read (``exposed``) a key beside the record would be none: there the
connection's own secrets seal it, at a cost that makes guessing hopeless, and a changed password costs a text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace

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
from airflow_provider_bill.sessions.times import from_optional_text, from_text, to_text

log = logging.getLogger(__name__)

#: How long BILL remembers a device (https://developer.bill.com/reference/validatechallenge).
DEVICE_LIFE = pendulum.duration(days=30)
#: A device, or a refusal, that is older is of no use to anybody, whatever a host's clock says.
FORGET_AFTER = pendulum.duration(days=60)
#: Up to this age a device that BILL refuses for another organization than its own was not just too old.
YOUNG = pendulum.duration(days=28)
#: How often at most a device is written: losing it costs a person's time.
WRITE_ATTEMPTS = 3
MFA_ADVICE = "run a DAG with BillMfaOperator (example bill_mfa), in which a person enters the code once"


@dataclass(frozen=True)
class DeviceRecord:
    """What is stored about a remembered device.

    :param remembered: BILL's id and the device label
    :param issued_at: when BILL gave it, UTC; None if that is not known
    :param organization_id: the organization in whose session BILL gave it
    :param refused_at: when BILL no longer honoured it, for the organization that was asked about, UTC
    """

    remembered: RememberedDevice = field(repr=False)
    issued_at: DateTime | None
    organization_id: str = ""
    refused_at: DateTime | None = None

    @property
    def expires_at(self) -> DateTime | None:
        """When BILL forgets it; None if unknown."""
        return None if self.issued_at is None else self.issued_at + DEVICE_LIFE


@dataclass(frozen=True)
class _Refusals:
    """What BILL has said to devices: which it refused, by a digest of their id, for which organizations, and when.

    ``own_only``: organizations for which it has refused a device of another one that was not too old. ``across``: when
    it has honoured a device for another organization than its own.
    """

    devices: dict[str, dict[str, str]] = field(default_factory=dict)
    own_only: dict[str, str] = field(default_factory=dict)
    across: dict[str, str] = field(default_factory=dict)


class Devices:
    """Reads and writes the devices that BILL remembers for a user, as one organization sees them.

    A device of another organization of the same user is tried too, as that costs no text; if BILL does not honour it
    there, each organization keeps one of its own. What BILL has refused is noted apart from the devices, so that a late
    refusal never overwrites a new device. Whether a device is too old, BILL decides and not the clock of a host.

    :param store: where they live; longer than a DAG run, so never the XCom store
    :param identity: of the session that needs them
    :param credentials: name the user, and the device that the connection itself may bring
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
        user = credentials.mfa_user()
        self._store = store
        self._identity = identity
        self._credentials = credentials
        self._user = user
        self._key = keys.device_key(identity, user)
        self._seal_key = keys.device_seal_key(identity, user)
        self._refusals_key = keys.device_refusals_key(identity, user)
        self._seal: Seal | None = None
        self._own = credentials.remembered_device
        self._clock = clock
        self._on_secret = on_secret
        self._organization_id = identity.organization_id
        self._looked_back = False
        self._unsaved: DeviceRecord | None = None

    def record(self) -> DeviceRecord | None:
        """Return the stored device that serves best, whatever its age, and also one that BILL refuses.

        :raises BillStoreError: the store cannot be read
        """
        records = self._records()
        return next((record for record in records if record.refused_at is None), records[0] if records else None)

    def usable(self) -> RememberedDevice | None:
        """Return the device to try: a stored one, else the connection's own, unless BILL refused it."""
        record = self.record()
        if record is not None and record.refused_at is None:
            return record.remembered
        if self._own is not None and self._organization_id in self._refusals().devices.get(_digest(self._own), {}):
            return None
        return self._own

    def days_left(self) -> float | None:
        """Return the days for which BILL still remembers the stored device; None if there is none, or unknown."""
        record = self.record()
        if record is None or record.refused_at is not None or record.expires_at is None:
            return None
        if record is self._unsaved:
            return 0.0  # It ends with this process.
        days = (record.expires_at - self._clock()).total_seconds() / 86400
        return min(max(0.0, days), DEVICE_LIFE.total_days())  # another host's clock may be ahead

    def remember(self, remembered: RememberedDevice, issued_at: DateTime) -> bool:
        """Store what BILL has just given.

        :return: whether it could be stored; if not, this process knows it and tries again
        """
        self._on_secret(remembered.token)
        self._unsaved = DeviceRecord(remembered, issued_at, self._organization_id)
        return self._save_unsaved(attempts=WRITE_ATTEMPTS)

    def refuse(self, remembered: RememberedDevice) -> None:
        """Note that BILL does not honour a device for this organization, so that it is not tried at every sign-in."""
        try:
            known = {record.remembered: record for record in self._stored()}
            foreign = remembered in known and known[remembered].organization_id != self._organization_id
            if foreign:
                log.info("BILL does not honour the remembered device %r for another organization.", remembered.device)
            else:
                log.warning("BILL no longer honours the remembered device %r; %s.", remembered.device, MFA_ADVICE)
            refusals, now = self._refusals(), self._clock()
            refused = {**refusals.devices.get(_digest(remembered), {}), self._organization_id: now.isoformat()}
            own_only = dict(refusals.own_only)
            issued_at = known[remembered].issued_at if foreign else None
            if issued_at is not None and now - issued_at < YOUNG:
                own_only[self._organization_id] = now.isoformat()
            devices = {**refusals.devices, _digest(remembered): refused}
            self._write_refusals(replace(refusals, devices=devices, own_only=own_only))
        except BillStoreError as error:
            log.warning("The refusal could not be stored: %s", error)

    def honoured(self, remembered: RememberedDevice) -> None:
        """Note that BILL honours a device, if it is one of another organization: then a new one serves all of them."""
        try:
            homes = [record.organization_id for record in self._stored() if record.remembered == remembered]
            refusals = self._refusals()
            if not homes or homes[0] == self._organization_id or refusals.across:
                return
            self._write_refusals(replace(refusals, across={"at": self._clock().isoformat()}))
        except BillStoreError as error:
            log.warning("That BILL honours a device in another organization could not be noted: %s", error)

    def _records(self) -> list[DeviceRecord]:
        """Return the devices in the order in which to try them, with what BILL has refused."""
        if not self._user:
            return []
        self._save_unsaved(attempts=1)
        stored = ([self._unsaved] if self._unsaved else []) + self._stored()
        if not stored:
            return []
        refusals, here = self._refusals(), self._organization_id
        own = [record for record in stored if record.organization_id == here]
        others = [record for record in stored if record.organization_id != here]
        # BILL's answer to one device of another organization stands for all of them.
        others = [] if here in refusals.own_only else others[:1]
        records = [record for record in stored if record in (*own, *others)] if refusals.across else [*own, *others]
        return [self._with_refusal(record, refusals) for record in records]

    def _with_refusal(self, record: DeviceRecord, refusals: _Refusals) -> DeviceRecord:
        # What BILL no longer honours where it gave it, it honours nowhere.
        refused = refusals.devices.get(_digest(record.remembered), {})
        at = refused.get(self._organization_id) or refused.get(record.organization_id)
        return record if at is None else replace(record, refused_at=from_text(at))

    def _save_unsaved(self, *, attempts: int) -> bool:
        for left in reversed(range(attempts)):
            if self._unsaved is None:
                break
            try:
                mine = self._unsaved
                others = [record for record in self._stored() if record.organization_id != mine.organization_id]
                self._write([mine, *(record for record in others if self._is_recent(record.issued_at))])
                self._unsaved = None
            except BillStoreError as error:
                if not left and attempts > 1:
                    log.warning(
                        "The remembered device could not be stored, so only this session is trusted, and the next one "
                        "will need a new code: %s",
                        error,
                    )
        return self._unsaved is None

    def _stored(self) -> list[DeviceRecord]:
        """Return all devices of the user, the newest first."""
        text = self._store.read(self._key)
        if text is None:
            return self._carried_over()
        seal = self._open_seal(make=False)
        opened = None if seal is None else seal.open(text)
        if opened is None:
            return []
        facts, secret = opened
        records = []
        for row, token in zip(facts["devices"], secret["tokens"], strict=True):
            self._on_secret(token)
            records.append(
                DeviceRecord(
                    RememberedDevice(token=token, device=row["device"]),
                    from_optional_text(row["issued_at"]),
                    row["organization_id"],
                )
            )
        return records

    def _carried_over(self) -> list[DeviceRecord]:
        """Look once for what an older version has stored for this connection, and keep it as it is kept now."""
        if self._looked_back:
            return []
        self._looked_back = True
        old = Seal("device", self._identity, self._credentials.sealing_secrets())
        opened = old.open(self._store.read(keys.old_device_key(self._identity)))
        if opened is None:
            return []
        facts, secret = opened
        self._on_secret(secret["token"])
        record = DeviceRecord(
            RememberedDevice(token=secret["token"], device=facts["device"]),
            from_optional_text(facts["issued_at"]),
            self._organization_id,
        )
        try:
            if facts["refused_at"]:
                refused = {_digest(record.remembered): {self._organization_id: facts["refused_at"]}}
                self._write_refusals(_Refusals(refused))
            if self._store.read(self._key) is None:
                self._write([record])
        except BillStoreError as error:
            log.warning("The remembered device of an older version could not be carried over: %s", error)
        return [record]

    def _write(self, records: list[DeviceRecord]) -> None:
        seal = self._open_seal(make=True)
        if seal is None:
            raise BillStoreError("the key of the remembered device could not be kept", advice="run the task again")
        facts = {
            "environment": self._identity.environment,
            "user": user_hint(self._user),
            "devices": [
                {
                    "organization_id": record.organization_id,
                    "device": record.remembered.device,
                    "issued_at": to_text(record.issued_at),
                    "expires_at": to_text(record.expires_at),
                }
                for record in records
            ],
        }
        self._store.write(self._key, seal.seal(facts, {"tokens": [record.remembered.token for record in records]}))

    def _open_seal(self, *, make: bool) -> Seal | None:
        """Return what seals the devices.

        :param make: make a key if there is none; whoever writes has the turn, so that no two are made
        """
        if self._seal is None:
            secrets: Iterable[str]
            if self._store.exposed:
                secrets = self._credentials.sealing_secrets()
            else:
                key = self._store.read(self._seal_key)
                if not key and make:
                    self._store.write(self._seal_key, base64.urlsafe_b64encode(os.urandom(32)).decode())
                    key = self._store.read(self._seal_key)
                if not key:
                    return None
                self._on_secret(key)
                secrets = [key]
            identity = Identity(self._key, "", "", self._identity.environment)
            self._seal = Seal("devices", identity, secrets, exposed=self._store.exposed)
        return self._seal

    def _refusals(self) -> _Refusals:
        try:
            note = json.loads(self._store.read(self._refusals_key) or "{}")
            devices = {digest: self._recent(rows) for digest, rows in note.get("devices", {}).items()}
            own_only = self._recent(note.get("own_only", {}), DEVICE_LIFE)
            across = self._recent(note.get("across", {}))
        except (ValueError, AttributeError, RecursionError):
            return _Refusals()
        return _Refusals({digest: rows for digest, rows in devices.items() if rows}, own_only, across)

    def _write_refusals(self, refusals: _Refusals) -> None:
        self._store.write(self._refusals_key, json.dumps({"v": 1, **asdict(refusals)}))

    def _recent(self, rows: dict[str, str], life: pendulum.Duration = FORGET_AFTER) -> dict[str, str]:
        return {row: at for row, at in rows.items() if self._is_recent(from_text(at), life)}

    def _is_recent(self, moment: DateTime | None, life: pendulum.Duration = FORGET_AFTER) -> bool:
        return moment is None or self._clock() - moment < life


def _digest(remembered: RememberedDevice) -> str:
    """Return by which name a device is known to be refused; BILL's ids are too long to be guessed."""
    return hashlib.sha256(json.dumps([remembered.token, remembered.device]).encode()).hexdigest()[:24]


def user_hint(user: str) -> str:
    """Return as much of a user as shows whose record it is: of an e-mail address one letter and the domain."""
    name, at, domain = user.partition("@")
    return f"{name[:1]}***@{domain}" if at else user
