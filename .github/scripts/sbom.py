"""Writes what a release is made of into `dist/`, in CycloneDX's form: `make release-check`.

The versions are those of `constraints/airflow-3.3.txt`, with which the tests are run, and the hashes those of
`constraints/hashed`. Nothing of this machine gets in, so the same commit gives the same file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
PINS = "constraints/airflow-3.3.txt"
EXTRAS = ("hitl", "sandbox")
PYTHON = "3.11"
PROJECT = "airflow-provider-bill"


def resolved() -> dict[str, dict[str, Any]]:
    """Return what the package needs, at the pinned versions: name -> its version, marker, and who needs it."""
    uv = str(Path(sys.executable).parent / "uv")
    command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", PYTHON, "--no-header"]
    command += [word for extra in EXTRAS for word in ("--extra", extra)]
    command += ["--annotation-style", "split", "--constraint", PINS, "pyproject.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    found: dict[str, dict[str, Any]] = {}
    row: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        if pin := re.match(r"([\w.-]+)==([^\s;]+)(?: ; (.*))?$", line):
            row = found[pin[1]] = {"version": pin[2], "marker": pin[3] or "", "by": set()}
        elif (by := re.match(r"    #\s+(?:via )?(\w[\w.-]*)(?: \(.*\))?$", line)) and by[1] != "via":
            row["by"].add(by[1])
    return found


def hashes() -> dict[tuple[str, str], list[str]]:
    """Return the SHA-256 of each file that may be installed for a pin."""
    text = (ROOT / "constraints" / "hashed" / Path(PINS).name).read_text().replace("\\\n", "")
    found = (re.match(r"([\w.-]+)==([^\s;]+)", line) for line in text.splitlines())
    return {(pin[1], pin[2]): sorted(re.findall(r"sha256:([0-9a-f]{64})", pin.string)) for pin in found if pin}


def reference(name: str, version: str) -> str:
    """Return the package URL of a version."""
    return f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"


def files(version: str) -> list[dict[str, Any]]:
    """Return the built files as components."""
    names = [*DIST.glob("*.whl"), *DIST.glob("*.tar.gz")]
    if sorted(file.suffix for file in names) != [".gz", ".whl"] or any(
        f"-{version}" not in each.name for each in names
    ):
        raise SystemExit("dist/ holds other files than one wheel and one source distribution: run make build")
    return [
        {
            "type": "file",
            "bom-ref": file.name,
            "name": file.name,
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(file.read_bytes()).hexdigest()}],
        }
        for file in sorted(names)
    ]


def bill_of_materials() -> dict[str, Any]:
    """Return the document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wheel,) = DIST.glob("*.whl")
    version = wheel.name.split("-")[1]
    found, known = resolved(), hashes()
    root = reference(PROJECT, version)
    references = {name: reference(name, row["version"]) for name, row in found.items()} | {PROJECT: root}
    needs: dict[str, list[str]] = {each: [] for each in references.values()}
    for name, row in found.items():
        for by in row["by"]:
            needs[references[by]].append(references[name])
    built = files(version)
    components = []
    for name, row in sorted(found.items()):
        sums = known[name, row["version"]]
        properties = [{"name": "bill:sha256", "value": each} for each in sums]
        if row["marker"]:
            properties.append({"name": "bill:marker", "value": row["marker"]})
        components.append(
            {
                "type": "library",
                "bom-ref": references[name],
                "name": name,
                "version": row["version"],
                "purl": references[name],
                "scope": "required" if not row["marker"] else "optional",
                "properties": properties,
            }
        )
    # The same files, the same document; other files, another one.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, " ".join(file["hashes"][0]["content"] for file in built))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": moment(),
            "component": {
                "type": "library",
                "bom-ref": root,
                "name": PROJECT,
                "version": version,
                "description": project["description"],
                "licenses": [{"license": {"id": project["license"]}}],
                "purl": root,
                "externalReferences": [{"type": "vcs", "url": project["urls"]["Source"]}],
                "components": built,
            },
            "properties": [
                {"name": "bill:pins", "value": PINS},
                {"name": "bill:extras", "value": ",".join(EXTRAS)},
                {"name": "bill:python", "value": PYTHON},
            ],
        },
        "components": components,
        "dependencies": [{"ref": each, "dependsOn": sorted(needs[each])} for each in sorted(needs)],
    }


def moment() -> str:
    """Return the time of the commit, so that the time of the build does not matter."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH") or subprocess.run(
        ["git", "log", "-1", "--format=%ct"],  # noqa: S607
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def problems(document: dict[str, Any], text: str) -> list[str]:
    """Return what is wrong with the document."""
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    found = [] if error is None else [f"it is no valid CycloneDX: {error}"]
    allowed = {document["$schema"], document["metadata"]["component"]["externalReferences"][0]["url"]}
    found += [f"it holds the address {each}" for each in set(re.findall(r"\w+://[^\"\s]+", text)) - allowed]
    found += [f"it holds the path {each}" for each in (str(ROOT), str(Path.home())) if f"{each}/" in text]
    names = {each["name"] for each in document["components"]}
    found += [f"{each} is missing in it" for each in sorted({"apache-airflow", "requests", "fastapi"} - names)]
    found += [f"{each} is only for tests" for each in sorted({"pytest", "mypy", "ruff"} & names)]
    found += [f"{each['name']} has no hash" for each in document["components"] if not each["properties"]]
    reached, waiting = set(), [document["metadata"]["component"]["bom-ref"]]
    needs = {each["ref"]: each["dependsOn"] for each in document["dependencies"]}
    while waiting:
        each = waiting.pop()
        if each not in reached:
            reached.add(each)
            waiting += needs[each]
    return found + [f"nothing needs {each}" for each in sorted(needs.keys() - reached)]


def main() -> int:
    """Write the document, check it, and return the exit status."""
    document = bill_of_materials()
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    if wrong := problems(document, text):
        print("The list of what the release is made of cannot be used:", *wrong, sep="\n  ", file=sys.stderr)
        return 1
    component = document["metadata"]["component"]
    target = DIST / f"{PROJECT.replace('-', '_')}-{component['version']}.cdx.json"
    target.write_text(text)
    print(f"dist/{target.name}: {len(document['components'])} packages and {len(component['components'])} built files.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
