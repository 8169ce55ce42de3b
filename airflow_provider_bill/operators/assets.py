"""The shared session as an asset (Airflow 2: dataset), so that a DAG can start when a new one was opened.

A task emits an event only if one of its ``outlets`` is an ``AssetAlias``; for an ``Asset`` itself Airflow emits one at
every success, also where the session was only found.

.. code-block:: python

    BillLoginOperator(task_id="login", outlets=[AssetAlias("bill_session")])

    DAG("after_sign_in", schedule=AssetAlias("bill_session"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import AssetAlias

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset, Context


def session_asset(bill_conn_id: str = "bill_default", organization_id: str = "") -> Asset:
    """Return the asset that stands for the shared session of a connection and organization.

    :param bill_conn_id: Airflow connection of type ``bill``
    :param organization_id: as in the session's handle; empty where the kind of sign-in names none
    """
    from airflow.providers.common.compat.sdk import Asset

    return Asset(f"bill://{quote(bill_conn_id, safe='')}/{quote(organization_id or 'any', safe='')}")


def wants_events(operator: Any) -> bool:
    """Return whether a task has an outlet for events that it decides about itself."""
    return any(isinstance(outlet, AssetAlias) for outlet in operator.outlets)


def emit_session_event(operator: Any, context: Context, handle: dict[str, Any], why: list[str], **more: Any) -> None:
    """Emit one event by each alias among the task's outlets; none without a reason.

    :param handle: of the session
    :param why: ``signed in``, ``trust ends``, or both; in the event they are one text, with a comma between them
    :param more: of the event's extra; no secret
    """
    if not why:
        return
    # Airflow 2 takes no lists here.
    says = ", ".join(why)
    extra = {"connection": handle["conn_id"], "organization_id": handle["organization_id"], "why": says, **more}
    for outlet in operator.outlets:
        if isinstance(outlet, AssetAlias):
            asset = session_asset(handle["conn_id"], handle["organization_id"])
            context["outlet_events"][outlet].add(asset, extra=extra)
