"""The named methods: a feature, a pipeline on it, and the grid that inner folds search."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from .._suggest import did_you_mean
from ..features import MelSpectrogram, MFCCStatistics, Waveform, feature_class, make_features
from ._method import Ensemble, Method

_EMBEDDINGS = ("resnet", "efficientnet", "birdnet")
_ALWAYS = ("knn", "svm", "forest", "rnn", "convnet", "convnet+shift", "deepconvnet")
_PENALTIES = {"logisticregression__C": [0.001, 0.01, 0.1, 1.0]}


def named_methods() -> dict[str, Method]:
    """Return the methods that `evaluate` knows by name.

    Returns
    -------
    dict of str to Method

    Examples
    --------
    >>> from esc_features.evaluation import named_methods
    >>> list(named_methods())[:3]
    ['knn', 'svm', 'forest']
    """
    methods = [
        Method("knn", _knn),
        Method("svm", _svm),
        Method("forest", _forest),
        Method("rnn", _rnn),
        Method("convnet", _convnet),
        Method("convnet+shift", _convnet_with_shift),
        Method("deepconvnet", _deepconvnet_fast),
        Method("deepconvnet-best", _deepconvnet_best),
        *(_on_embedding(name) for name in _EMBEDDINGS),
    ]
    return {method.name: method for method in methods}


def choose_methods(methods: Any, store) -> list[Method | Ensemble]:
    """Return the methods for names, estimators, import paths or a mapping; by default all that need no extra."""
    if methods is None:
        methods = [*_ALWAYS, *(name for name in _EMBEDDINGS if name in store)]
    if isinstance(methods, str):
        methods = [name.strip() for name in methods.split(",") if name.strip()]
    if isinstance(methods, Method | Ensemble):
        methods = [methods]
    if isinstance(methods, Mapping):
        own = {name: _from_estimator(name, estimator) for name, estimator in methods.items()}
        return list(own.values())
    chosen = [method if isinstance(method, Method | Ensemble) else _by_name(str(method)) for method in methods]
    if not chosen:
        raise ValueError("No method was named: choose from " + ", ".join(named_methods()) + ".")
    names = [method.name for method in chosen]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"Two methods are called {name!r}: give each a different name.")
    return chosen


def _by_name(name: str) -> Method | Ensemble:
    known = named_methods()
    if name in known:
        return known[name]
    members = _members(name.split("+"), known)
    if len(members) > 1:
        return Ensemble(name, tuple(members))
    if ":" in name:
        return _from_import_path(name)
    raise ValueError(
        f"There is no method {name!r}.{did_you_mean(name, known)} Choose from {', '.join(known)}. For the mean of "
        "several, write 'birdnet+deepconvnet'; for your own, write 'module:name', a pipeline or a function that "
        "returns one."
    )


def _members(words: list[str], known: Mapping[str, Method]) -> list[Method]:
    """Return the methods whose names, joined by plus signs, these words make up; the longest names first."""
    if not words:
        return []
    for count in range(len(words), 0, -1):
        name = "+".join(words[:count])
        if name in known or (":" in name and count == 1):
            rest = _members(words[count:], known)
            if rest or count == len(words):
                return [known[name] if name in known else _from_import_path(name), *rest]
    return []


def _from_import_path(path: str) -> Method:
    module_name, _, attribute = path.partition(":")
    try:
        value = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{path!r} cannot be imported ({error}). Check the name, and that its folder is on PYTHONPATH."
        ) from error
    if isinstance(value, Method):
        return value
    return _from_estimator(path, value if isinstance(value, BaseEstimator) else value())


def _from_estimator(name: str, estimator) -> Method:
    if isinstance(estimator, Method):
        return estimator
    make = _Given(estimator)
    return Method(name, make, {}, *_knowledge(Method(name, make).feature))


class _Given:
    """Clones the user's estimator, and sets the seeds that it takes."""

    def __init__(self, estimator):
        self.estimator = estimator

    def __call__(self, seed: int):
        from sklearn.base import clone

        estimator = clone(self.estimator)
        seeds = [name for name in estimator.get_params() if name.rpartition("__")[2] == "random_state"]
        return estimator.set_params(**dict.fromkeys(seeds, seed))


class _Head:
    """Logistic regression on a frozen network's embedding."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, seed: int):
        (feature,) = make_features(self.name).values()
        return make_pipeline(feature, StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))


def _on_embedding(name: str) -> Method:
    return Method(name, _Head(name), _PENALTIES, *_knowledge(feature_class(name)))


def _knowledge(feature) -> tuple[str, str]:
    """Return what a feature was pretrained on, and its known overlap with the data set, as far as it states them."""
    return getattr(feature, "pretraining", "not stated"), getattr(feature, "overlap", "")


def _knn(seed):
    return make_pipeline(MFCCStatistics(), KNeighborsClassifier(n_neighbors=8))


def _svm(seed):
    return make_pipeline(MFCCStatistics(), SVC(kernel="linear", C=0.1))


def _forest(seed):
    # The paper's seed, plus that of the fit.
    return make_pipeline(MFCCStatistics(), RandomForestClassifier(n_estimators=500, random_state=20150420 + seed))


def _rnn(seed):
    from ..models import RNNClassifier

    return make_pipeline(Waveform(), RNNClassifier(random_state=seed))


def _convnet(seed):
    from ..models import ConvNetClassifier

    return make_pipeline(MelSpectrogram(), ConvNetClassifier(random_state=seed))


def _convnet_with_shift(seed):
    from ..augmentation import TimeShift
    from ..models import ConvNetClassifier

    net = ConvNetClassifier(random_state=seed, iterator_train__transforms=[TimeShift(0.2)])
    return make_pipeline(MelSpectrogram(), net)


def _deepconvnet_fast(seed):
    from ..models import DeepConvNetClassifier

    return DeepConvNetClassifier.pipeline("fast", random_state=seed)


def _deepconvnet_best(seed):
    from ..models import DeepConvNetClassifier

    return DeepConvNetClassifier.pipeline("best", random_state=seed)
