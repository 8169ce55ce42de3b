"""What all BILL operators have in common: waiting for the next full hour without a worker, labels, links."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_bill.exceptions import BillError
from airflow_provider_bill.operators.links import ERROR_KEY, BillErrorLink, BillReferenceLink
from airflow_provider_bill.version_compat import AIRFLOW_V_3_0_PLUS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_bill.hooks.bill import BillHook

log = logging.getLogger(__name__)
R = TypeVar("R")


class _BillOperator(BaseOperator):
    """What is alike on all versions of Airflow."""

    operator_extra_links = (BillReferenceLink(), BillErrorLink())

    def pre_execute(self, context: Any) -> None:
        """Label a mapped task."""
        super().pre_execute(context)
        label_by_organization(self, context)


if TYPE_CHECKING or AIRFLOW_V_3_0_PLUS:
    BillOperator = _BillOperator

else:
    from airflow.ti_deps.deps.ready_to_reschedule import ReadyToRescheduleDep

    class BillOperator(_BillOperator):
        """Airflow 2 looks at the time of a rescheduled task only where the task says that it can be rescheduled."""

        deps = BaseOperator.deps | {ReadyToRescheduleDep()}
        reschedule = True

        @classmethod
        def get_serialized_fields(cls):
            """Return the fields that the scheduler sees, with ours."""
            return super().get_serialized_fields() | {"reschedule"}


def label_by_organization(operator: Any, context: Any) -> None:
    """Label a mapped task with its organization, unless the DAG's author gives it another.

    For ``pre_execute``: by then templates are rendered, and the session's handle is there.
    """
    organization, number = _organization_of(operator), context["ti"].map_index
    if organization and number is not None and number >= 0 and context.get("map_index_template") is None:
        context["map_index_template"] = "{{ organization }}"
        context["organization"] = organization


def linked_errors(execute: Callable[[Any, Context], R]) -> Callable[[Any, Context], R]:
    """Note the code of an error that ends a task, for its link to the docs."""

    @functools.wraps(execute)
    def wrapped(self: Any, context: Context) -> R:
        try:
            return execute(self, context)
        except BillError as error:
            _note(self, context, error)
            raise

    return wrapped


def shared_hook(bill_conn_id: str, organization_id: str | None) -> BillHook:
    """Return the hook of the session that all DAGs share."""
    from airflow_provider_bill.hooks.bill import BillHook

    return BillHook(bill_conn_id, organization_id, store="variable")


def _organization_of(operator: Any) -> str:
    """Return the organization that a task names, by itself or by its session's handle; empty if it names none."""
    organization, session = getattr(operator, "organization_id", None), getattr(operator, "session", None)
    if not organization and isinstance(session, Mapping):
        organization = session.get("organization_id")
    return organization if isinstance(organization, str) else ""


def _note(operator: Any, context: Context, error: BillError) -> None:
    # Airflow 3 asks for links in the task's own process, Airflow 2 in its web server.
    operator.bill_error = error.code or ""
    if AIRFLOW_V_3_0_PLUS:
        return
    try:
        context["ti"].xcom_push(key=ERROR_KEY, value=error.code or "")
    except Exception as failure:  # The error itself matters more.
        log.debug("The error's code could not be noted: %s", type(failure).__name__)
