"""An extraction killed at every one of its system calls, and a disk that refuses every one of those that write.

The calls are counted in an undisturbed run; strace then kills the process as it enters the first, the second, ... of
each name. A sample runs with every test run, all by `pytest -m hunt -s tests/extraction/test_system_calls.py`.
"""

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from esc_features import open_store
from esc_features.exceptions import StoreError

pytestmark = [pytest.mark.kill, pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")]

CHANGES = ("write", "pwrite64", "fallocate", "fsync", "ftruncate", "rename", "unlink", "mkdir")
# What Python's threads and memory call as often as they like, and what the runner waits with.
NO_MOMENT = {"futex", "getsid", "clock_nanosleep", "exit_group", "exit"}
ATTACHED = 4242

# Everything is imported once; each run is a process of its own, begun when strace has made getsid give ATTACHED. What
# the threads of a run do beside each other is done one after the other: all calls then have one order.
RUNNER = """
import json, os, sys, time
import concurrent.futures

class OneAfterTheOther:
    def __init__(self, workers): pass
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def map(self, function, items): return [function(item) for item in items]
    def submit(self, function, *arguments):
        future = concurrent.futures.Future()
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)
        return future

concurrent.futures.ThreadPoolExecutor = OneAfterTheOther
import numpy, pandas, scipy.fft, soxr, soundfile, h5py, sklearn.base, tqdm.auto, joblib
import esc_features.datasets, esc_features.extraction._extract, esc_features.features._waveform
from esc_features._cli import extract_features as main
main(json.loads(sys.argv[2]))
for line in sys.stdin:
    task = json.loads(line)
    pid = os.fork()
    if pid == 0:
        output = os.open(task["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1), os.dup2(output, 2)
        while task["traced"] and os.getsid(0) != int(sys.argv[1]):
            time.sleep(0.002)
        code = 3
        try:
            code = main(task["arguments"])
        except BaseException:
            import traceback
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@dataclass
class Ended:
    """How a run ended, what it said, and which calls it made where it was traced."""

    code: int
    said: str
    calls: list[str]


class Harness:
    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "data/audio").mkdir(parents=True)
        (folder / "data/meta").mkdir()
        lines = ["filename,fold,target,category"]
        for number in range(6):
            noise = np.random.default_rng(number).uniform(-0.5, 0.5, 800)
            soundfile.write(folder / f"data/audio/{number}.wav", noise, 8000)
            lines.append(f"{number}.wav,{1 + number % 2},{number % 3},kind{number % 3}")
        (folder / "data/meta/clips.csv").write_text("\n".join(lines))
        for name, duration in (("old", 0.05), ("new", 0.1)):
            parameters = f"sample_rate = 8000\nduration = {duration}\n"
            (folder / f"{name}.toml").write_text(
                f"[features.waveform]\nclass = 'Waveform'\n{parameters}"
                f"[features.mfcc]\nclass = 'MFCCStatistics'\n{parameters}n_fft = 256\nhop_length = 128\nn_mels = 20\n"
            )
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "SOURCE_DATE_EPOCH": "1500000000",
        }
        warm = json.dumps(self.arguments("new", folder / "warm"))
        self.runner = subprocess.Popen(
            [sys.executable, "-c", RUNNER, str(ATTACHED), warm],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for recipe in ("old", "new"):
            ended = self.run(recipe, folder / f"wanted-{recipe}")
            assert ended.code == 0, ended.said
        self.wanted = {recipe: contents(folder / f"wanted-{recipe}") for recipe in ("old", "new")}
        self.rows = {recipe: rows(folder / f"wanted-{recipe}") for recipe in ("old", "new")}

    def arguments(self, recipe: str, store: Path, *more: str) -> list[str]:
        data = [str(self.folder / "data"), "--recipe", str(self.folder / f"{recipe}.toml"), "--out", str(store)]
        return [*data, "--n-jobs", "1", "--quiet", *more]

    def run(self, recipe: str, store: Path, *more: str, tamper: str | None = None) -> Ended:
        """Extract; with `tamper`, under strace with this injection ("" for none)."""
        output, log = self.folder / "output", self.folder / "calls"
        task = {"arguments": self.arguments(recipe, store, *more), "output": str(output), "traced": tamper is not None}
        self.runner.stdin.write(json.dumps(task) + "\n")
        self.runner.stdin.flush()
        pid = self.runner.stdout.readline().strip()
        while not pid.isdecimal():  # what the warming run printed
            pid = self.runner.stdout.readline().strip()
        if tamper is not None:
            inject = ["-e", f"inject=getsid:retval={ATTACHED}", *(["-e", f"inject={tamper}"] if tamper else [])]
            trace = f"getsid,{tamper.partition(':')[0]}" if tamper else "all"
            command = ["strace", "-f", "-qq", "-p", pid, "-e", f"trace={trace}", *inject, "-o", log]
            tracer = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
        code = int(self.runner.stdout.readline())
        calls = []
        if tamper is not None:
            tracer.communicate(timeout=60)
            found = re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE)
            calls = found[max(number for number, name in enumerate(found) if name == "getsid") + 1 :]
        return Ended(code, output.read_text(), calls)

    def store(self, overwrite: bool) -> Path:
        """A store to be made, or one of the old recipe to be overwritten."""
        store = self.folder / "store"
        shutil.rmtree(store, ignore_errors=True)
        if overwrite:
            shutil.copytree(self.folder / "wanted-old", store)
        return store

    @functools.cache  # noqa: B019
    def calls(self, overwrite: bool) -> Counter:
        """How often an undisturbed run makes each call."""
        options = ["--overwrite"] * overwrite
        ended = self.run("new", self.store(overwrite), *options, tamper="")
        assert ended.code == 0, ended.said
        assert contents(self.folder / "store") == self.wanted["new"]
        return Counter(name for name in ended.calls if name not in NO_MOMENT)

    def kill(self, overwrite: bool, call: str, number: int) -> bool:
        """Kill a run at one call, look at what it left, finish it, and compare; whether the call was reached."""
        store, options = self.store(overwrite), ["--overwrite"] * overwrite
        ended = self.run("new", store, *options, tamper=f"{call}:signal=KILL:when={number}")
        assert ended.code in (0, -signal.SIGKILL), (call, number, ended.said)
        self.look(store, overwrite)
        self.finish(store, options, (call, number))
        return ended.code != 0

    def refuse(self, overwrite: bool, call: str, number: int, error: str) -> bool:
        """Let one call fail, look at what the run said and left, finish it, and compare."""
        store, options = self.store(overwrite), ["--overwrite"] * overwrite
        ended = self.run("new", store, *options, tamper=f"{call}:error={error}:when={number}")
        assert ended.code in (0, 2) and "Traceback" not in ended.said, (call, number, ended.code, ended.said)
        if ended.code == 2:
            assert re.search(r"[Ff]ree some space|run the same command again|choose another folder", ended.said)
        self.look(store, overwrite)
        self.finish(store, options, (call, number))
        return ended.code != 0

    def look(self, store: Path, overwrite: bool) -> None:
        """Whatever a reader can open is whole: a feature is the old one or the new one."""
        if not store.exists():
            return
        try:
            found = rows(store)
        except StoreError:
            return
        for name, values in found.items():
            known = [self.rows[recipe][name] for recipe in (("old", "new") if overwrite else ("new",))]
            assert any(np.array_equal(values, one) for one in known), name

    def finish(self, store: Path, options: list[str], after: tuple[str, int]) -> None:
        ended = self.run("new", store, *options)
        assert ended.code == 0, (after, ended.said)
        found = contents(store)
        assert sorted(found) == sorted(self.wanted["new"]), after
        assert found == self.wanted["new"], after

    def close(self) -> None:
        self.runner.stdin.close()
        self.runner.wait(30)


def contents(store: Path) -> dict[str, bytes]:
    """All files of a store, whatever their names; but not the lock, which names a process."""
    files = sorted(path for path in store.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(file.relative_to(store)): file.read_bytes() for file in files}


def rows(store: Path) -> dict[str, np.ndarray]:
    opened = open_store(store)
    return {name: opened[name].to_numpy() for name in opened}


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    attached = subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], capture_output=True, text=True)
    if attached.returncode:
        pytest.skip(f"tracing is not permitted here: {attached.stderr.strip()}")
    harness = Harness(tmp_path_factory.mktemp("calls"))
    yield harness
    harness.close()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("call", ["pwrite64", "rename", "fsync"])
def test_killed_at_a_call(harness, call, overwrite):
    """The first, the last and one between."""
    count = harness.calls(overwrite)[call]
    for number in {1, count // 2, count}:
        assert harness.kill(overwrite, call, number)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("call", ["pwrite64", "fallocate"])
def test_no_space_at_a_call(harness, call, overwrite):
    count = harness.calls(overwrite)[call]
    for number in {1, count}:
        assert harness.refuse(overwrite, call, number, "ENOSPC")


@pytest.mark.hunt
@pytest.mark.parametrize("overwrite", [False, True])
def test_killed_at_every_call(harness, overwrite):
    calls = harness.calls(overwrite)
    killed = Counter()
    for call, count in sorted(calls.items(), key=lambda item: item[0] not in CHANGES):
        for number in range(1, count + 1):
            killed[call] += harness.kill(overwrite, call, number)
    print(f"overwrite {overwrite}: killed at {killed.total()} of {calls.total()} calls, {dict(killed)}")


@pytest.mark.hunt
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_every_call_that_writes_fails(harness, overwrite, error):
    calls = harness.calls(overwrite)
    failed = Counter()
    for call in CHANGES:
        for number in range(1, calls[call] + 1):
            failed[call] += harness.refuse(overwrite, call, number, error)
    print(f"overwrite {overwrite}, {error}: {failed.total()} calls failed, {dict(failed)}")
