"""Looks for known weaknesses in every version that is pinned or installed: `make audit`.

Where the service that knows them does not answer, this says what was not looked at and ends well, as skipped; with
`AUDIT_REQUIRED=1` it fails then.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)")


def pins(lines: Iterable[str]) -> set[tuple[str, str]]:
    """Return the names and versions that stand in lines of requirements."""
    found = (PIN.match(line) for line in lines)
    return {(re.sub(r"[-_.]+", "-", match[1]).lower(), match[2]) for match in found if match}


def rounds(versions: set[tuple[str, str]]) -> list[list[str]]:
    """Return lists of requirements that hold each version once, and in one list no name twice."""
    of: dict[str, list[str]] = defaultdict(list)
    for name, version in sorted(versions):
        of[name].append(version)
    longest = max(map(len, of.values()), default=0)
    return [[f"{name}=={found[i]}" for name, found in of.items() if len(found) > i] for i in range(longest)]


def audit(requirements: list[str]) -> list[dict[str, Any]] | None:
    """Return what pip-audit says of each requirement; None if its service did not answer."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(requirements))
        file.flush()
        command = [str(BIN / "pip-audit"), "--format", "json", "--progress-spinner", "off", "--no-deps"]
        command += ["--disable-pip", "--requirement", file.name, *os.environ.get("AUDIT_OPTIONS", "").split()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        return list(json.loads(done.stdout)["dependencies"])
    except (ValueError, KeyError):
        print((done.stderr.strip().splitlines() or ["pip-audit wrote nothing"])[-1][:300], file=sys.stderr)
        return None


def main() -> int:
    """Audit, print what was found, and return the exit status."""
    files = sorted(ROOT.glob("constraints/*.txt"))
    versions = pins(line for file in files for line in file.read_text().splitlines())
    uv = str(Path(sys.argv[1]).parent / "uv")
    freeze = [uv, "pip", "freeze", "--quiet", "--exclude-editable", "--python", sys.argv[1]]
    installed = subprocess.run(freeze, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    versions |= pins(installed.stdout.splitlines())
    looked_at, weak, left_out = 0, [], []
    for requirements in rounds(versions):
        answers = audit(requirements)
        if answers is None:
            left_out += requirements
            continue
        for answer in answers:
            if "skip_reason" in answer:
                left_out.append(f"{answer['name']}")
                continue
            looked_at += 1
            weak += [(answer, each) for each in answer["vulns"]]
    for answer, each in weak:
        fixed = ", ".join(each["fix_versions"]) or "no version yet"
        print(f"{answer['name']} {answer['version']}: {each['id']}, mended in {fixed}")
    print(f"{looked_at} of {len(versions)} versions looked at, {len(weak)} known weaknesses in them")
    if weak:
        print("Raise the versions with `make constraints`, or ignore one with AUDIT_OPTIONS='--ignore-vuln ID'.")
        return 1
    if left_out:
        print(
            f"SKIPPED: {len(left_out)} versions were not looked at, as the service that knows of weaknesses did not "
            "answer for them. Run `make audit` where it can be reached."
        )
        if os.environ.get("AUDIT_REQUIRED"):
            print(f"AUDIT_REQUIRED is set, so that is a failure. Not looked at: {', '.join(sorted(left_out))}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
