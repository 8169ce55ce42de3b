"""`make ui`: leaves Airflow's web page and the local BILL running for a person, until Ctrl-C."""

from __future__ import annotations

import contextlib
import sys
import threading

from dev.airflow_harness import AirflowHarness
from dev.paths import EXAMPLES
from dev.processes import interrupt_on_sigterm
from dev.sandbox_process import SandboxProcess


def main() -> int:
    """Start both, store the connections where a person sees them, print the addresses and wait."""
    interrupt_on_sigterm()
    print("Starting the local BILL and Airflow; this takes about half a minute.", flush=True)
    with (
        contextlib.suppress(KeyboardInterrupt),
        SandboxProcess() as bill,
        AirflowHarness(EXAMPLES, triggerer=True) as airflow,
    ):
        for kind, connection in bill.connections.items():
            airflow.add_connection("bill_default" if kind == "v3" else f"bill_{kind}", connection)
        print(f"Airflow:  {airflow.url}  (no password; connections under Admin, examples are paused)")
        print(f"BILL:     {bill.url}/_sandbox/stats  and  {bill.url}/_sandbox/sms")
        print("Ctrl-C stops both.", flush=True)
        threading.Event().wait()
    print("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
