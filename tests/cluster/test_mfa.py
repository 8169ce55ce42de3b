"""A person's code, where the triggerer dies while its form waits."""

from __future__ import annotations

from typing import Any

from airflow_provider_bill.operators.mfa_form import ENTER, FIELD
from dev.cluster import Cluster
from dev.local_bill import LocalBill
from dev.processes import wait_until


def test_a_form_outlives_the_triggerer_that_waited_for_it(
    cluster: Cluster, sandbox: LocalBill, unpaid: dict[str, Any]
) -> None:
    run_id = cluster.trigger("bill_mfa", unpaid)
    wait_until(sandbox.codes, 180, "BILL to send a code")
    with cluster.without("triggerer"):
        pass
    wait_until(cluster.is_well, 180, "the triggerer to be back", 1)
    cluster.answer_hitl("bill_mfa", run_id, "mfa", {FIELD: sandbox.codes()[0]}, (ENTER,), timeout=180)
    assert cluster.wait("bill_mfa", run_id, timeout=300) == "success"
    stats = sandbox.stats()
    assert (stats["sign_ins"], stats["sms_sent"], stats["payments"]) == (1, 1, 1)
