"""What all BILL operators have in common: they can wait for the turn of the hour without holding a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_bill.version_compat import AIRFLOW_V_3_0_PLUS

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
            """Tell the scheduler too."""
            return super().get_serialized_fields() | {"reschedule"}
