"""The way of every BILL call: request log, faults, limits, latency, and then its dialect's handler."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Mapping
from typing import Any, Protocol

from airflow_provider_bill.sandbox.errors import Refusal
from airflow_provider_bill.sandbox.server.credentials import find_credentials
from airflow_provider_bill.sandbox.server.faulty_answers import make_faulty_answer
from airflow_provider_bill.sandbox.server.http_server import find_transport
from airflow_provider_bill.sandbox.server.messages import Answer, Call
from airflow_provider_bill.sandbox.state.faults import Fault
from airflow_provider_bill.sandbox.state.state import State

_LOG = logging.getLogger(__name__)

# SO_LINGER with a time of zero makes closing a socket send a reset.
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Dialect(Protocol):
    """One of BILL's protocols, v2 or v3."""

    def answer(self, call: Call) -> Answer:
        """Carry a call out."""

    def refuse(self, call: Call, refusal: Refusal) -> Answer:
        """Return the answer that tells of a refusal."""

    def identify_caller(self, call: Call) -> tuple[str, str]:
        """Return the developer key, or what stands for it, and the organization that limits are counted by."""


class Gateway:
    """The ASGI application behind BILL's own paths.

    :param dialects: each dialect by what its paths begin with.
    """

    def __init__(self, state: State, dialects: Mapping[str, Dialect]) -> None:
        self.state = state
        self.dialects = dialects
        self.prefixes = tuple(dialects)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one call."""
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
        call = Call(self.state, scope["method"], scope["path"], headers, query, body)
        dialect = next(row for prefix, row in self.dialects.items() if call.path.startswith(prefix))
        answer = await self.handle(call, dialect)
        if answer is None:
            await _drop_connection(scope, receive)
            return
        raw = [(b"content-type", answer.media.encode()), (b"content-length", str(len(answer.body)).encode())]
        raw += [(name.encode(), value.encode("latin-1")) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": answer.body})

    async def handle(self, call: Call, dialect: Dialect) -> Answer | None:
        """Return the answer, or None when the connection is to be dropped."""
        state = call.state
        stats, limits, request_log = state.stats, state.limits, state.request_log
        stats.requests += 1
        row = request_log.begin(call.now, call.method, call.path, call.headers.get("user-agent", ""))
        stats.by_path[row["path"]] += 1
        stats.by_user_agent[row["user_agent"]] += 1
        fault = state.faults.take(call.method, call.path)
        if fault is not None:
            stats.faults_served += 1
            row["fault"] = fault.order.kind
        developer_key, call.organization_id = dialect.identify_caller(call)
        key = f"{developer_key} {call.organization_id}" if developer_key and call.organization_id else ""
        entered = False
        limits.in_flight_total += 1
        answer: Answer | None = None
        try:
            if key:
                limits.enter(key)
                entered = True
            if developer_key:
                limits.take_call(developer_key, call.now)
            if state.settings.latency_seconds:
                await asyncio.sleep(state.settings.latency_seconds)
            if fault is not None:
                answer = await self._answer_with_fault(call, dialect, fault)
            else:
                answer = self._carry_out(call, dialect)
        except Refusal as refusal:
            answer = dialect.refuse(call, refusal)
        finally:
            limits.in_flight_total -= 1
            if entered:
                limits.leave(key)
            request_log.end(
                row,
                call.organization_id,
                find_credentials(call),
                call.query if call.query_string else None,
                (answer.status, answer.code) if answer is not None else None,
            )
            if answer is not None and answer.code:
                stats.by_code[answer.code] += 1
        return answer

    async def _answer_with_fault(self, call: Call, dialect: Dialect, fault: Fault) -> Answer | None:
        order = fault.order
        done = self._carry_out(call, dialect) if order.after_effect else None
        if order.kind == "stall":
            await call.state.faults.hold(fault)
            return done or self._carry_out(call, dialect)
        return None if order.kind == "reset" else make_faulty_answer(call, order, dialect.refuse)

    def _carry_out(self, call: Call, dialect: Dialect) -> Answer | None:
        # Synchronous, so that nothing comes between a handler's checks and its effect.
        if call.stats is not self.state.stats:
            return None  # a call that began before a reset must not act on the fresh state: its connection is dropped
        self.state.catch_up()
        call.now = call.state.clock.now()
        try:
            return dialect.answer(call)
        except Refusal as refusal:
            return dialect.refuse(call, refusal)
        except Exception:
            _LOG.exception("The sandbox failed on %s %s", call.method, call.path)
            return dialect.refuse(call, Refusal("BDC_1001"))


async def _drop_connection(scope: Any, receive: Any) -> None:
    transport = find_transport(scope["client"])
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        continue
