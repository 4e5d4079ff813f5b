"""Searches and `evaluate` on the workers of a Dask cluster: arrays travel as places, and places may be missing."""

import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier

from esc_features import evaluate
from esc_features._cli import main
from esc_features.evaluation import _figures
from esc_features.exceptions import StoreError

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    monkeypatch.setattr(_figures, "draw_figures", lambda board: {})


@pytest.fixture(scope="module")
def client():
    """Two worker processes of this machine, that find this package."""
    paths = os.pathsep.join(filter(None, sys.path))
    with (
        pytest.MonkeyPatch.context() as patch,
        distributed.LocalCluster(0, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        patch.setenv("PYTHONPATH", paths)
        cluster.scale(2)
        client.wait_for_workers(2, timeout=120)
        yield client


def test_a_grid_search_over_a_store_is_that_of_one_process(client, tiny_store):
    X = tiny_store["mfcc"]
    search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 3, 8]}, cv=tiny_store.cv())
    here = search.fit(X, tiny_store.y).cv_results_
    with joblib.parallel_config("dask", client=client):
        there = search.fit(X, tiny_store.y).cv_results_
    np.testing.assert_array_equal(there["mean_test_score"], here["mean_test_score"])
    assert len(pickle.dumps(X)) < 1024


def test_evaluate_gives_the_table_of_one_process(client, tiny_store, tmp_path, capsys):
    address = client.scheduler.address
    arguments = ["evaluate", str(tiny_store.path), "--methods", "knn", "--folds", "1,2"]
    assert main([*arguments, "--dask", address, "--out", str(tmp_path / "there")]) == 0
    assert "PARTIAL: knn (2 of 5 folds)" in capsys.readouterr().out
    there = evaluate(tiny_store, ["knn"], folds=[1, 2], out=tmp_path / "there", verbose=False)
    here = evaluate(tiny_store, ["knn"], folds=[1, 2], out=tmp_path / "here", verbose=False)
    names = ["fold1", "fold2"]
    assert sorted(there.results["split"]) == names
    one, two = (board.predictions(probabilities=True).drop(columns="seed", errors="ignore") for board in (there, here))
    keys = ["filename"]
    np.testing.assert_array_equal(
        one.sort_values(keys)[tiny_store.categories].to_numpy(),
        two.sort_values(keys)[tiny_store.categories].to_numpy(),
    )


WORKER = """
import os, subprocess, sys
hidden, address = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", hidden], check=True)
arguments = ["-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
os.execv(sys.executable, [sys.executable, *arguments])
"""


@pytest.fixture
def client_without_the_store(tiny_store):
    """One worker, for which another disk lies over the folder of the store."""
    private = ["unshare", "-m", "--propagation", "private"]
    try:
        subprocess.run([*private, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"mount namespaces are not permitted here: {getattr(error, 'stderr', error)}")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with (
        distributed.LocalCluster(0, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        words = [sys.executable, "-c", WORKER, str(tiny_store.path.parent), cluster.scheduler_address]
        worker = subprocess.Popen([*private, *words], env=environment, stderr=subprocess.DEVNULL)
        client.wait_for_workers(1, timeout=120)
        yield client
        worker.kill()
        worker.wait()


def test_a_worker_without_the_store_says_how_to_bring_it_there(client_without_the_store, tiny_store, tmp_path):
    wanted = rf"no store at {tiny_store.path} on .*mount.*copy"
    with joblib.parallel_config("dask", client=client_without_the_store), pytest.raises(StoreError, match=wanted):
        evaluate(tiny_store, ["knn"], out=tmp_path / "results", verbose=False)
