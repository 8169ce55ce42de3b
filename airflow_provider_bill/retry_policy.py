"""A ready retry policy for Airflow 3.3: each error of BILL at its own pace.

.. code-block:: python

    from airflow_provider_bill.retry_policy import BillRetryPolicy

    @task(retries=3, retry_policy=BillRetryPolicy())
    def report(): ...
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import RetryDecision, RetryPolicy

from airflow_provider_bill.exceptions import BillError, BillRateLimitError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class BillRetryPolicy(RetryPolicy):
    """Fail at once what trying again cannot help; wait for the next full hour where BILL's limit is met.

    Whatever is not an error of BILL is left to the task's own ``retries`` and ``retry_delay``.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide about one failure."""
        if not isinstance(exception, BillError):
            return RetryDecision.default()
        if not exception.retryable:
            return RetryDecision.fail(reason="trying again cannot help")
        if isinstance(exception, BillRateLimitError) and exception.retry_at is not None:
            wait = max(timedelta(0), exception.retry_at - datetime.now(UTC))
            return RetryDecision.retry(delay=wait, reason="BILL starts counting again at the next full hour")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return what the serialized DAG holds of it: it has no settings."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> BillRetryPolicy:
        """Return an equal policy."""
        return cls()
