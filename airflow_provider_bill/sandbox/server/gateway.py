"""The way of every BILL call: journal, faults, limits, latency, and then its dialect's handler."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import Any

from airflow_provider_bill.sandbox.errors import Refusal, SingleObject
from airflow_provider_bill.sandbox.server.http_server import transport_of
from airflow_provider_bill.sandbox.server.messages import Answer, Call, text_of
from airflow_provider_bill.sandbox.state.faults import Fault
from airflow_provider_bill.sandbox.state.request_log import SECRET_NAMES
from airflow_provider_bill.sandbox.state.state import World, hold
from airflow_provider_bill.sandbox.v2 import dialect as v2
from airflow_provider_bill.sandbox.v3 import dialect as v3

_LOG = logging.getLogger(__name__)

PREFIXES = ("/api/v2", "/connect")

# SO_LINGER with a time of zero makes closing a socket send a reset.
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Gateway:
    """Serves BILL's own paths."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One call."""
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        call = Call(self.world, scope["method"], scope["path"], headers, query, body)
        answer = await self.handle(call)
        if answer is None:
            await drop(scope, receive)
            return
        raw = [(b"content-type", answer.media.encode()), (b"content-length", str(len(answer.body)).encode())]
        raw += [(name.encode(), value.encode("latin-1")) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": answer.body})

    async def handle(self, call: Call) -> Answer | None:
        """The answer, or None when the connection is to be dropped."""
        world = call.world
        stats, limits, journal = world.stats, world.limits, world.journal
        stats.requests += 1
        row = journal.begin(call)
        stats.by_path[row["path"]] += 1
        stats.by_user_agent[row["user_agent"]] += 1
        fault = world.faults.take(call.method, call.path)
        if fault is not None:
            row["fault"] = fault.order.kind
        developer_key, organization_id = whose(call)
        call.organization_id = organization_id
        key = f"{developer_key} {organization_id}" if developer_key and organization_id else ""
        entered = False
        limits.in_flight_total += 1
        answer: Answer | None = None
        try:
            if key:
                limits.enter(key)
                entered = True
            if developer_key:
                limits.take_call(developer_key, call.now)
            if world.settings.latency_seconds:
                await asyncio.sleep(world.settings.latency_seconds)
            answer = await self._faulted(call, fault) if fault is not None else self._carry_out(call)
        except Refusal as refusal:
            answer = refused(call, refusal)
        finally:
            limits.in_flight_total -= 1
            if entered:
                limits.leave(key)
            journal.end(row, call, answer)
            if answer is not None and answer.code:
                stats.by_code[answer.code] += 1
        return answer

    async def _faulted(self, call: Call, fault: Fault) -> Answer | None:
        order = fault.order
        done = self._carry_out(call) if order.after_effect else None
        if order.kind == "stall":
            fault.held += 1
            call.world.faults.holding.add(fault)
            try:
                await hold(order.seconds, fault.released)
            finally:
                fault.held -= 1
                if not fault.held:
                    call.world.faults.holding.discard(fault)
            return done or self._carry_out(call)
        return None if order.kind == "reset" else fault.spoilt(call.now, is_v2(call))

    def _carry_out(self, call: Call) -> Answer | None:
        # A call that began before a reset must not act on the fresh state: its connection is dropped.
        return carry_out(call) if call.stats is self.world.stats else None


def is_v2(call: Call) -> bool:
    """Whether the call is v2's."""
    return call.path.startswith("/api/v2")


def carry_out(call: Call) -> Answer:
    """Run the handler; synchronous, so that nothing comes between its checks and its effect."""
    call.now = call.world.clock.now()
    try:
        refuse_credentials_in_url(call)
        return v2.answer(call) if is_v2(call) else v3.answer(call)
    except Refusal as refusal:
        return refused(call, refusal)
    except SingleObject as refusal:
        return v3.refused_singly(call, refusal)
    except Exception:
        _LOG.exception("The sandbox failed on %s %s", call.method, call.path)
        return refused(call, Refusal("BDC_1001"))


def refused(call: Call, refusal: Refusal) -> Answer:
    """A refusal in the call's dialect."""
    return v2.refused(call, refusal) if is_v2(call) else v3.refused(call, refusal)


def refuse_credentials_in_url(call: Call) -> None:
    """Credentials belong in the form, the body or a header: URLs end up in logs."""
    if not call.query_string:
        return
    found = [name for name in call.query if name.lower() in SECRET_NAMES]
    if not found:
        return
    call.world.stats.credentials_in_urls += 1
    if call.world.settings.credentials_in_urls == "refuse":
        place = "form body" if is_v2(call) else "headers or the JSON body"
        raise Refusal(
            "BDC_1002", message=f"Credentials must not be in the URL: send {', '.join(found)} in the {place}."
        )
    if is_v2(call):
        call.form.update({name: value for name, value in call.query.items() if name not in call.form})


def whose(call: Call) -> tuple[str, str]:
    """The developer key (or what stands for it) and the organization that the limits count on."""
    headers, sessions = call.headers, call.world.sessions.by_token
    if is_v2(call):
        form = call.form
        session = sessions.get(form.get("sessionId", ""))
        return form.get("devKey", ""), session.organization_id if session else form.get("orgId", "")
    authorization = headers.get("authorization", "")
    if authorization[:7].lower() == "bearer ":
        session = sessions.get(authorization[7:].strip())
        return (session.limit_key(), session.organization_id) if session else ("", "")
    if "sessionid" in headers:
        session = sessions.get(headers["sessionid"])
        key = headers.get("devkey", "") or headers.get("appkey", "")
        return key, session.organization_id if session else ""
    if call.path == "/connect/v3/login":
        body = call.json_or_none
        if isinstance(body, dict):
            return text_of(body, "devKey"), text_of(body, "organizationId")
    return "", ""


async def drop(scope: Any, receive: Any) -> None:
    """Reset the connection instead of answering."""
    transport = transport_of(scope["client"])
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        continue
