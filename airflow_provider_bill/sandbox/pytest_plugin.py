"""The pytest plugin: the fixture ``bill_sandbox``. A run that does not use it imports nothing but this file."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_bill.sandbox.testing.bill import BillSandbox


@pytest.fixture(scope="session")
def _bill_sandbox_of_next_test() -> Iterator[Callable[[], BillSandbox]]:
    """Start one local BILL for the whole run, or for each worker of pytest-xdist."""
    from importlib.util import find_spec

    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        pytest.fail(
            f"The fixture bill_sandbox needs {' and '.join(missing)}: "
            "run pip install 'airflow-provider-bill[sandbox]' where the tests run.",
            pytrace=False,
        )
    from airflow_provider_bill.sandbox.testing.bill import BillSandbox
    from airflow_provider_bill.sandbox.testing.process import ServerProcess

    server = ServerProcess()
    numbers = count(1)
    try:
        url = server.start()
        yield lambda: BillSandbox(f"{url}/test-{next(numbers)}")
    finally:
        server.stop()


@pytest.fixture
def bill_sandbox(_bill_sandbox_of_next_test: Callable[[], BillSandbox]) -> BillSandbox:
    """Return a local BILL (`BillSandbox`) in its seeded state, at an address of this test's own.

    `.connection(kind)` is the text for `AIRFLOW_CONN_BILL_DEFAULT`; `.stats()`, `.requests`, `.payments` and `.sms`
    tell what reached BILL; `.clock`, `.faults` and `.settings(...)` change what it does.
    """
    bill = _bill_sandbox_of_next_test()
    bill.reset()
    return bill
