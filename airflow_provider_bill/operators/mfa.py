"""MFA as tasks of a DAG: a person enters the code in Airflow's own page, or the DAG fetches it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowOptionalProviderFeatureException,
    BaseOperator,
    BaseSensorOperator,
    Variable,
)

from airflow_provider_bill.client.device_label import check_device
from airflow_provider_bill.exceptions import BillConfigurationError, BillMfaError
from airflow_provider_bill.hooks.errors import operator_errors
from airflow_provider_bill.operators.base import BillOperator, label_by_organization, linked_errors, shared_hook
from airflow_provider_bill.operators.mfa_form import RESPONSE_TIMEOUT

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_bill.operators.mfa_hitl import BillMfaOperator as BillMfaOperator

log = logging.getLogger(__name__)


class BillMfaChallengeOperator(BillOperator):
    """Have BILL send a code by text, unless the session is trusted or a code is on its way already.

    Returns the challenge for :class:`BillMfaValidateOperator`, or None if the session is trusted.

    .. seealso:: https://developer.bill.com/reference/generatechallenge

    :param bill_conn_id: Airflow connection of type ``bill``
    :param organization_id: BILL organization to use instead of the connection's own
    :param renew_within: ask already when the remembered device is trusted for less than this
    """

    template_fields: Sequence[str] = ("bill_conn_id", "organization_id")
    ui_color = "#efe8f4"

    def __init__(
        self,
        *,
        bill_conn_id: str = "bill_default",
        organization_id: str | None = None,
        renew_within: timedelta = timedelta(0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bill_conn_id = bill_conn_id
        self.organization_id = organization_id
        self.renew_within = renew_within

    @operator_errors()
    @linked_errors
    def execute(self, context: Context) -> dict[str, Any] | None:
        """Send the text, if one is needed."""
        hook = shared_hook(self.bill_conn_id, self.organization_id)
        if hook.mfa.is_trusted(self.renew_within):
            log.info("The BILL session is trusted; no code is needed.")
            return None
        challenge = hook.mfa.challenge_if_needed(self.renew_within)
        return None if challenge is None else challenge.as_dict()


class BillMfaValidateOperator(BaseSensorOperator):
    """Wait for the code, enter it, and make the shared session trusted.

    Succeeds as well once somebody else has passed MFA, in whatever task. A sensor, so that waiting for the code holds
    no worker (``mode="reschedule"``). The code is stored nowhere.

    .. seealso:: https://developer.bill.com/reference/validatechallenge

    :param challenge: what :class:`BillMfaChallengeOperator` returned; None succeeds at once
    :param code_source: where the code comes from: a callable that takes the context and gives the code or None; a
        template with ``{{ }}``; or the key of a Variable, which is deleted once it was read. Nothing, or an empty
        text, means "not yet"
    :param bill_conn_id: Airflow connection of type ``bill``
    :param organization_id: BILL organization to use instead of the connection's own
    :param remember: whether the device is trusted for 30 days, or only this session
    :param device: label of this installation at BILL, up to 100 characters; default: ``airflow-<connection>``
    """

    # Not code_source: Airflow stores rendered fields.
    template_fields: Sequence[str] = ("challenge", "bill_conn_id", "organization_id")
    ui_color = "#efe8f4"

    def __init__(
        self,
        *,
        challenge: Any,
        code_source: str | Callable[[Any], str | None],
        bill_conn_id: str = "bill_default",
        organization_id: str | None = None,
        remember: bool = True,
        device: str = "",
        mode: str = "reschedule",
        poke_interval: float = 15,
        timeout: float = RESPONSE_TIMEOUT.total_seconds(),
        **kwargs: Any,
    ) -> None:
        if device:
            check_device(device)  # Not only when the code has come.
        super().__init__(mode=mode, poke_interval=poke_interval, timeout=timeout, **kwargs)
        self.challenge = challenge
        self.code_source = code_source
        self.bill_conn_id = bill_conn_id
        self.organization_id = organization_id
        self.remember = remember
        self.device = device
        self._said = False

    def pre_execute(self, context: Any) -> None:
        """Label a mapped task."""
        super().pre_execute(context)
        label_by_organization(self, context)

    @operator_errors()
    def poke(self, context: Context) -> bool:
        """Look for the code, and enter it once it is there; done too once somebody else has passed MFA."""
        from airflow_provider_bill.sessions.mfa import OVER, WRONG_CODE, Challenge

        if self.challenge is None:
            return True
        challenge = Challenge.from_dict(self.challenge)
        hook = shared_hook(self.bill_conn_id, self.organization_id)
        outcome = hook.mfa.outcome(challenge)
        if outcome == "over":
            raise BillMfaError(
                "BILL takes no more codes for this challenge",
                advice="wait ten minutes after too many wrong codes, then clear the task that asked for the code too",
            )
        # A new device of another organization of the user has yet to be honoured for this one.
        if outcome == "answered" and hook.mfa.is_trusted():
            log.info("Somebody else has passed MFA; no code is needed any more.")
            return True
        if outcome == "replaced":
            # A code that comes now is of the newer text, and whoever has asked for that one enters it.
            log.info("A newer text was sent by another task; waiting until its code is entered there.")
            return False
        code = self._code(context)
        if not code:
            self._say_where(context)
            return False
        try:
            hook.mfa.validate(challenge, code, device=self.device, remember=self.remember)
        except BillMfaError as error:
            if error.code in OVER and hook.mfa.outcome(challenge) == "answered" and hook.mfa.is_trusted():
                return True
            # Only a Variable can hold another code at the next look.
            if error.code not in (None, WRONG_CODE) or callable(self.code_source) or "{{" in self.code_source:
                raise
            log.warning("%s; waiting for another code in Variable %r.", error, self.code_source)
            return False
        return True

    def _say_where(self, context: Context) -> None:
        """Say once what is waited for; Airflow 2.11, which does not count the looks of a rescheduled task, at each."""
        if not self._said and not context.get("task_reschedule_count"):
            named = not callable(self.code_source) and "{{" not in self.code_source
            where = f"in Variable {self.code_source!r}" if named else "from this task's code_source"
            log.info("Waiting for the code that BILL has sent by text, %s.", where)
        self._said = True

    def _code(self, context: Context) -> str:
        from airflow_provider_bill.client.secret import Secret

        source = self.code_source
        # The frames of an error show no code.
        if callable(source):
            return Secret(str(source(context) or "").strip())
        if "{{" in source:
            return Secret(str(self.render_template(source, context) or "").strip())
        # Positional: the default's name differs between Airflow 2 and 3.
        code = Secret(Variable.get(source, None) or "")
        if code:
            Variable.delete(source)
        return Secret(code.strip())


class _HitlMissing(BaseOperator):
    """Stands for ``BillMfaOperator`` where Airflow has no Human-in-the-loop."""

    def __init__(self, **kwargs: Any) -> None:
        raise BillConfigurationError(
            "BillMfaOperator needs Airflow 3.1 or newer and apache-airflow-providers-standard",
            advice="install airflow-provider-bill[hitl] there, or use BillMfaChallengeOperator and "
            "BillMfaValidateOperator",
        )


def __getattr__(name: str) -> Any:
    if name != "BillMfaOperator":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from airflow_provider_bill.operators.mfa_hitl import BillMfaOperator
    except (ImportError, AirflowOptionalProviderFeatureException):  # before Airflow 3.1, or without that provider
        return _HitlMissing
    return BillMfaOperator
