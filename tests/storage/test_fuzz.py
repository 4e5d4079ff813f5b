"""Store files with bytes changed at random: refused, or opened and right; never a crash, a hang or another error.

A few hundred files with every test run. The long hunt: `pytest -m hunt -s tests/storage/test_fuzz.py`, with the
number of files of each kind in ESC_FILES (default 5000) and the first seed in ESC_SEED (default 1000).
"""

import collections
import os
import shutil
import subprocess
import sys

import h5py
import pytest

# Runs apart: libhdf5 may take the process with it. Prints "seed outcome" for each file.
FUZZ = """
import random, signal, sys, traceback
from pathlib import Path
import numpy as np
from esc_features import open_store
from esc_features.exceptions import StoreError
from esc_features.extraction import explain, verify

store, original, kind = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes(), sys.argv[3]
path = store / sys.argv[4]
first, count = map(int, sys.argv[5:])
INTERESTING = [0, 1, 255, 65535, 2**31 - 1, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, len(original)]

def spoilt(rng):
    content = bytearray(original)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
        place = rng.randrange(min(len(content), 8192) if rng.random() < 0.7 else len(content))
        how = rng.randrange(6)
        if how == 0:
            content[place] ^= 1 << rng.randrange(8)
        elif how == 1:
            content[place] = rng.randrange(256)
        elif how == 2:
            width = rng.choice([1, 2, 4, 8])
            value = rng.choice(INTERESTING) % (1 << 8 * width)
            content[place : place + width] = value.to_bytes(width, "little")
        elif how == 3:
            content[place:place] = rng.randbytes(rng.choice([1, 4, 100]))
        elif how == 4:
            del content[place : place + rng.choice([1, 8, 500])]
        else:
            source = rng.randrange(len(content))
            size = rng.choice([8, 64, 512])
            content[place : place + size] = content[source : source + size]
    return bytes(content)

def read(opened):
    X = opened["mel"]
    rows = X.take(np.arange(min(len(X), 100)))
    table = X.clips[["filename", "fold", "target", "category", "src_file", "take"]].to_csv()
    return rows.tobytes(), table, X.y.tolist(), X.parameters, repr(opened), opened._repr_html_()

def outcome(content, right):
    path.write_bytes(content)
    try:
        opened = open_store(store)
        got = read(opened)
    except StoreError:
        opened = got = None
    wrong = verify(store)
    explain(store)
    if opened is None:
        assert len(wrong), "verify finds nothing wrong with a file that is refused"
        return "refused"
    if got == right:
        return "right"
    if len(wrong):
        return "verified"
    return "other" if kind == "forged" else "WRONG"

path.write_bytes(original)
right = read(open_store(store))
signal.signal(signal.SIGALRM, signal.SIG_DFL)
for seed in range(first, first + count):
    print(seed, end=" ", flush=True)
    signal.alarm(30)
    try:
        print(outcome(spoilt(random.Random(seed)), right), flush=True)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        print("RAISED", type(error).__name__, str(error).replace(chr(10), " ")[:200], place, flush=True)
"""


@pytest.fixture(params=["as written", "forged"])
def kind(request):
    return request.param


@pytest.fixture(params=["mel/fold1.h5", "clips.h5"])
def name(request):
    return request.param


@pytest.fixture
def files(write_store, tmp_path, kind, name):
    """A file of a store to spoil, and what it holds: with checksums as written, or in the oldest HDF5 without any."""
    from esc_features.features._base import fingerprint_of
    from esc_features.storage import read_header

    store = write_store(tmp_path / "store", folds=(1,), clips=3, shape=(50,))
    path, original = store / name, tmp_path / "original.h5"
    feature = store / "mel/fold1.h5"
    digest = fingerprint_of(read_header(feature).facts.description).encode()
    with h5py.File(feature, "r+") as file:
        del file.attrs["fingerprint"]
        file.attrs.create("fingerprint", digest, dtype=h5py.string_dtype("utf-8", len(digest)))
    if kind == "as written":
        shutil.copy(path, original)
        return store, name, original
    with h5py.File(path) as source, h5py.File(original, "w", libver=("earliest", "v108")) as target:
        columns = [f"clips/{column}" for column in source["clips"]]
        for place in [*sorted(source.keys() - {"clips"}), *columns]:
            target.create_dataset(place, data=source[place][:], dtype=source[place].dtype)
        for attribute in source.attrs:
            target.attrs.create(attribute, source.attrs[attribute], dtype=source.attrs.get_id(attribute).dtype)
    return store, name, original


def fuzz(files, kind, first, count):
    """Spoil so many files; return seed -> outcome, with the signal for those that took the process with them."""
    outcomes = {}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    seed = first
    while seed < first + count:
        store, name, original = files
        command = [sys.executable, "-c", FUZZ, store, original, kind.split()[0], name]
        command += [str(seed), str(first + count - seed)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=3600, env=environment)
        lines = [line.split(" ", 1) for line in result.stdout.splitlines()]
        outcomes |= {int(line[0]): line[1].strip() if len(line) > 1 else "" for line in lines}
        if result.returncode == 0:
            break
        assert lines, result.stderr
        seed = int(lines[-1][0]) + 1
        outcomes[seed - 1] = f"CRASHED {result.returncode} {outcomes[seed - 1]} {result.stderr[-500:]}"
    return outcomes


def bad(outcomes):
    return {seed: outcome for seed, outcome in outcomes.items() if outcome.split(" ")[0].isupper()}


@pytest.mark.slow
def test_spoilt_files(files, kind):
    outcomes = fuzz(files, kind, 0, 80)
    assert len(outcomes) == 80 and not bad(outcomes), bad(outcomes)
    counts = collections.Counter(outcomes.values())
    assert counts["refused"] > 10 and counts["right"] > 2


# Seeds that once found something: kept.
FOUND: dict[tuple[str, str], list[int]] = {("forged", "clips.h5"): [1269, 1326]}


@pytest.mark.slow
def test_seeds_that_found_something(files, kind, name):
    for seed in FOUND.get((kind, name), []):
        outcomes = fuzz(files, kind, seed, 1)
        assert not bad(outcomes), bad(outcomes)


@pytest.mark.hunt
def test_hunt(files, kind, name):
    count, first = int(os.environ.get("ESC_FILES", 5000)), int(os.environ.get("ESC_SEED", 1000))
    outcomes = fuzz(files, kind, first, count)
    print(kind, name, collections.Counter(outcome.split(" ")[0] for outcome in outcomes.values()))
    for seed, outcome in bad(outcomes).items():
        print(seed, outcome)
    assert not bad(outcomes)
