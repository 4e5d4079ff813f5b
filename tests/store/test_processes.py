"""Reading from many processes, threads and stores at once."""

import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest

from esc_features import open_store
from esc_features.storage import _fold_file


@pytest.fixture(scope="module")
def store(write_store, tmp_path_factory):
    """60 random rows in three folds."""
    return open_store(write_store(tmp_path_factory.mktemp("stores") / "s", folds=(1, 2, 3), clips=20, shape=(64, 40)))


@pytest.fixture(scope="module")
def wanted(store):
    return store["mel"].to_numpy()


def checksum(X, seed):
    """Read batches in a random order, all the rows three times; return the sum of each row."""
    order = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(X)), 3))
    sums = np.zeros(len(X))
    for batch in np.array_split(order, 12):
        sums[batch] = X.take(batch).sum(axis=(1, 2), dtype=np.float64)
    return sums, X.filenames[0], os.getpid()


def sums_of(wanted, rows=slice(None)):
    return wanted[rows].sum(axis=(1, 2), dtype=np.float64)


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_multiprocessing(store, wanted, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    X = store["mel"][10:50]
    _ = X.take([3, 30])  # the maps of two folds are open when the process forks
    with multiprocessing.get_context(method).Pool(2) as pool:
        results = pool.starmap(checksum, [(X, seed) for seed in range(4)])
    for sums, _, pid in results:
        np.testing.assert_array_equal(sums, sums_of(wanted, slice(10, 50)))
        assert pid != os.getpid()


@pytest.mark.slow
def test_loky(store, wanted):
    results = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(checksum)(store["mel"], seed) for seed in (1, 2))
    assert all(np.array_equal(sums, sums_of(wanted)) for sums, _, _ in results)


@pytest.mark.slow
def test_threads_that_open_the_same_files(store, wanted):
    for _ in range(20):
        X = pickle.loads(pickle.dumps(store["mel"]))  # nothing is open yet
        with ThreadPoolExecutor(8) as pool:
            for sums, _, _ in pool.map(lambda seed, X=X: checksum(X, seed), range(8)):
                np.testing.assert_array_equal(sums, sums_of(wanted))


@pytest.mark.slow
def test_fork_in_the_middle_of_reads(store, wanted):
    """Children that are forked while threads of the parent open and read do not hang and do not see other rows."""
    stop = threading.Event()

    def read():
        while not stop.is_set():
            X = pickle.loads(pickle.dumps(store["mel"]))
            X.take([0, 25, 50])
            open_store(store.path)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        X = store["mel"]
        context = multiprocessing.get_context("fork")
        for seed in range(10):
            with context.Pool(1) as pool:
                sums, _, _ = pool.apply_async(checksum, (X, seed)).get(timeout=60)
                reopened = pool.apply_async(_open_and_sum, (str(store.path),)).get(timeout=60)
            np.testing.assert_array_equal(sums, sums_of(wanted))
            np.testing.assert_array_equal(reopened, sums_of(wanted))
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _open_and_sum(path):
    return sums_of(open_store(path)["mel"].to_numpy())


def test_data_loader_workers(store, wanted):
    torch = pytest.importorskip("torch")
    X = store["mel"][::-1]
    _ = X[0]
    loader = torch.utils.data.DataLoader(X, batch_size=7, num_workers=2, multiprocessing_context="fork")
    for _ in range(2):
        np.testing.assert_array_equal(torch.cat(list(loader)).numpy(), wanted[::-1])


def run_apart(program, *arguments):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


MANY = """
import os, resource, sys
import numpy as np
from esc_features import open_store
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
stores = [open_store(path) for path in sys.argv[1:]]  # 64 of three files, and 100 descriptors for all
firsts = [store["mel"].to_numpy() for store in stores]
again = [open_store(path)["mel"] for path in sys.argv[1:]]
for _ in range(2):
    for store, array, first in zip(stores, again, firsts):
        assert np.array_equal(array.take(range(len(array))), first)
        assert len(store["mel"].clips) == len(first)
assert len(os.listdir("/proc/self/fd")) <= 100 if os.path.isdir("/proc/self/fd") else True
hold = [open(os.devnull) for _ in range(100 - 3 - len(os.listdir("/proc/self/fd")))]
print(np.array_equal(stores[5]["mel"].to_numpy(), firsts[5]))
"""


@pytest.mark.slow
def test_64_stores_with_few_file_descriptors(store, tmp_path):
    pytest.importorskip("resource")
    paths = [shutil.copytree(store.path, tmp_path / str(number)) for number in range(64)]
    assert run_apart(MANY, *paths) == "True\n"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs a list of descriptors")
def test_a_store_of_many_folds_holds_few_descriptors(write_store, tmp_path, monkeypatch):
    X = open_store(write_store(tmp_path / "s", folds=range(1, 13), clips=2))["mel"]
    wanted = X.to_numpy()
    _fold_file._give_back(len(_fold_file._OPEN))
    monkeypatch.setattr(_fold_file, "MOST_MAPS", 4)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2):
        np.testing.assert_array_equal(X.take(np.arange(24)[::-1]), wanted[::-1])
        assert before < len(list(Path("/proc/self/fd").iterdir())) <= before + 4


EPOCHS = """
import sys
import numpy as np, psutil
from esc_features import open_store
store = open_store(sys.argv[1])
X = store["mel"]
process = psutil.Process()
def epochs(count):
    rng = np.random.default_rng(0)
    for _ in range(count):
        order = rng.permutation(len(X))
        for start in range(0, len(order), 16):
            X[order[start : start + 16]].take(np.arange(len(order[start : start + 16])))
        X[np.flatnonzero(X.folds != 2)].y
epochs(50)
before = process.memory_info().rss
epochs(1000)
print(process.memory_info().rss - before, process.num_fds() if hasattr(process, "num_fds") else 0)
"""


@pytest.mark.slow
def test_memory_is_flat_over_a_thousand_epochs(store):
    pytest.importorskip("psutil")
    grown, descriptors = map(int, run_apart(EPOCHS, store.path).split())
    assert grown < 2 << 20 and descriptors < 40


OPENED = """
import sys, psutil
from esc_features import open_store
process = psutil.Process()
def opens(count):
    for _ in range(count):
        open_store(sys.argv[1])["mel"].take([0, 30])
opens(20)
before = process.memory_info().rss
opens(150)
print(process.memory_info().rss - before, process.num_fds() if hasattr(process, "num_fds") else 0)
"""


@pytest.mark.slow
def test_memory_and_descriptors_do_not_grow_with_the_times_a_store_is_opened(store):
    pytest.importorskip("psutil")
    grown, descriptors = map(int, run_apart(OPENED, store.path).split())
    assert grown < 6 << 20 and descriptors < 40
