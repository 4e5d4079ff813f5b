"""GridSearchCV(n_jobs=2): wall time, and the private memory of a worker while it holds its training and test clips."""

import time

import numpy as np

from ._data import synthetic_store
from ._estimator import NearestMean, private_memory
from ._measure import Result


def run(material):
    from esc_features import open_store

    sizes = (400, 4000) if material.quick else (400, 20_000)
    store = material.store
    real, target = store["mel"], store.target
    results = []
    candidates = {
        "esc_features": lambda: real,
        "ndarray": lambda: real.to_numpy(),
        "np.load(mmap_mode='r')": lambda: _memory_map(real, material),
        "skorch SliceDataset (with torch)": lambda: _slice_dataset(real),
    }
    # First what does not need torch: once this process has imported it, so do workers, and it counts as their memory.
    for size in sizes:
        array = open_store(synthetic_store(material.scratch / f"synthetic{size}", size))["mel"]
        title = "GridSearchCV(n_jobs=2), memory by number of clips"
        results += _search(title, f"esc_features, {size} clips", array, array.target, array.folds)[1:]
    for name, make in candidates.items():
        results += _search(f"GridSearchCV(n_jobs=2), {len(real)} clips", name, make(), target, store.folds)
    return results


def _search(title, name, X, target, folds):
    from joblib.externals.loky import get_reusable_executor
    from sklearn.model_selection import GridSearchCV, PredefinedSplit

    get_reusable_executor().shutdown(wait=True)  # new workers for each search
    search = GridSearchCV(
        NearestMean(), {"offset": [0.0, 1.0]}, cv=PredefinedSplit(folds), n_jobs=2, scoring=private_memory, refit=False
    )
    start = time.perf_counter()
    search.fit(X, target)
    seconds = time.perf_counter() - start
    memory = [search.cv_results_[f"split{number}_test_private"] for number in range(len(np.unique(folds)))]
    return [
        Result(title, name, seconds, "s", None, "wall time, including the start of workers"),
        Result(title, name, float(np.max(memory)), "MB", None, "largest private memory of a worker"),
    ]


def _memory_map(X, material):
    path = material.scratch / "grid.npy"
    np.save(path, X.to_numpy())
    return np.load(path, mmap_mode="r")


def _slice_dataset(X):
    from skorch.helper import SliceDataset

    from ._estimator import Rows

    return SliceDataset(Rows(X.to_numpy()))
