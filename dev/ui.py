"""`make ui`: leaves Airflow's web page and the local BILL running for a person, until Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from typing import Any
from urllib.parse import urlsplit

from dev.airflow_harness import AirflowHarness
from dev.local_bill import LocalBill
from dev.paths import EXAMPLES
from dev.processes import interrupt_on_sigterm
from dev.sandbox_process import SandboxProcess

#: What a form offers, at most.
MOST_OFFERED = 20


def main() -> int:
    """Start both, store the connections where a person sees them, print the addresses and wait."""
    interrupt_on_sigterm()
    print("Starting the local BILL and Airflow; this takes about half a minute.", flush=True)
    with contextlib.suppress(KeyboardInterrupt), SandboxProcess() as bill:
        env = {"AIRFLOW__CORE__TEST_CONNECTION": "Enabled", "BILL_MFA_FORM": json.dumps(offered(bill))}
        with AirflowHarness(EXAMPLES, env=env, triggerer=True, serve_logs=True) as airflow:
            for kind, connection in bill.connections.items():
                # The Test button of Airflow 3.3 needs a port.
                port = urlsplit(bill.url).port
                airflow.add_connection("bill_default" if kind == "v3" else f"bill_{kind}", {**connection, "port": port})
            print("\n".join(describe(bill, airflow)), flush=True)
            threading.Event().wait()
    print("stopped")
    return 0


def offered(bill: LocalBill) -> dict[str, dict[str, Any]]:
    """Return what the form of the example DAG `bill_mfa` is to offer: vendors, and their open bills."""
    headers = bill.sign_in()
    vendors = bill.get(f"/vendors?max={MOST_OFFERED}", headers).json()["results"]
    bills = [row for row in bill.get(f"/bills?max={MOST_OFFERED}", headers).json()["results"] if row["dueAmount"] > 0]
    bill.reset()
    names = {row["id"]: row["name"] for row in vendors}
    return {
        "vendor_id": {"examples": [*names], "values_display": names},
        "bill_id": {
            "examples": [row["id"] for row in bills],
            "values_display": {
                row["id"]: f"{row['invoice']['invoiceNumber']}: {row['dueAmount']} to {row['vendorName']}"
                for row in bills
            },
        },
    }


def describe(bill: LocalBill, airflow: AirflowHarness) -> list[str]:
    """Return what a person needs to know, line by line."""
    organizations = [f"{row['name']} {row['id']}" for row in bill.seed["organizations"]]
    users = [f"{row['username']} ({row['note']})" for row in bill.seed["users"]]
    return [
        f"Airflow:        {airflow.url}  (no password; connections under Admin, examples are paused)",
        f"Airflow's logs: {airflow.home}/logs, and beside them one of each component",
        f"BILL:           {bill.url}",
        f"  calls:        {bill.url}/_sandbox/requests  and  {bill.url}/_sandbox/stats",
        f"  texts (MFA):  {bill.url}/_sandbox/sms",
        f"  passwords:    {bill.url}/_sandbox/seed  (users, keys and tokens; all are made up)",
        f"Organizations:  {'; '.join(organizations[:4])}; {len(organizations)} in all",
        f"Users:          {'; '.join(users[:4])}; {len(users)} in all",
        "Ctrl-C stops both.",
    ]


if __name__ == "__main__":
    sys.exit(main())
