"""Webhooks: subscriptions, signed notifications to a receiver on this machine, retries, history and keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import requests
from jsonschema import validate

from airflow_provider_bill.sandbox.data.contract import load
from dev.local_bill import Headers, LocalBill

Json = dict[str, Any]
Until = Callable[[Callable[[], bool]], None]
ADDRESS = {"line1": "1 Main", "city": "San Jose", "zipOrPostalCode": "95002", "country": "US"}
ELSEWHERE = "https://receiver.example/hook"


class Notification(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        return dict(json.loads(self.body))

    def is_signed_with(self, key: str) -> bool:
        signature = base64.b64encode(hmac.new(key.encode(), self.body, hashlib.sha256).digest()).decode()
        return self.headers["x-bill-sha-signature"] == signature


class Receiver:
    """A real HTTP server on loopback, which answers with the next of `statuses`, or 200; `hold` keeps it from it."""

    def __init__(self) -> None:
        self.notifications: list[Notification] = []
        self.statuses: list[int] = []
        self.go = threading.Event()
        self.go.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.notifications.append(Notification(self.path, headers, body))
                receiver.go.wait(30)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?from=bill"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.go.set()
        self.server.shutdown()
        self.server.server_close()

    def types(self) -> list[str]:
        return [row.json["metadata"]["eventType"] for row in self.notifications]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


class Webhooks:
    """Webhooks as a client sees them."""

    def __init__(self, bill: LocalBill, headers: Headers, until: Until) -> None:
        self.bill, self.headers, self.until = bill, headers, until

    def send(self, method: str, path: str, body: Any = None, key: str | None = None, **query: Any) -> requests.Response:
        headers = {**self.headers, **({"X-Idempotent-Key": key} if key else {})}
        url = f"{self.bill.url}/connect-events/v3{path}"
        return self.bill.http.request(method, url, headers=headers, json=body, params=query, timeout=30)

    def call(self, method: str, path: str, body: Any = None, key: str | None = None, **query: Any) -> Any:
        answer = self.send(method, path, body, key, **query)
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.text else None

    def refused(
        self, method: str, path: str, body: Any = None, key: str | None = None, status: int = 400, **query: Any
    ) -> str:
        answer = self.send(method, path, body, key, **query)
        assert answer.status_code == status, answer.text
        return " ".join([answer.json()[0]["code"], *(row["message"] for row in answer.json())])

    def subscribe(self, url: str, *types: str, **changes: Any) -> Json:
        body = make_body(url, *types)
        return dict(self.call("POST", "/subscriptions", {**body, **changes}, str(uuid4())))

    def history(self, subscription: Json, **query: Any) -> list[Json]:
        return list(self.call("GET", f"/events/subscription/{subscription['id']}", **query)["results"])

    def sent(self) -> int:
        return int(self.bill.stats()["notifications"])

    def wait_for(self, subscription: Json, status: int) -> Json:
        """Wait until the last event of a subscription was answered with a status, and return it."""
        self.until(lambda: self.history(subscription)[-1].get("statusCode") == status)
        return self.history(subscription)[-1]


def make_body(url: str, *types: str) -> Json:
    events = [{"type": one, "version": "1"} for one in types or ("vendor.created",)]
    return {"name": "Mine", "status": {"enabled": True}, "events": events, "notificationUrl": url}


@pytest.fixture
def webhooks(bill: LocalBill, until: Until) -> Webhooks:
    return Webhooks(bill, bill.sign_in(), until)


def create_vendor(webhooks: Webhooks, name: str = "New") -> Json:
    return dict(webhooks.bill.post("/vendors", webhooks.headers, {"name": name, "address": ADDRESS}).json())


# -- subscriptions ----------------------------------------------------------------------------------------


def check(webhooks: Webhooks, pattern: str, answer: Any) -> None:
    method, path = pattern.split(" ")
    schema = load()[method, path].answer
    validate(answer, schema if schema is not None else {"type": "null"})
    names = (schema or {}).get("properties")
    if names:
        assert set(answer) <= set(names)


def test_all_eleven_operations_answer_as_documented(webhooks: Webhooks, receiver: Receiver) -> None:
    made = webhooks.subscribe(receiver.url, "bill.created", "vendor.created")
    check(webhooks, "POST /v3/subscriptions", made)
    assert set(made) == set((load()["POST", "/v3/subscriptions"].answer or {})["properties"])
    place = f"/subscriptions/{made['id']}"
    shown = {name: value for name, value in made.items() if name != "securityKey"}
    read = webhooks.call("GET", place)
    check(webhooks, "GET /v3/subscriptions/{}", read)
    assert read == shown
    assert webhooks.call("GET", "/subscriptions") == {"results": [shown]}
    put = webhooks.call("PUT", place, {**make_body(receiver.url, "bill.updated"), "name": "Other"})
    check(webhooks, "PUT /v3/subscriptions/{}", put)
    assert (put["name"], put["events"]) == ("Other", [{"type": "bill.updated", "version": "1"}])
    patched = webhooks.call("PATCH", place, {"name": "Third"})
    check(webhooks, "PATCH /v3/subscriptions/{}", patched)
    assert (patched["name"], patched["events"]) == ("Third", put["events"])
    check(
        webhooks,
        "POST /v3/subscriptions/{}/security_key",
        webhooks.call("POST", f"{place}/security_key", None, str(uuid4())),
    )
    tested = webhooks.call("POST", f"{place}/test", {"eventType": "bill.created", "version": "1", "bill": {"id": "x"}})
    check(webhooks, "POST /v3/subscriptions/{}/test", tested)
    resent = webhooks.call("POST", f"/events/subscription/{made['id']}/event/{tested['id']}")
    check(webhooks, "POST /v3/events/subscription/{}/event/{}", resent)
    webhooks.until(lambda: len(receiver.notifications) == 2)
    event = webhooks.wait_for(made, 200)
    assert set(event) == set((load()["POST", "/v3/subscriptions/{}/test"].answer or {})["properties"])
    catalog = webhooks.call("GET", "/events/catalog")
    check(webhooks, "GET /v3/events/catalog", catalog)
    assert {"bill.archived", "payment.updated", "spend.reimbursement.deleted"} <= {row["type"] for row in catalog}
    assert (len(catalog), {tuple(row["versions"]) for row in catalog}) == (25, {("1",)})
    check(webhooks, "DELETE /v3/subscriptions/{}", webhooks.call("DELETE", place))
    assert webhooks.call("GET", "/subscriptions") == {"results": []}
    assert webhooks.refused("GET", place, status=404).startswith("BDC_1205")
    assert webhooks.refused("GET", f"/events/subscription/{made['id']}", status=404)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": None}, "name"),
        ({"name": ["x"]}, "name"),
        ({"notificationUrl": 1}, "notificationUrl"),
        ({"status": None}, "status"),
        ({"status": {"enabled": "yes"}}, "status.enabled"),
        ({"events": []}, "events"),
        ({"events": ["bill.created"]}, "events"),
        ({"events": [{"type": "bill.paid", "version": "1"}]}, "bill.paid"),
        ({"events": [{"type": "bill.created", "version": "2"}]}, "version"),
        ({"events": [{"type": "spend.transaction.updated", "version": "1"}]}, "apiToken"),
        ({"notificationUrl": None}, "notificationUrl"),
        ({"notificationUrl": "http://receiver.example/hook"}, "must be https"),
        ({"notificationUrl": "http://127.0.0.1.receiver.example/"}, "must be https"),
        ({"notificationUrl": "http://127.0.0.1@receiver.example/"}, "must be https"),
        ({"notificationUrl": "ftp://127.0.0.1/"}, "must be https"),
        ({"notificationUrl": "https:///hook"}, "must be https"),
        ({"notificationUrl": "https://receiver.example:99999/"}, "must be https"),
        ({"notificationUrl": "https://receiver.example/a b"}, "must be https"),
    ],
)
def test_a_bad_subscription_is_refused_by_field(webhooks: Webhooks, change: Json, words: str) -> None:
    body = {**make_body(ELSEWHERE), **change}
    assert words in webhooks.refused("POST", "/subscriptions", body, str(uuid4()))
    assert webhooks.call("GET", "/subscriptions")["results"] == []
    made = webhooks.subscribe(ELSEWHERE)
    before = webhooks.call("GET", f"/subscriptions/{made['id']}")
    assert words in webhooks.refused("PUT", f"/subscriptions/{made['id']}", body)
    assert webhooks.call("GET", f"/subscriptions/{made['id']}") == before


@pytest.mark.parametrize("url", ["http://localhost:1/", "http://[::1]:1/a", "http://127.0.0.2:1", "https://a.example"])
def test_an_address_is_https_or_http_on_this_machine(webhooks: Webhooks, url: str) -> None:
    assert webhooks.subscribe(url)["notificationUrl"] == url


def test_an_organization_has_at_most_ten_subscriptions_and_no_two_alike(webhooks: Webhooks) -> None:
    made = [webhooks.subscribe(f"{ELSEWHERE}/{number}") for number in range(10)]
    assert "at most 10" in webhooks.refused("POST", "/subscriptions", make_body(ELSEWHERE), str(uuid4()))
    webhooks.call("DELETE", f"/subscriptions/{made[0]['id']}")
    twin = make_body(f"{ELSEWHERE}/1")
    assert "exists" in webhooks.refused("POST", "/subscriptions", twin, str(uuid4()))
    assert "exists" in webhooks.refused("PUT", f"/subscriptions/{made[2]['id']}", twin)
    assert webhooks.call("GET", f"/subscriptions/{made[2]['id']}")["notificationUrl"] == f"{ELSEWHERE}/2"
    webhooks.call("DELETE", f"/subscriptions/{made[3]['id']}")
    webhooks.subscribe(f"{ELSEWHERE}/1", "vendor.updated", "bill.updated")
    webhooks.subscribe(f"{ELSEWHERE}/1", "vendor.updated")
    other = next(row["id"] for row in webhooks.bill.seed["organizations"] if row["name"] == "Lighthouse Coffee")
    foreign = Webhooks(webhooks.bill, webhooks.bill.sign_in(organizationId=other), webhooks.until)
    assert foreign.subscribe(ELSEWHERE)["organizationId"] == other
    assert len(foreign.call("GET", "/subscriptions")["results"]) == 1
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test")):
        assert foreign.refused(method, f"/subscriptions/{made[1]['id']}{path}", status=404)


def test_lists_go_forward_only(webhooks: Webhooks) -> None:
    for number in range(3):
        webhooks.subscribe(f"{ELSEWHERE}/{number}")
    first = webhooks.call("GET", "/subscriptions", max=2)
    second = webhooks.call("GET", "/subscriptions", max=2, page=first["nextPage"])
    assert [len(page["results"]) for page in (first, second)] == [2, 1]
    assert set(second) == {"results"}
    assert "max" in webhooks.refused("GET", "/subscriptions", max=101)


# -- who may call -----------------------------------------------------------------------------------------


def test_missing_headers_are_a_bad_request_and_wrong_ones_are_unauthorized(webhooks: Webhooks) -> None:
    session = webhooks.headers
    for headers, status in (
        ({}, 400),
        ({"sessionId": session["sessionId"]}, 400),
        ({"devKey": session["devKey"]}, 400),
        ({"appKey": "x"}, 400),
        ({**session, "sessionId": "wrong"}, 401),
        ({**session, "devKey": "wrong"}, 401),
        ({"appKey": "wrong", "sessionId": session["sessionId"]}, 401),
        ({"apiToken": "wrong"}, 401),
        ({"Authorization": "Bearer x"}, 401),
    ):
        webhooks.headers = headers
        for method, path in (("GET", "/events/catalog"), ("GET", "/subscriptions"), ("POST", "/subscriptions")):
            webhooks.refused(method, path, status=status)


def test_a_bearer_token_is_never_taken(webhooks: Webhooks) -> None:
    row = webhooks.bill.connections["oauth"]
    form = {"grant_type": "client_credentials", "client_id": row["login"], "client_secret": row["password"]}
    answer = requests.post(f"{webhooks.bill.url}/connect/authx/token", data=form, timeout=30).json()
    webhooks.headers = {**webhooks.headers, "Authorization": f"Bearer {answer['access_token']}"}
    assert "Bearer" in webhooks.refused("GET", "/subscriptions", status=401)


def test_credentials_in_the_url_are_refused(webhooks: Webhooks) -> None:
    assert "BDC_1002" in webhooks.refused("GET", "/subscriptions", sessionId=webhooks.headers["sessionId"])


def test_an_unknown_path_is_not_supported(webhooks: Webhooks) -> None:
    for method, path in (("GET", "/events"), ("GET", "/vendors"), ("PATCH", "/subscriptions")):
        assert webhooks.refused(method, path, status=404).startswith("BDC_1121")


def test_an_api_token_subscribes_to_events_of_spend_and_expense_alone(webhooks: Webhooks, receiver: Receiver) -> None:
    token = {"apiToken": webhooks.bill.connections["spend_token"]["password"]}
    spend = Webhooks(webhooks.bill, token, webhooks.until)
    assert "apiToken" in spend.refused("POST", "/subscriptions", make_body(receiver.url), str(uuid4()))
    types = ("spend.reimbursement.created", "spend.reimbursement.updated", "spend.reimbursement.deleted")
    made = spend.subscribe(receiver.url, *types, "spend.transaction.updated")
    assert made["organizationId"] == webhooks.bill.organization
    budget, user = (
        webhooks.bill.get(f"/spend/{path}?max=1", token).json()["results"][0]["uuid"] for path in ("budgets", "users")
    )
    body = {"budgetId": budget, "userId": user, "occurredDate": "2026-11-01", "merchantName": "x", "amount": 5}
    row = webhooks.bill.post("/spend/reimbursements", token, body).json()
    path = f"/spend/reimbursements/{row['uuid']}"
    webhooks.until(lambda: len(receiver.notifications) == 1)
    assert receiver.notifications[0].json["reimbursement"] == row
    webhooks.bill.post(f"{path}/action", token, {"action": "APPROVE"})
    webhooks.until(lambda: len(receiver.notifications) == 2)
    webhooks.bill.call("DELETE", path, token)
    webhooks.until(lambda: len(receiver.notifications) == 3)
    paid = webhooks.bill.get("/spend/transactions?max=1", token).json()["results"][0]["uuid"]
    webhooks.bill.call("PUT", f"/spend/transactions/{paid}", token, json={"budgetId": budget})
    webhooks.until(lambda: len(receiver.notifications) == 4)
    assert receiver.types() == [*types, "spend.transaction.updated"]
    assert receiver.notifications[3].json["transaction"]["uuid"] == paid


def test_a_partner_is_told_of_all_its_organizations(webhooks: Webhooks, receiver: Receiver) -> None:
    bill = webhooks.bill
    row = bill.connections["partner"]
    key = row["extra"]["app_api_key"]
    body = {"appKey": key, "username": row["login"], "password": row["password"]}
    session = bill.post("/partner/login", None, body).json()["sessionId"]
    partner = Webhooks(bill, {"appKey": key, "sessionId": session}, webhooks.until)
    made = partner.subscribe(receiver.url)
    assert "organizationId" not in made
    assert partner.call("GET", "/subscriptions")["results"][0]["id"] == made["id"]
    assert webhooks.call("GET", "/subscriptions")["results"] == []
    other = next(row["id"] for row in bill.seed["organizations"] if row["name"] == "Lighthouse Coffee")
    for organization in (bill.organization, other):
        before = len(receiver.notifications)
        headers = bill.sign_in(organizationId=organization)
        bill.post("/vendors", headers, {"name": "New", "address": ADDRESS})
        webhooks.until(lambda before=before: len(receiver.notifications) == before + 1)  # type: ignore[misc]
        assert receiver.notifications[-1].json["metadata"]["organizationId"] == organization


# -- X-Idempotent-Key -------------------------------------------------------------------------------------


KEY = "482cd33c-1e59-4c7e-9334-20fa9bf07706"


@pytest.mark.parametrize(
    "key",
    [
        *(None, "", "1", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", KEY.replace("-", "")),
        *(f"{{{KEY}}}", f"urn:uuid:{KEY}"),
    ],
)
def test_a_key_that_is_missing_or_no_uuid4_is_a_bad_request(webhooks: Webhooks, key: str | None) -> None:
    assert "X-Idempotent-Key" in webhooks.refused("POST", "/subscriptions", make_body(ELSEWHERE), key)
    made = webhooks.subscribe(ELSEWHERE)
    assert "X-Idempotent-Key" in webhooks.refused("POST", f"/subscriptions/{made['id']}/security_key", None, key)
    assert len(webhooks.call("GET", "/subscriptions")["results"]) == 1


def test_the_same_key_gives_the_same_answer_for_24_hours(webhooks: Webhooks) -> None:
    key = str(uuid4())
    first = webhooks.call("POST", "/subscriptions", make_body(ELSEWHERE), key)
    again = webhooks.call("POST", "/subscriptions", make_body(f"{ELSEWHERE}/other"), key.upper())
    assert again == first
    assert len(webhooks.call("GET", "/subscriptions")["results"]) == 1
    webhooks.bill.advance(24 * 3600 - 1)
    webhooks.headers = webhooks.bill.sign_in()
    assert webhooks.call("POST", "/subscriptions", make_body(ELSEWHERE), key) == first
    webhooks.bill.advance(1)
    other = webhooks.call("POST", "/subscriptions", make_body(f"{ELSEWHERE}/other"), key)
    assert other["id"] != first["id"]


def test_a_security_key_is_made_once_for_a_key_and_each_subscription(webhooks: Webhooks) -> None:
    one, two = webhooks.subscribe(ELSEWHERE), webhooks.subscribe(f"{ELSEWHERE}/2")
    key = str(uuid4())
    answers = [
        webhooks.call("POST", f"/subscriptions/{row['id']}/{path}", None, key)["securityKey"]
        for row, path in ((one, "security_key"), (one, "security-key"), (two, "security_key"))
    ]
    assert answers[0] == answers[1] != answers[2]
    assert len({*answers, one["securityKey"], two["securityKey"]}) == 4


def test_a_refusal_is_not_remembered_and_another_caller_has_keys_of_its_own(webhooks: Webhooks) -> None:
    key = str(uuid4())
    webhooks.refused("POST", "/subscriptions", {}, key)
    made = webhooks.call("POST", "/subscriptions", make_body(ELSEWHERE), key)
    other = next(row["id"] for row in webhooks.bill.seed["organizations"] if row["name"] == "Lighthouse Coffee")
    webhooks.headers = webhooks.bill.sign_in(organizationId=other)
    assert webhooks.call("POST", "/subscriptions", make_body(ELSEWHERE), key)["id"] != made["id"]


# -- notifications ----------------------------------------------------------------------------------------


def test_a_notification_holds_the_row_and_is_signed(webhooks: Webhooks, receiver: Receiver) -> None:
    made = webhooks.subscribe(receiver.url)
    vendor = create_vendor(webhooks)
    event = webhooks.wait_for(made, 200)
    (notification,) = receiver.notifications
    assert notification.is_signed_with(made["securityKey"])
    assert notification.path == "/hook?from=bill"
    assert notification.headers["content-type"] == "application/json"
    metadata = {"eventId": event["id"], "subscriptionId": made["id"], "organizationId": webhooks.bill.organization}
    assert notification.json == {
        "metadata": {**metadata, "eventType": "vendor.created", "version": "1"},
        "vendor": vendor,
    }
    assert event["payload"].encode() == notification.body
    assert notification.body == json.dumps(notification.json, separators=(",", ":")).encode()
    assert (event["type"], event["version"], event["subscriptionId"]) == ("vendor.created", "1", made["id"])


def test_a_new_security_key_signs_from_then_on(webhooks: Webhooks, receiver: Receiver) -> None:
    made = webhooks.subscribe(receiver.url)
    key = webhooks.call("POST", f"/subscriptions/{made['id']}/security_key", None, str(uuid4()))["securityKey"]
    create_vendor(webhooks)
    webhooks.until(lambda: len(receiver.notifications) == 1)
    assert receiver.notifications[0].is_signed_with(key)
    assert not receiver.notifications[0].is_signed_with(made["securityKey"])


def test_each_change_raises_its_event_once(webhooks: Webhooks, receiver: Receiver) -> None:
    bill, headers = webhooks.bill, webhooks.headers
    catalog = [row["type"] for row in webhooks.call("GET", "/events/catalog") if not row["type"].startswith("spend.")]
    webhooks.subscribe(receiver.url, *catalog)
    bill.trust(headers)
    expected: list[str] = []

    def happens(event_type: str | None, method: str, path: str, body: Any = None) -> Json:
        answer = bill.call(method, path, headers, json=body)
        assert answer.ok, answer.text
        if event_type:
            expected.append(event_type)
        webhooks.until(lambda: len(receiver.notifications) == len(expected))
        return dict(answer.json())

    vendor = happens("vendor.created", "POST", "/vendors", {"name": "New", "address": ADDRESS})["id"]
    happens("vendor.updated", "PATCH", f"/vendors/{vendor}", {"name": "Newer"})
    happens("vendor.archived", "POST", f"/vendors/{vendor}/archive")
    happens("vendor.restored", "POST", f"/vendors/{vendor}/restore")
    lines = [{"amount": 10, "description": "a"}]
    fields = {"vendorId": vendor, "dueDate": "2035-01-31", "billLineItems": lines}
    made = happens("bill.created", "POST", "/bills", {**fields, "invoice": {"invoiceNumber": "N-1"}})
    happens("bill.updated", "PATCH", f"/bills/{made['id']}", {"dueDate": "2035-02-01"})
    happens("bill.archived", "POST", f"/bills/{made['id']}/archive")
    happens("bill.restored", "POST", f"/bills/{made['id']}/restore")
    happens(None, "POST", "/customers", {"name": "No event"})
    customer = bill.get("/customers?max=1", headers).json()["results"][0]["id"]
    items = [{"quantity": 1, "price": 5, "description": "x"}]
    happens(
        "invoice.created",
        "POST",
        "/invoices",
        {"customer": {"id": customer}, "invoiceNumber": "I-1", "dueDate": "2035-01-31", "invoiceLineItems": items},
    )
    account = {"nameOnAccount": "x", "accountNumber": "987654321", "routingNumber": "021000021"}
    bank = happens("bank-account.created", "POST", "/funding-accounts/banks", account)
    assert receiver.types() == expected
    last = receiver.notifications[-1]
    assert last.json["bankAccount"] == bank
    assert b"987654321" not in last.body
    assert receiver.notifications[2].json["vendor"]["archived"] is True
    assert len({row.json["metadata"]["eventId"] for row in receiver.notifications}) == len(expected)


def test_a_payment_is_told_of_as_it_is_when_the_call_ends(webhooks: Webhooks, receiver: Receiver) -> None:
    bill, headers = webhooks.bill, webhooks.headers
    bill.trust(headers)
    webhooks.subscribe(receiver.url, "payment.updated")
    paid = bill.post("/payments", headers, {"vendorId": bill.vendor(headers), "amount": 5}).json()
    webhooks.until(lambda: len(receiver.notifications) == 1)
    shown = receiver.notifications[0].json["payment"]
    assert (shown["id"], receiver.types()) == (paid["id"], ["payment.updated"])
    assert shown == bill.get(f"/payments/{paid['id']}", headers).json()


def test_each_status_of_a_payment_is_told_of(webhooks: Webhooks, receiver: Receiver) -> None:
    bill, headers = webhooks.bill, webhooks.headers
    bill.trust(headers)
    made = webhooks.subscribe(receiver.url, "payment.updated")
    now = datetime.fromisoformat(bill.control("GET", "clock")["now"])
    pay = {"vendorId": bill.vendor(headers), "amount": 5, "processDate": (now + timedelta(days=1)).date().isoformat()}
    canceled, paid = (bill.post("/payments", headers, pay).json()["id"] for _ in range(2))
    webhooks.until(lambda: len(receiver.notifications) == 2)
    assert bill.post(f"/payments/{canceled}/cancel", headers).ok
    webhooks.until(lambda: len(receiver.notifications) == 3)
    bill.advance(5 * 86400)
    headers = webhooks.headers = bill.sign_in()
    bill.trust(headers)
    assert bill.get(f"/payments/{paid}", headers).json()["singleStatus"] == "PAID"
    webhooks.until(lambda: len(receiver.notifications) == 4)
    void = {"type": "VOID_ONLY", "reason": "wrong"}
    assert bill.post(f"/payments/{paid}/void", headers, void).ok
    webhooks.until(lambda: len(receiver.notifications) == 5)
    told = [(row.json["payment"]["id"], row.json["payment"]["singleStatus"]) for row in receiver.notifications]
    assert sorted(told[:2]) == sorted([(canceled, "SCHEDULED"), (paid, "SCHEDULED")])  # sent side by side
    assert told[2:] == [(canceled, "CANCELED"), (paid, "PAID"), (paid, "VOIDED")]
    times = [datetime.fromisoformat(row["createdTime"]) for row in webhooks.history(made)]
    assert times[2] < now + timedelta(hours=1) < now + timedelta(days=1) < times[3] <= times[4]


def test_a_change_by_v2_raises_the_event_too(webhooks: Webhooks, receiver: Receiver) -> None:
    webhooks.subscribe(receiver.url)
    fields = webhooks.bill.v2_sign_in()
    obj = {"entity": "Vendor", "name": "By v2"}
    made = webhooks.bill.form("Crud/Create/Vendor", {"obj": obj}, **fields)
    assert made["response_status"] == 0
    webhooks.until(lambda: len(receiver.notifications) == 1)
    assert receiver.notifications[0].json["vendor"]["name"] == "By v2"


def test_only_an_enabled_subscription_to_the_event_is_told(webhooks: Webhooks, receiver: Receiver) -> None:
    off = webhooks.subscribe(f"{receiver.url}&off", status={"enabled": False})
    other = webhooks.subscribe(f"{receiver.url}&other", "vendor.updated")
    on = webhooks.subscribe(receiver.url)
    create_vendor(webhooks)
    webhooks.wait_for(on, 200)
    headers, elsewhere = webhooks.headers, webhooks.bill.seed["organizations"][1]["id"]
    webhooks.headers = webhooks.bill.sign_in(organizationId=elsewhere)
    create_vendor(webhooks)
    webhooks.headers = headers
    assert len(webhooks.history(on)) == 1
    assert [row.path for row in receiver.notifications] == ["/hook?from=bill"]
    assert webhooks.history(off) == webhooks.history(other) == []
    webhooks.call("PATCH", f"/subscriptions/{off['id']}", {"status": {"enabled": True}})
    create_vendor(webhooks)
    webhooks.until(lambda: len(receiver.notifications) == 3)
    assert len(webhooks.history(off)) == 1


def test_a_call_never_waits_for_a_receiver(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.go.clear()
    made = webhooks.subscribe(receiver.url)
    create_vendor(webhooks)
    webhooks.until(lambda: len(receiver.notifications) == 1)
    assert "statusCode" not in webhooks.history(made)[0]
    receiver.go.set()
    assert webhooks.wait_for(made, 200)


@pytest.mark.parametrize("url", [ELSEWHERE, "https://192.0.2.1/hook", "https://localhost.example/"])
def test_nothing_is_sent_to_another_machine_and_the_history_says_so(webhooks: Webhooks, url: str) -> None:
    made = webhooks.subscribe(url)
    create_vendor(webhooks)
    webhooks.until(lambda: "note" in webhooks.history(made)[0])
    (event,) = webhooks.history(made)
    assert event["note"] == "not delivered: the local BILL delivers to this machine only"
    assert "statusCode" not in event
    webhooks.bill.advance(60)
    assert webhooks.sent() == 0
    assert webhooks.call("GET", f"/subscriptions/{made['id']}")["status"] == {"enabled": True}


def test_an_address_that_is_changed_to_another_machine_is_not_tried_again(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    made = webhooks.subscribe(receiver.url)
    create_vendor(webhooks)
    webhooks.wait_for(made, 500)
    webhooks.call("PATCH", f"/subscriptions/{made['id']}", {"notificationUrl": ELSEWHERE})
    webhooks.bill.advance(60)
    webhooks.until(lambda: "note" in webhooks.history(made)[0])
    webhooks.bill.advance(60)
    assert webhooks.sent() == 1


def test_a_notification_is_sent_again_after_2_4_8_and_16_seconds_and_then_never(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    receiver.statuses = [500, 201, 302, 404, 503]
    made = webhooks.subscribe(receiver.url)
    create_vendor(webhooks)
    webhooks.wait_for(made, 500)
    for number, (seconds, status) in enumerate(((2, 201), (4, 302), (8, 404), (16, 503)), 2):
        webhooks.bill.advance(seconds - 0.5)
        assert webhooks.sent() == number - 1
        assert webhooks.call("GET", f"/subscriptions/{made['id']}")["status"] == {"enabled": True}
        webhooks.bill.advance(0.5)
        webhooks.wait_for(made, status)
    place = f"/subscriptions/{made['id']}"
    webhooks.until(lambda: webhooks.call("GET", place)["status"] == {"enabled": False})
    webhooks.bill.advance(3600)
    assert webhooks.sent() == 5
    assert len({(row.path, row.body) for row in receiver.notifications}) == 1
    webhooks.headers = webhooks.bill.sign_in()
    create_vendor(webhooks)
    assert len(webhooks.history(made)) == 1
    webhooks.call("PATCH", place, {"status": {"enabled": True}})
    create_vendor(webhooks)
    webhooks.wait_for(made, 200)
    assert webhooks.sent() == 6


def test_a_notification_that_gets_through_is_not_sent_again(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.statuses = [503, 200]
    made = webhooks.subscribe(receiver.url)
    create_vendor(webhooks)
    webhooks.wait_for(made, 503)
    webhooks.bill.advance(2)
    webhooks.wait_for(made, 200)
    webhooks.bill.advance(60)
    assert webhooks.sent() == 2
    assert webhooks.call("GET", f"/subscriptions/{made['id']}")["status"] == {"enabled": True}


def test_an_answer_that_takes_ten_seconds_is_too_late(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.go.clear()
    made = webhooks.subscribe(receiver.url)
    create_vendor(webhooks)
    webhooks.until(lambda: len(receiver.notifications) == 1)
    webhooks.bill.advance(9.5)
    webhooks.bill.advance(0.4)
    assert webhooks.sent() == 1
    webhooks.bill.advance(0.1)
    webhooks.bill.advance(1.5)
    assert webhooks.sent() == 1
    webhooks.bill.advance(0.5)
    webhooks.until(lambda: len(receiver.notifications) == 2)
    receiver.go.set()
    assert webhooks.wait_for(made, 200)
    assert webhooks.sent() == 2


def test_a_receiver_that_is_not_there_is_tried_five_times(webhooks: Webhooks) -> None:
    made = webhooks.subscribe("http://127.0.0.1:1/hook")
    create_vendor(webhooks)

    def is_disabled() -> bool:
        webhooks.bill.advance(16)
        return bool(webhooks.call("GET", f"/subscriptions/{made['id']}")["status"] == {"enabled": False})

    webhooks.until(is_disabled)
    webhooks.bill.advance(60)
    assert webhooks.sent() == 5


def test_by_a_running_clock_a_retry_comes_by_itself(webhooks: Webhooks, receiver: Receiver) -> None:
    webhooks.bill.reset()
    webhooks.headers = webhooks.bill.sign_in()
    receiver.statuses = [500]
    made = webhooks.subscribe(receiver.url)
    create_vendor(webhooks)
    webhooks.wait_for(made, 500)
    webhooks.bill.advance(1.9)
    webhooks.wait_for(made, 200)
    assert webhooks.sent() == 2


def test_a_deleted_or_disabled_subscription_is_not_tried_again(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.statuses = [500, 500]
    gone, off = webhooks.subscribe(receiver.url), webhooks.subscribe(f"{receiver.url}&off")
    create_vendor(webhooks)
    webhooks.wait_for(gone, 500)
    webhooks.wait_for(off, 500)
    webhooks.call("DELETE", f"/subscriptions/{gone['id']}")
    webhooks.call("PATCH", f"/subscriptions/{off['id']}", {"status": {"enabled": False}})
    webhooks.bill.advance(60)
    assert webhooks.sent() == 2


def test_a_reset_ends_what_is_under_way(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.statuses = [500]
    made = webhooks.subscribe(receiver.url)
    create_vendor(webhooks)
    webhooks.wait_for(made, 500)
    webhooks.bill.reset()
    webhooks.bill.stop_clock(datetime(2027, 1, 1, tzinfo=UTC))
    webhooks.bill.advance(60)
    webhooks.headers = webhooks.bill.sign_in()
    assert webhooks.call("GET", "/subscriptions")["results"] == []
    assert (webhooks.sent(), len(receiver.notifications)) == (0, 1)


def test_a_reset_ends_a_notification_that_waits_for_its_answer(webhooks: Webhooks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        webhooks.subscribe(f"http://127.0.0.1:{server.getsockname()[1]}/")
        create_vendor(webhooks)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(5)
            assert connection.recv(10) == b"POST / HTT"
            webhooks.bill.reset()
            while connection.recv(65536):
                continue


# -- history, test events and resending -------------------------------------------------------------------


def test_the_history_of_180_days_is_paged_and_found_by_row(webhooks: Webhooks, receiver: Receiver) -> None:
    made = webhooks.subscribe(receiver.url)
    vendors = [create_vendor(webhooks, f"Vendor {number}")["id"] for number in range(3)]
    place = f"/events/subscription/{made['id']}"
    first = webhooks.call("GET", place, max=2)
    second = webhooks.call("GET", place, max=2, page=first["nextPage"])
    rows = [*first["results"], *second["results"]]
    assert [json.loads(row["payload"])["vendor"]["id"] for row in rows] == vendors
    assert set(second) == {"results"}
    assert [row["id"] for row in webhooks.history(made, entityId=vendors[1])] == [rows[1]["id"]]
    webhooks.bill.advance(100 * 86400)
    webhooks.headers = webhooks.bill.sign_in()
    create_vendor(webhooks)
    webhooks.bill.advance(80 * 86400)
    webhooks.headers = webhooks.bill.sign_in()
    assert len(webhooks.history(made)) == 4
    webhooks.bill.advance(1)
    assert len(webhooks.history(made)) == 1
    create_vendor(webhooks)
    assert len(webhooks.history(made)) == 2
    old = webhooks.refused("POST", f"{place}/event/{rows[0]['id']}", status=404)
    assert old.startswith("BDC_1205")


def test_an_event_is_resent_with_its_own_id(webhooks: Webhooks, receiver: Receiver) -> None:
    made = webhooks.subscribe(receiver.url)
    create_vendor(webhooks)
    event = webhooks.wait_for(made, 200)
    place = f"/events/subscription/{made['id']}/event"
    assert webhooks.call("POST", f"{place}/{event['id']}") == event
    webhooks.until(lambda: len(receiver.notifications) == 2)
    assert receiver.notifications[0] == receiver.notifications[1]
    assert len(webhooks.history(made)) == 1
    assert webhooks.refused("POST", f"{place}/nope", status=404)


def test_an_event_that_was_not_sent_is_resent_to_a_receiver_on_this_machine(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    made = webhooks.subscribe(ELSEWHERE)
    create_vendor(webhooks)
    webhooks.until(lambda: "note" in webhooks.history(made)[0])
    webhooks.call("PATCH", f"/subscriptions/{made['id']}", {"notificationUrl": receiver.url})
    webhooks.call("POST", f"/events/subscription/{made['id']}/event/{webhooks.history(made)[0]['id']}")
    assert "note" not in webhooks.wait_for(made, 200)


def test_an_event_is_resent_once_to_a_disabled_subscription(webhooks: Webhooks, receiver: Receiver) -> None:
    made = webhooks.subscribe(receiver.url)
    create_vendor(webhooks)
    event = webhooks.wait_for(made, 200)
    webhooks.call("PATCH", f"/subscriptions/{made['id']}", {"status": {"enabled": False}})
    receiver.statuses = [500]
    webhooks.call("POST", f"/events/subscription/{made['id']}/event/{event['id']}")
    webhooks.wait_for(made, 500)
    webhooks.bill.advance(60)
    assert webhooks.sent() == 2


def test_a_test_event_has_the_details_that_are_asked_for(webhooks: Webhooks, receiver: Receiver) -> None:
    made = webhooks.subscribe(receiver.url, "bill.archived", "bill.updated")
    place = f"/subscriptions/{made['id']}/test"
    body = {"eventType": "bill.created", "version": "1", "bill": {"id": "x", "vendorId": "y", "amount": 100}}
    answer = webhooks.call("POST", place, body)
    assert answer["type"] == "bill.created"
    webhooks.until(lambda: len(receiver.notifications) == 1)
    assert receiver.notifications[0].body == answer["payload"].encode()
    shown = receiver.notifications[0].json
    assert (shown["bill"]["vendorId"], shown["bill"]["amount"]) == ("y", 100)
    assert shown["metadata"]["eventId"] == answer["id"]
    assert receiver.notifications[0].is_signed_with(made["securityKey"])
    assert webhooks.call("POST", place)["type"] == "bill.archived"
    webhooks.until(lambda: len(receiver.notifications) == 2)
    assert "eventType" in webhooks.refused("POST", place, {"eventType": "nope"})
    assert "version" in webhooks.refused("POST", place, {"version": "2"})
    assert len(webhooks.history(made, entityId="x")) == 1


def test_a_security_key_is_shown_once_and_nowhere_else(webhooks: Webhooks, receiver: Receiver) -> None:
    made = webhooks.subscribe(receiver.url)
    create_vendor(webhooks)
    event = webhooks.wait_for(made, 200)
    controls = [webhooks.bill.control("GET", name) for name in ("requests", "stats", "sessions", "seed")]
    shown = [webhooks.call("GET", "/subscriptions"), webhooks.call("GET", f"/subscriptions/{made['id']}"), event]
    assert made["securityKey"] not in json.dumps([controls, shown])
    assert len(made["securityKey"]) >= 40
