"""``python -m benchmarks [number ...]``: run all benchmarks, or those with these numbers."""

from __future__ import annotations

import importlib
import sys
import time

from benchmarks import report
from dev.processes import interrupt_on_sigterm

BENCHMARKS = {
    1: "dag_sizes",
    2: "cold_herd",
    3: "virtual_day",
    4: "warm_session",
    5: "throughput",
    6: "import_time",
}


def main() -> int:
    """Run the benchmarks, print and write their results; return 1 if a target was missed."""
    interrupt_on_sigterm()
    numbers = sorted({int(argument) for argument in sys.argv[1:]}) or list(BENCHMARKS)
    if unknown := [number for number in numbers if number not in BENCHMARKS]:
        print(f"There is no benchmark {unknown[0]}; they are {', '.join(map(str, BENCHMARKS))}.", file=sys.stderr)
        return 2
    results = []
    for number in numbers:
        start = time.monotonic()
        result: report.Result = importlib.import_module(f"benchmarks.{BENCHMARKS[number]}").run()
        result.save()
        results.append(result)
        print(f"{number}. {result.title} ({time.monotonic() - start:.0f} s)\n{result.summary()}", flush=True)
    if len(results) == len(BENCHMARKS):
        report.write_index(results)
    return 0 if all(target.met for result in results for target in result.targets) else 1


if __name__ == "__main__":
    sys.exit(main())
