"""The named methods: a feature, a pipeline on it, and what inner folds choose."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ..features import MelSpectrogram, MFCCStatistics, Waveform, make_features

EMBEDDINGS = {
    "resnet": ("ImageNet photographs (or the weights given)", "none known: no sound"),
    "efficientnet": ("ImageNet photographs", "none known: no sound"),
    "birdnet": (
        "BirdNET 2.4 (CC BY-NC-SA 4.0): bird and noise recordings",
        "unknown: labels of dogs, engines, sirens; maybe Freesound",
    ),
}
_ALWAYS = ("knn", "svm", "forest", "rnn", "convnet", "convnet+shift", "deepconvnet")
_PENALTIES = {"logisticregression__C": [0.001, 0.01, 0.1, 1.0]}


@dataclass(frozen=True)
class Method:
    """A way to classify clips: an estimator that is fitted on the recordings of a store.

    Parameters
    ----------
    name : str
        Its name in the table.
    make : callable
        Takes a seed (int) and returns an unfitted pipeline that starts with a feature.
    grid : dict, default={}
        Parameters of the pipeline that inner folds choose among; never the fold that is reported.
    pretraining : str, default="none"
        What it was trained on before.
    overlap : str, default=""
        What is known of clips that the pretraining and the data set share.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.pipeline import make_pipeline
    >>> from esc_features import MFCCStatistics
    >>> from esc_features.evaluation import Method
    >>> Method("bayes", lambda seed: make_pipeline(MFCCStatistics(), GaussianNB())).make(0)
    Pipeline(steps=[('mfccstatistics', MFCCStatistics()), ('gaussiannb', GaussianNB())])
    """

    name: str
    make: Callable[[int], BaseEstimator]
    grid: Mapping[str, Sequence] = field(default_factory=dict)
    pretraining: str = "none"
    overlap: str = ""

    @property
    def feature(self):
        """The feature that its pipeline starts with."""
        estimator = self.make(0)
        feature = estimator.steps[0][1] if isinstance(estimator, Pipeline) else None
        if not hasattr(feature, "fingerprint"):
            raise ValueError(
                f"The method {self.name!r} must be a pipeline that starts with a feature, so that it can be fitted on "
                "the recordings: make_pipeline(MelSpectrogram(), ...)."
            )
        return feature

    @property
    def configurations(self) -> int:
        """How many settings inner folds choose among."""
        count = 1
        for values in self.grid.values():
            count *= len(values)
        return count


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
        *(Method(name, _Head(name), _PENALTIES, *knowledge) for name, knowledge in EMBEDDINGS.items()),
    ]
    return {method.name: method for method in methods}


def choose_methods(methods: Any, store) -> list[Method]:
    """Return the methods meant by names, estimators, import paths or a mapping; by default all that need no extra."""
    if methods is None:
        methods = [*_ALWAYS, *(name for name in EMBEDDINGS if name in store)]
    if isinstance(methods, str):
        methods = [name.strip() for name in methods.split(",") if name.strip()]
    if isinstance(methods, Mapping):
        return [_from_estimator(name, estimator) for name, estimator in methods.items()]
    chosen = [method if isinstance(method, Method) else _by_name(method) for method in methods]
    if not chosen:
        raise ValueError("No method was named: choose from " + ", ".join(named_methods()) + ".")
    return chosen


def _by_name(name: str) -> Method:
    known = named_methods()
    if name in known:
        return known[name]
    if ":" in name:
        return _from_import_path(name)
    close = get_close_matches(name, known, 3)
    hint = f"did you mean {', '.join(close)}? " if close else ""
    raise ValueError(
        f"No method {name!r}: {hint}There are {', '.join(known)}; one of your own is 'module:name', a pipeline or a "
        "function that returns one."
    )


def _from_import_path(path: str) -> Method:
    module_name, _, attribute = path.partition(":")
    try:
        value = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{path!r} cannot be imported ({error}): is its folder on PYTHONPATH?") from error
    if isinstance(value, Method):
        return value
    return _from_estimator(path, value if isinstance(value, BaseEstimator) else value())


def _from_estimator(name: str, estimator) -> Method:
    if isinstance(estimator, Method):
        return estimator
    method = Method(name, _Given(estimator), pretraining="not stated")
    _ = method.feature
    return method


class _Given:
    """Clones the user's estimator and gives it a seed where it takes one."""

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


def _knn(seed):
    return make_pipeline(MFCCStatistics(), KNeighborsClassifier(n_neighbors=8))


def _svm(seed):
    return make_pipeline(MFCCStatistics(), SVC(kernel="linear", C=0.1))


def _forest(seed):
    # The paper's own seed, moved by ours.
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
