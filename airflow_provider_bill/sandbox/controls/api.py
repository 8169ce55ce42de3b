"""The web application of the controls: the router, the start page and readable errors."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from airflow_provider_bill.sandbox.controls.router import make_router
from airflow_provider_bill.sandbox.state.settings import Settings
from airflow_provider_bill.sandbox.state.state import State

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


def make_api(state: State) -> FastAPI:
    """Return the application that serves the controls and the start page."""
    api = FastAPI(title="bill-sandbox", docs_url=None, redoc_url=None, openapi_url="/_sandbox/openapi.json")
    router = make_router(state)
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
            for name, value in state.describe_stats().items()
            if not isinstance(value, dict)
        )
        return HTMLResponse(_PAGE.format(rows=rows))

    @api.exception_handler(RequestValidationError)
    async def bad_body(request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"error": " ".join(_describe_problem(request, problem) for problem in error.errors())}, 422)

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


def _describe_problem(request: Request, problem: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in problem["loc"] if part != "body") or "body"
    if problem["type"] == "extra_forbidden":
        text = f"{name}: this name is not known here."
        if request.url.path.endswith("/settings"):
            text += f" The settings are {', '.join(Settings.model_fields)}."
        return text
    return f"{name}: {problem['msg']}."
