"""``BillMfaOperator``: a person enters BILL's code in Airflow's own page.

Apart from ``mfa.py``, which hands it out: Airflow's Human-in-the-loop is slow to import, and a DAG file that does not
use it should not pay for it.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import Param, mask_secret
from airflow.providers.standard.operators.hitl import HITLOperator

from airflow_provider_bill.exceptions import BillError, BillMfaError
from airflow_provider_bill.hooks.errors import airflow_errors, operator_errors
from airflow_provider_bill.operators.base import shared_hook
from airflow_provider_bill.operators.mfa_form import ENTER, FIELD, NEW_TEXT, RESPONSE_TIMEOUT

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_bill.hooks.bill import BillHook

log = logging.getLogger(__name__)


class BillMfaOperator(HITLOperator):
    """Make the shared BILL session trusted; a person enters the code in Airflow's "Required actions".

    Succeeds at once, without a text, if the session is trusted or a remembered device can make it so. Else a code
    goes to the phone, and the task waits without a worker slot for a person to enter it. The session is trusted
    afterwards, and for 30 days all later ones. Returns who entered the code, and for how many days trust will last.

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
    :param response_timeout: how long to wait for the code; default 5 minutes, the life of a code
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
        subject: str = "BILL asks for the code it has sent by text",
        body: str | None = None,
        response_timeout: timedelta | None = RESPONSE_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        # Airflow hands a DAG's params to its operators; here they are the fields of the form.
        # Not required: who got no text has nothing to enter, and both buttons must work.
        field = Param("", type=["null", "string"], format="password", title="Six digits from the text message")
        kwargs["params"] = {FIELD: field}
        if "response_timeout" in inspect.signature(HITLOperator.__init__).parameters:
            kwargs["response_timeout"] = response_timeout
        else:  # an older standard provider waits for as long as the task may run
            kwargs.setdefault("execution_timeout", response_timeout)
        super().__init__(
            subject=subject,
            body=body
            or f"Connection **{bill_conn_id}**: enter the six digits that BILL has just sent to the phone of its "
            "user. If this form comes back, the code was wrong or too old: enter the one from the newest text. "
            "The task's log says more.",
            options=[ENTER, NEW_TEXT],
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

    @operator_errors()
    def execute(self, context: Context) -> dict[str, Any]:
        """Make the session trusted without a person, or ask for one."""
        hook = shared_hook(self.bill_conn_id, self.organization_id)
        if hook.mfa.is_trusted(self.renew_within):
            log.info("The BILL session is trusted; no code is needed.")
            return self._result(hook, None)
        hook.mfa.challenge()
        return self._ask(context)

    @airflow_errors()
    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Enter what the person has entered; ask again if it was wrong."""
        if event.get("error_type") == "timeout":
            raise BillMfaError(
                f"nobody entered the MFA code within {self.response_timeout}",
                advice="clear the task to have a new code sent, while somebody has the phone at hand",
            )
        if "error" in event:
            raise BillMfaError("asking for the MFA code failed in Airflow", advice="clear the task")
        code = str((event.get("params_input") or {}).get(FIELD) or "")
        if code:
            mask_secret(code)
        try:
            result = self._take_answer(context, code, event)
        except BillError:
            self._erase_answer(context)
            raise
        self._erase_answer(context)
        return result

    def defer(self, *, trigger: Any, **kwargs: Any) -> NoReturn:
        """Wait with a trigger that does not log the code (Airflow before 3.3)."""
        from airflow_provider_bill.triggers.mfa import BillMfaTrigger

        super().defer(trigger=BillMfaTrigger(**trigger.serialize()[1]), **kwargs)

    def _take_answer(self, context: Context, code: str, event: dict[str, Any]) -> dict[str, Any]:
        hook = shared_hook(self.bill_conn_id, self.organization_id)
        if hook.mfa.is_trusted(self.renew_within):  # Another DAG's task was quicker.
            return self._result(hook, None)
        if NEW_TEXT in (event.get("chosen_options") or ()):
            return self._ask_with_new_text(hook, context, "a new text was asked for")
        return self._enter(hook, context, code, event)

    def _enter(self, hook: BillHook, context: Context, code: str, event: dict[str, Any]) -> dict[str, Any]:
        from airflow_provider_bill.sessions.mfa import OVER, WRONG_CODE

        challenge = hook.mfa.pending()
        if challenge is None:
            return self._ask_with_new_text(hook, context, "the code is too old")
        try:
            hook.mfa.validate(challenge, code, device=self.device, remember=self.remember)
        except BillMfaError as error:
            if error.code in OVER:
                return self._ask_with_new_text(hook, context, str(error))
            if error.code in (None, WRONG_CODE):
                log.warning("%s", error)
                return self._ask(context)
            raise
        return self._result(hook, event.get("responded_by_user"))

    def _ask_with_new_text(self, hook: BillHook, context: Context, why: str) -> dict[str, Any]:
        challenge = hook.mfa.pending(also_over=True)
        texts = 1 if challenge is None else challenge.texts
        if texts >= self.max_texts:
            raise BillMfaError(
                f"{texts} texts were sent and no code was entered in time ({why})",
                advice="clear the task while somebody has the phone at hand",
            )
        log.warning("%s; sending a new text.", why)
        hook.mfa.challenge(anew=True)
        return self._ask(context)

    def _ask(self, context: Context) -> dict[str, Any]:
        # Parks the task by raising; this is HITLOperator's own asking.
        super().execute(context)
        raise AssertionError("HITLOperator.execute does not return")

    def _erase_answer(self, context: Context) -> None:
        from airflow.sdk.execution_time.hitl import upsert_hitl_detail

        try:
            # Asking anew removes the answer, and with it the code, from the database.
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
            log.warning("The code could not be removed from the answered form (%s).", type(error).__name__)

    def _result(self, hook: BillHook, user: Any) -> dict[str, Any]:
        return {"trusted": True, "trusted_days": hook.mfa.days_left(), "entered_by": user}
