"""How long it takes to import the package, show the help and open a store."""

import statistics
import time

from ._data import synthetic_store
from ._measure import Result, child

_STATEMENTS = {
    "python -c pass": "pass",
    "import esc_features": "import esc_features",
    "extract_features --help": "from esc_features._cli import extract_features as main; main(['--help'])",
    "open_store in a new process": "import sys, esc_features; esc_features.open_store(sys.argv[1])",
    "import librosa and load a clip": "import sys, librosa; librosa.load(sys.argv[2], sr=16000)",
    "import torch": "import torch",
}


def run(material):
    store = material.small_store
    path = material.clips["path"].iloc[0]
    times = {name: [] for name in _STATEMENTS}
    for _ in range(1 if material.quick else 7):
        for name, code in _STATEMENTS.items():
            code = f"try:\n  {code.replace('; ', chr(10) + '  ')}\nexcept SystemExit: pass"
            times[name].append(child(code, store.path, path)["seconds"])
    least = min(times["python -c pass"])
    results = [
        Result("start-up", name, statistics.median(seconds) * 1e3, "ms", None, f"minimum {min(seconds) * 1e3:.0f} ms")
        for name, seconds in times.items()
    ]
    imported = child("import sys, json, esc_features; print(json.dumps({'modules': sorted(sys.modules)}))")["modules"]
    heavy = [name for name in ("torch", "librosa", "sklearn", "pandas", "scipy", "numpy", "h5py") if name in imported]
    beyond = (min(times["import esc_features"]) - least) * 1e3
    note = f"loads {', '.join(heavy)}" if heavy else "loads none of torch, librosa, sklearn, pandas, scipy, numpy, h5py"
    results.append(Result("start-up", "import esc_features beyond Python itself", beyond, "ms", None, note))
    return results + _open(material, store)


def _open(material, store):
    from esc_features import open_store

    results = []
    big = synthetic_store(material.scratch / "opened", 4000 if material.quick else 100_000, shape=(2,))
    for name, path in ((f"{len(store)} clips, 2 features", store.path), (f"{len(open_store(big))} clips", big)):
        seconds, processor = [], []
        for _ in range(15):
            start, cpu = time.perf_counter(), time.process_time()
            open_store(path)
            seconds.append(time.perf_counter() - start)
            processor.append(time.process_time() - cpu)
        note = f"minimum {min(seconds) * 1e3:.1f} ms; minimum CPU {min(processor) * 1e3:.1f} ms"
        results.append(Result("open_store", name, statistics.median(seconds) * 1e3, "ms", None, note))
    return results
