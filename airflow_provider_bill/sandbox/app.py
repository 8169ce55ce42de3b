"""The local BILL as one application: BILL's paths go to the gateway, the rest to the controls."""

from __future__ import annotations

from typing import Any

from airflow_provider_bill.sandbox.controls.api import make_api
from airflow_provider_bill.sandbox.events import dialect as events
from airflow_provider_bill.sandbox.server.gateway import Gateway
from airflow_provider_bill.sandbox.state.state import State
from airflow_provider_bill.sandbox.v2 import dialect as v2
from airflow_provider_bill.sandbox.v3 import dialect as v3


class SandboxApp:
    """The ASGI application; BILL calls bypass FastAPI, which keeps the cost of a call low."""

    def __init__(self, console_clients: int = 3) -> None:
        self.state = State(console_clients)
        self.gateway = Gateway(self.state, {"/api/v2": v2, "/connect-events": events, "/connect": v3})
        self.controls = make_api(self.state)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request, whose path decides by whom."""
        if scope["type"] == "http" and scope["path"].startswith(self.gateway.prefixes):
            await self.gateway(scope, receive, send)
        else:
            await self.controls(scope, receive, send)
