"""No secret can be read in anything that a cluster stores, logs or shows."""

from __future__ import annotations

import contextlib
import gzip
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_bill.operators.mfa_form import ENTER, FIELD
from dev.cluster import Cluster
from dev.gate import Gate
from dev.leaks import found, found_by_fingerprint
from dev.local_bill import LocalBill
from dev.misbehaving_server import MisbehavingServer
from dev.processes import wait_until


def of_processes(cluster: Cluster) -> dict[str, str]:
    """Return the arguments and the environment of every process.

    Connections in environment variables are Airflow's own way, and whoever can read them has chosen it.
    """
    arguments, environment = [], []
    for pid in cluster.members():
        try:
            arguments.append(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"))
            variables = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended meanwhile
            continue
        environment += [row for row in variables if not row.startswith("AIRFLOW_CONN_")]
    return {"arguments": "\n".join(arguments), "environment": "\n".join(environment)}


def sent_to(sentry: MisbehavingServer) -> str:
    """Return what tasks have sent to Sentry, as its server reads it."""
    texts = []
    for request in sentry.requests:
        head, _, body = request.partition(b"\r\n\r\n")
        unpacked = gzip.decompress(body) if b"content-encoding: gzip" in head.lower() else body
        texts.append((head + b"\n" + unpacked).decode())
    return "\n".join(texts)


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_no_secret_stands_anywhere_in_any_form(
    level: str,
    cluster: Cluster,
    sandbox: LocalBill,
    gate: Gate,
    sentry: MisbehavingServer,
    unpaid: dict[str, Any],
) -> None:
    """Passwords, keys, tokens, session ids and a code, after tasks of all kinds that succeeded and failed."""
    with contextlib.ExitStack() as stack:
        if level == "DEBUG":
            more = {
                "AIRFLOW__LOGGING__LOGGING_LEVEL": level,
                "AIRFLOW__SENTRY__SENTRY_ON": "True",
                "AIRFLOW__SENTRY__SENTRY_DSN": sentry.url.replace("://", "://key@") + "/1",
            }
            stack.enter_context(cluster.with_env(more))
        stack.callback(cluster.rest, "DELETE", "connections/bill_wrong")
        assert_no_secret_stands_anywhere(level, cluster, sandbox, gate, unpaid, sentry)


def assert_no_secret_stands_anywhere(
    level: str,
    cluster: Cluster,
    sandbox: LocalBill,
    gate: Gate,
    unpaid: dict[str, Any],
    sentry: MisbehavingServer,
) -> None:
    wrong = {
        **sandbox.connections["v3"],
        "host": f"http://127.0.0.1:{gate.port}",
        "password": "Wr0ng: 'nobody' \"knows\" it/+ü",
    }
    cluster.add_connection("bill_wrong", wrong)
    # What is queued lies in the broker only until a worker takes it.
    queued = cluster.trigger("load_hook", {"tasks": 30})
    broker = [cluster.broker_text()]
    run_id = cluster.trigger("bill_mfa", unpaid)
    wait_until(sandbox.codes, 300, "BILL to send a code")
    (code,) = sandbox.codes()
    broker.append(cluster.broker_text())
    processes = of_processes(cluster)
    cluster.answer_hitl("bill_mfa", run_id, "mfa", {FIELD: code}, (ENTER,), timeout=300)
    assert cluster.wait("bill_mfa", run_id, timeout=300) == "success"
    assert cluster.wait("load_hook", queued, timeout=600) == "success"
    kinds = [*(f"bill_{kind}" for kind in sandbox.connections if kind not in ("v3", "v2")), "bill_kept_elsewhere"]
    every_kind = cluster.trigger("every_kind", {"conn_ids": ["bill_default", *kinds]})
    assert cluster.wait("every_kind", every_kind, timeout=300) == "success"
    refused = cluster.trigger("wrong_password")
    assert cluster.wait("wrong_password", refused, timeout=300) == "failed"
    assert sandbox.stats()["refused_sign_ins"] == 1

    places = {
        "database": cluster.database_dump_text(),
        "broker": "\n".join([*broker, cluster.broker_text()]),
        "logs": cluster.all_logs_text(),
        "variables shown": str(cluster.variables()),
        "connections shown": str(cluster.rest_all("connections", "connections")),
        "results shown": str(cluster.xcoms("bill_mfa", run_id)),
        "tasks shown": str(cluster.rest_all("dags/~/dagRuns/~/taskInstances", "task_instances")),
        "audit log shown": str(cluster.audit_log()),
        **processes,
    }
    if level == "DEBUG":
        places["Sentry"] = sent_to(sentry)
        assert "BillSignInRefusedError" in places["Sentry"]
    # Each place holds something, so that a search in it means something.
    assert {name: len(text) > 1 for name, text in places.items()} == dict.fromkeys(places, True)
    assert found({*sandbox.secrets(), wrong["password"]}, places) == []
    sessions = sandbox.control("GET", "sessions")
    # What all share, and that of a kind of which nobody can sign out.
    assert sorted(row["kind"] for row in sessions) == ["oauth", "v3"]
    assert found_by_fingerprint([row["session"] for row in sessions], places) == []
    lines = [line for text in places.values() for line in text.splitlines()]
    hits = [line for line in lines if f"{code[:3]}-{code[3:]}" in line or says_code(code, line)]
    # At DEBUG, Airflow writes what it hands to a task that goes on; the code has its only use in that moment.
    handed_over = [line for line in hits if "[debug" in line and "[supervisor]" in line and "StartupDetails(" in line]
    assert [line[:200] for line in hits if line not in handed_over] == []
    assert len(handed_over) == (level == "DEBUG")
    assert sandbox.stats()["credentials_in_urls"] == 0


def says_code(code: str, line: str) -> bool:
    """Return whether a line has the code as a number of its own, not among the digits of another one."""
    before, _, after = line.partition(code)
    return code in line and not before[-1:].isalnum() and not after[:1].isalnum() and not before.endswith(".")
