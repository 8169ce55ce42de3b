"""MFA, warm-up and trusted sessions in DAGs that a real Airflow runs in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import Variable, get_current_context, task

from airflow_provider_bill.exceptions import BillConfigurationError, BillMfaError, BillMfaRequiredError
from airflow_provider_bill.hooks.bill import BillHook
from airflow_provider_bill.operators.bill import BillApiOperator, BillLoginOperator, BillSessionWarmupOperator
from airflow_provider_bill.operators.mfa import (
    BillMfaChallengeOperator,
    BillMfaOperator,
    BillMfaValidateOperator,
)
from airflow_provider_bill.sensors.bill import BillSessionSensor
from dev.local_bill import LocalBill

if TYPE_CHECKING:
    from tests.operators.conftest import Connect, NewDag, RunDag

Counts = Callable[[], tuple[int, int, int]]
Failures = list[Exception]

CODE = "482913"
WRONG = "111111"
CODE_VARIABLE = "bill_mfa_code_token"
PAYMENT = {"vendorId": "00901SBX000100000001", "amount": 1.5, "processDate": "2099-01-01"}
#: Where Airflow has no Human-in-the-loop, another class stands for the operator.
HAS_HITL = BillMfaOperator.__name__ == "BillMfaOperator"
if HAS_HITL:
    from airflow_provider_bill.operators import mfa_hitl
with_hitl = pytest.mark.skipif(not HAS_HITL, reason="this Airflow has no Human-in-the-loop")


@pytest.fixture
def known_code(bill: LocalBill) -> None:
    """Every text holds the same code, so that a DAG can name it."""
    bill.settings(mfa_code=CODE)


@pytest.fixture
def counts(bill: LocalBill) -> Counts:
    """Give sign-ins, texts and payments that BILL has counted."""

    def read() -> tuple[int, int, int]:
        stats = bill.stats()
        return stats["sign_ins"], stats["sms_sent"], stats["payments"]

    return read


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> Failures:
    """The error of each failed try of an operator of ours, as Airflow gets to see it."""
    errors: Failures = []

    def noting(execute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def run(self: Any, context: Any) -> Any:
            try:
                return execute(self, context)
            except Exception as error:
                errors.append(error)
                raise

        return run

    for operator in (BillMfaChallengeOperator, BillMfaValidateOperator, BillMfaOperator, BillLoginOperator):
        monkeypatch.setattr(operator, "execute", noting(operator.execute), raising=False)
    monkeypatch.setattr(BillApiOperator, "execute", noting(BillApiOperator.execute))
    return errors


def two_operators(**kwargs: Any) -> BillMfaValidateOperator:
    challenge = BillMfaChallengeOperator(task_id="challenge", organization_id=kwargs.get("organization_id"))
    validate = BillMfaValidateOperator(
        **{
            "task_id": "validate",
            "challenge": challenge.output,
            "code_source": lambda context: CODE,
            "poke_interval": 0.1,
            "timeout": 20,
            "mode": "poke",
            **kwargs,
        }
    )
    challenge >> validate
    return validate


def pay(**kwargs: Any) -> BillApiOperator:
    return BillApiOperator(task_id="pay", endpoint="/v3/payments", method="POST", data=PAYMENT, **kwargs)


SOURCES = {
    "callable": lambda context: CODE if context["ti"].task_id == "validate" else None,
    "template": "{{ dag_run.conf['entered'] }}",
    "variable": CODE_VARIABLE,
}


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_code_from_anywhere_makes_the_session_trusted_for_a_payment(
    source: str, mode: str, connect: Connect, known_code: None, new_dag: NewDag, run_dag: RunDag, counts: Counts
) -> None:
    connect("v3")
    with new_dag() as dag:

        @task
        def a_person() -> None:
            Variable.set(CODE_VARIABLE, f"{CODE[:3]}-{CODE[3:]}\n")

        @task(trigger_rule="all_done")
        def left() -> Any:
            return Variable.get(CODE_VARIABLE, None)

        a_person() >> two_operators(code_source=SOURCES[source], mode=mode) >> pay() >> left()
    result = run_dag(dag, conf={"entered": CODE})
    assert result.state == "success", result.tasks
    assert counts() == (1, 1, 1)
    assert (result.xcoms.get(("left", "return_value")) is None) == (source == "variable")
    xcoms = {key: value for (task_id, key), value in result.xcoms.items() if task_id != "left"}
    assert CODE not in json.dumps(xcoms, default=str)


def test_every_operator_acts_in_the_organization_that_it_names(
    connect: Connect, known_code: None, new_dag: NewDag, run_dag: RunDag, bill: LocalBill
) -> None:
    connect("v3")
    second = bill.seed["organizations"][1]["id"]
    with new_dag() as dag:
        (
            BillLoginOperator(task_id="login", organization_id=second)
            >> BillSessionSensor(task_id="live", organization_id=second, poke_interval=0.1, timeout=10)
            >> BillSessionWarmupOperator(task_id="warm_up", organization_id=second)
            >> BillApiOperator(task_id="read", organization_id=second, endpoint="/v3/vendors", query={"max": 1})
            >> list(two_operators(organization_id=second).upstream_list)
        )
    result = run_dag(dag)
    assert set(result.tasks.values()) == {"success"}, result.tasks
    sessions = [(row["organization"], row["trusted"]) for row in bill.control("GET", "sessions")]
    assert sessions == [(second, True)]
    assert bill.stats()["sign_ins"] == 1


def test_a_code_entered_for_another_organization_whose_device_does_not_serve_here_ends_no_wait(
    connect: Connect, known_code: None, new_dag: NewDag, run_dag: RunDag, counts: Counts, bill: LocalBill
) -> None:
    connect("v3")
    second = bill.seed["organizations"][1]["id"]
    with new_dag() as dag:

        @task
        def pass_elsewhere(challenge: Any) -> None:
            hook = BillHook(organization_id=second)
            hook.mfa.validate(hook.mfa.challenge(), CODE)

        validate = two_operators()
        pass_elsewhere(validate.challenge) >> validate >> pay()
    result = run_dag(dag)
    assert result.state == "success", result.tasks
    assert counts() == (2, 2, 1)


def test_nothing_yet_means_wait_and_a_wrong_code_means_wait_for_another(
    connect: Connect, known_code: None, new_dag: NewDag, run_dag: RunDag, counts: Counts, bill: LocalBill
) -> None:
    connect("v3")
    with new_dag() as dag:
        challenge = BillMfaChallengeOperator(task_id="challenge")

        @task
        def look_again_and_again(challenge: Any) -> list[Any]:
            context = get_current_context()
            looks = []
            for number, code in enumerate([None, "", WRONG, "12 34", CODE]):
                if code is not None:
                    Variable.set(CODE_VARIABLE, code)
                sensor = BillMfaValidateOperator(
                    task_id=f"look_{number}", challenge=challenge, code_source=CODE_VARIABLE
                )
                looks.append([sensor.poke(context), Variable.get(CODE_VARIABLE, None)])
            return looks

        look_again_and_again(challenge.output) >> pay()
    result = run_dag(dag)
    assert result.state == "success", result.tasks
    looks = result.xcom("look_again_and_again")
    assert [done for done, _ in looks] == [False, False, False, False, True]
    # Read once, then gone; an empty one is nobody's answer.
    assert [value for _, value in looks] == [None, "", None, None, None]
    assert counts() == (1, 1, 1)
    assert bill.stats()["by_path"]["/connect/v3/mfa/challenge/validate"] == 2


@pytest.mark.parametrize(
    ("source", "named"),
    [(CODE_VARIABLE, f"in Variable '{CODE_VARIABLE}'"), (lambda context: None, "from this task's code_source")],
)
def test_a_task_that_waits_for_the_code_says_once_where_it_looks(
    source: Any, named: str, connect: Connect, new_dag: NewDag, run_dag: RunDag, caplog: pytest.LogCaptureFixture
) -> None:
    connect("v3")
    with new_dag() as dag:

        @task
        def look(challenge: Any) -> None:
            for rescheduled in (0, 1):
                context: Any = {"task_reschedule_count": rescheduled}
                sensor = BillMfaValidateOperator(task_id=f"look_{rescheduled}", challenge=challenge, code_source=source)
                for _ in range(2):
                    assert not sensor.poke(context)

        look(BillMfaChallengeOperator(task_id="challenge").output)
    with caplog.at_level("INFO"):
        assert run_dag(dag).state == "success"
    lines = [row for row in caplog.records if "Waiting for the code" in row.getMessage()]
    assert [(row.levelname, row.getMessage()) for row in lines] == [
        ("INFO", f"Waiting for the code that BILL has sent by text, {named}.")
    ]


@pytest.mark.parametrize("source", ["callable", "template"])
def test_a_wrong_code_from_a_source_that_has_no_other_fails_at_once(
    source: str,
    connect: Connect,
    known_code: None,
    new_dag: NewDag,
    run_dag: RunDag,
    failures: Failures,
    counts: Counts,
    bill: LocalBill,
) -> None:
    connect("v3")
    with new_dag() as dag:
        code_source = (lambda context: WRONG) if source == "callable" else "{{ dag_run.conf['entered'] }}"
        two_operators(code_source=code_source, retries=2)
    assert run_dag(dag, conf={"entered": WRONG}).tasks["validate"] == "failed"
    (error,) = failures
    assert isinstance(error, BillMfaError)
    assert "leaves 2 more tries" in str(error)
    assert WRONG not in str(error)
    assert counts() == (1, 1, 0)
    assert bill.stats()["by_path"]["/connect/v3/mfa/challenge/validate"] == 1


def test_a_code_that_never_comes_ends_with_the_timeout(
    connect: Connect, known_code: None, new_dag: NewDag, run_dag: RunDag, counts: Counts, bill: LocalBill
) -> None:
    connect("v3")
    with new_dag() as dag:
        two_operators(code_source=lambda context: None, timeout=0.3)
    assert run_dag(dag).tasks == {"challenge": "success", "validate": "failed"}
    assert counts() == (1, 1, 0)
    assert "/connect/v3/mfa/challenge/validate" not in bill.stats()["by_path"]


def test_a_trusted_session_needs_neither_text_nor_code(
    connect: Connect, known_code: None, new_dag: NewDag, run_dag: RunDag, counts: Counts
) -> None:
    connect("v3")
    with new_dag() as first:
        two_operators()
    with new_dag() as second:
        two_operators(code_source=lambda context: None) >> pay()
    assert run_dag(first).state == "success"
    result = run_dag(second)
    assert result.state == "success", result.tasks
    assert result.xcoms.get(("challenge", "return_value")) is None
    assert counts() == (1, 1, 1)


@pytest.mark.parametrize("remember", [True, False])
def test_the_next_session_is_trusted_only_if_the_device_was_remembered(
    remember: bool,
    connect: Connect,
    known_code: None,
    new_dag: NewDag,
    run_dag: RunDag,
    counts: Counts,
    bill: LocalBill,
) -> None:
    connect("v3")
    with new_dag() as first:
        two_operators(remember=remember)
    with new_dag() as same_session:
        two_operators(code_source=lambda context: None) >> pay()
    with new_dag() as next_session:
        two_operators(code_source=lambda context: None, timeout=0.3) >> pay()
    assert run_dag(first).state == "success"
    assert run_dag(same_session).state == "success"
    assert counts() == (1, 1, 1)
    bill.expire_sessions()
    # The new session is as trusted as the device makes it; without one, a code is asked for.
    assert run_dag(next_session).state == ("success" if remember else "failed")
    assert counts() == ((2, 1, 2) if remember else (2, 2, 1))


def test_trust_is_renewed_before_it_runs_out(
    connect: Connect, known_code: None, new_dag: NewDag, run_dag: RunDag, counts: Counts
) -> None:
    connect("v3")
    with new_dag() as first:
        two_operators()
    with new_dag() as renewal:
        challenge = BillMfaChallengeOperator(task_id="challenge", renew_within=timedelta(days=31))
        BillMfaValidateOperator(
            task_id="validate", challenge=challenge.output, code_source=lambda context: CODE, mode="poke"
        )
    assert run_dag(first).state == "success"
    assert run_dag(renewal).state == "success"
    assert counts() == (1, 2, 0)


@pytest.mark.parametrize("challenge", [{"challenge_id": "only"}, ["no dict"], "{{ 'text' }}"])
def test_a_malformed_challenge_is_refused_before_bill_is_asked(
    challenge: Any, connect: Connect, new_dag: NewDag, run_dag: RunDag, failures: Failures, bill: LocalBill
) -> None:
    connect("v3")
    with new_dag() as dag:
        BillMfaValidateOperator(
            task_id="validate",
            challenge=challenge,
            code_source=lambda context: CODE,
            mode="poke",
            retries=2,
        )
    assert run_dag(dag).state == "failed"
    (error,) = failures
    assert "challenge=challenge.output" in str(error)
    assert bill.stats()["requests"] == 0


def test_a_challenge_of_a_session_that_is_gone_says_to_ask_for_a_new_code(
    connect: Connect,
    known_code: None,
    new_dag: NewDag,
    run_dag: RunDag,
    failures: Failures,
    bill: LocalBill,
    counts: Counts,
) -> None:
    connect("v3")
    with new_dag() as dag:

        def expire_and_answer(context: Any) -> str:
            bill.expire_sessions()
            return CODE

        two_operators(code_source=expire_and_answer, retries=2)
    assert run_dag(dag).tasks["validate"] == "failed"
    (error,) = failures
    assert "ask for a new code" in str(error)
    assert counts() == (2, 1, 0)


def test_without_a_phone_the_challenge_says_where_to_register_one(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, failures: Failures, bill: LocalBill, counts: Counts
) -> None:
    nora = next(user for user in bill.seed["users"] if user["username"].startswith("nora"))
    connect("v3", login=nora["username"], password=nora["password"])
    with new_dag() as dag:
        BillMfaChallengeOperator(task_id="challenge", retries=2)
    assert run_dag(dag).state == "failed"
    (error,) = failures
    assert "BDC_1354" in str(error)
    assert "register the user's phone in BILL" in str(error)
    assert counts() == (1, 0, 0)


@pytest.mark.parametrize("kind", ["sync_token", "oauth"])
def test_a_kind_without_mfa_is_refused_before_any_call(
    kind: str, connect: Connect, new_dag: NewDag, run_dag: RunDag, failures: Failures, bill: LocalBill
) -> None:
    connect(kind)
    operators = [BillMfaChallengeOperator, *([BillMfaOperator] if HAS_HITL else [])]
    with new_dag() as dag:
        for operator in operators:
            operator(task_id=operator.__name__, retries=2)
    assert run_dag(dag).state == "failed"
    assert len(failures) == len(operators)
    for error in failures:
        assert isinstance(error, BillConfigurationError)
        assert f"{kind} cannot pass MFA" in str(error)
    assert bill.stats()["requests"] == 0


@pytest.mark.skipif(HAS_HITL, reason="this Airflow has Human-in-the-loop")
def test_without_human_in_the_loop_the_parse_error_names_the_two_other_operators(new_dag: NewDag) -> None:
    with (
        new_dag(),
        pytest.raises(
            BillConfigurationError, match=r"3\.1 or newer.*BillMfaChallengeOperator and BillMfaValidateOperator"
        ),
    ):
        BillMfaOperator(task_id="mfa")


@with_hitl
@pytest.mark.parametrize("remember", [True, False])
def test_the_task_for_a_person_asks_nobody_while_the_session_is_trusted(
    remember: bool, connect: Connect, known_code: None, new_dag: NewDag, run_dag: RunDag, counts: Counts
) -> None:
    connect("v3")
    with new_dag() as dag:
        two_operators(remember=remember) >> BillMfaOperator(task_id="mfa") >> pay()
    result = run_dag(dag)
    assert result.state == "success", result.tasks
    assert result.xcom("mfa")["trusted"] is True
    assert result.xcom("mfa")["entered_by"] is None
    assert result.xcom("mfa")["trusted_days"] == (pytest.approx(30, abs=0.1) if remember else 0)
    assert counts() == (1, 1, 1)


@with_hitl
@pytest.mark.parametrize("mode", ["off", "bypass"])
def test_where_mfa_is_off_nobody_is_asked(
    mode: str, connect: Connect, new_dag: NewDag, run_dag: RunDag, counts: Counts, bill: LocalBill
) -> None:
    bill.settings(mfa_mode=mode)
    connect("v3")
    with new_dag() as dag:
        BillMfaOperator(task_id="mfa") >> pay()
    result = run_dag(dag)
    assert result.state == "success", result.tasks
    assert result.xcom("mfa")["trusted_days"] is None
    assert counts() == (1, 0, 1)


@with_hitl
def test_where_nobody_can_answer_a_form_no_text_is_sent(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, failures: Failures, counts: Counts
) -> None:
    connect("v3")
    with new_dag() as dag:
        BillMfaOperator(task_id="mfa")
    assert run_dag(dag).state == "failed"
    (error,) = failures
    assert "airflow dags test" in str(error)
    assert counts() == (1, 0, 0)


@with_hitl
@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"error": "Timeout", "error_type": "timeout"}, "nobody entered the MFA code within 0:05:00"),
        ({"error": "no form", "error_type": "unknown"}, "clear the task"),
    ],
)
def test_a_form_that_nobody_answered_says_what_to_do(
    event: dict[str, str], says: str, connect: Connect, new_dag: NewDag, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect("v3")
    monkeypatch.setattr(mfa_hitl, "shared_hook", BillHook)
    with new_dag():
        operator = BillMfaOperator(task_id="mfa")
    context: Any = {"task_instance": None}
    with pytest.raises(BillMfaError, match=says):
        operator.execute_complete(context, event)
    assert counts() == (1, 0, 0)


@with_hitl
def test_the_form_is_the_operators_own_and_hides_what_is_typed(new_dag: NewDag) -> None:
    with new_dag(params={"amount": 5}):
        operator = BillMfaOperator(task_id="mfa", response_timeout=timedelta(hours=1), assigned_users=[])
    assert list(operator.params) == ["mfa_token"]
    assert operator.params.get_param("mfa_token").schema["format"] == "password"
    assert operator.response_timeout == timedelta(hours=1)


def test_a_warm_up_keeps_a_live_session_and_signs_in_only_where_there_is_none(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, counts: Counts, bill: LocalBill
) -> None:
    connect("v3")
    with new_dag() as dag:
        BillSessionWarmupOperator(task_id="warm_up")
    first = run_dag(dag).xcom("warm_up")
    for _ in range(2):
        run_dag(dag)
    assert counts() == (1, 0, 0)
    assert first["session"]["conn_id"] == "bill_default"
    assert (first["trusted"], first["trusted_days"], first["needs_mfa"]) == (False, 0, True)
    bill.expire_sessions()
    assert run_dag(dag).state == "success"
    assert counts() == (2, 0, 0)


@pytest.mark.parametrize(
    ("renew_within", "needs_mfa"), [(timedelta(days=5), False), (timedelta(days=31), True), (None, False)]
)
def test_a_warm_up_says_for_how_long_trust_lasts_and_tells_the_notifiers_in_time(
    renew_within: timedelta | None,
    needs_mfa: bool,
    connect: Connect,
    known_code: None,
    new_dag: NewDag,
    run_dag: RunDag,
    counts: Counts,
) -> None:
    connect("v3")
    told = []
    with new_dag() as dag:
        two_operators() >> BillSessionWarmupOperator(
            task_id="warm_up",
            renew_within=renew_within,
            notifiers=[lambda context: told.append(context["ti"].task_id), lambda context: told.append("second")],
        )
    found = run_dag(dag).xcom("warm_up")
    assert found["trusted"] is True
    assert found["session"]["trusted"] is True
    assert found["trusted_days"] == pytest.approx(30, abs=0.1)
    assert found["needs_mfa"] is needs_mfa
    assert told == (["warm_up", "second"] if needs_mfa else [])
    assert counts() == (1, 1, 0)


def test_a_warm_up_without_trust_tells_nobody_where_nobody_needs_it(
    connect: Connect, new_dag: NewDag, run_dag: RunDag
) -> None:
    connect("v3")
    with new_dag() as dag:
        BillSessionWarmupOperator(task_id="warm_up", renew_within=None)
    found = run_dag(dag).xcom("warm_up")
    assert (found["trusted_days"], found["needs_mfa"]) == (0, False)


@pytest.mark.parametrize(("kind", "sign_ins"), [("oauth", 1), ("sync_token", 1), ("spend_token", 0)])
def test_a_warm_up_of_a_kind_without_mfa_needs_nobody(
    kind: str, sign_ins: int, connect: Connect, new_dag: NewDag, run_dag: RunDag, counts: Counts
) -> None:
    connect(kind)
    with new_dag() as dag:
        BillSessionWarmupOperator(task_id="warm_up")
    for _ in range(2):
        result = run_dag(dag)
        assert result.state == "success"
        assert (result.xcom("warm_up")["trusted_days"], result.xcom("warm_up")["needs_mfa"]) == (None, False)
    assert counts() == (sign_ins, 0, 0)


@pytest.mark.parametrize("kind", ["v3", "v2"])
def test_a_task_that_must_have_trust_fails_with_the_way_out_and_sends_nothing(
    kind: str, connect: Connect, new_dag: NewDag, run_dag: RunDag, failures: Failures, counts: Counts, bill: LocalBill
) -> None:
    connect(kind)
    endpoint = "/v3/vendors" if kind == "v3" else "List/Vendor.json"
    asking: dict[str, Any] = {"retries": 2, "trigger_rule": "all_done"}
    with new_dag() as dag:
        login = BillLoginOperator(task_id="login", require_trusted=True, **asking)
        call = BillApiOperator(task_id="call", endpoint=endpoint, require_trusted=True, **asking)

        @task(retries=2, trigger_rule="all_done")
        def by_hook() -> list[Any]:
            try:
                return list(BillHook(require_trusted=True).paginate(endpoint))
            except BillMfaRequiredError as error:
                failures.append(error)
                raise

        login >> call >> by_hook()
    assert set(run_dag(dag).tasks.values()) == {"failed"}
    assert len(failures) == 3  # none of them was tried again
    for error in failures:
        assert isinstance(error, BillMfaRequiredError)
        assert "BillMfaOperator" in str(error)
        assert "bill_mfa" in str(error)
    assert counts() == (1, 0, 0)
    assert not [path for path in bill.stats()["by_path"] if "endor" in path]


def test_with_trust_the_same_tasks_run_on_one_sign_in(
    connect: Connect, known_code: None, new_dag: NewDag, run_dag: RunDag, counts: Counts
) -> None:
    connect("v3")
    with new_dag() as dag:
        login = BillLoginOperator(task_id="login", require_trusted=True)
        call = BillApiOperator(task_id="call", endpoint="/v3/vendors", query={"max": 1}, require_trusted=True)
        live = BillSessionSensor(task_id="live", require_trusted=True, poke_interval=0.1, timeout=5)

        @task
        def by_hook() -> int:
            return len(list(BillHook(require_trusted=True).paginate("/v3/bills")))

        two_operators() >> live >> login >> call >> by_hook()
    result = run_dag(dag)
    assert result.state == "success", result.tasks
    assert result.xcom("live")["trusted"] is True
    assert result.xcom("login")["trusted"] is True
    assert counts() == (1, 1, 0)


def test_a_payment_without_trust_fails_once_and_is_not_sent(
    connect: Connect, new_dag: NewDag, run_dag: RunDag, failures: Failures, counts: Counts, bill: LocalBill
) -> None:
    connect("v3")
    with new_dag() as dag:
        pay(retries=2)
    assert run_dag(dag).state == "failed"
    (error,) = failures
    assert isinstance(error, BillMfaRequiredError)
    assert counts() == (1, 0, 0)
    assert "/connect/v3/payments" not in bill.stats()["by_path"]


def test_a_payment_in_the_session_of_one_run_steps_up_with_the_device_of_all(
    connect: Connect, known_code: None, new_dag: NewDag, run_dag: RunDag, counts: Counts, bill: LocalBill
) -> None:
    connect("v3")
    with new_dag() as dag:
        login = BillLoginOperator(task_id="login", store="xcom")
        login >> two_operators() >> pay(session=login.output)
    result = run_dag(dag)
    assert result.state == "success", result.tasks
    assert counts() == (2, 1, 1)
    assert bill.stats()["by_path"]["/connect/v3/mfa/step-up"] == 1
