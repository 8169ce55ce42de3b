"""Subscriptions: at most ten an organization, and no two with the same events and address.

Sources: https://developer.bill.com/docs/working-with-bill-webhooks,
https://developer.bill.com/docs/webhook-api-error-responses
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.events.authentication import Caller, knows_caller
from airflow_provider_bill.sandbox.events.catalog import TYPES, VERSION, is_of_spend
from airflow_provider_bill.sandbox.events.delivery import is_loopback
from airflow_provider_bill.sandbox.events.idempotency import happens_once
from airflow_provider_bill.sandbox.events.state import Subscription
from airflow_provider_bill.sandbox.ids import make_security_key
from airflow_provider_bill.sandbox.operations.fields import is_list_of_objects, refuse_problems
from airflow_provider_bill.sandbox.server.messages import Answer, Call, answer_json, reply
from airflow_provider_bill.sandbox.server.routing import Routes
from airflow_provider_bill.sandbox.v3.paging import make_page

routes = Routes("/connect-events/v3/subscriptions")

MOST = 10
_NEEDS = ("name", "status", "events", "notificationUrl")


def get_subscription(call: Call, caller: Caller, subscription_id: str) -> Subscription:
    """Return one of the caller's subscriptions, or refuse the call."""
    found = call.state.events.subscriptions.get(subscription_id)
    if found is None or found.owner != caller.owner:
        raise Refusal("BDC_1205")
    return found


def make_forward_page(call: Call, rows: list[Row]) -> Answer:
    """Answer a page of a list that goes forward only."""
    page = make_page(rows, call.path, {name: call.query[name] for name in ("max", "page") if name in call.query})
    page.pop("prevPage", None)
    return answer_json(page)


@routes.route("GET", "")
@knows_caller
def list_subscriptions(call: Call, caller: Caller) -> Answer:
    """List the caller's subscriptions."""
    return make_forward_page(call, [_show(row) for row in _all(call, caller)])


@routes.route("POST", "")
@knows_caller
@happens_once
def create_subscription(call: Call, caller: Caller) -> Answer:
    """Create a subscription, whose security key is answered this once."""
    fields = _read_fields(call, caller, needs=_NEEDS)
    if len(_all(call, caller)) >= MOST:
        raise Refusal("BDC_1129", "subscriptions", f"{MOST} exist already (an organization has at most {MOST})")
    made = Subscription(*caller[:3], **fields, created=call.now, updated=call.now)
    _refuse_twins(call, caller, made)
    call.state.events.subscriptions[made.id] = made
    return reply(call, {**made.describe(), "securityKey": made.key})


@routes.route("GET", "/{}")
@knows_caller
def read_subscription(call: Call, caller: Caller, subscription_id: str) -> Answer:
    """Read one subscription."""
    return reply(call, get_subscription(call, caller, subscription_id).describe())


@routes.route("PUT", "/{}")
@knows_caller
def replace_subscription(call: Call, caller: Caller, subscription_id: str) -> Answer:
    """Replace the events, name, state and address of a subscription."""
    return _change(call, caller, subscription_id, needs=_NEEDS)


@routes.route("PATCH", "/{}")
@knows_caller
def update_subscription(call: Call, caller: Caller, subscription_id: str) -> Answer:
    """Change what a body gives of a subscription."""
    return _change(call, caller, subscription_id, needs=())


@routes.route("DELETE", "/{}")
@knows_caller
def delete_subscription(call: Call, caller: Caller, subscription_id: str) -> Answer:
    """Delete a subscription; what is under way for it is not sent again."""
    call.state.events.delete(get_subscription(call, caller, subscription_id))
    return reply(call, None)


@routes.route("POST", "/{}/security_key")
@knows_caller
@happens_once
def create_security_key(call: Call, caller: Caller, subscription_id: str) -> Answer:
    """Replace the key of a subscription; the old one signs nothing any more."""
    found = get_subscription(call, caller, subscription_id)
    found.key, found.updated = make_security_key(), call.now
    return reply(call, {"securityKey": found.key})


def _all(call: Call, caller: Caller) -> list[Subscription]:
    return [row for row in call.state.events.subscriptions.values() if row.owner == caller.owner]


def _show(subscription: Subscription) -> Row:
    return {name: value for name, value in subscription.describe().items() if value is not None}


def _change(call: Call, caller: Caller, subscription_id: str, needs: tuple[str, ...]) -> Answer:
    found = get_subscription(call, caller, subscription_id)
    fields = _read_fields(call, caller, needs=needs)
    before = {name: getattr(found, name) for name in fields}
    _set(found, fields)
    try:
        _refuse_twins(call, caller, found)
    except Refusal:
        _set(found, before)
        raise
    found.updated = call.now
    return reply(call, found.describe())


def _set(subscription: Subscription, fields: Row) -> None:
    for name, value in fields.items():
        setattr(subscription, name, value)


def _refuse_twins(call: Call, caller: Caller, wanted: Subscription) -> None:
    for other in _all(call, caller):
        if other is not wanted and other.url == wanted.url and _types(other) == _types(wanted):
            raise Refusal("BDC_1129", "events", "a subscription with these events and this notificationUrl exists")


def _types(subscription: Subscription) -> set[str]:
    return {event["type"] for event in subscription.events}


def _read_fields(call: Call, caller: Caller, needs: tuple[str, ...]) -> Row:
    """Return the checked fields of a body by the names that a subscription has for them."""
    body = call.json_object()
    refuse_problems(f"{name}: must not be null" for name in needs if body.get(name) in (None, "", []))
    fields: Row = {}
    if body.get("name") is not None:
        fields["name"] = _read_text(body["name"], "name")
    if body.get("status") is not None:
        fields["enabled"] = _read_enabled(body["status"])
    if body.get("events") is not None:
        fields["events"] = _read_events(body["events"], caller)
    if body.get("notificationUrl") is not None:
        fields["url"] = _read_url(body["notificationUrl"])
    return fields


def _read_enabled(status: Any) -> bool:
    enabled = status.get("enabled") if isinstance(status, dict) else None
    if not isinstance(enabled, bool):
        raise Refusal("BDC_1108", fields=("status.enabled: must be true or false",))
    return enabled


def _read_events(events: Any, caller: Caller) -> list[Row]:
    if not is_list_of_objects(events):
        raise Refusal("BDC_1108", fields=("events: must not be empty",))
    for event in events:
        event_type = str(event.get("type"))
        if event_type not in TYPES:
            raise Refusal("BDC_1129", "events.type", event_type[:60])
        if event.get("version") != VERSION:
            raise Refusal("BDC_1129", "events.version", str(event.get("version"))[:20])
        if is_of_spend(event_type) != caller.is_spend:
            raise Refusal(
                "BDC_1129", "events.type", f"{event_type} (events of Spend & Expense need an apiToken, no others do)"
            )
    return [{"type": event["type"], "version": VERSION} for event in events]


def _read_text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Refusal("BDC_1108", fields=(f"{name}: must not be blank",))
    return value


def _read_url(value: Any) -> str:
    text = _read_text(value, "notificationUrl")
    try:
        url = urlsplit(text)
        is_good = bool(url.hostname) and url.port != 0 and text.isascii() and text.isprintable() and " " not in text
    except ValueError:
        is_good = False
    if not is_good or not (url.scheme == "https" or (url.scheme == "http" and is_loopback(url))):
        raise Refusal("BDC_1129", "notificationUrl", f"{text[:80]} (must be https, or http on this machine)")
    return text
