"""What the commands do and print; they run on a real metadata database."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_bill.cli.definition import COMMANDS
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.sessions.stores import VariableStore
from dev.local_bill import LocalBill

from .conftest import Command

WRITE = {
    "v": 1,
    "id": "0123456789abcdef",
    "state": "sent",
    "name": "write number 1",
    "digest": "00",
    "call": "POST /v3/payments",
    "at": "2026-01-01T00:00:00+00:00",
    "task": ["pay_day", "run 1", "pay", -1],
}


def rows(command: Command, *arguments: str) -> list[dict[str, Any]]:
    return list(json.loads(command(*arguments, "--output", "json").out))


def test_a_sign_in_is_made_once_and_found_afterwards(command: Command, bill: LocalBill) -> None:
    first, second = command("sign-in", "bill_default"), command("sign-in", "bill_default")
    assert (first.code, second.code) == (0, 0)
    assert first.out.startswith(f"Signed in to {bill.organization} (bill_default), live until ")
    assert second.out.startswith(f"Found a session of {bill.organization} (bill_default)")
    assert bill.stats()["sign_ins"] == 1


def test_a_session_is_listed_with_whose_it_is_and_how_long_it_lasts(command: Command, bill: LocalBill) -> None:
    assert rows(command, "sessions") == []
    command("sign-in", "bill_default")
    (row,) = rows(command, "sessions")
    assert (row["connection"], row["organization"], row["kind"]) == ("bill_default", bill.organization, "v3")
    assert row["signed_in_by"] == f"{getpass.getuser()} (command line)"
    assert row["user"].endswith(bill.username.partition("@")[2])
    assert (row["trusted"], row["state"], row["days_of_trust"]) == (False, "live", None)
    assert 30 <= row["minutes_left"] <= 35
    assert rows(command, "sessions", "--connection", "another") == []
    assert len(rows(command, "sessions", "--connection", "bill_default")) == 1


@pytest.mark.parametrize("output", ["table", "plain", "yaml", "json"])
def test_every_format_shows_the_connection_and_the_organization(output: str, command: Command, bill: LocalBill) -> None:
    command("sign-in", "bill_default")
    said = command("sessions", "--output", output).out
    assert "bill_default" in said
    assert bill.organization in said


def test_signing_out_ends_the_session_at_bill(command: Command, bill: LocalBill) -> None:
    command("sign-in", "bill_default")
    assert command("sign-out", "bill_default")[:2] == (0, "Signed out.\n")
    assert rows(command, "sessions") == []
    assert bill.count_calls("/connect/v3/logout") == 1
    assert command("sign-out", "bill_default").out == "BILL had no session to end; none is stored any more.\n"


def test_forgetting_a_session_tells_bill_nothing(command: Command, bill: LocalBill) -> None:
    command("sign-in", "bill_default")
    before = bill.stats()["requests"]
    assert command("forget", "bill_default")[:2] == (0, "The stored session is forgotten.\n")
    assert (bill.stats()["requests"], rows(command, "sessions")) == (before, [])
    assert command("forget", "bill_default").out == "No session was stored.\n"


def test_a_refused_sign_in_is_shown_and_not_sent_again_until_it_is_forgotten(
    command: Command, connection: Callable[..., None], bill: LocalBill
) -> None:
    connection("clients", password="Tr0ub4dor&3")
    for _ in range(2):
        refused = command("sign-in", "clients")
        assert (refused.code, refused.out) == (1, "")
        assert refused.err.startswith("airflow-bill: ")
        assert refused.err.count("\n") == 1
    assert bill.stats()["refused_sign_ins"] == 1
    (row,) = rows(command, "sessions")
    assert (row["connection"], row["state"], row["until"]) == ("clients", "refused (BDC_1101)", None)
    assert command("check", "clients").code == 1
    assert rows(command, "check", "clients")[0]["next_step"].endswith("airflow-bill forget clients --refusals")
    assert "1 refused" in command("forget", "clients", "--refusals").out
    assert rows(command, "sessions") == []
    connection("clients", password=bill.password)
    assert command("sign-in", "clients").code == 0


def test_a_refusal_that_another_connection_of_the_user_has_met_is_seen_and_forgotten(
    command: Command, connection: Callable[..., None]
) -> None:
    for conn_id in ("clients", "same_user"):
        connection(conn_id, password="Tr0ub4dor&3")
    command("sign-in", "clients")
    (row,) = rows(command, "check", "same_user")
    assert (row["state"], "BDC_1101" in row["problem"]) == ("problem", True)
    assert row["next_step"].endswith("airflow-bill forget same_user --refusals")
    assert "1 refused" in command("forget", "same_user", "--refusals").out
    assert rows(command, "sessions") == []
    assert rows(command, "check", "clients")[0]["state"] == "fine"


def test_forgetting_refusals_leaves_those_of_other_connections(
    command: Command, connection: Callable[..., None]
) -> None:
    connection("clients", password="Tr0ub4dor&3")
    command("sign-in", "clients")
    assert "0 refused" in command("forget", "bill_default", "--refusals").out
    assert len(rows(command, "sessions")) == 1


def test_forgetting_refusals_leaves_those_of_other_organizations(
    command: Command, connection: Callable[..., None], bill: LocalBill
) -> None:
    second = bill.seed["organizations"][1]["id"]
    connection("clients")
    bill.control("POST", "organizations/lock", {"organization_id": second})
    assert command("sign-in", "clients", "--organization", second).code == 1
    assert "0 refused" in command("forget", "clients", "--refusals").out
    assert "1 refused" in command("forget", "clients", "--refusals", "--organization", second).out


def test_a_code_is_asked_without_echo_and_the_device_is_remembered(
    command: Command, bill: LocalBill, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "000000" if len(asked) == 1 else bill.codes()[-1]

    monkeypatch.setattr(getpass, "getpass", answer)
    result = command("trust", "bill_default", terminal=True)
    assert result.code == 0, result.err
    assert "BILL leaves 2 more tries" in result.err
    assert "trusted for 30.0 days" in result.out
    assert len(asked) == 2
    (row,) = rows(command, "sessions")
    assert (row["trusted"], row["days_of_trust"]) == (True, pytest.approx(30, abs=0.1))
    again = command("trust", "bill_default", terminal=True)
    assert again.out.startswith("bill_default is trusted already")
    assert (len(bill.codes()), len(asked)) == (1, 2)


def test_after_three_wrong_codes_it_is_over(command: Command, bill: LocalBill, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "000000"

    monkeypatch.setattr(getpass, "getpass", answer)
    result = command("trust", "bill_default", terminal=True)
    assert (result.code, len(asked), len(bill.codes())) == (1, 3, 1)


def test_where_another_has_a_newer_text_sent_meanwhile_nobody_is_asked_again_for_the_old_one(
    command: Command, bill: LocalBill, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        if len(asked) == 1:
            BillHook("bill_default", store="variable").mfa.challenge(anew=True)
        return bill.codes()[0] if len(asked) == 1 else ""

    monkeypatch.setattr(getpass, "getpass", answer)
    result = command("trust", "bill_default", terminal=True)
    assert (result.code, "newer text" in result.err, len(asked)) == (1, True, 1), result.err


def test_a_code_with_a_digit_too_few_costs_no_try_and_is_asked_for_again(
    command: Command, bill: LocalBill, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(("12345", "1234567", "12 345"))
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(answers, None) or bill.codes()[-1])
    result = command("trust", "bill_default", terminal=True)
    assert (result.code, result.err.count("is not six digits")) == (0, 3), result.err
    assert len(bill.codes()) == 1


def test_in_a_pipe_no_text_is_sent_unless_the_code_comes_that_way(command: Command, bill: LocalBill) -> None:
    refused = command("trust", "bill_default", stdin="123456\n")
    assert (refused.code, refused.out) == (2, "")
    assert "--code-from-stdin" in refused.err
    assert bill.stats()["requests"] == 0
    nothing = command("trust", "bill_default", "--code-from-stdin")
    assert (nothing.code, len(bill.codes())) == (1, 1)
    assert "no code was given" in nothing.err
    # The text that was sent still counts.
    assert command("trust", "bill_default", "--code-from-stdin", stdin=f"{bill.codes()[0]}\n").code == 0
    assert len(bill.codes()) == 1


def test_an_unknown_write_is_shown_and_settled(command: Command) -> None:
    VariableStore().write("bill_write__0a__1__sent", json.dumps(WRITE))
    (row,) = rows(command, "writes")
    assert (row["id"], row["call"], row["settled"]) == (WRITE["id"], WRITE["call"], "")
    assert row["task"] == "pay_day run 1 pay"
    done = command("settle", "0123456789abcdef", "--done", "--result", '{"id": "stp1"}')
    assert (done.code, "clear its task: pay_day run 1 pay" in done.out) == (0, True)
    stored = json.loads(VariableStore().read("bill_write_settled__0123456789abcdef") or "")
    assert (stored["carried_out"], stored["result"]) == (True, {"id": "stp1"})
    assert rows(command, "writes")[0]["settled"] == "done"
    assert command("settle", "0123456789abcdef", "--not-done").code == 0
    assert rows(command, "writes")[0]["settled"] == "not done"


def test_only_an_open_write_is_settled(command: Command) -> None:
    result = command("settle", "ffffffffffffffff", "--done")
    assert (result.code, "no write 'ffffffffffffffff' is open" in result.err) == (1, True)
    assert VariableStore().read("bill_write_settled__ffffffffffffffff") is None


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("pay",),
        ("sign-in",),
        ("sessions", "--output", "xml"),
        ("settle", "0123456789abcdef"),
        ("settle", "0123456789abcdef", "--done", "--not-done"),
        ("settle", "0123456789abcdef", "--not-done", "--result", "{}"),
        ("settle", "0123456789abcdef", "--done", "--result", "{"),
    ],
)
def test_a_command_that_is_called_wrongly_ends_with_2(arguments: tuple[str, ...], command: Command) -> None:
    result = command(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err


def test_checking_sends_nothing_unless_it_is_told_to(
    command: Command, connection: Callable[..., None], bill: LocalBill
) -> None:
    connection("no_key", developer_api_key="")
    connection("web", conn_type="http")
    found = {row["connection"]: row for row in rows(command, "check")}
    assert {"bill_default", "no_key"} <= set(found)
    assert "web" not in found
    assert (found["bill_default"]["state"], found["no_key"]["state"]) == ("fine", "problem")
    assert found["no_key"]["problem"]
    assert bill.stats()["requests"] == 0
    assert command("check", "bill_default").code == 0
    assert command("check", "bill_default", "--sign-in").code == 0
    assert bill.stats()["sign_ins"] == 1


@pytest.mark.parametrize("name", ["sign-in", "sign-out", "forget"])
def test_an_unknown_connection_is_one_sentence(name: str, command: Command) -> None:
    result = command(name, "nowhere")
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert "not defined" in result.err


def test_ten_thousand_records_of_which_half_are_garbage_are_listed(command: Command) -> None:
    from airflow.models import variable

    Variable: Any = variable.Variable  # untyped in Airflow 3.3
    from airflow.utils.session import create_session

    command("sign-in", "bill_default")
    key = next(entry for entry in _keys() if entry.startswith("bill_session_token__"))
    text = VariableStore().read(key) or ""
    garbage = ["{", "[]", '{"organization_id": 1}', ""]
    with create_session() as session:
        session.add_all(
            Variable(key=f"bill_session_token__c{n}__x__v3", val=text if n % 2 else garbage[n // 2 % 4])
            for n in range(10_000)
        )
    result = command("sessions", "--output", "json")
    assert (result.code, len(json.loads(result.out))) == (1, 5001)
    assert "5000 stored entries cannot be read" in result.err


def _keys() -> list[str]:
    from airflow_provider_bill.hooks.stored import stored_entries

    return [entry.key for entry in stored_entries()]


def test_no_command_prints_a_secret(command: Command, bill: LocalBill, connection: Callable[..., None]) -> None:
    connection("wrong", password="Tr0ub4dor&3")
    secrets = {*bill.secrets(), "Tr0ub4dor&3"}
    said = [str(command("sign-in", "wrong")), str(command("sign-in", "bill_default"))]
    said.append(str(command("trust", "bill_default", "--code-from-stdin", stdin="111111\n222222\n")))
    code = bill.codes()[-1]
    said.append(str(command("trust", "bill_default", "--code-from-stdin", stdin=f"{code}\n")))
    VariableStore().write("bill_write__0a__1__sent", json.dumps(WRITE))
    for output in ("table", "json", "yaml", "plain"):
        said += [str(command(name, "-o", output)) for name in ("sessions", "writes", "check")]
    said.append(str(command("check", "--sign-in", "wrong", "bill_default")))
    said += [str(command(name, "bill_default")) for name in ("sign-out", "forget")]
    text = "\n".join(said)
    assert [secret for secret in [*secrets, code, "sealed"] if secret in text] == []
    assert {command.name for command in COMMANDS} - {"settle"} == {
        "check", "forget", "sessions", "sign-in", "sign-out", "trust", "writes",
    }  # fmt: skip


def test_a_session_that_is_over_says_so(command: Command) -> None:
    command("sign-in", "bill_default")
    key = next(entry for entry in _keys() if entry.startswith("bill_session_token__"))
    record = json.loads(VariableStore().read(key) or "")
    record["expires_at"] = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    VariableStore().write(key, json.dumps(record))
    (row,) = rows(command, "sessions")
    assert (row["state"], row["minutes_left"]) == ("over", 0)


def test_the_next_step_that_check_names_mends_a_refusal_of_one_organization_too(command: Command) -> None:
    assert command("sign-in", "bill_default", "--organization", "00801UNKNOWN00000000").code == 1
    (row,) = rows(command, "check", "bill_default")
    assert row["state"] == "problem"
    step = row["next_step"].partition("airflow-bill ")[2].split()
    assert "1 refused" in command(*step).out
    assert rows(command, "check", "bill_default")[0]["state"] == "fine"
