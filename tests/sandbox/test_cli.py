"""The command: its help, its start-up lines and its errors."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

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
    for row in bill.connections.values():
        assert f'"sign_in": "{row["extra"]["sign_in"]}"' in text
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_who_is_seeded_and_where_it_is_ready_and_ends_when_told(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "airflow_provider_bill.sandbox", "--port", "0", "--console-clients", "5"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as started:
        assert started.stdout is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("bill-sandbox is ready"):
            lines.append(started.stdout.readline())
            assert lines[-1], "it ended"
        url = re.fullmatch(
            r"bill-sandbox is ready at (http://127\.0\.0\.1:\d+) \(controls: \1/_sandbox\)\. Stop it with Ctrl\+C\.\n",
            lines[-1],
        )
        assert url is not None
        bill = LocalBill(url.group(1))
        assert lines[0] == "Organizations:\n"
        assert any("airflow connections add bill_default --conn-json '{" in line for line in lines)
        assert "  ... and 2 more clients of the accountant console\n" in lines
        assert bill.control("GET", "health")["status"] == "ok"
        bill.close()
        started.send_signal(number)
        assert started.wait(20) in (0, -number)
