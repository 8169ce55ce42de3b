"""``airflow-bill``, also as ``python -m airflow_provider_bill.cli``."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_bill.cli.definition import make_parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out a command and exit: 0 fine, 1 a problem was found or met, 2 it was called wrongly.

    :param arguments: in place of the process's own
    """
    args = make_parser().parse_args(arguments)
    args.func(args)


if __name__ == "__main__":
    main()
