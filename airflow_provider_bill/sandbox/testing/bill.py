"""What the pytest fixture ``bill_sandbox`` hands out."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from airflow_provider_bill.sandbox.testing.controls import Controls

_CONNECTION_FIELDS = ("host", "login", "password")


class Clock:
    """BILL's clock, which runs with the real time until it is moved or stopped. Airflow's clock is not moved.

    :param controls: of the local BILL
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    def now(self) -> datetime:
        """Return BILL's present moment, in UTC."""
        return datetime.fromisoformat(self._controls.control("GET", "clock")["now"])

    def advance(self, seconds: float) -> None:
        """Move BILL's clock forward; sessions, codes and hourly limits follow it.

        :raises RuntimeError: the seconds are negative
        """
        self._controls.control("POST", "clock", {"advance_seconds": seconds})

    def stop(self, at: datetime) -> None:
        """Stop BILL's clock at a moment; from now on only ``advance`` moves it.

        :param at: with its offset from UTC
        :raises RuntimeError: the moment has no offset
        """
        self._controls.control("POST", "clock", {"stop_at": at.isoformat()})


class Faults:
    """What goes wrong on order.

    :param controls: of the local BILL
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    def add(self, path: str, kind: str = "status", **order: Any) -> int:
        """Have the next answers on a path go wrong, and return the number of this fault.

        :param path: path or glob, such as ``/v3/payments`` or ``/v2/List/*.json``
        :param kind: ``status``, ``reset`` (the connection breaks), ``stall``, ``malformed``, ``html``, ``empty`` or
            ``error_object``
        :param order: further fields of ``airflow_provider_bill.sandbox.state.faults.FaultOrder``, such as
            ``method="POST"``, ``times=3``, ``code="BDC_1322"``, or ``after_effect=True``: the call is carried out, and
            only its answer is spoilt
        :raises RuntimeError: there is no such kind or field
        """
        return int(self._controls.control("POST", "faults", {"path": path, "kind": kind, **order})["id"])

    def pending(self) -> list[dict[str, Any]]:
        """Return the faults that are still to come, and those that hold an answer back."""
        return list(self._controls.control("GET", "faults"))

    def release(self) -> int:
        """Let every answer go that a fault of kind ``stall`` holds back, and return how many there were."""
        return int(self._controls.control("POST", "faults/release")["released"])

    def clear(self) -> None:
        """Forget all faults, and let held answers go."""
        self._controls.control("DELETE", "faults")


class BillSandbox(Controls):
    """A local BILL in its seeded state, for one test.

    Its address is used by no other test: what the provider stores about one (sessions, remembered devices, refused
    passwords) is of no meaning to the next, and a task that is left over from an earlier test is answered with 410.

    :param url: where it listens, such as ``http://127.0.0.1:40123/test-7``
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.clock = Clock(self)
        self.faults = Faults(self)

    def connection(self, kind: str = "v3", **changes: str | None) -> str:
        """Return an Airflow connection to this local BILL, as JSON for a variable ``AIRFLOW_CONN_...``.

        :param kind: kind of sign-in: ``v3``, ``v2``, ``console``, ``sync_token``, ``partner``, ``oauth`` or
            ``spend_token``
        :param changes: ``host``, ``login`` or ``password`` of the connection, else one of its extras; None leaves
            it out
        :raises ValueError: there is no such kind
        """
        connections = self.control("GET", "seed")["connections"]
        if kind not in connections:
            raise ValueError(
                f"The local BILL has no connection of kind {kind!r}; use one of: {', '.join(connections)}."
            )
        return json.dumps(changed_connection({**connections[kind], "host": self.url}, **changes))

    @property
    def sms(self) -> list[str]:
        """Return the MFA codes that were sent by text, oldest first."""
        return [str(text["code"]) for text in self.control("GET", "sms")]

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Return the journal of the calls of BILL's API, oldest first; secrets stand in it as fingerprints."""
        return list(self.control("GET", "requests"))

    @property
    def payments(self) -> list[dict[str, Any]]:
        """Return every payment that was made, by whatever call."""
        return list(self.control("GET", "payments"))


def changed_connection(connection: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a copy of an Airflow connection with changes.

    :param connection: with its extras as a dict
    :param changes: ``host``, ``login`` or ``password`` of the connection, else one of its extras; None leaves it out
    """
    made = {**connection, "extra": dict(connection.get("extra") or {})}
    for name, value in changes.items():
        target = made if name in _CONNECTION_FIELDS else made["extra"]
        target[name] = value
        if value is None:
            del target[name]
    return made
