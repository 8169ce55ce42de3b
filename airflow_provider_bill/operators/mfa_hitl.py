"""``BillMfaOperator``: a person enters BILL's code in Airflow's own page.

Apart from ``mfa.py``, which hands it out: Airflow's Human-in-the-loop is slow to import, and a DAG file that does not
use it should not pay for it.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import Param, TaskDeferred, mask_secret
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.timezone import utcnow

from airflow_provider_bill.client.device_label import check_device
from airflow_provider_bill.exceptions import BillConfigurationError, BillMfaError
from airflow_provider_bill.hooks.errors import operator_errors
from airflow_provider_bill.operators.base import label_by_organization, shared_hook
from airflow_provider_bill.operators.mfa_form import ENTER, FIELD, NEW_TEXT, RESPONSE_TIMEOUT, SEND, FormFacts

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_bill.hooks.bill import BillHook
    from airflow_provider_bill.sessions.mfa import Challenge

try:
    from airflow.sdk.exceptions import TaskAwaitingInput as _TaskAwaitingInput
except ImportError:  # before Airflow 3.3, where a task waits with a trigger

    class _TaskAwaitingInput(BaseException):  # type: ignore[no-redef]
        """Raised by us alone."""

        def __init__(self, *, method_name: str) -> None:
            super().__init__(method_name)


log = logging.getLogger(__name__)

#: How a task leaves that goes on later.
_PARKED = (TaskDeferred, _TaskAwaitingInput)
#: How Airflow names a deferral that it has ended itself.
_FAIL = "__fail__"
#: How much later than the trigger the scheduler looks at the time limit.
_GRACE = timedelta(minutes=1)


class BillMfaOperator(HITLOperator):
    """Make the shared BILL session trusted; a person enters the code in Airflow's "Required actions".

    Succeeds at once, without a text, if the session is trusted or a remembered device can make it so. Else a code
    goes to the phone, and the task waits without a worker slot until a person has entered it, here or in another task.
    The session is trusted afterwards, and for 30 days all later ones. Returns who entered the code, and for how many
    days trust will last.

    The code reaches no XCom, no log, no rendered field and no audit log, and is removed from the answered form.

    .. seealso:: https://developer.bill.com/reference/validatechallenge

    :param bill_conn_id: Airflow connection of type ``bill``
    :param organization_id: BILL organization to use instead of the connection's own
    :param renew_within: ask already when the remembered device is trusted for less than this
    :param remember: whether the device is trusted for 30 days, or only this session
    :param device: label of this installation at BILL, up to 100 characters; default: ``airflow-<connection>``
    :param max_texts: texts sent at most before giving up; each costs a person's patience
    :param assigned_users: who may enter the code; default: everybody who may answer
    :param notifiers: Airflow notifiers, called when a code is asked for
    :param response_timeout: how long to wait for the code; default 5 minutes, the life of a code. A form that may wait
        longer, or for ever (None), has no text sent by itself, but when somebody presses "Send me the code"
    """

    template_fields: Collection[str] = ("subject", "body", "bill_conn_id", "organization_id")
    ui_color = "#efe8f4"

    def __init__(
        self,
        *,
        bill_conn_id: str = "bill_default",
        organization_id: str | None = None,
        renew_within: timedelta = timedelta(0),
        remember: bool = True,
        device: str = "",
        max_texts: int = 3,
        subject: str | None = None,
        body: str | None = None,
        response_timeout: timedelta | None = RESPONSE_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        if device:
            check_device(device)  # Not only when the code has come.
        # Airflow hands a DAG's params to its operators; here they are the fields of the form.
        # Not required: who got no text has nothing to enter, and both buttons must work.
        field = Param("", type=["null", "string"], format="password", title="Six digits from the text message")
        kwargs["params"] = {FIELD: field}
        if "response_timeout" in inspect.signature(HITLOperator.__init__).parameters:
            kwargs["response_timeout"] = response_timeout
        else:  # an older standard provider waits for as long as the task may run
            kwargs.setdefault("execution_timeout", response_timeout)
        self._on_request = response_timeout is None or response_timeout > RESPONSE_TIMEOUT
        self._words = subject, body
        super().__init__(
            subject=subject or "BILL asks for a code",  # What is known only later is told when it is asked for.
            body=body or f"Connection `{bill_conn_id}`",
            options=[SEND, ENTER] if self._on_request else [ENTER, NEW_TEXT],
            **kwargs,
        )
        if set(self.params) != {FIELD}:  # an older standard provider shows those of the DAG too
            self.params = type(self.params)({FIELD: field})
        self.response_timeout = response_timeout
        self.bill_conn_id = bill_conn_id
        self.organization_id = organization_id
        self.renew_within = renew_within
        self.remember = remember
        self.device = device
        self.max_texts = max_texts
        self._until: str | None = None

    def pre_execute(self, context: Any) -> None:
        """Label a mapped task."""
        super().pre_execute(context)
        label_by_organization(self, context)

    @operator_errors()
    def execute(self, context: Context) -> dict[str, Any]:
        """Make the session trusted without a person, or ask for one."""
        hook = shared_hook(self.bill_conn_id, self.organization_id)
        if hook.mfa.is_trusted(self.renew_within):
            log.info("The BILL session is trusted; no code is needed.")
            return self._result(hook, None)
        if _is_dag_test():
            raise BillConfigurationError(
                "nobody can answer the form of BillMfaOperator in `airflow dags test`, so no text was sent",
                advice="trigger the DAG in a running Airflow, or pass MFA there first: the session is shared",
            )
        challenge = None
        if not self._on_request:
            challenge = hook.mfa.challenge_if_needed(self.renew_within)
            if challenge is None:
                return self._result(hook, None)
        self._tell(hook, context, challenge)
        with contextlib.suppress(_TaskAwaitingInput):
            super().execute(context)  # HITLOperator's own asking, up to where it would wait in its own way
        self._wait(context, challenge)

    @operator_errors()
    def execute_complete(
        self,
        context: Context,
        event: dict[str, Any],
        challenge: dict[str, Any] | None = None,
        until: str | None = None,
    ) -> dict[str, Any]:
        """Enter what the person has entered; ask again if it was wrong.

        :param event: what the person has entered, or that nobody has, or that another has passed MFA
        :param challenge: the one whose code the form has asked for
        :param until: when the form runs out
        """
        from airflow_provider_bill.client.secret import Secret

        entered = event.get("params_input") or {}
        code = Secret(entered.get(FIELD) or "")  # the frames of an error show no code
        if code:
            mask_secret(str(code))
            entered[FIELD] = code  # Airflow's own frames hold the event
        self._until = until
        # At once, as nobody knows how this run ends; and again, as the form could be answered a second time meanwhile.
        self._erased = "chosen_options" not in event or self._erase_answer(context)
        try:
            result = self._go_on(context, code, event, challenge)
        except _PARKED:
            raise  # An answer that has come meanwhile is taken next.
        except BaseException:
            self._erase_answer(context)
            raise
        self._erase_answer(context)
        return result

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Take a time limit that Airflow's scheduler has seen, as it does where no triggerer runs, like any other."""
        if next_method == _FAIL and "timeout" in str((next_kwargs or {}).get("error")).lower():
            next_method, next_kwargs = "execute_complete", {"event": {"error_type": "timeout"}}
        return super().resume_execution(next_method, next_kwargs, context)

    def defer(self, *, trigger: Any, **kwargs: Any) -> NoReturn:
        """Wait with a trigger that does not log the code, and sees when another has passed MFA."""
        from airflow_provider_bill.triggers.mfa import BillMfaTrigger

        if isinstance(trigger, BillMfaTrigger):
            super().defer(trigger=trigger, **kwargs)
        raise _TaskAwaitingInput(method_name=kwargs["method_name"])  # HITLOperator's, before Airflow 3.3

    def _go_on(
        self,
        context: Context,
        code: str,
        event: dict[str, Any],
        challenge: dict[str, Any] | None,
    ) -> dict[str, Any]:
        from airflow_provider_bill.sessions.mfa import Challenge

        hook = shared_hook(self.bill_conn_id, self.organization_id)
        if hook.mfa.is_trusted(self.renew_within):
            log.info("Another has passed MFA meanwhile; no code is needed any more.")
            return self._result(hook, None)
        if event.get("error_type") == "timeout":
            raise BillMfaError(
                f"nobody entered the MFA code within {self.response_timeout}",
                advice="clear the task to have a new code sent, while somebody has the phone at hand",
            )
        if "error" in event:
            raise BillMfaError("asking for the MFA code failed in Airflow", advice="clear the task")
        # None: no text was sent yet, or the form is of an older version of this provider.
        asked_for = None if challenge is None else Challenge.from_dict(challenge)
        if "trusted" in event:  # It looked so, and BILL did not honour it.
            self._wait(context, asked_for, until=self._until)
        if {NEW_TEXT, SEND} & set(event.get("chosen_options") or ()):
            return self._ask_with_new_text(hook, context, asked_for, "a new text was asked for")
        return self._enter(hook, context, asked_for, code, event)

    def _enter(
        self, hook: BillHook, context: Context, asked_for: Challenge | None, code: str, event: dict[str, Any]
    ) -> dict[str, Any]:
        from airflow_provider_bill.sessions.mfa import OVER, WRONG_CODE

        newest = hook.mfa.pending()
        if newest is None:
            return self._too_old(hook, context, asked_for, "the code is too old")
        if asked_for is not None and asked_for.challenge_id != newest.challenge_id:
            log.warning(
                "A newer text was sent at %s, after this form was made: what was entered was not sent to BILL. Enter "
                "the code from the newest text.",
                newest.sent_at,
            )
            return self._ask(hook, context, newest)
        try:
            hook.mfa.validate(newest, code, device=self.device, remember=self.remember)
        except BillMfaError as error:
            if error.code in OVER:
                return self._too_old(hook, context, newest, str(error))
            if error.code not in (None, WRONG_CODE):
                raise
            log.warning("%s", error)
            return self._ask(hook, context, hook.mfa.pending() or newest)
        return self._result(hook, event.get("responded_by_user"))

    def _too_old(self, hook: BillHook, context: Context, asked_for: Challenge | None, why: str) -> dict[str, Any]:
        if not self._on_request:
            return self._ask_with_new_text(hook, context, asked_for, why)
        if hook.mfa.is_trusted(self.renew_within):
            return self._result(hook, None)
        log.warning("%s; press %r for a new one.", why, SEND)
        return self._ask(hook, context, None)

    def _ask_with_new_text(
        self, hook: BillHook, context: Context, asked_for: Challenge | None, why: str
    ) -> dict[str, Any]:
        newest, last = hook.mfa.pending(), hook.mfa.pending(also_over=True)
        if self._on_request and newest is None:
            last = asked_for = None  # Whoever asks after a while begins anew.
        if last is not None and last.texts >= self.max_texts:
            if newest is None:
                if hook.mfa.is_trusted(self.renew_within):
                    return self._result(hook, None)
                raise BillMfaError(
                    f"{last.texts} texts were sent and no code was entered in time ({why})",
                    advice="clear the task while somebody has the phone at hand",
                )
            log.warning("%s; %s texts were sent already, enter the code from the newest.", why, last.texts)
            return self._ask(hook, context, newest)
        log.warning("%s; sending a new text, unless another task has just done so.", why)
        # A form for which no text was sent yet takes the one that is on its way.
        old = asked_for if self._on_request else asked_for or last
        challenge = hook.mfa.challenge_if_needed(self.renew_within, instead_of=old)
        return self._asked(hook, context, challenge)

    def _asked(self, hook: BillHook, context: Context, challenge: Challenge | None) -> dict[str, Any]:
        if challenge is None:
            log.info("The BILL session has become trusted meanwhile; no code is needed.")
            return self._result(hook, None)
        return self._ask(hook, context, challenge)

    def _tell(self, hook: BillHook, context: Context, challenge: Challenge | None) -> None:
        """Put into the form what is asked for, of whom and until when, unless the DAG brings words of its own.

        Airflow stores it when the form is made, and never changes the words of a form, also not when the task is
        cleared; notifiers and listeners get to see the new ones each time.
        """
        subject, body = self._words
        if subject and body:
            return
        from airflow_provider_bill.sessions.mfa import TRIES
        from airflow_provider_bill.sessions.times import from_text

        ti, until = context["task_instance"], self._deadline()
        if challenge is not None:
            # What closes first: a form that waits for less than the life of a code, or the code.
            short = self.response_timeout is not None and self.response_timeout < RESPONSE_TIMEOUT
            until = min(until, challenge.ends_at) if until is not None and short else challenge.ends_at
        facts = FormFacts(
            waiting=(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index),
            connection=self.bill_conn_id,
            **hook.mfa.whom(challenge),
            sent_at=None if challenge is None else from_text(challenge.sent_at),
            until=until,
            tries_left=None if challenge is None else challenge.tries_left,
            tries=TRIES,
        )
        self.subject, self.body = subject or facts.subject, body or facts.body

    def _ask(self, hook: BillHook, context: Context, challenge: Challenge | None) -> NoReturn:
        """Ask once more, in the form that is there."""
        self._tell(hook, context, challenge)
        if not self._erased:
            self._erase_answer(context, required=True)  # An answer that stays would be taken again and again.
        for notifier in self.notifiers:
            notifier(context)
        self._wait(context, challenge)

    def _wait(self, context: Context, challenge: Challenge | None, *, until: str | None = None) -> NoReturn:
        """Wait for an answer to the form, or until another has passed MFA.

        On Airflow 3.3 too with a trigger: as HITLOperator waits there, nothing but an answer can wake a task.

        :param until: when it runs out; None for as long as a form that was just asked may wait
        """
        from airflow_provider_bill.triggers.mfa import BillMfaTrigger

        deadline = datetime.fromisoformat(until) if until else self._deadline()
        trigger = BillMfaTrigger(
            ti_id=context["task_instance"].id,
            options=self.options,
            params=self.serialized_params,
            multiple=self.multiple,
            timeout_datetime=deadline,
            bill_conn_id=self.bill_conn_id,
            organization_id=self.organization_id,
            renew_within=self.renew_within.total_seconds(),
        )
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            kwargs={
                "challenge": None if challenge is None else challenge.as_dict(),
                "until": deadline and deadline.isoformat(),
            },
            # The trigger sees the limit by itself; this is for where no triggerer runs.
            timeout=deadline and deadline - utcnow() + _GRACE,
        )
        raise AssertionError("defer does not return")

    def _deadline(self) -> datetime | None:
        if self.response_timeout is None:
            return None
        if not (self._on_request and self._until):
            return utcnow() + self.response_timeout
        return max(datetime.fromisoformat(self._until), utcnow() + RESPONSE_TIMEOUT)

    def _erase_answer(self, context: Context, *, required: bool = False) -> bool:
        """Remove the answer, and with it the code, from the form, as asking anew does; return whether that went well.

        :param required: whether it is an error if it does not
        """
        from airflow.sdk.execution_time.hitl import upsert_hitl_detail

        try:
            upsert_hitl_detail(
                ti_id=context["task_instance"].id,
                options=self.options,
                subject=self.subject,
                body=self.body,
                params=self.serialized_params,
                assigned_users=self.assigned_users,
            )
        except Exception as error:
            # The error's own text can quote the answer.
            text = f"the code could not be removed from the answered form ({type(error).__name__})"
            if required:
                raise BillMfaError(text, advice="clear the task") from None
            log.warning("%s.", text)
            return False
        return True

    def _result(self, hook: BillHook, user: Any) -> dict[str, Any]:
        return {"trusted": True, "trusted_days": hook.mfa.days_left(), "entered_by": user}


def _is_dag_test() -> bool:
    from airflow.sdk.execution_time import task_runner

    # `dag.test()` runs a task and its supervisor in one process.
    return type(getattr(task_runner, "SUPERVISOR_COMMS", None)).__name__ == "InProcessSupervisorComms"
