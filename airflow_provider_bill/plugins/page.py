"""The page of sessions and writes, served by Airflow's API server (3.1 and newer) below ``/bill``.

Airflow asks nobody for a name in front of a plugin's application: this one does, by Airflow's own means. Who may read
Variables may look, who may edit them may press.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import VariableDetails
from airflow.api_fastapi.auth.tokens import get_signing_key
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.log import Log
from airflow.models.variable import Variable
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader

from airflow_provider_bill.client.auth import kinds
from airflow_provider_bill.client.auth.base import Credentials
from airflow_provider_bill.client.session import Clock, utc_now
from airflow_provider_bill.exceptions import BillError
from airflow_provider_bill.hooks.stored import stored_entries
from airflow_provider_bill.plugins.actions import ACTIONS, Press, act, said
from airflow_provider_bill.sessions.mfa import CODE_LIFE
from airflow_provider_bill.sessions.overview import Entry, KnownSession, OpenWrite, Overview, overview

log = logging.getLogger(__name__)

#: Sessions on a page, and refusals or writes or unreadable records that are shown at most.
PAGE_ROWS, LIST_ROWS, UNREADABLE_ROWS = 50, 100, 20
#: Kind of sign-in -> its class.
_KINDS = {name: Credentials.registry[name] for name in kinds()}
#: What is said where the page is not shown.
_REFUSALS = {
    401: "You are not signed in to Airflow, or no longer: reload this window and sign in.",
    403: "You may not do this: to look at this page takes the right to read Variables, to press a button the right to "
    "edit them.",
}


def make_app(clock: Clock = utc_now) -> FastAPI:
    """Return the application.

    :param clock: gives the present moment in UTC; for tests
    """
    app = FastAPI(title="BILL", docs_url=None, redoc_url=None, openapi_url=None)
    page = _Page(clock)
    app.add_api_route("/", page.show, methods=["GET"])
    app.add_api_route("/", page.press, methods=["POST"])
    app.add_exception_handler(HTTPException, page.refuse)
    return app


def _reader(user: GetUserDep) -> Any:
    if not get_auth_manager().is_authorized_variable(method="GET", user=user):
        raise HTTPException(403)
    return user


#: A user who may look.
Reader = Annotated[Any, Depends(_reader)]


class _Page:
    """Shows the page and takes what is pressed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Every value is escaped.
        templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
        templates.globals.update(
            kind_of=_kind_of, task_link=_task_link, until=_until, code_until=_code_until, days=_days
        )
        self._template = templates.get_template("page.html")

    def show(self, user: Reader, q: str = "", page: str = "1") -> HTMLResponse:
        """Show what is known."""
        return self._render(user, q, page)

    def press(
        self,
        request: Request,
        user: Reader,
        action: Annotated[str, Form()] = "",
        target: Annotated[str, Form()] = "",
        result: Annotated[str, Form()] = "",
        token: Annotated[str, Form()] = "",
        q: str = "",
        page: str = "1",
    ) -> HTMLResponse:
        """Do what a button says, and show the page with what came of it."""
        # Of a browser's form on this very page: no other site knows the token, whatever cookies go with its request.
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin" or not hmac.compare_digest(
            token.encode(), token_of(user).encode()
        ):
            raise HTTPException(403)
        press = Press(action, target, result.strip()[:200])
        if action not in ACTIONS:
            return self._render(user, q, page, "There is no such button.", status=400)
        if not _may_edit(user, press.variable):
            raise HTTPException(403)
        _audit(user, press)
        try:
            message, status = act(press, self._known(user), self._clock), 200
        except BillError as error:
            message, status = said(error), 409
        except Exception as error:
            # Its text could quote a connection.
            log.warning("A button of the BILL page failed: %s", type(error).__name__)
            message, status = f"That did not work ({type(error).__name__}); see whether the connection exists.", 409
        return self._render(user, q, page, message, status=status)

    def refuse(self, request: Request, error: Exception) -> HTMLResponse:
        """Say why the page is not shown."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        return HTMLResponse(f"<!doctype html><title>BILL</title><p>{_REFUSALS.get(status, 'Not found.')}</p>", status)

    def _known(self, user: Any) -> Overview:
        return overview(_visible(user), self._clock())

    def _render(self, user: Any, q: str, page: str, message: str = "", *, status: int = 200) -> HTMLResponse:
        now, known = self._clock(), self._known(user)
        q = q.strip()[:200]
        sessions = [row for row in known.sessions if _fits(q, row.connection, row.organization_id, row.user, row.kind)]
        pages = max(1, -(-len(sessions) // PAGE_ROWS))
        number = min(max(1, int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1), pages)
        nonce = secrets.token_urlsafe(16)
        text = self._template.render(
            now=now,
            q=q,
            page=number,
            pages=pages,
            total=len(sessions),
            live=sum(row.minutes_left(now) != 0 for row in sessions),
            sessions=sessions[(number - 1) * PAGE_ROWS : number * PAGE_ROWS],
            refusals=[row for row in known.refusals if _fits(q, row.connection, row.organization_id, row.code)],
            writes=[row for row in known.writes if _fits(q, row.id, row.call, row.name, *map(str, row.task))],
            unreadable=known.unreadable,
            most=LIST_ROWS,
            most_unreadable=UNREADABLE_ROWS,
            may_press=_may_edit(user),
            token=token_of(user),
            message=message,
            failed=status >= 400,
            nonce=nonce,
            here=lambda to: f"./?{urlencode({'q': q, 'page': to})}",
        )
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'self'"
        )
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store", "X-Frame-Options": "SAMEORIGIN"}
        return HTMLResponse(text, status, headers=headers)


def _visible(user: Any) -> list[Entry]:
    """Return what is stored, as far as a user may see it: his Variables, and the writes of his DAGs."""
    entries, manager = list(stored_entries()), get_auth_manager()
    # Airflow before 3.2 knows no rights for single Variables.
    keys = manager.get_authorized_variables(user=user) if hasattr(manager, "get_authorized_variables") else None
    dags = manager.get_authorized_dag_ids(user=user) if any(entry.task for entry in entries) else set()
    return [entry for entry in entries if (entry.task[0] in dags if entry.task else keys is None or entry.key in keys)]


def _may_edit(user: Any, key: str | None = None) -> bool:
    details = VariableDetails(key=key, team_name=Variable.get_team_name(key) if key else None)
    return get_auth_manager().is_authorized_variable(method="PUT", details=details, user=user)


def _audit(user: Any, press: Press) -> None:
    """Write into Airflow's audit log who presses what; before it is done, as Airflow does."""
    extra = json.dumps({"action": press.action, "target": press.target[:250]})
    with create_session() as session:
        name = user.get_name()
        session.add(Log(event=f"bill_{press.action}", owner=name, owner_display_name=name, extra=extra))


def token_of(user: Any) -> str:
    """Return what a form must bring along: the user's, and nobody can make it up."""
    key = get_signing_key("api", "secret_key").encode()
    return hmac.new(key, f"bill page {user.get_id()}".encode(), hashlib.sha256).hexdigest()


def _fits(q: str, *texts: str) -> bool:
    return not q or any(q.casefold() in text.casefold() for text in texts)


def _kind_of(session: KnownSession) -> type[Credentials]:
    """Return what is true of the kind of sign-in of a session; of one that is not known all that a kind may be."""
    return _KINDS.get(session.kind, Credentials)


def _task_link(write: OpenWrite) -> str:
    """Return the address of a write's task, relative to the page; empty if it is not known."""
    if len(write.task) != 4:
        return ""
    dag, run, task, index = (quote(str(part), safe="") for part in write.task)
    return f"../dags/{dag}/runs/{run}/tasks/{task}" + ("" if index == "-1" else f"/mapped/{index}")


def _until(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _code_until(session: KnownSession) -> str:
    return "" if session.code_sent_at is None else (session.code_sent_at + CODE_LIFE).strftime("%H:%M")


def _days(session: KnownSession, now: datetime) -> str:
    days = session.days_of_trust(now)
    return "" if days is None else f"{days:.0f} day{'' if round(days) == 1 else 's'}"
