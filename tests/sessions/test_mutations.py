"""Whatever becomes of what is stored, answered or handed on: it is read as what it says, or as nothing, or refused.

Valid documents are changed at random, from a fixed seed, and read through the doors that tasks read them through.
"""

from __future__ import annotations

import contextlib
import copy
import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_bill.client.answers import Answer
from airflow_provider_bill.client.auth import credentials_from
from airflow_provider_bill.client.auth.device import RememberedDevice
from airflow_provider_bill.client.client import BillClient
from airflow_provider_bill.client.environments import resolve_environment
from airflow_provider_bill.client.request import BillRequest
from airflow_provider_bill.client.session import BillSession
from airflow_provider_bill.client.transport import HttpResponse, Transport
from airflow_provider_bill.exceptions import (
    BillError,
    BillHandleError,
    BillMfaError,
    BillOutcomeUnknownError,
    BillRateLimitError,
    BillSignInRefusedError,
)
from airflow_provider_bill.sessions.devices import Devices
from airflow_provider_bill.sessions.identity import Handle, XComLocation
from airflow_provider_bill.sessions.keys import session_key, settlement_key
from airflow_provider_bill.sessions.locks import LeaseLock, ProcessLock
from airflow_provider_bill.sessions.mfa import Challenge
from airflow_provider_bill.sessions.overview import Entry, overview
from airflow_provider_bill.sessions.shared import SharedSession
from airflow_provider_bill.sessions.stores import MemoryStore
from airflow_provider_bill.sessions.writes import DurableWrites, TaskTry, settle
from dev.clock import START, ManualClock
from dev.task_instance import Time

#: What stands in the place of a value.
JUNK: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 1e308, -1e308, float("nan"), float("inf"), 10**30, -(10**4000), "", " ", "0",
    "null", "x" * 5000, "\ud800", "\x00", "ä\n\u2028", "now", "P1D", "1/2", "soon", "2026-11-21", "2026-11-21T12:34:56",
    "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+00:00", "refused", "blocked", "proven", "unanswered", "BDC_1101",
    "${paramName0}" * 20, [], {}, [[]], [None], {"": None}, {"v": 1}, {"code": "BDC_1109"}, [{"code": ["BDC_1101"]}],
)  # fmt: skip
SECRETS = ("correct horse", "developer-key-of-a-test", "the-session-id-itself", "remember-me-id-given-by-bill")
FIELDS = {
    "login": "ada@example.com",
    "password": SECRETS[0],
    "developer_api_key": SECRETS[1],
    "organization_id": "00801SBX000100000000",
}
GIVEN = RememberedDevice(token=SECRETS[3], device="airflow-test")
PAYMENT = {"vendorId": "00901SBX000100000001", "amount": 1.5, "processDate": "2099-01-01"}


def changed_value(draw: random.Random, value: Any) -> Any:
    """Change a JSON value somewhere: a part is gone, another, twice, deeper, or under another name."""
    if isinstance(value, dict | list) and value and draw.random() < 0.85:
        value = copy.copy(value)
        places: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
        place = draw.choice(places)
        how = draw.randrange(6)
        if how == 0:
            del value[place]
        elif how == 1 and isinstance(value, dict):
            value[draw.choice(["", "v", "x", f"{place}s"])] = value.pop(place)
        elif how == 2:
            value[place] = value[draw.choice(places)]
        else:
            value[place] = changed_value(draw, value[place])
        return value
    return draw.choice([*JUNK, [value], {"value": value}, str(value), value])


def changed(draw: random.Random, text: str) -> str:
    """Change a JSON text, as text or as the value that it stands for."""
    if draw.random() < 0.7:
        value = json.loads(text)
        for _ in range(draw.choice([1, 1, 1, 2, 4])):
            value = changed_value(draw, value)
        return json.dumps(value, ensure_ascii=draw.random() < 0.5)
    begin = draw.randrange(len(text))
    end = begin + draw.choice([1, 1, 3, 20, len(text)])
    piece = draw.choice(["", "", "\x00", "]", '"', "\ufeff", "é", "[" * 5000, '{"a":' * 20_000, "9" * 5000, text])
    return text[:begin] + draw.choice([piece, text[begin:end] * 2, text[begin:end].swapcase()]) + text[end:]


class Given(Transport):
    """A transport that gives one answer to whatever is asked, and counts."""

    status, content, sent = 200, b"", 0

    def send(self, request: BillRequest, url: str, **kwargs: Any) -> HttpResponse:
        self.sent += 1
        return HttpResponse(request, self.status, self.content, kwargs.get("sent_at") or self.clock())


class Bench:
    """A shared session without a network, and all that it leaves in its store."""

    def __init__(self, kind: str = "v3", store: MemoryStore | None = None, **fields: str) -> None:
        self.clock = ManualClock()
        self.transport = Given(clock=self.clock, sleep=lambda seconds: None)
        environment = resolve_environment("sandbox", fields.pop("host", ""))
        self.client = BillClient(credentials_from(kind, {**FIELDS, **fields}), environment, transport=self.transport)
        self.store = store or MemoryStore()
        self.shared = SharedSession(self.client, "bill", store=self.store, lock=ProcessLock(), clock=self.clock)
        self.manager, self.guard, self.mfa = self.shared.manager, self.shared.guard, self.shared.mfa
        self.session = BillSession(
            session_token=SECRETS[2],
            organization_id=FIELDS["organization_id"],
            user_id="006AAAAAAAAAAAAAAAAA",
            signed_in_at=START,
            last_used_at=START,
            signed_in_by={"dag_id": "d", "run_id": "r", "task_id": "t"},
        )


#: Reads one changed text, checks what it was read as, and says how that ended.
Read = Callable[[str], object]
#: Given what draws, returns valid texts of a kind, and what reads one that was changed.
Door = Callable[[random.Random], tuple[list[str], Read]]


class refused_by:  # used as contextlib's own
    """Let errors of these kinds pass, if they are whole and tell no secret."""

    def __init__(self, *kinds: type[BillError], secrets: tuple[str, ...] = SECRETS) -> None:
        self._kinds, self._secrets = kinds, secrets

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, self._kinds):
            return False
        told = f"{error} {error!r} {vars(error)}"
        assert not [secret for secret in self._secrets if secret in told]
        assert error.code is None or isinstance(error.code, str)
        assert error.status is None or isinstance(error.status, int)
        return True


# -- records --------------------------------------------------------------------------------------------------


def session_record(draw: random.Random) -> tuple[list[str], Read]:
    """The record of a session; those of others may lie in its place, whole or in parts."""
    bench = Bench()
    bench.manager.save(bench.session)
    key = session_key(bench.manager.identity)
    own = str(bench.store.read(key))
    others = [
        Bench(organization_id="00801SBX000200000000"),
        Bench(login="ben@example.com"),
        Bench(host="http://127.0.0.1:8787"),
        Bench("v2"),
        Bench(password="another"),
    ]
    texts = [own]
    for other in others:
        other.manager.save(other.session)
        text = str(other.store.read(session_key(other.manager.identity)))
        texts += [text, json.dumps({**json.loads(own), "sealed": json.loads(text)["sealed"]})]

    def read(text: str) -> object:
        bench.store.write(key, text)
        found = bench.manager.peek()
        assert found in (None, bench.session)
        return found is not None

    assert [bool(read(text)) for text in texts] == [True] + [False] * 10
    return texts, read


def note_of_a_sign_in(draw: random.Random) -> tuple[list[str], Read]:
    """What the guard has noted: a refusal, a limit, a success, a sign-in without an answer."""
    bench, other, texts = Bench(), Bench(organization_id="00801SBX000200000000"), []
    ends: list[BillError | None] = [
        BillSignInRefusedError("the password is wrong", code="BDC_1101"),
        BillSignInRefusedError("HTTP 403"),
        BillRateLimitError("the hour is used up", code="BDC_1144", retry_at=START.add(minutes=20)),
        None,
    ]
    for end in ends:
        for one in (bench, other):
            one.store = MemoryStore()
            one.guard._store = one.store
            with contextlib.suppress(BillError), one.guard.admit(lambda: None):
                if end is not None:
                    raise end
        texts += [text for text in bench.store._texts.values() if text not in texts]
    keys = bench.guard.note_keys

    def read(text: str) -> object:
        bench.store._texts.clear()
        bench.store.write(draw.choice(keys), text)
        with refused_by(BillSignInRefusedError, BillRateLimitError), bench.guard.admit(lambda: None) as found:
            assert found is None
            return True
        return False

    return texts, read


def remembered_device(draw: random.Random) -> tuple[list[str], Read]:
    """The devices, the key that seals them, and which of them BILL has refused."""
    bench = Bench()
    bench.manager.devices.remember(GIVEN, START)
    bench.manager.devices.refuse(RememberedDevice(token="another", device="airflow-test"))
    whole = dict(bench.store._texts)
    plain = [json.dumps(text) for text in whole.values() if not text.startswith("{")]
    texts = [text for text in whole.values() if text.startswith("{")] + plain

    def read(text: str) -> object:
        key = draw.choice(list(whole))
        store = MemoryStore()
        store._texts.update({**whole, key: text})
        devices = Devices(store, bench.manager.identity, bench.client.credentials, clock=bench.clock)
        assert devices.usable() in (None, GIVEN)
        days = devices.days_left()
        assert days is None or 0 <= days <= 30
        return devices.usable() is not None

    return texts, read


def note_of_a_challenge(draw: random.Random) -> tuple[list[str], Read]:
    """The note about a code that is on its way, and what a task has returned of it."""
    bench = Bench()
    bench.manager.save(bench.session)
    bench.transport.content = b'{"challengeId": "00cABC", "phones": []}'
    sent = bench.mfa.challenge(bench.session)
    key = next(key for key in bench.store._texts if "challenge" in key)

    def read(text: str) -> object:
        bench.store.write(key, text)
        pending = bench.mfa.pending(bench.session)
        assert pending is None or pending.session == sent.session
        assert bench.mfa.outcome(sent) in ("open", "over", "replaced")
        with refused_by(BillMfaError), contextlib.suppress(ValueError, RecursionError):
            known = Challenge.from_dict(json.loads(text))
            assert known.ends_at
            assert bench.mfa.outcome(known)
        return pending is not None

    return [json.dumps(sent.as_dict())], read


def lease(draw: random.Random) -> tuple[list[str], Read]:
    """The lease of whoever signs in: it is waited for, and never for longer than an hour."""
    store, pretended = MemoryStore(), Time()
    lock = LeaseLock(store, sleep=lambda seconds: pretended.sleep(max(seconds, 60)), monotonic=pretended)
    with lock.acquire("key", lambda: None):
        own = str(store.read("key"))

    def read(text: str) -> object:
        store.write("key", text)
        began = pretended.now
        with lock.acquire("key", lambda: None):
            assert pretended.now - began < 4000
        return pretended.now - began < 61

    return [own.replace(json.loads(own)["host"], "another")], read


def note_of_a_write(draw: random.Random) -> tuple[list[str], Read]:
    """Intent, outcome and settlement of a payment: what cannot be understood is never taken for nothing."""
    bench, store, settlements = Bench(), MemoryStore(), MemoryStore()
    request = bench.client.prepare("POST", "/v3/payments", body=PAYMENT)
    sent: list[BillRequest] = []

    def pay(answer: Answer | None) -> Answer | None:
        def send(request: BillRequest, around: Any) -> Answer:
            def once() -> Answer:
                sent.append(request)
                if answer is None:
                    raise BillOutcomeUnknownError("no answer")
                return answer

            found: Answer = around(once)
            return found

        writes = DurableWrites(store, "w", settlements=settlements, task_try=TaskTry(), clock=bench.clock)
        return writes.send(request, bench.manager.identity, None, send)

    with contextlib.suppress(BillOutcomeUnknownError):
        pay(None)
    unknown = dict(store._texts)
    (write_id,) = {json.loads(text)["id"] for key, text in unknown.items() if not key.endswith("claim")}
    settle(settlements, write_id, carried_out=True, result={"id": "stp1"})
    settled = str(settlements.read(settlement_key(write_id)))
    pay(None)
    answered = dict(store._texts)
    outcome = next(key for key in answered if not key.endswith(("__claim", "__open", "__sent")))
    worlds = [
        *((unknown, key, unknown[key]) for key in unknown if not key.endswith("claim")),
        (unknown, settlement_key(write_id), settled),
        (answered, outcome, answered[outcome]),
    ]

    def read(text: str) -> object:
        texts, key, _ = draw.choice(worlds)
        store._texts, settlements._texts = dict(texts), {}
        (settlements if key.startswith("bill_write_settled") else store).write(key, text)
        sent.clear()
        with refused_by(BillError):
            answer = pay(Answer(request, 200, {"id": "stp2"}, START))
            # Where no text is left there is no note; and a person may say that it was not carried out.
            assert not sent or not text or "false" in text
            return answer is not None
        assert not sent
        return False

    return [text for _, _, text in worlds], read


def page_of_what_is_stored(draw: random.Random) -> tuple[list[str], Read]:
    """All of it on the page for people: what cannot be read is named."""
    bench = Bench()
    bench.manager.save(bench.session)
    bench.manager.devices.remember(GIVEN, START)
    with contextlib.suppress(BillError), bench.guard.admit(lambda: None):
        raise BillSignInRefusedError("the password is wrong", code="BDC_1101")
    texts = [text for text in bench.store._texts.values() if text.startswith("{")]
    settled = settlement_key("0123456789abcdef")
    intent = {"v": 1, "id": "0123456789abcdef", "state": "sent", "name": "write number 1", "call": "POST /v3/payments"}
    texts.append(json.dumps({**intent, "at": START.isoformat(), "digest": "d", "task": ["d", "r", "t", -1]}))
    keys = [*bench.store._texts, settled, "bill_write__d__n__sent", "bill_mfa_challenge__bill__008"]

    def read(text: str) -> object:
        seen = overview([Entry(draw.choice(keys), text)], START)
        return not seen.unreadable

    return texts, read


# -- handles --------------------------------------------------------------------------------------------------


def handle(draw: random.Random) -> tuple[list[str], Read]:
    """What a login task returns to the others."""
    bench = Bench()
    own = bench.shared.handle_of(bench.session)
    in_xcom = Handle(own.conn_id, own.organization_id, "xcom", own.key, XComLocation("d", "r", "t"))

    def read(text: str) -> object:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        with refused_by(BillHandleError):
            known = Handle.from_dict(value)
            for name in ("conn_id", "organization_id", "store", "key"):
                assert getattr(known, name) == value[name]
            assert known.store != "xcom" or known.location is not None
            assert Handle.from_dict(known.as_dict()) == known
            return True
        return False

    return [json.dumps(own.as_dict()), json.dumps(in_xcom.as_dict())], read


# -- answers --------------------------------------------------------------------------------------------------

STATUSES = (*[200] * 12, 204, 301, 400, 401, 403, 404, 422, 423, 429, 500, 502)


def answer_to_a_sign_in(kind: str, draw: random.Random) -> tuple[list[str], Read]:
    """What BILL answers to a sign-in: a session of the wanted organization, or an error."""
    good: dict[str, object] = {
        "sessionId": SECRETS[2],
        "organizationId": FIELDS["organization_id"],
        "userId": "006",
        "trusted": False,
    }
    error = {"timestamp": START.isoformat(), "code": "BDC_1101", "severity": "ERROR", "message": "no ${paramName0}"}
    if kind == "v2":
        good = {"sessionId": SECRETS[2], "orgId": FIELDS["organization_id"], "usersId": "006", "apiEndPoint": ""}
        refusal = {"error_code": "BDC_1101", "error_message": "no"}
        texts: list[object] = [{"response_status": n, "response_data": data} for n, data in ((0, good), (1, refusal))]
    else:
        texts = [good, [error], {"error": "invalid_client", "error_description": "no"}]

    def read(text: str) -> object:
        bench = Bench(kind)
        bench.transport.status = draw.choice(STATUSES)
        bench.transport.content = as_bytes(draw, text)
        # Only what BILL itself gives as something else is told.
        with refused_by(BillError, secrets=SECRETS if text.count(SECRETS[2]) < 2 else ()):
            session = bench.manager.acquire()
            assert bench.manager.identity.organization_id == session.organization_id.upper()
            assert session.session_token
            assert session.session_token in text
            assert not session.api_endpoint
            assert Bench(kind, store=bench.store).manager.peek() == session
            return True
        return False

    return [json.dumps(text) for text in texts], read


def answer_in_a_session(draw: random.Random) -> tuple[list[str], Read]:
    """What BILL answers to the calls in a session, and to those that pass MFA."""
    texts = [
        json.dumps(body)
        for body in (
            {"organizationId": "00801SBX000100000000", "userId": "006", "mfaStatus": "CHALLENGE", "mfaBypass": False},
            {"challengeId": "00cABC"},
            {"rememberMeId": SECRETS[3], "trusted": True},
            {"results": [{"id": "1", "phone": "5555", "type": "MOBILE", "primary": True}], "nextPage": ""},
            [{"code": "BDC_1109", "message": "the session is over ${name}", "params": {"name": "x"}}],
        )
    ]
    bench = Bench()
    client, session = bench.client, bench.session
    payment = client.prepare("POST", "/v3/payments", body=PAYMENT)
    vendors = client.prepare("GET", "/v3/vendors")
    calls: list[Callable[[], object]] = [
        lambda: client.session_details(session),
        lambda: client.mfa.challenge(session),
        lambda: client.mfa.validate(session, "00c", "123456", device="d", machine_name="m", remember=True),
        lambda: client.mfa.step_up(session, GIVEN),
        lambda: client.mfa.phones(session),
        lambda: client.organizations(session),
        lambda: client.sign_out(session),
        lambda: client.send(session, vendors),
        lambda: client.send(session, payment),
    ]

    def read(text: str) -> object:
        bench.transport.status, bench.transport.content = draw.choice(STATUSES), as_bytes(draw, text)
        with refused_by(BillError):
            draw.choice(calls)()
            return True
        return False

    return texts, read


def as_bytes(draw: random.Random, text: str) -> bytes:
    """Return the body of an answer; some are no UTF-8, or break off."""
    content = text.encode("utf-8", "surrogatepass")
    how = draw.randrange(12)
    if how == 0:
        return content[: draw.randrange(len(content) + 1)]
    if how == 1:
        at = draw.randrange(len(content) + 1)
        return content[:at] + bytes([draw.randrange(128, 256)]) + content[at:]
    return text.encode("utf-16", "surrogatepass") if how == 2 else content


def v3_sign_in(draw: random.Random) -> tuple[list[str], Read]:
    return answer_to_a_sign_in("v3", draw)


def v2_sign_in(draw: random.Random) -> tuple[list[str], Read]:
    return answer_to_a_sign_in("v2", draw)


#: Each with its share of the 100,000.
DOORS: dict[Door, int] = {
    session_record: 15_000,
    note_of_a_sign_in: 15_000,
    remembered_device: 8_000,
    note_of_a_challenge: 12_000,
    lease: 3_000,
    note_of_a_write: 8_000,
    page_of_what_is_stored: 7_000,
    handle: 12_000,
    v3_sign_in: 4_000,
    v2_sign_in: 4_000,
    answer_in_a_session: 12_000,
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", [0.02, pytest.param(1, marks=pytest.mark.generated)])
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_what_was_changed_is_read_as_what_it_says_or_as_nothing_or_is_refused(door: Door, share: float) -> None:
    draw = random.Random(getattr(door, "__name__", ""))
    texts, read = door(draw)
    ends: Counter[object] = Counter()
    for _ in range(int(DOORS[door] * share)):
        text = changed(draw, draw.choice(texts))
        try:
            ends[bool(read(text))] += 1
        except Exception as error:
            error.add_note(f"the changed text: {text[:1000]!r}")
            raise
    # The changes are worth something: some leave enough to be read.
    assert min(ends[True], ends[False]) > 0


def test_the_mutations_are_a_hundred_thousand() -> None:
    assert sum(DOORS.values()) == 100_000
