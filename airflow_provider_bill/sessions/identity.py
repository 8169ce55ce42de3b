"""What a session belongs to, and the handle by which tasks tell one another where it lies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_bill.exceptions import BillHandleError


@dataclass(frozen=True)
class Identity:
    """What a session belongs to: two tasks with equal identities share one.

    :param conn_id: Airflow connection id
    :param organization_id: BILL organization; empty where the kind of sign-in names none
    :param kind: kind of sign-in, such as ``v3``
    :param environment: the base address that the session is for, so that a changed host is another identity
    :param team: Airflow's team whose task it is; empty where Airflow has no teams, as each sees its own Variables only
    """

    conn_id: str
    organization_id: str
    kind: str
    environment: str
    team: str = ""


@dataclass(frozen=True)
class XComLocation:
    """The login task in whose XCom a session lies."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1


@dataclass(frozen=True)
class Handle:
    """The small dict that a login task returns and other tasks take; holds no secret.

    :param conn_id: Airflow connection id
    :param organization_id: BILL organization; empty where the kind of sign-in names none
    :param store: ``variable``, ``xcom`` or ``memory``
    :param key: key of the record in that store
    :param location: the login task, for the XCom store
    :param trusted: whether the session had passed MFA when the handle was made
    :param expires_at: ISO 8601, when the session was going to end if nobody used it; empty for never
    """

    conn_id: str
    organization_id: str
    store: str
    key: str
    location: XComLocation | None = None
    trusted: bool = False
    expires_at: str = field(default="", compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON, as XCom wants it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: object) -> Handle:
        """Read what a login task returned.

        :raises BillHandleError: it is not such a dict
        """
        advice = "pass the login task's output unchanged, as in session=login.output"
        if not isinstance(value, Mapping):
            raise BillHandleError(f"session is {_kind(value)} instead of a handle", advice=advice)
        fields: dict[str, Any] = dict(value)
        for name in ("conn_id", "organization_id", "store", "key"):
            if not isinstance(fields.get(name), str):
                raise BillHandleError(f"the handle in session lacks the text field {name!r}", advice=advice)
        if not re.fullmatch("variable|xcom|memory", fields["store"]):
            raise BillHandleError("the handle's store is not variable, xcom or memory", advice=advice)
        location = fields.get("location", fields.get("where"))  # as older handles call it
        if fields["store"] == "xcom" or location is not None:
            try:
                location = XComLocation(**location)  # type: ignore[arg-type]
            except TypeError:
                raise BillHandleError(
                    "the handle's field 'location' does not name a login task", advice=advice
                ) from None
        return cls(
            conn_id=fields["conn_id"],
            organization_id=fields["organization_id"],
            store=fields["store"],
            key=fields["key"],
            location=location,
            trusted=fields.get("trusted") is True,
            expires_at=str(fields.get("expires_at") or ""),
        )


def _kind(value: object) -> str:
    return "missing" if value is None else f"of type {type(value).__name__}"
