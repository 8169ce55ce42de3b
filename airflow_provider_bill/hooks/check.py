"""Tries a connection out: for the Test button of its page, and for the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_bill.client.environments import ENVIRONMENTS
from airflow_provider_bill.exceptions import BillConfigurationError, BillError, BillUnavailableError
from airflow_provider_bill.hooks.connection import SHOWN_INSTEAD
from airflow_provider_bill.hooks.connection_words import in_words, label_of, words_of
from airflow_provider_bill.hooks.errors import without_secrets
from airflow_provider_bill.version_compat import AIRFLOW_V_3_0_PLUS

if TYPE_CHECKING:
    from airflow_provider_bill.client.client import BillClient
    from airflow_provider_bill.client.session import BillSession
    from airflow_provider_bill.sessions.shared import SharedSession

#: The one read call of a kind without a sign-in.
_SPEND_CALL = "/v3/spend/users/current"
#: BILL's code -> the fields of which it speaks.
_FIELDS_OF_CODE = {
    "BDC_1101": ("login", "password", "environment"),
    "BDC_1102": ("developer_api_key", "login", "environment"),
    "BDC_1103": ("developer_api_key",),
    "BDC_1106": ("login", "organization_id"),
    "BDC_1109": ("organization_id", "developer_api_key"),
    "BDC_1111": ("login", "password", "environment"),
    "BDC_1113": ("login", "password"),
    "BDC_1123": ("organization_id", "developer_api_key"),
    "BDC_1129": ("organization_id",),
    "BDC_1178": ("developer_api_key",),
    "invalid_client": ("login", "password", "environment"),
}
#: Airflow 2's page sends its placeholder, or nothing, for a secret that is stored.
_RETYPE = (
    " Airflow 2 does not hand stored secrets to its Test button: to test a stored connection, enter password and keys "
    "once more (they need not be saved), or run: airflow connections test CONNECTION_ID"
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """How trying a connection out has ended; holds no secret.

    :param works: whether it can be used
    :param message: a sentence for a person: as whom and where, or what is wrong and what to do next
    :param kind: kind of sign-in, such as ``v3``; empty where the connection could not be read
    :param environment: ``sandbox`` or ``production``; empty where the connection could not be read
    :param organization_id: BILL organization; empty where the kind of sign-in names none
    :param organization_name: its name, where BILL says it
    :param user: who signs in: user name, token name or client id
    :param error: what went wrong
    """

    works: bool
    message: str
    kind: str = ""
    environment: str = ""
    organization_id: str = ""
    organization_name: str = ""
    user: str = ""
    error: Exception | None = None


def check(shared: Callable[[], SharedSession]) -> Check:
    """Try a connection out by one sign-in at most.

    :param shared: gives what stands behind the hook; raises where the connection cannot be read
    """
    known: dict[str, Any] = {}
    try:
        made = shared()
        client = made.client
        known = {"kind": client.credentials.kind, "environment": client.environment.name}
        known["user"] = client.credentials.account()
        if not client.credentials.signs_in:
            return _check_token(client, known)
        nothing: Callable[[], None] = lambda: None  # noqa: E731
        with made.guard.admit(nothing):
            session = client.sign_in(before_each=made.guard.prolong)
        made.manager.check(session)
    except (BillError, AirflowNotFoundException) as error:
        without_secrets(error)  # it goes out with the result
        return Check(works=False, message=_what_is_wrong(error), error=error, **known)
    known |= {"organization_id": session.organization_id, "organization_name": _name_of(client, session)}
    said = f"Signed in to {_where(known)}, {_place(client)}, as {_whom(session, known)} - {words_of(known['kind'])}"
    if not client.credentials.signs_out:
        until = "" if session.ends_at is None else f" The token is good until {session.ends_at:%H:%M} UTC."
        return Check(works=True, message=f"{said}.{until}", **known)
    try:
        client.sign_out(session)
    except BillError as error:  # The connection is good all the same.
        return Check(works=True, message=f"{said}. Signing out failed: {error}", **known)
    return Check(works=True, message=f"{said}; and out again.", **known)


def _check_token(client: BillClient, known: dict[str, Any]) -> Check:
    answer = client.send(client.sign_in(), client.prepare("GET", _SPEND_CALL))
    names = [answer.text(name) for name in ("firstName", "lastName")]
    user = " ".join(filter(None, names)) or answer.text("email")
    known["user"] = user
    whom = f" as {user}" if user else ""
    return Check(
        works=True,
        message=f"BILL takes the token{whom}, {_place(client)} - {words_of(known['kind'])}.",
        **known,
    )


def _name_of(client: BillClient, session: BillSession) -> str:
    """Return the organization's name, where asking for it is no second sign-in."""
    if client.credentials.lists_by_credentials:
        return ""
    try:
        found = client.organizations(session)
    except BillError:
        return ""
    return next((row.name for row in found if row.id == session.organization_id), "")


def _where(known: dict[str, Any]) -> str:
    identifier, name = known["organization_id"], known["organization_name"]
    return f"{name} ({identifier})" if name else identifier or "BILL"


def _whom(session: BillSession, known: dict[str, Any]) -> str:
    account = known["user"]
    return f"{account} (user {session.user_id})" if account and session.user_id else account or session.user_id


def _place(client: BillClient) -> str:
    environment = client.environment
    if environment.v3_base == ENVIRONMENTS[environment.name].v3_base:
        return environment.name
    return f"{environment.name} at {environment.v3_base.removesuffix('/connect')}"


def _what_is_wrong(error: BillError | AirflowNotFoundException) -> str:
    text = in_words(str(error)).rstrip(".") + "."
    fields = _FIELDS_OF_CODE.get(getattr(error, "code", None) or "", ())
    if isinstance(error, BillUnavailableError) and not error.code:
        fields = ("host", "port")
    if fields:
        text += f" Look at the connection's {', '.join(label_of(name) for name in fields)}."
    return text


def for_the_page(result: Check) -> str:
    """Return the sentence for the connection page, whose button on Airflow 2 does not get what is stored."""
    lacks_secret = isinstance(result.error, BillConfigurationError) and (
        "is missing or blank" in result.message or SHOWN_INSTEAD in result.message
    )
    return result.message + (_RETYPE if lacks_secret and not AIRFLOW_V_3_0_PLUS else "")
