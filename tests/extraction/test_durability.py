"""What reaches the disk, and in which order: read from the system calls of a real run."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from esc_features.storage import read_header

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")]
CALLS = "pwrite64,write,fsync,fdatasync,rename,renameat,renameat2,ftruncate,fallocate,unlink,unlinkat"
RECIPE = "[features.waveform]\nclass = 'Waveform'\nsample_rate = 8000\nduration = 0.02\n"


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """The system calls that an extraction of twenty clips in two folds makes, in their order, and the store."""
    folder = tmp_path_factory.mktemp("durability")
    (folder / "data/audio").mkdir(parents=True)
    (folder / "data/meta").mkdir()
    lines = ["filename,fold,target,category"]
    for number in range(20):
        soundfile.write(folder / f"data/audio/{number}.wav", np.full(160, number / 32), 8000)
        lines.append(f"{number}.wav,{1 + number % 2},0,noise")
    (folder / "data/meta/clips.csv").write_text("\n".join(lines))
    (folder / "recipe.toml").write_text(RECIPE)
    program = "import sys; from esc_features._cli import extract_features; sys.exit(extract_features())"
    arguments = [folder / "data", "--recipe", folder / "recipe.toml", "--out", folder / "store", "--quiet"]
    log = folder / "calls"
    command = ["strace", "-f", "-y", "-qq", "-e", f"trace={CALLS}", "-o", log, sys.executable, "-c", program]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(
        [*map(str, command), *map(str, arguments), "--n-jobs", "1"], capture_output=True, text=True, env=environment
    )
    if ended.returncode and "ptrace" in ended.stderr.lower():
        pytest.skip("tracing is not permitted here")
    assert ended.returncode == 0, ended.stderr
    return folder / "store", list(whole_calls(log.read_text().splitlines()))


def whole_calls(lines):
    """Put calls together again that another thread's call cut in two."""
    begun = {}
    for line in lines:
        thread, call = line.split(maxsplit=1)
        if call.endswith(" <unfinished ...>"):
            begun[thread] = call.removesuffix(" <unfinished ...>")
        elif call.startswith("<... "):
            # strace puts the result of such a call in a column of its own, many spaces on.
            yield begun.pop(thread) + re.sub(r"\)\s+= ", ") = ", call.partition(" resumed>")[2])
        else:
            yield call


def places(calls, pattern):
    return [number for number, line in enumerate(calls) if re.search(pattern, line)]


@pytest.mark.parametrize("fold", [1, 2])
def test_a_file_is_on_the_disk_before_it_has_its_name(traced, fold):
    """Written, synchronised, renamed, and the folder synchronised: so a power cut leaves it whole or without name."""
    _, calls = traced
    name = rf"waveform/fold{fold}\.h5"
    last_write = places(calls, rf"^pwrite64\(\d+<[^>]*{name}\.partial")[-1]
    (synced,) = (place for place in places(calls, rf"^fsync\(\d+<[^>]*{name}\.partial>") if place > last_write)
    (renamed,) = places(calls, rf"^rename\w*\(.*{name}\.partial\".*{name}\"")
    of_the_folder = [place for place in places(calls, r"^fsync\(\d+<[^>]*/waveform>") if place > renamed]
    assert last_write < synced < renamed and of_the_folder


@pytest.mark.parametrize("fold", [1, 2])
def test_space_is_taken_before_the_first_row(traced, fold):
    store, calls = traced
    header = read_header(store / f"waveform/fold{fold}.h5")
    first = places(calls, rf"^pwrite64\(\d+<[^>]*waveform/fold{fold}\.h5\.partial>")[0]
    taken = [
        int(found[1])
        for line in calls[:first]
        if (found := re.search(rf"^fallocate\(\d+<[^>]*waveform/\.?fold{fold}\.h5\.[^>]*>, 0, 0, (\d+)\) = 0", line))
    ]
    assert max(taken, default=0) >= header.data.offset_of(len(header))


@pytest.mark.parametrize("fold", [1, 2])
def test_rows_are_marked_as_done_after_all_that_is_known_of_them(traced, fold):
    store, calls = traced
    header = read_header(store / f"waveform/fold{fold}.h5")
    pattern = rf"^pwrite64\(\d+<[^>]*waveform/fold{fold}\.h5\.partial>, .*, (\d+)\) = (\d+)"
    written = {name: [] for name in header.columns}
    for number, line in enumerate(calls):
        if found := re.search(pattern, line):
            offset, size = int(found[1]), int(found[2])
            for name, column in header.columns.items():
                if column.offset <= offset < column.offset_of(column.count):
                    start = (offset - column.offset) // column.row_bytes
                    written[name].append((number, start, start + size // column.row_bytes))
    assert sum(stop - start for _, start, stop in written["done"]) == len(header)
    for name in ("data", "crc32", "audio_digest", "original_samples", "original_sample_rate", "notes"):
        for row in range(len(header)):
            (of_row,) = (number for number, start, stop in written[name] if start <= row < stop)
            (done,) = (number for number, start, stop in written["done"] if start <= row < stop)
            assert of_row < done


def test_the_lock_holds_the_name_of_this_run_alone(traced):
    """A longer name of an earlier run must not show behind it."""
    _, calls = traced
    (emptied,) = places(calls, r"^ftruncate\(\d+<[^>]*/\.lock>, 0\)")
    (signed,) = places(calls, r"^write\(\d+<[^>]*/\.lock>")
    assert emptied < signed
