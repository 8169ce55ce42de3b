"""Changes the code in one place, and looks whether a test notices: ``python -m dev.mutants [HOW MANY [SEED]]``.

What is changed comes from mutmut. Its own runner is not used: it puts a function between each function of ours and
its callers, which tests about tracebacks and imports see, and it asks all tests of a function. Here pytest collects
once, in a copy of this repository. For each mutant it forks, and the fork replaces the code of one function and runs
the tests which reach the changed line. ``MUTANTS_MAP=FILE`` keeps which these are, for further runs of the same tests.
"""

from __future__ import annotations

import ast
import gc
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import coverage
import libcst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

from dev.dag_runner import migrate
from dev.paths import ROOT
from dev.proof import FOLDER, write_table

PARTS = ("client", "sessions", "hooks", "operators")
PACKAGE = ROOT / "airflow_provider_bill"
#: Tests that read the source, and so reach every line of it.
READING = "tests/test_messages.py"
#: Tests that start processes of their own take minutes for each mutant.
SKIPPED = ("--ignore=tests/sessions/processes", "-m", "not generated and not supervised and not interface")
#: Seconds of tests that one mutant is given at most, and what a test may take beyond three times what it took.
TESTS_SECONDS, SPARE_SECONDS = 60.0, 30.0


@dataclass(frozen=True)
class Mutant:
    """One change.

    :param path: of the file, in the package
    :param lines: from the beginning of the changed statement to the change
    :param change: what it was and what it is, in one line
    :param source: the changed file
    """

    path: Path
    lines: range
    change: str
    source: str

    @property
    def part(self) -> str:
        """Return the folder."""
        return self.path.relative_to(PACKAGE).parts[0]


class _Visitor(MutationVisitor):  # type: ignore[misc]
    """Finds what mutmut can change: also in decorated functions, but no sentences for people.

    Nor defaults of parameters, as no function's code has them.
    """

    def _skip_node_and_children(self, node: libcst.CSTNode) -> bool:
        if isinstance(node, libcst.FunctionDef) and node.decorators:
            return False
        return isinstance(node, libcst.Param) or bool(super()._skip_node_and_children(node))

    def _create_mutations(self, node: libcst.CSTNode) -> None:
        if isinstance(node, libcst.SimpleString) and " " in str(node.evaluated_value):
            return
        known = len(self.mutations)
        super()._create_mutations(node)
        for mutation in self.mutations[known:]:
            mutation.line = self.get_metadata(PositionProvider, node).start.line


def mutations_of(path: Path) -> list[tuple[int, Callable[[], Mutant]]]:
    """All that mutmut can change in the functions of a file: the line, and what makes the mutant."""
    source = path.read_text()
    visitor = _Visitor(mutation_operators, IgnoredCode(set(), set(), set()))
    module = MetadataWrapper(libcst.parse_module(source)).visit(visitor)

    def make(one: Any) -> Mutant:
        changed = module.deep_replace(one.original_node, one.mutated_node).code
        statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
        start = max(node.lineno for node in statements if node.lineno <= one.line <= (node.end_lineno or 0))
        return Mutant(path, range(start, one.line + 1), change_between(source, changed), changed)

    inside = [one for one in visitor.mutations if isinstance(one.contained_by_top_level_function, libcst.FunctionDef)]
    return [(one.line, partial(make, one)) for one in inside]


def change_between(old: str, new: str) -> str:
    """Return what differs, with the lines it stands in, as one line."""
    shortest = min(len(old), len(new))
    start = next((at for at in range(shortest) if old[at] != new[at]), shortest)
    ending = next((at for at in range(shortest - start) if old[-1 - at] != new[-1 - at]), shortest - start)
    before, after = old.rfind("\n", 0, start) + 1, old.find("\n", len(old) - ending)
    texts = (old[before:after], new[before : len(new) - len(old) + after])
    return " → ".join(f"`` {' '.join(text.split())[:110]} ``" for text in texts)


def drawn(count: int, seed: int) -> Iterator[Mutant]:
    """Draw mutants, as many from each file; a second one of a line only once each line has had its turn."""
    chance = random.Random(seed)  # noqa: S311 - to be drawn again by anybody
    piles = []
    for path in sorted(file for part in PARTS for file in (PACKAGE / part).rglob("*.py")):
        pile = mutations_of(path)
        chance.shuffle(pile)
        turns = Counter[int]()
        ordered = []
        for line, make in pile:
            turns[line] += 1
            ordered.append((turns[line], make))
        piles.append([make for _, make in sorted(ordered, key=lambda one: one[0])])
    chance.shuffle(piles)
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*piles))
    return (make() for make in itertools.islice((one for one in rounds if one is not None), count))


def functions_in(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of the functions and methods of a module, in its order."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_flags & 1:  # CO_OPTIMIZED: a function, not the body of a class
                yield inner
            else:
                yield from functions_in(inner)


def put_in(mutant: Mutant, original: str) -> None:
    """Put a mutant into the changed function, in this process."""
    path = str(mutant.path)
    before, after = (list(functions_in(compile(text, path, "exec"))) for text in (original, mutant.source))
    new = {(a.co_qualname, a.co_firstlineno): b for a, b in zip(before, after, strict=True) if a != b}
    # Not `isinstance`: stand-ins for what is to be imported later would be asked for their class, and import it.
    functions = [one for one in gc.get_objects() if type(one) is FunctionType and one.__code__.co_filename == path]
    found = False
    for function in functions:
        if code := new.get((function.__code__.co_qualname, function.__code__.co_firstlineno)):
            function.__code__ = code
            found = True
    # A module that is not imported yet is read from its changed file when it is.
    if functions and not found:
        raise LookupError(f"{path}:{mutant.lines[-1]} is in no function")


class Runner:
    """A plugin of pytest which takes the place of its loop.

    :param mutants: to try
    """

    def __init__(self, mutants: Iterable[Mutant]) -> None:
        self._mutants = mutants
        self._failed = ""
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._sound: set[str] = set()
        self._unsound: set[str] = set()
        self.results: list[tuple[Mutant, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what failed, and how long it took."""
        self._seconds[report.nodeid] += report.duration
        if report.failed:
            self._failed = report.nodeid

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Learn which tests reach which line, then try all mutants."""
        self._session = session
        self._told = session.config.get_terminal_writer()
        self._home = Path(os.environ["AIRFLOW_HOME"])
        self._folder = ROOT.parent / "runner"
        self._folder.mkdir()
        stored = os.environ.get("MUTANTS_MAP", str(self._folder / "map.json"))
        if not Path(stored).exists():
            self._fork(lambda: self._learn(Path(stored)), None)
        self._fork(migrate, None)
        shutil.copytree(self._home, self._folder / "home")
        self._reach, self._seconds = json.loads(Path(stored).read_text())
        for number, mutant in enumerate(self._mutants, 1):
            self.results.append((mutant, self._try(mutant)))
            self._told.line(f"{number}. {self.results[-1][1]}: {place(mutant)} {mutant.change}", flush=True)
        return True

    def _learn(self, file: Path) -> None:
        """Run all tests as they are, and write which lines each of them reaches."""
        measured = coverage.Coverage(data_file=None, config_file=False, source=[str(PACKAGE / part) for part in PARTS])
        measured.start()
        failed = self._run(self._session.items, measured.switch_context, to_the_end=True)
        measured.stop()
        data = measured.get_data()
        reach = {
            str(Path(name).relative_to(ROOT)): {
                line: sorted(set(tests) & self._seconds.keys() - failed)
                for line, tests in data.contexts_by_lineno(name).items()
            }
            for name in data.measured_files()
        }
        file.write_text(json.dumps([reach, self._seconds]))
        for name in sorted(failed):
            self._told.line(f"fails without a mutant, so it is left out: {name}", flush=True)

    def _run(self, items: list[pytest.Item], begin: Callable[[str], object], to_the_end: bool = False) -> set[str]:
        failed = set()
        for number, (item, following) in enumerate(zip(items, [*items[1:], None], strict=True)):
            if to_the_end and number % 100 == 0:
                self._told.line(f"{number} of {len(items)} tests", flush=True)
            begin(item.nodeid)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed:
                failed.add(self._failed)
                self._failed = ""
                if not to_the_end:
                    break
        return failed

    def _try(self, mutant: Mutant) -> str:
        original = mutant.path.read_text()
        unnoticed = "survived" if self._reaches(mutant) else "not reached"
        while tests := self._tests_of(mutant):
            limit = 3 * TESTS_SECONDS + 3 * SPARE_SECONDS  # for what a test's own limit does not end
            mutant.path.write_text(mutant.source)  # for processes which tests start
            killer = self._fork(partial(self._ask, tests, mutant, original), limit)
            mutant.path.write_text(original)
            if killer in ("", "timed out", "not possible"):
                return killer or unnoticed
            # A test counts that passes without the mutant, after the same tests.
            name = killer.partition("[")[0]
            asked = tests[: [test.nodeid for test in tests].index(killer) + 1]
            if name in self._sound or not self._fork(partial(self._ask, asked, None, ""), limit):
                self._sound.add(name)
                return "killed"
            self._told.line(f"passes not each time, so it is left out: {killer}", flush=True)
            self._unsound.add(killer)
        return unnoticed

    def _reaches(self, mutant: Mutant) -> set[str]:
        """Return the names of the tests which run the line."""
        lines = self._reach.get(str(mutant.path.relative_to(ROOT)), {})
        return {test for line in mutant.lines for test in lines.get(str(line), ())} - self._unsound

    def _tests_of(self, mutant: Mutant) -> list[pytest.Item]:
        """Return the tests to ask: those of the line's folder first, the first case of each test first."""
        reaching = self._reaches(mutant)
        cases = Counter[str]()
        order = {}
        for item in self._session.items:
            if item.nodeid in reaching:
                name = item.nodeid.partition("[")[0]
                cases[name] += 1
                own = item.nodeid.startswith(f"tests/{mutant.part}/")
                order[item] = (not own and cases[name] > 1, cases[name], not own, self._seconds[item.nodeid])
        chosen = sorted(order, key=lambda item: order[item])
        spent = itertools.accumulate(self._seconds[item.nodeid] for item in chosen)
        within = [item for item, seconds in zip(chosen, spent, strict=True) if seconds < TESTS_SECONDS]
        reading = [item for item in self._session.items if item.nodeid.startswith(READING)]
        return within + [item for item in reading if item.nodeid not in self._unsound]

    def _ask(self, tests: list[pytest.Item], mutant: Mutant | None, original: str) -> None:
        result = self._folder / "result"
        if mutant is not None:
            try:
                put_in(mutant, original)
            except (LookupError, ValueError):  # it has other free variables: a `super()` is gone, for one
                result.write_text("not possible")
                return
        for test in tests:
            test.add_marker(pytest.mark.timeout(3 * self._seconds[test.nodeid] + SPARE_SECONDS), append=False)
        failed = self._run(tests, lambda _: None)
        result.write_text("".join(failed))

    def _fork(self, work: Callable[[], None], limit: float | None) -> str:
        """Do it in a fork with Airflow's home as it was, and return what it has written; end it after the limit."""
        result = self._folder / "result"
        result.write_text("timed out")
        if (self._folder / "home").exists():
            shutil.rmtree(self._home)
            shutil.copytree(self._folder / "home", self._home)
        child = os.fork()
        if child == 0:
            os.setsid()
            self._session.config.pluginmanager.unregister(name="terminalreporter")
            try:
                work()
                self._session._setupstate.teardown_exact(None)
            except BaseException:
                self._told.line(traceback.format_exc(), flush=True)
                result.write_text("not possible")
            finally:
                os._exit(0)
        end = time.monotonic() + (limit or float("inf"))
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                break
            time.sleep(0.02)
        return result.read_text()


def place(mutant: Mutant) -> str:
    """Return where the change is."""
    return f"{mutant.path.relative_to(PACKAGE)}:{mutant.lines[-1]}"


def report(results: Iterable[tuple[Mutant, str]], told: str) -> None:
    """Print the table, and with `PROOF=1` write the page."""
    kinds = ("killed", "timed out", "survived", "not reached")
    counts = {part: Counter(result for mutant, result in results if mutant.part == part) for part in PARTS}
    rows = [(f"`{part}/`", counts[part]) for part in PARTS] + [("all", sum(counts.values(), Counter[str]()))]
    table = []
    for name, count in rows:
        total = sum(count[kind] for kind in kinds)
        share = 100 * (count["killed"] + count["timed out"]) / max(total, 1)
        table.append([name, total, *(count[kind] for kind in kinds), f"{share:.0f} %"])
    write_table("mutants", ["folder", "mutants", *kinds, "killed or timed out"], table)
    if os.environ.get("PROOF"):
        alive = sorted((place(mutant), mutant.change, result) for mutant, result in results if result in kinds[2:])
        lines = [f"- `{where}`{', not reached' * (result == kinds[3])}: {change}" for where, change, result in alive]
        with (FOLDER / "mutants.md").open("a") as page:
            page.write(f"\n{told}\n\n## What no test noticed\n\n" + "\n".join(lines) + "\n")


def main() -> int:
    """Make the copy and start this program in it; in the copy, run pytest."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    count, seed = (int(text) for text in [*sys.argv[1:], *["400", today.replace("-", "")][len(sys.argv) - 1 :]])
    if commit := os.environ.get("MUTANTS_IN_COPY_OF"):
        runner = Runner(drawn(count, seed))
        tests = [*(f"tests/{part}" for part in PARTS), READING]
        code = pytest.main(["-q", "-p", "no:cacheprovider", *SKIPPED, *tests], [runner])
        told = f"`make mutants MUTANTS={len(runner.results)} SEED={seed}` on {today}, of commit `{commit}`."
        report(runner.results, told)
        return int(code)
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout
    with tempfile.TemporaryDirectory(prefix="bill-mutants-") as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv*", ".git", "__pycache__", ".*_cache", "site"))
        settings = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "MUTANTS_IN_COPY_OF": commit.strip()}
        command = [sys.executable, "-m", "dev.mutants", str(count), str(seed)]
        done = subprocess.run(command, cwd=copy, env={**os.environ, **settings}, check=False)
        page = Path("docs", "proof", "mutants.md")
        shutil.copy(copy / page, ROOT / page)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
