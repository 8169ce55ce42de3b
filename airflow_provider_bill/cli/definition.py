"""Which commands there are and what they take, once for ``airflow bill`` and for ``airflow-bill``.

Airflow reads it at every start of its command line: what a command does is imported when it runs.
"""

from __future__ import annotations

import argparse
import functools
from typing import Any, NamedTuple


class Option(NamedTuple):
    """What a command takes: names, and what ``argparse`` knows of it."""

    flags: tuple[str, ...]
    about: dict[str, Any]


class Command(NamedTuple):
    """A command; the function of its name in ``commands.py`` carries it out."""

    name: str
    help: str
    options: tuple[Option, ...]


OUTPUT = Option(
    ("-o", "--output"),
    {
        "help": "How to print (default: table)",
        "choices": ("table", "json", "yaml", "plain"),
        "default": "table",
    },
)
CONNECTION = Option(("conn_id",), {"help": "Airflow connection of type bill"})
ORGANIZATION = Option(
    ("--organization",), {"help": "BILL organization (008...) instead of that of the connection", "default": None}
)

COMMANDS = (
    Command(
        "check",
        "Say of each connection what is wrong and what to do next; sends nothing unless --sign-in is given",
        (
            Option(("conn_id",), {"help": "Connections (default: all of type bill)", "nargs": "*"}),
            Option(("--sign-in",), {"help": "Also test that BILL takes the credentials", "action": "store_true"}),
            OUTPUT,
        ),
    ),
    Command(
        "forget",
        "Remove the stored session without telling BILL; the next task signs in anew",
        (
            CONNECTION,
            ORGANIZATION,
            Option(
                ("--refusals",),
                {"help": "Also forget that BILL refused to sign in, so that it is tried again", "action": "store_true"},
            ),
        ),
    ),
    Command(
        "sessions",
        "List the sessions that are known, and the sign-ins that are refused",
        (Option(("--connection",), {"help": "Only those of this connection", "default": None}), OUTPUT),
    ),
    Command(
        "settle",
        "Say how a write ended whose outcome is unknown, after a look in BILL; then clear its task",
        (
            Option(("write_id",), {"help": "The 16 characters that `writes` shows"}),
            Option(("--done",), {"help": "BILL has carried it out: it is not sent again", "action": "store_true"}),
            Option(("--not-done",), {"help": "BILL has not: the task sends it again", "action": "store_true"}),
            Option(("--result",), {"help": 'JSON that the task returns, such as {"id": "stp..."}', "default": None}),
        ),
    ),
    Command("sign-in", "Make sure of a live session that all tasks share", (CONNECTION, ORGANIZATION)),
    Command("sign-out", "End the shared session at BILL", (CONNECTION, ORGANIZATION)),
    Command(
        "trust",
        "Have a code sent by text, ask for it and remember the device for 30 days, unless that is so already",
        (
            CONNECTION,
            ORGANIZATION,
            Option(
                ("--code-from-stdin",),
                {"help": "Read the code from standard input, one line a try", "action": "store_true"},
            ),
        ),
    ),
    Command("writes", "List the writes of which no outcome is stored", (OUTPUT,)),
)
HELP = "Sessions, trust and unknown writes at BILL (bill.com)"


def get_cli_commands() -> list[Any]:
    """Return the group ``bill`` for Airflow's command line (Airflow 3.2 and newer)."""
    from airflow.cli import cli_config
    from airflow.cli.cli_config import ActionCommand, GroupCommand

    Arg: Any = cli_config.Arg  # untyped in Airflow 3.3

    actions = [
        ActionCommand(
            name=command.name,
            help=command.help,
            func=functools.partial(_run, command.name),
            args=[Arg(flags=option.flags, **option.about) for option in command.options],
        )
        for command in COMMANDS
    ]
    return [GroupCommand(name="bill", help=HELP, subcommands=actions)]


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``airflow-bill``."""
    parser = argparse.ArgumentParser(prog="airflow-bill", description=HELP)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        one = subparsers.add_parser(command.name, help=command.help, description=command.help)
        for option in command.options:
            one.add_argument(*option.flags, **option.about)
        one.set_defaults(func=functools.partial(_run, command.name))
    return parser


def _run(name: str, args: argparse.Namespace) -> None:
    from airflow_provider_bill.cli.commands import run

    raise SystemExit(run(name, args))
