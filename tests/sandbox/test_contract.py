"""The local BILL answers as BILL's own request collection says, operation by operation."""

from __future__ import annotations

import pytest

from airflow_provider_bill.sandbox.data.contract import load
from dev.contract_differences import DIFFERENCES, NOT_SERVED
from dev.coverage import PAGE, check_all, render
from dev.local_bill import LocalBill


@pytest.mark.timeout(300)
def test_every_operation_is_answered_like_bill_or_not_for_a_reason_that_is_written_down(sandbox: LocalBill) -> None:
    # One test: asking all of them takes a while, and each worker would do so for itself.
    checks = check_all(sandbox)
    sandbox.reset()
    differing = {one.operation.name: one.differences for one in checks if one.verdict == "differs"}
    assert {name: said for name, said in differing.items() if name not in DIFFERENCES} == {}
    assert DIFFERENCES.keys() - differing.keys() == set()
    assert {one.operation.name for one in checks if one.verdict == "not served"} == NOT_SERVED.keys()
    assert PAGE.read_text() == render(checks), "run `python -m dev.coverage`, and read what has changed"


def test_the_contract_holds_all_of_bills_collection_and_what_came_later() -> None:
    assert len(load()) == 307
