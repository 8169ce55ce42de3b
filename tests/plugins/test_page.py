"""The page of sessions and writes, in Airflow's own API server, before the local BILL."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from html import unescape
from typing import Any

import pytest

from airflow_provider_bill.exceptions import BillError
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.sessions.overview import Entry
from dev.clock import START, ManualClock
from dev.local_bill import LocalBill
from tests.plugins.conftest import Person

People = Callable[[str, str], Person]
Keep = Callable[[str, Any], None]
WRITE = "0123456789abcdef"


def keys() -> list[str]:
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return sorted(session.scalars(select(Variable.key).where(Variable.key.like("bill%"))))


def session_keys() -> list[str]:
    return [key for key in keys() if key.startswith("bill_session_token__")]


def sign_in(clock: ManualClock, conn_id: str = "bill_default") -> str:
    """Sign in as a task would, and return the key of the session's record."""
    with BillHook(conn_id, store="variable", clock=clock) as hook:
        return str(hook.sign_in()["key"])


def a_session(number: int = 0, **changes: Any) -> dict[str, Any]:
    """Return the readable part of a record."""
    return {
        "v": 1,
        "connection": "clients",
        "kind": "v3",
        "environment": "https://bill.example",
        "user": "f***@example.com",
        "device_record": "bill_device_token__0",
        "organization_id": f"00801ORG{number:012}",
        "user_id": "006",
        "trusted": True,
        "signed_in_at": START.isoformat(),
        "last_used_at": START.isoformat(),
        "expires_at": START.add(minutes=35).isoformat(),
        "signed_in_by": {"dag_id": "sync", "run_id": "r", "task_id": "login"},
        "sealed": "x",
        **changes,
    }


def an_open_write(**changes: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "id": WRITE,
        "state": "sent",
        "name": "idempotency key 'bill 7'",
        "digest": "d",
        "call": "POST /v3/payments",
        "at": START.isoformat(),
        "task": ["pay day", "manual__1+1", "pay", 3],
        **changes,
    }


def shown(html: str) -> str:
    """Return a page as a person reads it."""
    html = re.sub("<(style|script).*?</\\1>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub("<[^>]+>", " ", html)).split())


# -- who may look and press -------------------------------------------------------------------------------------------


def test_who_is_not_signed_in_to_airflow_sees_and_presses_nothing(
    person: People, bill: LocalBill, clock: ManualClock
) -> None:
    nobody = person("", "")
    key = sign_in(clock)
    answer = nobody.open()
    assert answer.status_code == 401
    assert bill.organization not in answer.text
    assert "reload this window and sign in" in answer.text
    token = person("otto", "OP").token()
    with_foreign_token = nobody._http.post("/bill/", data={"action": "forget", "target": key, "token": token})
    assert (with_foreign_token.status_code, session_keys()) == (401, [key])


@pytest.mark.parametrize(("role", "status"), [("VIEWER", 403), ("USER", 403), ("OP", 200), ("ADMIN", 200)])
def test_who_may_read_variables_may_look(
    person: People, bill: LocalBill, clock: ManualClock, role: str, status: int
) -> None:
    sign_in(clock)
    answer = person("somebody", role).open()
    assert answer.status_code == status
    assert (bill.organization in answer.text) == (status == 200)


def test_who_may_not_edit_variables_sees_no_buttons_and_can_press_none(
    otto: Person, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, keep: Keep, bill: LocalBill
) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    key, token = sign_in(clock), otto.token()
    keep("bill_write__0a__open", an_open_write())
    monkeypatch.setattr(
        type(get_auth_manager()), "is_authorized_variable", lambda self, *, method, user, details=None: method == "GET"
    )
    html = otto.see()
    assert bill.organization in html
    assert "<button name=" not in html
    for action, target in (("forget", key), ("sign_out", key), ("ask_for_code", key), ("done", WRITE)):
        assert otto.press(action, target, token=token).status_code == 403
    assert session_keys() == [key]
    assert (bill.stats()["open_sessions"], bill.stats()["sms_sent"]) == (1, 0)


def test_who_may_edit_some_variables_presses_the_buttons_of_those_alone(
    otto: Person, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, bill: LocalBill
) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    key = sign_in(clock)

    def authorized(self: Any, *, method: str, user: Any, details: Any = None) -> bool:
        return method == "GET" or details is None or details.key != key

    monkeypatch.setattr(type(get_auth_manager()), "is_authorized_variable", authorized)
    for action in ("forget", "sign_out", "ask_for_code"):
        assert otto.press(action, key).status_code == 403
    assert session_keys() == [key]
    assert (bill.stats()["open_sessions"], bill.stats()["sms_sent"]) == (1, 0)


def test_a_user_sees_only_the_variables_that_airflow_shows_him(
    otto: Person, monkeypatch: pytest.MonkeyPatch, keep: Keep
) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    keep("bill_session_token__ours__1__v3", a_session(1, connection="ours"))
    keep("bill_session_token__theirs__1__v3", a_session(1, connection="theirs"))
    if not hasattr(get_auth_manager(), "get_authorized_variables"):
        assert "theirs" in otto.see()  # Airflow before 3.2: who may read one may read all
        return
    ours = {"bill_session_token__ours__1__v3"}
    monkeypatch.setattr(type(get_auth_manager()), "get_authorized_variables", lambda self, *, user: ours)
    html = otto.see()
    assert "ours" in html
    assert "theirs" not in html
    assert "no longer stored" in Person.said(otto.press("forget", "bill_session_token__theirs__1__v3"))
    assert len(session_keys()) == 2


def test_a_user_sees_and_settles_only_the_writes_of_his_dags(otto: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    # As the tasks of Airflow 3.3 keep them: in a store of their own, under no Variable's rights.
    theirs = an_open_write(id="f" * 16, task=None)
    entries = [
        Entry("bill_write__0a__open", json.dumps(an_open_write(task=None)), ("ours", "r", "pay", -1)),
        Entry("bill_write__0a__open", json.dumps(theirs), ("theirs", "r", "pay", -1)),
    ]
    monkeypatch.setattr("airflow_provider_bill.plugins.page.stored_entries", lambda: entries)
    monkeypatch.setattr(type(get_auth_manager()), "get_authorized_dag_ids", lambda self, *, user: {"ours"})
    html = otto.see()
    assert "ours / pay" in html
    assert "theirs" not in html
    assert Person.said(otto.press("done", theirs["id"])) == "That write is no longer open."
    assert keys() == []


def test_who_opened_a_session_is_named_a_task_or_a_person(otto: Person, keep: Keep) -> None:
    keep("bill_session_token__a__1__v3", a_session(1))
    keep("bill_session_token__b__2__v3", a_session(2, signed_in_by={"person": "ada (command line)"}))
    keep("bill_session_token__c__3__v3", a_session(3, signed_in_by={}))
    cells = [shown(cell) for cell in re.findall("<td>.*?</td>", otto.see(), flags=re.DOTALL)]
    assert cells[2::7] == ["sync / login r", "ada (command line)", "not a task"]


def test_a_form_of_another_site_presses_nothing(otto: Person, person: People, clock: ManualClock) -> None:
    key = sign_in(clock)
    assert otto.press("forget", key, token="").status_code == 403
    assert otto.press("forget", key, token=person("ada", "ADMIN").token()).status_code == 403
    assert otto.press("forget", key, {"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert otto.press("forget", key, {"Sec-Fetch-Site": "same-site"}).status_code == 403
    assert otto.open(action="forget", target=key, token=otto.token()).status_code == 200
    assert session_keys() == [key]
    assert otto.press("forget", key, {"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert session_keys() == []


def test_the_page_is_framed_by_airflow_alone_and_kept_nowhere(otto: Person) -> None:
    headers = otto.open().headers
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]


# -- what is shown ----------------------------------------------------------------------------------------------------


def test_a_session_is_shown_with_all_that_is_known_of_it(
    otto: Person, bill: LocalBill, clock: ManualClock, keep: Keep
) -> None:
    sign_in(clock)
    clock.advance(minutes=5)
    text = shown(otto.see())
    assert "1 known, 1 live" in text
    assert (
        f"bill_default {bill.organization} v3 a***@harborbooks.example not a task 2026-11-21 12:34 UTC 30 min" in text
    )
    assert "not trusted" in text
    keep("bill_device_token__0", {"devices": [{"organization_id": "x", "expires_at": START.add(days=12).isoformat()}]})
    keep("bill_session_token__clients__x__v3", a_session(expires_at=None))
    text = shown(otto.see())
    assert "sync / login r 2026-11-21 12:34 UTC no end trusted device: 12 days left" in text
    clock.advance(hours=2)
    assert "2 known, 1 live" in shown(otto.see())


def test_a_refusal_is_shown_with_what_to_do_and_cleared_by_its_button(
    otto: Person, bill: LocalBill, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = json.dumps(bill.connections["v3"] | {"password": "Tr0ub4dor"})
    monkeypatch.setenv("AIRFLOW_CONN_BILL_WRONG", wrong)
    with suppress(BillError):
        sign_in(clock, "bill_wrong")
    html = otto.see()
    assert "bill_wrong" in html
    assert "BDC_1101" in html
    assert "clear the refusal" in html
    assert "Tr0ub4dor" not in html
    (note,) = re.findall('value="(bill_sign_in__[^"]+)"', html)
    assert "signs in again" in Person.said(otto.press("clear", note))
    assert note not in keys()
    assert "no longer stored" in Person.said(otto.press("clear", note))
    assert "BDC_1101" not in otto.see()
    assert bill.stats()["refused_sign_ins"] == 1


def test_an_unknown_write_is_shown_with_a_link_to_its_task_and_settled_by_its_buttons(
    otto: Person, clock: ManualClock, keep: Keep
) -> None:
    from airflow.models.variable import Variable

    keep("bill_write__0a__open", an_open_write())
    html = otto.see()
    assert "POST /v3/payments" in html
    assert 'href="../dags/pay%20day/runs/manual__1%2B1/tasks/pay/mapped/3"' in html
    for _ in range(2):
        said = Person.said(otto.press("done", WRITE, result=" stp7 "))
        assert said == f"Write {WRITE} counts as carried out: it will not be sent again. Now clear its task."
    stored = json.loads(Variable.get(f"bill_write_settled__{WRITE}"))
    assert stored == {"v": 1, "carried_out": True, "result": {"id": "stp7"}}
    assert "Done : clear the task" in shown(otto.see())
    otto.press("not_done", WRITE, result="stp7")
    stored = json.loads(Variable.get(f"bill_write_settled__{WRITE}"))
    assert stored == {"v": 1, "carried_out": False, "result": None}
    assert "Not done : clear the task" in shown(otto.see())
    otto.press("done", WRITE)
    assert json.loads(Variable.get(f"bill_write_settled__{WRITE}"))["result"] is None


@pytest.mark.parametrize("target", ["f" * 16, "", WRITE[:15]])
def test_a_write_that_is_not_open_is_not_settled(target: str, otto: Person, keep: Keep) -> None:
    keep("bill_write__0a__open", an_open_write())
    assert Person.said(otto.press("done", target)) == "That write is no longer open."
    assert keys() == ["bill_write__0a__open"]


def test_every_value_is_escaped(otto: Person, keep: Keep) -> None:
    evil = "<script>alert(1)</script>\"'"
    keep("bill_session_token__e", a_session(connection=evil, organization_id=evil, user=evil, kind=evil))
    by = {"dag_id": evil, "run_id": evil, "task_id": evil}
    keep("bill_session_token__f", a_session(signed_in_by=by))
    keep("bill_write__0a__open", an_open_write(call=evil, name=evil, task=[evil, evil, evil, -1]))
    note = {"v": 2, "state": "refused", "connection": evil, "code": evil, "says": evil, "at": START.isoformat()}
    keep("bill_sign_in__0", note)
    keep(f"bill_session_token__{evil}", "garbage")
    html = otto.see(q="")
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 14
    assert "<script>alert" not in html
    assert "<script>alert" not in otto.see(q=evil)
    assert "<script>alert" not in otto.press(evil, evil).text


def test_no_secret_is_in_the_page(otto: Person, bill: LocalBill, clock: ManualClock) -> None:
    from airflow.models.variable import Variable

    for kind in ("default", "v2"):
        with suppress(BillError):
            sign_in(clock, f"bill_{kind}")
    otto.press("ask_for_code", session_keys()[0])
    html = otto.see()
    stored = [json.loads(Variable.get(key)) for key in session_keys()]
    assert len(stored) == 2
    secrets = bill.secrets() | {record["sealed"] for record in stored} | set(bill.codes())
    assert [secret for secret in secrets if secret in html] == []


# -- buttons ----------------------------------------------------------------------------------------------------------


def test_sign_out_ends_the_session_at_bill_and_twice_does_no_harm(
    otto: Person, bill: LocalBill, clock: ManualClock
) -> None:
    key = sign_in(clock)
    assert bill.stats()["open_sessions"] == 1
    assert Person.said(otto.press("sign_out", key)) == f"Signed out: bill_default, {bill.organization}."
    assert (bill.stats()["open_sessions"], session_keys()) == (0, [])
    again = otto.press("sign_out", key)
    assert (again.status_code, "nothing to sign out of" in Person.said(again)) == (200, True)
    assert bill.stats()["sign_ins"] == 1


@pytest.mark.parametrize(
    ("kind", "buttons", "mfa"),
    [
        ("v3", ["sign_out", "forget", "ask_for_code"], "not trusted"),
        ("v2", ["sign_out", "forget", "ask_for_code"], "not trusted"),
        ("console", ["sign_out", "forget", "ask_for_code"], "not trusted"),
        ("partner", ["sign_out", "forget", "ask_for_code"], "not trusted"),
        ("sync_token", ["sign_out", "forget"], "not possible"),
        ("oauth", ["forget"], "not possible"),
    ],
)
def test_the_buttons_of_a_session_are_those_that_its_kind_of_sign_in_has(
    kind: str, buttons: list[str], mfa: str, otto: Person, bill: LocalBill, clock: ManualClock
) -> None:
    key = sign_in(clock, "bill_default" if kind == "v3" else f"bill_{kind}")
    html = otto.see()
    assert re.findall('<button name="action" value="([^"]+)"', html) == buttons
    assert f" {kind} " in shown(html)
    assert mfa in shown(html)
    said = Person.said(otto.press("sign_out", key))
    if "sign_out" in buttons:
        assert said.startswith("Signed out: ")
        assert bill.stats()["open_sessions"] == 0
    else:
        assert said.startswith("Forgotten; BILL had no session to end: ")
    assert session_keys() == []


def test_sign_out_never_ends_another_session_than_that_of_its_row(
    otto: Person, bill: LocalBill, clock: ManualClock, keep: Keep
) -> None:
    sign_in(clock)
    old = f"bill_session_token__bill_default__{bill.organization}__v2"
    keep(old, a_session(connection="bill_default", organization_id=bill.organization, kind="v2"))
    for action in ("sign_out", "ask_for_code"):
        answer = otto.press(action, old)
        assert answer.status_code == 409
        assert "press Forget" in Person.said(answer)
    assert (bill.stats()["open_sessions"], bill.stats()["sms_sent"], len(session_keys())) == (1, 0, 2)


def test_forget_removes_the_record_sends_nothing_and_needs_no_connection(
    otto: Person, bill: LocalBill, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = sign_in(clock)
    monkeypatch.delenv("AIRFLOW_CONN_BILL_DEFAULT")
    sent = bill.stats()["requests"]
    assert "Forgotten" in Person.said(otto.press("forget", key))
    assert (session_keys(), bill.stats()["requests"]) == ([], sent)
    assert Person.said(otto.press("forget", key)) == "That session is no longer stored."


def test_only_what_is_a_session_can_be_forgotten(otto: Person, keep: Keep) -> None:
    keep("bill_other", "precious")
    keep("salary", "precious")
    for key in ("bill_other", "salary"):
        for action in ("forget", "clear", "sign_out", "ask_for_code"):
            assert "no longer stored" in Person.said(otto.press(action, key))
    assert keys() == ["bill_other"]


def test_a_code_is_sent_once_and_shown_as_waiting(otto: Person, bill: LocalBill, clock: ManualClock) -> None:
    key = sign_in(clock)
    for _ in range(2):
        said = Person.said(otto.press("ask_for_code", key))
        assert "it can be entered until 12:39 UTC" in said
    assert bill.stats()["sms_sent"] == 1
    assert "code waiting until 12:39 UTC" in shown(otto.see())


def test_no_code_is_sent_where_the_remembered_device_makes_the_session_trusted(
    otto: Person, bill: LocalBill, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SAME_USER", os.environ["AIRFLOW_CONN_BILL_DEFAULT"])
    key = sign_in(clock, "same_user")
    with BillHook("bill_default", store="variable", clock=clock) as hook:
        hook.mfa.validate(hook.mfa.challenge(), bill.codes()[-1])
    for _ in range(2):
        assert "no code was sent" in Person.said(otto.press("ask_for_code", key))
    assert bill.stats()["sms_sent"] == 1
    assert "Ask for a code" not in shown(otto.see())


def test_what_cannot_be_done_is_said_in_a_sentence(otto: Person, bill: LocalBill, clock: ManualClock) -> None:
    key = sign_in(clock)
    bill.fault("/connect/v3/mfa/challenge", status=400, code="BDC_1353")
    answer = otto.press("ask_for_code", key)
    assert (answer.status_code, "BDC_1353" in Person.said(answer)) == (409, True)
    assert otto.press("explode", key).status_code == 400


def test_who_pressed_what_is_in_the_audit_log(otto: Person, clock: ManualClock, bill: LocalBill) -> None:
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import select

    key = sign_in(clock)
    otto.press("sign_out", key)
    with create_session() as session:
        rows = [(row.owner, row.extra) for row in session.scalars(select(Log).where(Log.event == "bill_sign_out"))]
    assert rows[-1] == ("otto", json.dumps({"action": "sign_out", "target": key}))


# -- many, and garbage ------------------------------------------------------------------------------------------------


def keep_many(rows: dict[str, str]) -> None:
    from airflow.models import variable
    from airflow.utils.session import create_session

    Variable: Any = variable.Variable  # untyped
    with create_session() as session:
        session.add_all(Variable(key=key, val=text) for key, text in rows.items())


def test_a_thousand_organizations_take_pages_a_search_and_few_queries(otto: Person) -> None:
    from airflow import settings
    from sqlalchemy import event

    keep_many({f"bill_session_token__clients__{n}__v3": json.dumps(a_session(n)) for n in range(1000)})
    queries: list[str] = []
    engine: Any = settings.engine

    def count(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        queries.append(statement)

    event.listen(engine, "before_cursor_execute", count)
    try:
        html = otto.see()
    finally:
        event.remove(engine, "before_cursor_execute", count)
    assert len(queries) <= 5, queries
    assert html.count("<tr><td>clients") == 50
    assert "1000 known" in html
    assert "Page 1 of 20" in html
    assert f"00801ORG{50:012}" not in html
    assert f"00801ORG{50:012}" in otto.see(page="2")
    assert "Page 20 of 20" in otto.see(page="99999")
    for nonsense in ("0", "-1", "x", "²", "9" * 5000):
        assert otto.open(page=nonsense).status_code == 200
    found = otto.see(q=f"org{77:012}")
    assert found.count("<tr><td>clients") == 1
    assert "1 known" in found
    assert 'action="./?q=org000000000077&amp;page=1"' in found


def test_ten_thousand_records_of_which_some_are_garbage_are_shown_without_those(otto: Person) -> None:
    garbage = ["", "null", "[]", "{", '{"v": 1}', "[" * 10_000, '{"signed_in_at": 7}', "\x00"]
    rows = {f"bill_session_token__clients__{n}__v3": json.dumps(a_session(n)) for n in range(9_500)}
    rows |= {f"bill_session_token__bad__{n}__v3": garbage[n % len(garbage)] for n in range(500)}
    keep_many(rows)
    html = otto.see()
    assert "500 stored records cannot be read" in html
    assert "and 480 more" in html
    assert html.count("<code>bill_session_token__bad__") == 20
    assert "9500 known" in html
    assert "Page 1 of 190" in html


def test_all_addresses_are_relative_so_that_the_page_works_below_a_path(
    otto: Person, clock: ManualClock, keep: Keep
) -> None:
    keep_many({f"bill_session_token__clients__{n}__v3": json.dumps(a_session(n)) for n in range(60)})
    keep("bill_write__0a__open", an_open_write())
    html = otto.see()
    addresses = re.findall('(?:href|action|src)="([^"]*)"', html)
    assert len(addresses) > 50
    assert [address for address in addresses if not address.startswith(("./", "../dags/"))] == []
