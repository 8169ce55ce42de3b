"""The command: its help, its start-up lines and its errors."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from dev.local_bill import LocalBill

ROOT = Path(__file__).resolve().parents[2]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "airflow_provider_bill.sandbox", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_help_names_the_seed_and_a_ready_connection_for_each_kind(bill: LocalBill) -> None:
    text = run("--help").stdout
    assert bill.key in text
    assert bill.password in text
    assert bill.organization in text
    for kind in bill.connections:
        assert f'"sign_in": "{kind}"' in text
    assert 'airflow connections add bill_default --conn-json \'{"conn_type": "bill"' in text


def test_a_port_in_use_is_explained() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = run("--port", str(taken.getsockname()[1]))
    assert answer.returncode == 1
    assert "--port 0" in answer.stderr


def test_a_port_out_of_range_is_refused() -> None:
    assert run("--port", "70000").returncode == 2
