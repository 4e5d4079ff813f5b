"""An extraction killed at every one of its system calls, and a disk that refuses every one of those that write.

A first one, one that overwrites, and one after edits of the table. The calls are counted in an undisturbed run; strace
then kills the process as it enters the first, the second, ... of each name. A sample runs with every test run, all by
`pytest -m hunt -s tests/extraction/test_system_calls.py`: of the calls that only read, MOST_READING of each name.
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
from esc_features.datasets import clip_keys
from esc_features.exceptions import StoreError

pytestmark = [pytest.mark.kill, pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")]

CHANGES = ("write", "pwrite64", "fallocate", "fsync", "ftruncate", "rename", "unlink", "mkdir")
MOST_READING = 20
# What a run finds -> how its store was made, None where there is none; all end in the same store.
FOUND = {"nothing": None, "other parameters": ("data", "old"), "other clips": ("before", "new")}
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
        clips = [(number, 1 + number % 2, number % 3) for number in range(6)]
        write_dataset(folder / "data", clips)
        # One dropped later, one replaced, one relabelled, one moved to the other fold, and clip 5 new.
        write_dataset(folder / "before", [(9, 1, 0), (0, 1, 0), (1, 2, 2), (2, 2, 2), *clips[3:5]], louder=0)
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
        warm = json.dumps(self.arguments(folder / "warm"))
        self.runner = subprocess.Popen(
            [sys.executable, "-c", RUNNER, str(ATTACHED), warm],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for found, made in {"": ("data", "new"), **FOUND}.items():
            if made is not None:
                ended = self.run(folder / f"made{found}", *made)
                assert ended.code == 0, ended.said
        self.wanted = contents(folder / "made")
        self.rows = {found: rows(folder / f"made{found}") for found in ("", *FOUND) if found != "nothing"}

    def arguments(self, store: Path, data: str = "data", recipe: str = "new") -> list[str]:
        words = [self.folder / data / "dataset", "--recipe", self.folder / f"{recipe}.toml", "--out", store]
        return [*map(str, words), "--n-jobs", "1", "--quiet", "--overwrite"]

    def run(self, store: Path, data: str = "data", recipe: str = "new", tamper: str | None = None) -> Ended:
        """Extract; with `tamper`, under strace with this injection ("" for none)."""
        output, log = self.folder / "output", self.folder / "calls"
        task = {
            "arguments": self.arguments(store, data, recipe),
            "output": str(output),
            "traced": tamper is not None,
        }
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

    def store(self, found: str) -> Path:
        """The store that a run finds."""
        store = self.folder / "store"
        shutil.rmtree(store, ignore_errors=True)
        if FOUND[found] is not None:
            shutil.copytree(self.folder / f"made{found}", store)
        return store

    @functools.cache  # noqa: B019
    def calls(self, found: str) -> Counter:
        """How often an undisturbed run makes each call."""
        ended = self.run(self.store(found), tamper="")
        assert ended.code == 0, ended.said
        assert contents(self.folder / "store") == self.wanted
        return Counter(name for name in ended.calls if name not in NO_MOMENT)

    def kill(self, found: str, call: str, number: int) -> bool:
        """Kill a run at one call, look at what it left, finish it, and compare; whether the call was reached."""
        store = self.store(found)
        ended = self.run(store, tamper=f"{call}:signal=KILL:when={number}")
        assert ended.code in (0, -signal.SIGKILL), (call, number, ended.said)
        self.look(store, found, (call, number))
        self.finish(store, (call, number))
        return ended.code != 0

    def refuse(self, found: str, call: str, number: int, error: str) -> bool:
        """Let one call fail, look at what the run said and left, finish it, and compare."""
        store = self.store(found)
        ended = self.run(store, tamper=f"{call}:error={error}:when={number}")
        assert ended.code in (0, 2) and "Traceback" not in ended.said, (call, number, ended.code, ended.said)
        if ended.code == 2:
            assert re.search(r"[Ff]ree some space|run the same command again|choose another folder", ended.said)
        self.look(store, found, (call, number))
        self.finish(store, (call, number))
        return ended.code != 0

    def look(self, store: Path, found: str, after: tuple[str, int]) -> None:
        """Whatever a reader can open is whole, and a store that is edited can be opened at any instant."""
        if not store.exists():
            return
        try:
            seen = rows(store)
        except StoreError:
            assert found != "other clips", after
            return
        known = [self.rows[made] for made in {"", found} if made in self.rows]
        if found == "other clips":  # each clip is as it was or as it is, in all features
            assert len(seen) == 2, after
            for clip in seen["waveform"]:
                assert any(all(seen[name][clip] == each[name].get(clip) for name in each) for each in known), after
        else:
            assert all(any(values == each[name] for each in known) for name, values in seen.items()), after

    def finish(self, store: Path, after: tuple[str, int]) -> None:
        ended = self.run(store)
        assert ended.code == 0, (after, ended.said)
        found = contents(store)
        assert sorted(found) == sorted(self.wanted), after
        assert found == self.wanted, after

    def close(self) -> None:
        self.runner.stdin.close()
        self.runner.wait(30)


def contents(store: Path) -> dict[str, bytes]:
    """All files of a store, whatever their names; but not the lock, which names a process."""
    files = sorted(path for path in store.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(file.relative_to(store)): file.read_bytes() for file in files}


def rows(store: Path) -> dict[str, dict[tuple, tuple]]:
    """Feature -> clip -> its row, label and fold, as a reader finds them."""
    opened = open_store(store)
    said = list(zip(opened.y.tolist(), opened.folds.tolist(), strict=True))
    keys = clip_keys(opened.clips)
    return {
        name: dict(zip(keys, zip(map(bytes, opened[name].to_numpy()), said, strict=True), strict=True))
        for name in opened
    }


def write_dataset(folder: Path, clips: list[tuple[int, int, int]], louder: int | None = None) -> None:
    """Write (number, fold, class) of clips and their noise; one of them is louder."""
    (folder / "dataset/audio").mkdir(parents=True)
    (folder / "dataset/meta").mkdir()
    lines = ["filename,fold,target,category"]
    for number, fold, target in clips:
        noise = np.random.default_rng(number).uniform(-0.4, 0.4, 800) * (2 if number == louder else 1)
        soundfile.write(folder / f"dataset/audio/{number}.wav", noise, 8000)
        lines.append(f"{number}.wav,{fold},{target},kind{target}")
    (folder / "dataset/meta/clips.csv").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    attached = subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], capture_output=True, text=True)
    if attached.returncode:
        pytest.skip(f"tracing is not permitted here: {attached.stderr.strip()}")
    harness = Harness(tmp_path_factory.mktemp("calls"))
    yield harness
    harness.close()


@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize("call", ["pwrite64", "rename", "fsync"])
def test_killed_at_a_call(harness, call, found):
    """The first, the last and one between."""
    count = harness.calls(found)[call]
    for number in {1, count // 2, count}:
        assert harness.kill(found, call, number)


@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize("call", ["pwrite64", "fallocate"])
def test_no_space_at_a_call(harness, call, found):
    count = harness.calls(found)[call]
    for number in {1, count}:
        assert harness.refuse(found, call, number, "ENOSPC")


@pytest.mark.hunt
@pytest.mark.parametrize("found", FOUND)
def test_killed_at_every_call(harness, found):
    calls = harness.calls(found)
    tried, killed = Counter(), Counter()
    for call, count in sorted(calls.items(), key=lambda item: item[0] not in CHANGES):
        step = 1 if call in CHANGES else max(1, count // MOST_READING)
        for number in range(1, count + 1, step):
            tried[call] += 1
            killed[call] += harness.kill(found, call, number)
    print(f"found {found}: killed at {killed.total()} of {tried.total()} calls that were tried, {dict(killed)}")
    print(f"an undisturbed run makes {calls.total()}, {dict(calls)}")


@pytest.mark.hunt
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("found", FOUND)
def test_every_call_that_writes_fails(harness, found, error):
    calls = harness.calls(found)
    failed = Counter()
    for call in CHANGES:
        for number in range(1, calls[call] + 1):
            failed[call] += harness.refuse(found, call, number, error)
    print(f"found {found}, {error}: {failed.total()} calls failed, {dict(failed)}")
