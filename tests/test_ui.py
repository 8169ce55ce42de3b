"""What `make ui` prints and offers, but for Airflow itself."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dev.airflow_harness import airflow_version
from dev.local_bill import LocalBill
from dev.paths import EXAMPLES
from dev.ui import describe, offered


def test_it_names_where_seed_texts_calls_and_logs_are(bill: LocalBill) -> None:
    airflow: Any = SimpleNamespace(url="http://127.0.0.1:1", home=Path("/a/home"))
    text = "\n".join(describe(bill, airflow))
    for part in ("/a/home/logs", *(f"{bill.url}/_sandbox/{name}" for name in ("requests", "stats", "sms", "seed"))):
        assert part in text
    assert bill.username in text
    assert f"Harbor Books {bill.organization}" in text
    assert not [secret for secret in bill.secrets() if secret in text]


def test_what_it_prints_of_bill_can_be_opened(bill: LocalBill) -> None:
    for name in ("requests", "stats", "sms", "seed"):
        assert bill.http.get(f"{bill.url}/_sandbox/{name}", timeout=10).status_code == 200


@pytest.mark.skipif(airflow_version() < (3, 1), reason="the example needs Airflow 3.1")
def test_the_form_of_the_mfa_example_offers_seeded_vendors_and_bills_by_name(
    bill: LocalBill, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = offered(bill)
    assert bill.stats()["sign_ins"] == 0
    monkeypatch.setenv("BILL_MFA_FORM", json.dumps(choices))
    schemas = _schemas()
    headers = bill.sign_in()
    for param, path in (("vendor_id", "vendors"), ("bill_id", "bills")):
        examples = schemas[param]["examples"]
        assert len(examples) > 3
        assert set(schemas[param]["values_display"]) == set(examples)
        assert bill.get(f"/{path}/{examples[0]}", headers).status_code == 200
    assert "Courier Vendor 002" in schemas["vendor_id"]["values_display"].values()


@pytest.mark.skipif(airflow_version() < (3, 1), reason="the example needs Airflow 3.1")
def test_elsewhere_the_example_asks_without_offering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BILL_MFA_FORM", raising=False)
    assert not [name for name, schema in _schemas().items() if "examples" in schema]


def _schemas() -> dict[str, dict[str, Any]]:
    dag = runpy.run_path(str(EXAMPLES / "bill_mfa.py"))["mfa"].dag
    return {name: dag.params.get_param(name).schema for name in dag.params}
