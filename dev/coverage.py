"""Writes ``docs/bill-sandbox-coverage.md``: what the local BILL answers to each operation, beside BILL's own contract.

``python -m dev.coverage``
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_bill.sandbox.data.contract import Operation, load
from dev.asker import Asker
from dev.contract_check import Result, compare
from dev.contract_differences import DIFFERENCES, NOT_SERVED
from dev.local_bill import LocalBill
from dev.paths import ROOT
from dev.sandbox_process import SandboxProcess

PAGE = ROOT / "docs" / "bill-sandbox-coverage.md"
_HEAD = """# What the local BILL answers

Written by `python -m dev.coverage`, which asks the local BILL each operation as BILL's own request collection asks it.
An answer is *like BILL's* if its status is the collection's, each of its fields is one that BILL documents, and the
types and enumerated values are BILL's. BILL leaves a field out that is not set; so does the local BILL: which ones its
answer left out stands in the last column. What is not served is answered with HTTP 501 and a sentence.

What is written shows in what is read later. Of what BILL does of its own accord, the local BILL does this much:

- A payment is scheduled, and paid when its day is past by the local BILL's clock; a batch is made a second later.
- Nothing is ever paid by itself: automatic payment of a vendor or of a recurring bill is a setting that is kept and
  read, and no bill or invoice is made from a recurring one.
- No e-mail leaves it, and nothing is served behind an invoice's payment link.
- A risk verification stays in progress.
- The balance of vendors and customers stays zero: what BILL counts in it is not documented.

"""


@dataclass
class Check:
    """What came of asking an operation.

    :param operation: what was asked
    :param result: how its answer differs
    :param refused: the parameters of the collection (``sort``, ``filters``) that are refused
    """

    operation: Operation
    result: Result
    refused: list[str]

    @property
    def verdict(self) -> str:
        """Return ``like BILL``, ``differs`` or ``not served``."""
        if self.result.status == 501:
            return "not served"
        found = self.result
        same = found.status == self.operation.status and not (found.extra or found.wrong or self.refused)
        return "like BILL" if same else "differs"

    @property
    def differences(self) -> str:
        """Return what differs, on one line."""
        found = self.result
        status = [f"HTTP {found.status}, not {self.operation.status}"] if found.status != self.operation.status else []
        extra = [f"not documented: {name}" for name in sorted(found.extra)]
        return "; ".join([*status, *extra, *sorted(found.wrong), *(f"refuses {name}" for name in self.refused)])


def check(bill: LocalBill, operation: Operation) -> Check:
    """Ask a fresh local BILL one operation."""
    bill.reset()
    asker = Asker(bill)
    answer = asker.ask(operation)
    refused = []
    if answer.status_code == operation.status:
        for name in ("sort", "filters"):
            value = operation.query.get(name)
            if value and asker.ask(operation, **{name: value}).status_code != operation.status:
                refused.append(f"{name}={value}")
    return Check(operation, compare(operation, answer), refused)


def check_all(bill: LocalBill) -> list[Check]:
    """Ask all operations of the contract."""
    return [check(bill, operation) for operation in load().values()]


def render(checks: Iterable[Check]) -> str:
    """Return the page."""
    checks = sorted(checks, key=lambda one: (one.operation.path, one.operation.method))
    count = Counter(one.verdict for one in checks)
    lines = [
        f"{len(checks)} operations: {count['like BILL']} like BILL's, {count['differs']} with a known difference, "
        f"{count['not served']} not served.",
        "",
        "| Operation | Local BILL | Left out, as not set |",
        "|---|---|---|",
    ]
    for one in checks:
        name, said = one.operation.name, one.verdict
        if said == "differs":
            said = f"differs ({one.differences}): {DIFFERENCES.get(name, '')}"
        elif said == "not served":
            said = f"not served: {NOT_SERVED.get(name, '')}"
        left_out = (
            ", ".join(f"`{field}`" for field in sorted(one.result.missing)) if one.verdict != "not served" else ""
        )
        lines.append(f"| `{name}` | {said} | {left_out} |")
    return _HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    with SandboxProcess() as bill:
        PAGE.write_text(render(check_all(bill)))
    print(PAGE.read_text().split("\n\n")[4].splitlines()[0])
