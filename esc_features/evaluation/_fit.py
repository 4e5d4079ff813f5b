"""Fitting a method on the training clips of a split, and predicting the held-out ones."""

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
    """What one task computes, and the name of the file that keeps it."""

    method: Method
    split: Split
    seed: int
    protocol: str
    method_key: str
    versions: dict[str, str]
    file_name: str


def method_key(method: Method) -> tuple[str, dict[str, str]]:
    """Return the digest of all that a method runs but the seed, and the versions of what it is made of."""
    made, maker = Description(method.make(0)), Description(method.make)
    grid, feature = Description(dict(method.grid)), method.feature
    versions = versions_of(made.packages | maker.packages, getattr(feature, "libraries", ()))
    told = (method.pretraining, method.overlap, *(f"{name} {version}" for name, version in versions.items()))
    return digest_of(made.text, maker.text, grid.text, feature.fingerprint(), *told), versions


def clips_digest(audio: StoreAudio, digests: np.ndarray) -> str:
    """Return what identifies the clips of a store for a fit, in order: identity, labels, fold, source and audio."""
    table = identity_of(audio)
    for name, values in (("label", audio.y), ("target", audio.target)):
        table[name] = values.tolist() if values.ndim == 1 else [row.tobytes().hex() for row in values]
    table["fold"], table["audio"] = audio.folds, digests
    return digest_of(*(f"{name}\n" + "\n".join(map(str, table[name])) for name in table))


def identity_of(audio: StoreAudio):
    """Return the columns `filename`, `start`, `end` and `src_file` of clips, with defaults for what is not there."""
    clips = audio.clips.reset_index(drop=True)
    clips = clips.assign(**{name: value for name, value in (("start", 0.0), ("end", np.inf)) if name not in clips})
    return clips[["filename", "start", "end", "src_file"]].copy()


def fit_and_predict(fit: Fit, audio: StoreAudio, categories: tuple[str, ...]) -> Result:
    """Fit on the training clips, choosing by their inner folds where there is a choice, and predict the test clips."""
    started = time.perf_counter()
    train, test = audio[fit.split.train], audio[fit.split.test]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SourceLeakWarning)  # evaluate has said so, once for all fits
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
    """Fit a method, without taking its cross-validated figures as `train` does.

    Parameters
    ----------
    method : Method
    seed : int
        Of its random numbers.
    audio : StoreAudio
        The clips.
    labels : ndarray
        Those of the clips, as in `Store.y`.

    Returns
    -------
    estimator
        The method's pipeline; a `GridSearchCV` over inner folds where it has a grid.

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
    """Return what is fitted: numbers, as in the paper, since k-NN and SVM settle ties by the order of the classes."""
    return audio.target if audio.y.ndim == 1 else audio.y


def _for_labels(estimator: BaseEstimator, grid: dict, labels: np.ndarray) -> tuple[BaseEstimator, dict]:
    """Let a classifier that knows one label per clip learn several, one classifier per category."""
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
    truth, said = (np.searchsorted(numbers, labels).astype(np.int64) for labels in (test.target, predicted))
    return HeldOut(clips, categories, truth, said, scores, kind)


def _scores(estimator, test: StoreAudio, classes: np.ndarray, categories: int) -> tuple[np.ndarray, str]:
    """Return probabilities or else decision values, one column per category of the data set."""
    if hasattr(estimator, "predict_proba"):
        said, kind, absent = estimator.predict_proba(test), PROBABILITY, 0.0
    elif hasattr(estimator, "decision_function"):
        said, kind, absent = estimator.decision_function(test), DECISION, -np.inf
    else:
        return np.empty((len(test), 0), np.float32), NONE
    if isinstance(said, list):  # one array (clips, classes) per category,
        each = zip(said, estimator.classes_, strict=True)
        said = np.stack([chances @ np.asarray(known, float) for chances, known in each], axis=1)
    said = np.asarray(said, np.float32)
    if said.ndim == 1:  # two classes: the score is that of the second
        said = np.stack([-said, said], axis=1)
    if said.shape != (len(test), len(classes)):  # one column per pair of classes
        return np.empty((len(test), 0), np.float32), NONE
    scores = np.full((len(test), categories), absent, np.float32)
    scores[:, classes] = said
    return scores, kind


def count_parameters(estimator) -> int | None:
    """Return how many parameters the last step learnt, where it is a network or a linear model."""
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
