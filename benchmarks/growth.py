"""Growth with the number of clips: 400 to 100,000 very short ones."""

import pickle
import shutil
import statistics
import time

import pandas as pd

from ._data import size_on_disk
from ._measure import Result, child

_READ = """
import json, sys, time
import numpy as np
from benchmarks._measure import private_megabytes
from esc_features import open_store
before = private_megabytes()
start = time.perf_counter(); store = open_store(sys.argv[1]); opened = time.perf_counter() - start
X = store["waveform"]
random = np.random.default_rng(0)
times = []
for _ in range(200):
    rows = random.integers(len(X), size=64)
    start = time.perf_counter(); X.take(rows); times.append(time.perf_counter() - start)
print(json.dumps({"opened": opened, "batch": float(np.median(times)), "memory": private_megabytes() - before}))
"""


def run(material):
    from esc_features import Waveform, extract

    results = []
    clips = material.clips
    feature = Waveform(sample_rate=16000, duration=0.01)
    short = material.scratch / "short.wav"
    _write_short(clips["path"].iloc[0], short)
    for size in (400, 4000) if material.quick else (400, 4000, 20_000, 100_000):
        table = pd.DataFrame({"filename": [f"{number}.wav" for number in range(size)]})
        table["fold"] = table.index % 5 + 1
        table["target"] = table.index % 10
        table["category"] = "class " + table["target"].astype(str)
        table["src_file"], table["take"], table["path"] = table["filename"], "A", str(short)
        table.attrs["name"] = "growth"
        folder = material.scratch / "growth"
        start = time.perf_counter()
        store = extract(table, folder, features={"waveform": feature}, n_jobs=2, verbose=False)
        built = time.perf_counter() - start
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            extract(table, folder, features={"waveform": feature}, n_jobs=2, verbose=False)
            seconds.append(time.perf_counter() - start)
        pickled = len(pickle.dumps(store["waveform"][store.folds != 2]))
        read = child(_READ, folder)
        title = f"growth, {size} clips of 10 ms"
        results += [
            Result(title, "build", built / size * 1e3, "ms per clip", None, f"{built:.1f} s"),
            Result(title, "run again, nothing to do", statistics.median(seconds) / size * 1e3, "ms per clip"),
            Result(title, "open_store (the first in a process)", read["opened"] * 1e3, "ms"),
            Result(title, "batch of 64 rows", read["batch"] * 1e6, "µs", None, "most of them read for the first time"),
            Result(title, "memory of the reader", read["memory"], "MB", None, "including libraries that it loads"),
            Result(title, "pickle of four folds", pickled, "bytes", None, f"store {size_on_disk(folder):.1f} MB"),
        ]
        shutil.rmtree(folder)
    return results


def _write_short(source, target):
    import soundfile

    samples, rate = soundfile.read(source, frames=500, dtype="int16")
    soundfile.write(target, samples, rate)
