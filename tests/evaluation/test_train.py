"""`train`: a method fitted on all folds, beside what it scored when they were held out."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from esc_features import MFCCStatistics
from esc_features.evaluation import Method, evaluate, train
from esc_features.model_selection import FoldSplit


@pytest.mark.slow
def test_is_fitted_on_all_clips_and_predicts_names(tiny_store, tmp_path):
    trained = train(tiny_store, "knn", out=tmp_path, verbose=False)
    X, y = tiny_store["mfcc"].to_numpy(), tiny_store.y
    wanted = KNeighborsClassifier(8).fit(X, y).predict(X)
    assert trained.pipeline.predict(tiny_store.audio).tolist() == wanted.tolist()
    board = evaluate(tiny_store, "knn", out=tmp_path, verbose=False)
    assert trained.scores["accuracy"] == board.interval("knn") and trained.name == "knn"
    assert set(trained.scores) == {metric.name for metric in board.metrics}


@pytest.mark.slow
def test_chooses_on_all_folds_what_the_method_leaves_open(tiny_store, tmp_path):
    grid = {"kneighborsclassifier__n_neighbors": [1, 3, 15]}
    method = Method("mine", lambda seed: make_pipeline(MFCCStatistics(), KNeighborsClassifier()), grid)
    trained = train(tiny_store, method, out=tmp_path, verbose=False)
    search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 3, 15]}, cv=FoldSplit(tiny_store.folds))
    search.fit(tiny_store["mfcc"].to_numpy(), tiny_store.y)
    assert trained.chosen == {"kneighborsclassifier__n_neighbors": search.best_params_["n_neighbors"]}
    assert trained.pipeline[-1].n_neighbors == search.best_params_["n_neighbors"]


@pytest.mark.slow
def test_takes_a_pipeline_and_hears_a_file(tiny_store, tmp_path, demo_folder):
    trained = train(tiny_store, make_pipeline(MFCCStatistics(), KNeighborsClassifier(1)), out=tmp_path, verbose=False)
    files = sorted((demo_folder / "audio").glob("*.wav"))[:3]
    names = dict(zip(tiny_store.clips["filename"], tiny_store.y, strict=True))
    assert trained.pipeline.predict([str(file) for file in files]).tolist() == [names[file.name] for file in files]
    assert trained.name == "KNeighborsClassifier"


@pytest.mark.slow
def test_a_part_of_a_store_is_what_is_fitted(tiny_store, tmp_path):
    part = tiny_store[tiny_store.y != tiny_store.categories[0]]
    trained = train(part, "knn", out=tmp_path, verbose=False)
    assert trained.pipeline.classes_.tolist() == sorted(tiny_store.categories[1:])
    assert trained.leaderboard.facts.clips == len(part) == 30


def test_one_method_and_no_ensemble(tiny_store, tmp_path):
    for method in ("knn+forest", "knn,svm"):
        with pytest.raises(ValueError, match="One method is trained at a time, and not an ensemble"):
            train(tiny_store, method, out=tmp_path, verbose=False)
    assert not np.any(list(tmp_path.iterdir()))
