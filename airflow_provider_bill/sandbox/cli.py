"""The command ``bill-sandbox``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from airflow_provider_bill.sandbox.app import SandboxApp
from airflow_provider_bill.sandbox.data.connections import make_airflow_command, make_connections
from airflow_provider_bill.sandbox.data.seed import Seed, build_seed
from airflow_provider_bill.sandbox.server.http_server import listen, make_server

_ABOUT = """A local BILL to test Airflow DAGs against: BILL's v2 and v3 protocol with its sessions, MFA,
limits and errors. Nothing leaves this machine and no money moves."""


def describe(seed: Seed, host: str) -> str:
    """Return who is seeded and how Airflow connects, as text."""
    lines = ["Organizations:"]
    lines += [
        f"  {row.id}  {row.name}{_format_note(row.note)}" for row in seed.organizations.values() if not row.console_id
    ]
    clients = [row for row in seed.organizations.values() if row.console_id]
    lines += [f"  {row.id}  {row.name}" for row in clients[:3]]
    if len(clients) > 3:
        lines.append(f"  ... and {len(clients) - 3} more clients of the accountant console")
    lines += ["Users (user name, password):"]
    lines += [f"  {row.username}  {row.password}{_format_note(row.note)}" for row in seed.users.values()]
    lines += ["Developer keys:"]
    keys = [row for row in seed.developer_keys.values() if not row.developer.startswith("console-client")]
    lines += [f"  {row.key}{_format_note(row.note)}" for row in keys]
    lines += ["Airflow connections, one for each kind of sign-in:"]
    for kind, row in make_connections(seed, host).items():
        lines.append("  " + make_airflow_command("bill_default" if kind == "v3" else f"bill_{kind}", row))
    return "\n".join(lines)


def _format_note(note: str) -> str:
    return f"  ({note})" if note else ""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog="bill-sandbox",
        description=_ABOUT,
        epilog=describe(build_seed(), "http://127.0.0.1:8787")
        + "\n\nControls (clock, faults, settings, stats, ...) are under /_sandbox; GET /_sandbox lists them.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8787, help="port to listen on; 0 takes a free one (default 8787)")
    parser.add_argument(
        "--console-clients",
        type=int,
        default=3,
        help="client organizations of the accountant console (default 3)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command until it is stopped."""
    parser = make_parser()
    options = parser.parse_args(argv)
    if not 0 <= options.port <= 65535:
        parser.error("--port must be from 0 to 65535")
    if options.console_clients < 0:
        parser.error("--console-clients must not be negative")
    try:
        listening = listen(options.host, options.port)
    except OSError as error:
        print(
            f"bill-sandbox: cannot listen on {options.host}:{options.port} ({error.strerror or error}). "
            "Choose another port with --port, or --port 0 for a free one.",
            file=sys.stderr,
        )
        return 1
    port = listening.getsockname()[1]
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"http://{host}:{port}"
    app = SandboxApp(options.console_clients)

    def ready() -> None:
        print(describe(app.state.seed, url))
        print(f"bill-sandbox is ready at {url} (controls: {url}/_sandbox). Stop it with Ctrl+C.", flush=True)

    server = make_server(app, ready, app.state.faults.release)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        return 0
    return 0
