"""Plant small bugs, a sample of them in each room, and report those that no fast test notices.

Not part of the suite: run it by hand, on a quiet machine, after a room has changed. `tests/MUTANTS.md` keeps what came
out.

    python tests/mutants.py evaluation --count 60 --seed 12
    python tests/mutants.py models --only _clip_classifier.py --count 40

The bugs are those of mutmut 3, made by its own operators, and two more: a call left out, a condition turned round.
Sentences for people, what is raised, and types are left alone. mutmut's own runner would start Python and torch and run
a whole room's tests for each bug. Here coverage tells which tests reach the line, and each bug is tried in a fork of a
process that has the libraries loaded. Coverage does not see what runs in other
processes, at the import of a test or in a fixture of the session: `--sure` tries each survivor with all tests.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("esc_features", "tests", "pyproject.toml", "setup.cfg", "benchmarks", "examples", "docs", "CHANGELOG.md")

# Room -> the tests that answer for it. A module alone (`lazy.py`) is a room too.
ROOMS = {
    "evaluation": "tests/evaluation",
    "plotting": "tests/plotting",
    "features": "tests/features",
    "audio": "tests/audio",
    "models": "tests/models",
    "model_selection.py": "tests/test_model_selection.py",
    "preprocessing.py": "tests/test_preprocessing.py",
    "augmentation.py": "tests/test_augmentation.py",
    "lazy.py": "tests/test_lazy.py tests/test_model_selection.py",
    "storage": "tests/storage tests/store",
    "store": "tests/store tests/storage",
    "extraction": "tests/extraction",
    "datasets": "tests/datasets",
    "deployment": "tests/deployment",
}
LIBRARIES = (
    "numpy pandas scipy.signal scipy.fft sklearn.pipeline sklearn.ensemble sklearn.svm h5py torch skorch librosa "
    "soundfile soxr matplotlib.pyplot hypothesis fsspec joblib"
)


@dataclass(frozen=True)
class Mutant:
    """One small bug: a file of the package, written wrongly at one place."""

    file: Path  # relative to the repository
    line: int
    before: str
    after: str
    code: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}\n    - {_one_line(self.before)}\n    + {_one_line(self.after)}"


@dataclass(frozen=True)
class Candidate:
    """A place of a file that can be written wrongly; written only once it is chosen."""

    file: Path
    module: cst.Module
    line: int
    old: cst.CSTNode
    new: cst.CSTNode

    def mutant(self) -> Mutant:
        code = self.module.deep_replace(self.old, self.new).code
        before, after = self.module.code_for_node(self.old), self.module.code_for_node(self.new)
        return Mutant(self.file, self.line, before, after, code)


def candidates_in(file: Path) -> list[Candidate]:
    """Return every bug that the operators know for a file."""
    from mutmut.mutation.file_mutation import create_mutations
    from mutmut.mutation.mutators import mutation_operators

    if not any(operator is _left_out for _, operator in mutation_operators):
        mutation_operators += [(cst.SimpleStatementLine, _left_out), (cst.If, _turned_round)]
    module, mutations, *_ = create_mutations(str(file), (ROOT / file).read_text(encoding="utf-8"))
    positions = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    parents = {child: node for node in _walk(module) for child in node.children}
    return [
        Candidate(file, module, positions[one.original_node].start.line, one.original_node, one.mutated_node)
        for one in mutations
        if one.original_node in positions
        and not any(_is_for_people(node) or _is_strict(node) for node in _with_outer(one.original_node, parents))
        and _without_strict(module, one.original_node) != _without_strict(module, one.mutated_node)
    ]


def _left_out(node: cst.SimpleStatementLine) -> Iterator[cst.CSTNode]:
    (first, *others) = node.body
    if not others and (isinstance(first, cst.AugAssign) or m.matches(first, m.Expr(value=m.Call()))):
        yield node.with_changes(body=[cst.Pass()])


def _turned_round(node: cst.If) -> Iterator[cst.CSTNode]:
    turned = cst.UnaryOperation(cst.Not(), node.test, lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    parenthesised = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield node.with_changes(test=turned.with_changes(expression=parenthesised))


def _is_for_people(node: cst.CSTNode) -> bool:
    """Whether words here are read by people or by type checkers, so that no test should spell them."""
    if isinstance(node, cst.SimpleString):
        return " " in node.value or node.value.startswith(('"""', "'''"))
    exported = m.Assign(targets=[m.AssignTarget(target=m.Name("__all__"))])
    if m.matches(node, m.If(test=m.Name("TYPE_CHECKING")) | exported):
        return True
    words = m.Name("print") | m.Name("cast") | m.Name("TypeVar") | m.Attribute(attr=m.Name("warn"))
    return isinstance(node, cst.Raise | cst.FormattedString | cst.Decorator) or m.matches(node, m.Call(func=words))


def _is_strict(node: cst.CSTNode) -> bool:
    return m.matches(node, m.Arg(keyword=m.Name("strict")))


def _without_strict(module: cst.Module, node: cst.CSTNode) -> str:
    """Return the code without `strict=` of zip, a guard that no column of one table can set off."""
    return re.sub(r",\s*(strict=\w+)?(?=\))", "", module.code_for_node(node))


def _walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _with_outer(node: cst.CSTNode, parents: dict[cst.CSTNode, cst.CSTNode]) -> Iterator[cst.CSTNode]:
    while node is not None:
        yield node
        node = parents.get(node)


def _one_line(code: str) -> str:
    return " ".join(code.split())[:200]


class Bench:
    """A copy of the repository whose tests run in forks of this process, with the libraries loaded once."""

    def __init__(self, folder: Path, tests: list[str], marks: str):
        self.folder, self.tests, self.marks = folder, tests, marks
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif (ROOT / name).exists():
                shutil.copy(ROOT / name, folder / name)
        self._now = time.time()
        self.seconds: dict[str, float] = {}
        self._reached: dict[Path, dict[int, list[str]]] = {}

    def learn(self) -> None:
        """Run the tests once on the code as it is: which pass, how long each takes, which lines each reaches."""
        report = self.folder / "report.json"
        config = self.folder / "coverage.ini"
        config.write_text(f"[run]\nsource = esc_features\ndata_file = {self.folder}/.coverage\n")
        options = ["--cov=esc_features", f"--cov-config={config}", "--cov-context=test", "--cov-report="]
        self._run([*options, "-m", self.marks, *self.tests], report, 1800)
        outcomes = json.loads(report.read_text())
        self.seconds = {test: seconds for test, (passed, seconds) in outcomes.items() if passed}
        print(
            f"{len(self.seconds)} tests pass, {len(outcomes) - len(self.seconds)} do not and are left out", flush=True
        )
        self._read_coverage()

    def _read_coverage(self) -> None:
        import coverage

        data = coverage.CoverageData(str(self.folder / ".coverage"))
        data.read()
        for file in data.measured_files():
            lines = {
                line: sorted({context.partition("|")[0] for context in contexts if context})
                for line, contexts in data.contexts_by_lineno(file).items()
            }
            self._reached[Path(file).relative_to(self.folder)] = lines

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Return the tests that reach the line, the quick ones first."""
        reaching = self._reached.get(mutant.file, {}).get(mutant.line, [])
        return sorted(self.seconds.keys() & set(reaching), key=self.seconds.__getitem__)

    def notices(self, mutant: Mutant, tests: list[str]) -> str:
        """Plant the bug; return the test that fails, "time" where the tests do not end, or nothing."""
        right = (self.folder / mutant.file).read_text(encoding="utf-8")
        self.write(mutant.file, mutant.code)
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        try:
            ended = self._run(["-x", *tests], report, 60 + 6 * sum(self.seconds[test] for test in tests))
        finally:
            self.write(mutant.file, right)
        if not ended:
            return "time"
        if not report.exists():
            return "the interpreter died"
        outcomes = json.loads(report.read_text())
        failed = [test for test, (passed, _) in outcomes.items() if not passed]
        if not failed and len(outcomes) < len(set(tests)):
            return "collection"
        return failed[0] if failed else ""

    def write(self, file: Path, code: str) -> None:
        """Write a file with a time of its own, so that no compiled copy of another version is taken for it."""
        path = self.folder / file
        path.write_text(code, encoding="utf-8")
        self._now += 2
        os.utime(path, (self._now, self._now))

    def _run(self, options: list[str], report: Path, seconds: float) -> bool:
        child = os.fork()
        if child == 0:
            os.setsid()
            _run_pytest(self.folder, options, report)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if os.waitpid(child, os.WNOHANG) != (0, 0):
                _end_group(child)
                return True
            time.sleep(0.02)
        _end_group(child)
        os.waitpid(child, 0)
        return False


def _end_group(process: int) -> None:
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _run_pytest(folder: Path, options: list[str], report: Path) -> None:
    import pytest

    os.chdir(folder)
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    recorder = _Recorder()
    status = 1
    try:
        fixed = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--hypothesis-seed=0", f"--rootdir={folder}"]
        pytest.main([*fixed, f"--basetemp={folder}/tmp", *options], plugins=[recorder])
        report.write_text(json.dumps(recorder.outcomes))
        status = 0
    finally:
        os._exit(status)


class _Recorder:
    def __init__(self):
        self.outcomes: dict[str, tuple[bool, float]] = {}

    def pytest_runtest_logreport(self, report):
        passed, seconds = self.outcomes.get(report.nodeid, (True, 0.0))
        self.outcomes[report.nodeid] = (passed and not report.failed, seconds + report.duration)

    def pytest_collectreport(self, report):
        if report.failed:
            self.outcomes[report.nodeid or "collection"] = (False, 0.0)


def load_libraries() -> None:
    """Import what tests import, once; never the package itself, which each fork reads from the copy."""
    for name in LIBRARIES.split():
        __import__(name)
    import torch

    torch.set_num_threads(1)
    assert "esc_features" not in sys.modules


def sample(room: str, count: int, seed: int, only: str = "") -> tuple[list[Mutant], int]:
    """Return some of a room's mutants, spread at random, and how many there are."""
    place = ROOT / "esc_features" / room
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    chosen = [file.relative_to(ROOT) for file in files if not only or file.name in only.split(",")]
    every = [candidate for file in chosen for candidate in candidates_in(file)]
    picked = random.Random(seed).sample(every, min(count, len(every)))
    return [one.mutant() for one in sorted(picked, key=lambda one: (one.file, one.line))], len(every)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("room", choices=ROOMS)
    parser.add_argument("--count", type=int, default=40, help="how many bugs to plant (default 40)")
    parser.add_argument("--seed", type=int, default=12, help="of the sample (default 12)")
    parser.add_argument("--only", default="", help="names of files, with commas")
    parser.add_argument("--tests", default="", help="other tests than those of the room")
    parser.add_argument("--sure", action="store_true", help="try what survives again with all tests of the room")
    parser.add_argument("--marks", default="not slow and not kill")
    arguments = parser.parse_args()
    if os.environ.get("PYTHONPATH") is None or os.environ.get("OMP_NUM_THREADS") != "1":
        _start_again()
    load_libraries()
    mutants, number = sample(arguments.room, arguments.count, arguments.seed, arguments.only)
    tests = (arguments.tests or ROOMS[arguments.room]).split()
    folder = Path(os.environ["PYTHONPATH"])
    bench = Bench(folder, tests, arguments.marks)
    bench.learn()
    survivors, not_reached = [], 0
    for place, mutant in enumerate(mutants, 1):
        tests = bench.tests_of(mutant)
        noticed = bench.notices(mutant, tests) if tests else ""
        if not noticed and arguments.sure:
            noticed = bench.notices(mutant, list(bench.seconds))
        elif not tests:
            noticed, not_reached = "not reached", not_reached + 1
        survivors += [] if noticed else [mutant]
        print(f"{place}/{len(mutants)} {mutant}\n    {noticed or 'SURVIVES'}", flush=True)
    tried = len(mutants) - not_reached
    print(
        f"\n{arguments.room}: {tried - len(survivors)} of {tried} noticed; {not_reached} more are at lines that these"
    )
    print(f"tests reach at import, in other processes or not at all ({number} possible, seed {arguments.seed}).")
    for mutant in survivors:
        print(f"survives: {mutant}")


def _start_again() -> None:
    """Run this program with the copy on the path of it and all that it starts, and one thread a library."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        settings = {"PYTHONPATH": folder, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "ESC10_MAKER": "/nowhere"}
        command = [sys.executable, __file__, *sys.argv[1:]]
        sys.exit(subprocess.run(command, env=os.environ | settings, cwd=ROOT, check=False).returncode)


if __name__ == "__main__":
    main()
