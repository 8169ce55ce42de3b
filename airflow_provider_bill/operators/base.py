"""What all BILL operators have in common: they can wait for the next full hour without holding a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_bill.version_compat import AIRFLOW_V_3_0_PLUS

if TYPE_CHECKING:
    from airflow_provider_bill.hooks.bill import BillHook

if TYPE_CHECKING or AIRFLOW_V_3_0_PLUS:
    BillOperator = BaseOperator

else:
    from airflow.ti_deps.deps.ready_to_reschedule import ReadyToRescheduleDep

    class BillOperator(BaseOperator):
        """Airflow 2 looks at the time of a rescheduled task only where the task says that it can be rescheduled."""

        deps = BaseOperator.deps | {ReadyToRescheduleDep()}
        reschedule = True

        @classmethod
        def get_serialized_fields(cls):
            """Return the fields that the scheduler sees, with ours."""
            return super().get_serialized_fields() | {"reschedule"}


def shared_hook(bill_conn_id: str, organization_id: str | None) -> BillHook:
    """Return the hook of the session that all DAGs share."""
    from airflow_provider_bill.hooks.bill import BillHook

    return BillHook(bill_conn_id, organization_id, store="variable")
