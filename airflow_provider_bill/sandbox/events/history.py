"""The catalog of events, the events that a subscription was told of, test events and resending."""

from __future__ import annotations

from airflow_provider_bill.sandbox.data.catalog import Row
from airflow_provider_bill.sandbox.data.moments import make_time
from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.events import catalog
from airflow_provider_bill.sandbox.events.authentication import Caller, knows_caller
from airflow_provider_bill.sandbox.events.delivery import deliver
from airflow_provider_bill.sandbox.events.raising import send, write_payload
from airflow_provider_bill.sandbox.events.state import Event
from airflow_provider_bill.sandbox.events.subscriptions import get_subscription, make_forward_page
from airflow_provider_bill.sandbox.server.messages import Answer, Call, reply
from airflow_provider_bill.sandbox.server.routing import Routes

routes = Routes("/connect-events/v3")


@routes.route("GET", "/events/catalog")
@knows_caller
def read_catalog(call: Call, caller: Caller) -> Answer:
    """List the events that can be subscribed to."""
    return reply(call, catalog.describe())


@routes.route("GET", "/events/subscription/{}")
@knows_caller
def list_events(call: Call, caller: Caller, subscription_id: str) -> Answer:
    """List the events of 180 days, oldest first; one that was not sent says why."""
    subscription, entity_id = get_subscription(call, caller, subscription_id), call.query.get("entityId")
    found = call.state.events.find_history(subscription)
    rows = [{**row.describe(), "note": row.note} for row in found if entity_id in (None, "", row.entity_id)]
    return make_forward_page(call, [{name: value for name, value in row.items() if value is not None} for row in rows])


@routes.route("POST", "/events/subscription/{}/event/{}")
@knows_caller
def resend_event(call: Call, caller: Caller, subscription_id: str, event_id: str) -> Answer:
    """Send an event once more, with the same id."""
    subscription = get_subscription(call, caller, subscription_id)
    event = next((row for row in call.state.events.find_history(subscription) if row.id == event_id), None)
    if event is None:
        raise Refusal("BDC_1205")
    call.state.events.start(deliver(call.state.events, event))
    return reply(call, event.describe())


@routes.route("POST", "/subscriptions/{}/test")
@knows_caller
def send_test_event(call: Call, caller: Caller, subscription_id: str) -> Answer:
    """Send a test event, whose details are those that the body names or made up."""
    subscription = get_subscription(call, caller, subscription_id)
    body = call.json_object() if call.body else {}
    event_type = body.get("eventType") or subscription.events[0]["type"]
    if event_type not in catalog.TYPES:
        raise Refusal("BDC_1129", "eventType", str(event_type)[:60])
    if body.get("version", catalog.VERSION) != catalog.VERSION:
        raise Refusal("BDC_1129", "version", str(body["version"])[:20])
    details = body.get(catalog.get_row_name(event_type))
    row: Row = {"id": "test", "createdTime": make_time(0), **(details if isinstance(details, dict) else {})}
    event = Event(subscription, event_type, str(row["id"]), call.now)
    organization_id = subscription.organization_id or min(subscription.organizations)
    write_payload(event, organization_id, row)
    send(call, event)
    return reply(call, event.describe())
