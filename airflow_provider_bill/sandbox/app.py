"""Wiring: BILL's paths go to the gateway, the rest to FastAPI."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from airflow_provider_bill.sandbox.controls.router import make_controls
from airflow_provider_bill.sandbox.server.gateway import PREFIXES, Gateway
from airflow_provider_bill.sandbox.state.settings import Settings
from airflow_provider_bill.sandbox.state.state import World

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>bill-sandbox</title></head>
<body style="font:16px/1.5 system-ui;max-width:46rem;margin:2rem auto;padding:0 1rem">
<h1>A local BILL</h1>
<p>v2 is at <code>/api/v2</code>, v3 at <code>/connect/v3</code>, OAuth at <code>/connect/authx/token</code>.
No money moves here.</p>
<ul>
<li><a href="/_sandbox/seed">Seed</a>: organizations, users, keys and ready Airflow connections</li>
<li><a href="/_sandbox">Controls</a>, <a href="/_sandbox/settings">settings</a></li>
<li><a href="/_sandbox/requests">Requests</a>, <a href="/_sandbox/payments">payments</a>,
<a href="/_sandbox/sms">text messages</a>, <a href="/_sandbox/sessions">sessions</a></li></ul>
<table cellpadding="4">{rows}</table></body></html>"""


class SandboxApp:
    """The ASGI application; BILL calls bypass FastAPI, which keeps the cost of a call low."""

    def __init__(self, console_clients: int = 3) -> None:
        self.world = World(console_clients)
        self.gateway = Gateway(self.world)
        self.controls = make_api(self.world)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Choose by path."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIXES):
            await self.gateway(scope, receive, send)
        else:
            await self.controls(scope, receive, send)


def make_api(world: World) -> FastAPI:
    """The controls and the page for people."""
    api = FastAPI(title="bill-sandbox", docs_url=None, redoc_url=None, openapi_url="/_sandbox/openapi.json")
    router = make_controls(world)
    api.include_router(router)
    known = sorted(
        f"{method} {route.path}  {route.summary}"  # type: ignore[attr-defined]
        for route in router.routes
        for method in route.methods  # type: ignore[attr-defined]
    )

    @api.get("/_sandbox", include_in_schema=False)
    async def listing() -> dict[str, list[str]]:
        return {"controls": known}

    @api.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>"
            for name, value in world.snapshot().items()
            if not isinstance(value, dict)
        )
        return HTMLResponse(_PAGE.format(rows=rows))

    @api.exception_handler(RequestValidationError)
    async def bad_body(request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"error": " ".join(_sentence(request, one) for one in error.errors())}, 422)

    @api.exception_handler(HTTPException)
    async def no_control(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 404 and error.detail == "Not Found":
            message = f"There is nothing at {request.url.path}; these are the controls."
            return JSONResponse({"error": message, "controls": known}, 404)
        if error.status_code == 405:
            message = f"{request.url.path} does not take {request.method}; these are the controls."
            return JSONResponse({"error": message, "controls": known}, 405)
        return JSONResponse({"error": error.detail}, error.status_code)

    return api


def _sentence(request: Request, one: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in one["loc"] if part != "body") or "body"
    if one["type"] == "extra_forbidden":
        text = f"{name}: this name is not known here."
        if request.url.path.endswith("/settings"):
            text += f" The settings are {', '.join(Settings.model_fields)}."
        return text
    return f"{name}: {one['msg']}."
