"""Extraction killed at any instant: a rerun finishes the work, and the files are those of an undisturbed run.

A few kills run with every test run. The long hunt: `pytest -m hunt tests/extraction/test_killed.py`, with the number of
kills in ESC_KILLS (default 150), the seed in ESC_SEED (default 0), and what works in ESC_BACKENDS.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest

from esc_features import open_store
from esc_features.exceptions import StoreError
from esc_features.extraction._lock import store_lock
from esc_features.extraction._run import BLOCK_CLIPS

pytestmark = pytest.mark.kill

CLIPS, FOLDS, JOBS = 160, (1, 2), 2
FILES = {f"{feature}/fold{fold}.h5" for feature in ("waveform", "counted") for fold in FOLDS}

# A feature of a user that notes each clip it computes, one byte a clip, in a file outside the store.
FEATURE = """
import os
import numpy as np
from esc_features.features import Feature

class Counted(Feature):
    name = "counted"

    def __init__(self, sample_rate=16000, duration=0.5, dtype="float32"):
        self.sample_rate, self.duration, self.dtype = sample_rate, duration, dtype

    def output_shape(self):
        return (40, 101)

    def compute(self, waveforms):
        log = os.open(os.environ["COUNT_LOG"], os.O_WRONLY | os.O_APPEND)
        os.write(log, b"." * len(waveforms))
        os.close(log)
        frames = waveforms.reshape(len(waveforms), 40, 200)
        for _ in range(40):
            spectra = np.abs(np.fft.rfft(frames))
        return spectra.astype(self.dtype)
"""

RECIPE = """
[features.waveform]
class = "Waveform"
duration = 0.5
[features.counted]
class = "counting_feature:Counted"
"""

# Everything is imported once; each run is then a process of its own in a group of its own.
RUNNER = """
import json, os, sys
import counting_feature, numpy, pandas, scipy.fft, soxr, soundfile, h5py, sklearn.base, tqdm.auto, joblib
import esc_features.datasets, esc_features.extraction._extract, esc_features.features._waveform
from esc_features._cli import extract_features as main

for line in sys.stdin:
    task = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        output = os.open(task["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0), os.dup2(output, 1), os.dup2(output, 2)
        code = 3
        try:
            if task["backend"].startswith("dask"):
                from esc_features.extraction import _cluster
                if task["backend"] == "dask-rows-travel":
                    _cluster.this_host = lambda: "another host"
                code = main([*task["arguments"], "--dask", "local:" + task["jobs"]])
            else:
                with joblib.parallel_config(backend=task["backend"]):
                    code = main(task["arguments"])
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
        sys.exit(code)  # not os._exit: workers are told to end
    print(pid, flush=True)
    _, status = os.waitpid(pid, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@dataclass
class Run:
    """A started extraction."""

    pid: int
    output: Path
    done: subprocess.Popen
    code: int | None = None

    def poll(self) -> bool:
        """Whether it has ended."""
        if self.code is None and select_readable(self.done.stdout):
            self.code = int(self.done.stdout.readline())
        return self.code is not None

    def wait(self, seconds: float = 300) -> int:
        """Its exit status; an error if it does not end."""
        import select

        if self.code is None:
            assert select.select([self.done.stdout], [], [], seconds)[0], f"it hangs: {self.output.read_text()}"
            self.code = int(self.done.stdout.readline())
        return self.code

    def is_gone(self) -> bool:
        """Whether all processes of its group end, within a minute."""
        deadline = time.monotonic() + 60
        while self.group() and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.group()

    def group(self) -> list[psutil.Process]:
        """The processes of its group that still live, itself included."""
        return [p for p in psutil.process_iter() if _group_of(p) == self.pid]


def select_readable(stream) -> bool:
    import select

    return bool(select.select([stream], [], [], 0)[0])


def _group_of(process) -> int | None:
    try:
        return os.getpgid(process.pid) if process.status() != psutil.STATUS_ZOMBIE else None
    except (ProcessLookupError, psutil.Error):
        return None


@dataclass
class Figures:
    """What the hunt has seen."""

    kills: int = 0
    by_target: Counter = field(default_factory=Counter)
    redone: list = field(default_factory=list)
    opened: int = 0
    hanging_pools: int = 0


class Harness:
    def __init__(self, folder: Path):
        import soundfile

        self.folder = folder
        rng = np.random.default_rng(0)
        (folder / "data/audio").mkdir(parents=True)
        (folder / "data/meta").mkdir()
        rows = ["filename,fold,target,category"]
        for number in range(CLIPS):
            name = f"{number:03}.wav"
            soundfile.write(folder / "data/audio" / name, rng.uniform(-0.5, 0.5, 11025), 22050)
            rows.append(f"{name},{FOLDS[number % len(FOLDS)]},{number % 3},kind{number % 3}")
        (folder / "data/meta/clips.csv").write_text("\n".join(rows))
        (folder / "counting_feature.py").write_text(FEATURE)
        (folder / "recipe.toml").write_text(RECIPE)
        self.log = folder / "log"
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)]),
            "SOURCE_DATE_EPOCH": "1500000000",
            "COUNT_LOG": str(self.log),
        }
        self.runner = subprocess.Popen(
            [sys.executable, "-c", RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.figures = Figures()
        self.wanted: dict[str, bytes] = {}
        self.seconds: dict[str, float] = {}

    def start(self, store: Path, backend: str) -> Run:
        arguments = [
            str(self.folder / "data"),
            "--recipe",
            str(self.folder / "recipe.toml"),
            "--trust",
            "counting_feature",
            "--out",
            str(store),
        ]
        task = {
            "arguments": [*arguments, "--n-jobs", str(JOBS)],
            "backend": backend,
            "jobs": str(JOBS),
            "output": str(store) + ".txt",
        }
        self.runner.stdin.write(json.dumps(task) + "\n")
        self.runner.stdin.flush()
        return Run(int(self.runner.stdout.readline()), Path(task["output"]), self.runner)

    def undisturbed(self, backend: str) -> None:
        """Learn what the files are to be, and how long a run takes."""
        self.log.write_bytes(b"")
        started = time.monotonic()
        run = self.start(self.folder / f"whole-{backend}", backend)
        assert run.wait() == 0, run.output.read_text()
        self.seconds[backend] = time.monotonic() - started
        assert self.computed == CLIPS
        files = contents(self.folder / f"whole-{backend}")
        assert set(files) == FILES and self.wanted in ({}, files)
        self.wanted = files

    @property
    def computed(self) -> int:
        return self.log.stat().st_size

    def trial(self, seed: int, backend: str, target: str, moment: str, most: int = 3) -> None:
        """Kill one or more runs on one store, finish it, and compare."""
        rng = random.Random(f"{seed} {backend} {target} {moment}")
        store = self.folder / f"store-{seed}-{backend}-{target}-{moment}"
        self.log.write_bytes(b"")
        kills = 0
        for _ in range(rng.randint(1, most)):
            kills += self.kill_one(store, backend, target, moment, rng)
        run = self.start(store, backend)
        if run.wait() == 2 and "is being written by" in run.output.read_text():
            raise AssertionError("the lock of a dead process blocks: " + run.output.read_text())
        assert run.code == 0, run.output.read_text()
        assert contents(store) == self.wanted
        redone = self.computed - CLIPS
        # Rows that travel are lost with the run that they travel to: those that are computed, and those that wait.
        assert 0 <= redone <= kills * JOBS * BLOCK_CLIPS * (1 + (backend == "dask-rows-travel"))
        assert run.is_gone()
        self.figures.redone.append((redone, kills))

    def kill_one(self, store: Path, backend: str, target: str, moment: str, rng: random.Random) -> int:
        before = self.computed
        run = self.start(store, backend)
        if moment == "progress":
            until = before + rng.randrange(CLIPS)
            while self.computed < until and not run.poll():
                self.look(store)
        else:
            end = time.monotonic() + rng.random() * self.seconds[backend]
            while time.monotonic() < end and not run.poll():
                self.look(store)
        try:
            killed = self.kill(run, target, rng)
        except ProcessLookupError:  # it ended by itself just now
            killed = False
        if target == "worker":
            self.end_hanging_pool(store, run)
        code = run.wait()
        said = run.output.read_text()
        if killed and target == "group":
            assert run.is_gone()
        if killed and target in ("parent", "group"):
            assert code == -signal.SIGKILL
        elif killed and target == "interrupted":
            # Before and after the work it is Python's own business.
            at_work = moment == "progress" and "Store " not in said
            assert not at_work or (code == 130 and "Run the same command again" in said), (code, said)
            assert not at_work or "Traceback" not in said, said
        elif killed and code != 0:
            assert code == 2 and "run the same command again" in said.lower() and "Traceback" not in said, (code, said)
        # What is published is whole; what is not is not there for a reader.
        for name, content in contents(store).items():
            assert name.endswith(".partial") or content == self.wanted[name]
        self.figures.kills += killed
        self.figures.by_target[target, backend, moment] += killed
        return killed

    def end_hanging_pool(self, store: Path, run: Run) -> None:
        """End a run that has finished all its work, and waits for its pool.

        loky waits for ever where an idle worker is killed in the middle of the pool's shutdown, at the process's exit.
        """
        deadline = time.monotonic() + 120
        while not run.poll() and time.monotonic() < deadline:
            time.sleep(0.05)
        if not run.poll() and contents(store) == self.wanted:
            with store_lock(store):
                self.figures.hanging_pools += 1
            os.killpg(run.pid, signal.SIGTERM)
            assert run.wait() == -signal.SIGTERM
            run.code = 0

    def kill(self, run: Run, target: str, rng: random.Random) -> bool:
        if run.poll():
            return False
        if target == "worker":
            workers = sorted(p.pid for p in run.group() if p.pid != run.pid and "resource_tracker" not in _words(p))
            if not workers:
                return False
            os.kill(rng.choice(workers), signal.SIGKILL)
        elif target == "interrupted":
            os.killpg(run.pid, signal.SIGINT)
        elif target == "parent":
            os.kill(run.pid, signal.SIGKILL)
        else:
            os.killpg(run.pid, signal.SIGKILL)
        return True

    def look(self, store: Path) -> None:
        """Be a reader while it is being extracted: whatever opens is right."""
        try:
            opened = open_store(store)
        except StoreError:
            return
        for name in opened:
            assert len(opened[name]) == CLIPS and opened[name].to_numpy().any()
        self.figures.opened += 1

    def close(self) -> None:
        self.runner.stdin.close()
        self.runner.wait(30)


def _words(process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def contents(store: Path) -> dict[str, bytes]:
    return {str(file.relative_to(store)): file.read_bytes() for file in sorted(store.glob("*/fold*"))}


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    if not hasattr(os, "fork"):
        pytest.skip("the harness forks")
    harness = Harness(tmp_path_factory.mktemp("killed"))
    yield harness
    harness.close()


@pytest.mark.parametrize(
    "backend, target, moment",
    [
        ("threading", "group", "progress"),
        ("threading", "group", "time"),
        ("loky", "group", "progress"),
        ("loky", "parent", "progress"),
        ("loky", "worker", "progress"),
        ("threading", "interrupted", "progress"),
        pytest.param("dask", "interrupted", "progress", marks=pytest.mark.slow),
        pytest.param("dask-rows-travel", "worker", "progress", marks=pytest.mark.slow),
    ],
)
def test_killed(harness, backend, target, moment):
    if not harness.wanted:
        harness.undisturbed("threading")
    seed, before = 0, harness.figures.kills
    while harness.figures.kills == before:  # a run may end before its moment comes
        seed += 1
        harness.trial(seed, backend, target, moment, most=1)


@pytest.mark.hunt
def test_hunt(harness):
    kills, seed = int(os.environ.get("ESC_KILLS", 150)), int(os.environ.get("ESC_SEED", 0))
    rng = random.Random(seed)
    backends = os.environ.get("ESC_BACKENDS", "threading,loky,dask,dask-rows-travel").split(",")
    for backend in backends:
        harness.undisturbed(backend)
    figures = harness.figures
    while figures.kills < kills:
        backend = rng.choice(backends)
        targets = ["parent", "group", "interrupted"] + ["worker"] * (backend != "threading")
        target = rng.choice(targets)
        harness.trial(rng.randrange(1 << 30), backend, target, rng.choice(["progress", "time"]))
        redone, in_trial = figures.redone[-1]
        print(f"{figures.kills} kills; the last {in_trial} cost {redone} clips computed twice", flush=True)
    redone = [rows for rows, _ in figures.redone]
    a_kill = [rows / max(1, count) for rows, count in figures.redone]
    print(f"{figures.kills} kills in {len(redone)} trials: {figures.by_target}")
    print(f"clips computed twice: {sum(redone)} in all, at most {max(a_kill):.1f} a kill, limit {JOBS * BLOCK_CLIPS}")
    print(f"pools that hung at exit, after all work was done: {figures.hanging_pools}")
    print(f"a reader opened the store {figures.opened} times meanwhile")
