"""Fit a method on the training clips of a split, and predict the held-out ones."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils import get_tags

from ..exceptions import SourceLeakWarning
from ..model_selection import FoldSplit
from ..store import StoreAudio
from ._held_out import DECISION, NONE, PROBABILITY, HeldOut
from ._keys import Description, digest_of, versions_of
from ._method import Method
from ._result import Result


@dataclass(frozen=True)
class Split:
    """Training and test rows, with a name: "fold3" leaves out fold 3."""

    name: str
    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Fit:
    """What one task computes, and the name of the file that stores the result."""

    method: Method
    split: Split
    seed: int
    protocol: str
    method_key: str
    versions: dict[str, str]
    file_name: str


def method_key(method: Method) -> tuple[str, dict[str, str]]:
    """Return the digest of all that a method runs except the seed, and the versions of the libraries that it uses."""
    made, maker = Description(method.make(0)), Description(method.make)
    grid, feature = Description(dict(method.grid)), method.feature
    versions = versions_of(made.packages | maker.packages, getattr(feature, "libraries", ()))
    notes = (method.pretraining, method.overlap, *(f"{name} {version}" for name, version in versions.items()))
    return digest_of(made.text, maker.text, grid.text, feature.fingerprint(), *notes), versions


def clips_digest(audio: StoreAudio, digests: np.ndarray) -> str:
    """Return a digest of the clips of a store, in order: identity, labels, fold, source and audio."""
    table = identity_of(audio)
    for name, values in (("label", audio.y), ("target", audio.target)):
        table[name] = values.tolist() if values.ndim == 1 else [row.tobytes().hex() for row in values]
    table["fold"], table["audio"] = audio.folds, digests
    return digest_of(*(f"{name}\n" + "\n".join(map(str, table[name])) for name in table))


def identity_of(audio: StoreAudio):
    """Return the columns `filename`, `start`, `end` and `src_file` of clips, with defaults for missing ones."""
    clips = audio.clips.reset_index(drop=True)
    clips = clips.assign(**{name: value for name, value in (("start", 0.0), ("end", np.inf)) if name not in clips})
    return clips[["filename", "start", "end", "src_file"]].copy()


def fit_and_predict(fit: Fit, audio: StoreAudio, categories: tuple[str, ...]) -> Result:
    """Fit on the training clips, with the grid (if any) searched on their inner folds, and predict the test clips."""
    started = time.perf_counter()
    train, test = audio[fit.split.train], audio[fit.split.test]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SourceLeakWarning)  # evaluate has warned once for all fits
        estimator = fit_method(fit.method, fit.seed, train, _labels(train))
        fitted = time.perf_counter()
        held_out = _predict(estimator, test, categories, np.unique(audio.target), fit.split.name)
    best = getattr(estimator, "best_estimator_", estimator)
    return Result(
        method=fit.method.name,
        split=fit.split.name,
        seed=fit.seed,
        held_out=held_out,
        protocol=fit.protocol,
        method_key=fit.method_key,
        fit_seconds=round(fitted - started, 3),
        predict_seconds=round(time.perf_counter() - fitted, 3),
        parameters=count_parameters(best),
        configurations=fit.method.configurations,
        chosen={name: repr(getattr(estimator, "best_params_", {}).get(name)) for name in _grid_of(estimator)},
        pretraining=fit.method.pretraining,
        overlap=fit.method.overlap,
        estimator=repr(best),
        versions=fit.versions,
        created=now(),
    )


def fit_method(method: Method, seed: int, audio: StoreAudio, labels: np.ndarray) -> Any:
    """Fit a method on clips, without the cross-validation that `train` does first.

    Parameters
    ----------
    method : Method
        The method.
    seed : int
        Seed of its random numbers.
    audio : StoreAudio
        The clips.
    labels : ndarray of shape (clips,) or (clips, categories)
        The labels of the clips, as in `Store.y`.

    Returns
    -------
    estimator
        The fitted pipeline of the method; a fitted `GridSearchCV` over inner folds if it has a grid.

    Examples
    --------
    >>> from esc_features import open_store
    >>> from esc_features.evaluation import fit_method, named_methods
    >>> store = open_store("stores/demo")
    >>> fit_method(named_methods()["knn"], 0, store.audio, store.y).predict(store.audio[:1]).shape
    (1,)
    """
    estimator, grid = _for_labels(method.make(seed), dict(method.grid), labels)
    if grid:
        estimator = GridSearchCV(estimator, grid, cv=FoldSplit(), error_score="raise")
    return estimator.fit(audio, labels)


def _grid_of(estimator) -> dict[str, Any]:
    return dict(getattr(estimator, "param_grid", {}))


def _labels(audio: StoreAudio) -> np.ndarray:
    """Return the labels to fit: numbers, as in the paper, since k-NN and SVM break ties by the order of classes."""
    return audio.target if audio.y.ndim == 1 else audio.y


def _for_labels(estimator: BaseEstimator, grid: dict, labels: np.ndarray) -> tuple[BaseEstimator, dict]:
    """Wrap a classifier of one label per clip, so that it learns several with one classifier per category."""
    tags = get_tags(estimator).classifier_tags
    if labels.ndim == 1 or tags is None or tags.multi_label or hasattr(estimator[-1], "module"):
        return estimator, grid
    name, last = estimator.steps[-1]
    estimator.steps[-1] = (name, OneVsRestClassifier(last))
    inside = f"{name}__"
    return estimator, {
        f"{inside}estimator__{key.removeprefix(inside)}" if key.startswith(inside) else key: values
        for key, values in grid.items()
    }


def _predict(estimator, test: StoreAudio, categories: tuple[str, ...], numbers: np.ndarray, split: str) -> HeldOut:
    clips = identity_of(test).assign(split=split)
    predicted = np.asarray(estimator.predict(test))
    if test.y.ndim == 2:
        scores, kind = _scores(estimator, test, np.arange(len(categories)), len(categories))
        return HeldOut(clips, categories, np.asarray(test.y, np.int8), predicted.astype(np.int8), scores, kind)
    scores, kind = _scores(estimator, test, np.searchsorted(numbers, estimator.classes_), len(categories))
    truth, predicted = (np.searchsorted(numbers, labels).astype(np.int64) for labels in (test.target, predicted))
    return HeldOut(clips, categories, truth, predicted, scores, kind)


def _scores(estimator, test: StoreAudio, classes: np.ndarray, categories: int) -> tuple[np.ndarray, str]:
    """Return probabilities, or else decision values, with one column per category of the data set."""
    if hasattr(estimator, "predict_proba"):
        given, kind, absent = estimator.predict_proba(test), PROBABILITY, 0.0
    elif hasattr(estimator, "decision_function"):
        given, kind, absent = estimator.decision_function(test), DECISION, -np.inf
    else:
        return np.empty((len(test), 0), np.float32), NONE
    if isinstance(given, list):  # one array (clips, classes) per category
        each = zip(given, estimator.classes_, strict=True)
        given = np.stack([chances @ np.asarray(known, float) for chances, known in each], axis=1)
    given = np.asarray(given, np.float32)
    if given.ndim == 1:  # two classes: the score is that of the second
        given = np.stack([-given, given], axis=1)
    if given.shape != (len(test), len(classes)):  # one column per pair of classes
        return np.empty((len(test), 0), np.float32), NONE
    scores = np.full((len(test), categories), absent, np.float32)
    scores[:, classes] = given
    return scores, kind


def count_parameters(estimator) -> int | None:
    """Return how many parameters the last step learnt; None unless it is a network or a linear model."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    if hasattr(last, "module_"):
        return sum(parameter.numel() for parameter in last.module_.parameters())
    if hasattr(last, "coef_") and isinstance(last.coef_, np.ndarray):
        return int(last.coef_.size + np.size(getattr(last, "intercept_", 0)))
    return None


def now() -> str:
    """Return the time in UTC, to the nanosecond, so that results keep their order."""
    moment = time.time_ns()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment // 10**9)) + f".{moment % 10**9:09d}Z"
