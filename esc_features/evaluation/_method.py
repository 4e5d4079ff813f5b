"""A way to classify clips, with a name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline


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
        Parameters of the pipeline and the values that are searched on inner folds; the reported fold has no part in it.
    pretraining : str, default="none"
        What it was pretrained on.
    overlap : str, default=""
        Known overlap of the pretraining with the data set.

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
        """How many settings are searched on inner folds."""
        return prod(len(values) for values in self.grid.values())


@dataclass(frozen=True)
class Ensemble:
    """The mean of the probabilities that several methods gave; nothing is fitted, so nothing can leak.

    Parameters
    ----------
    name : str
        The names of the members with plus signs between them.
    members : tuple of Method
        The methods.

    Examples
    --------
    >>> from esc_features.evaluation import Ensemble, named_methods
    >>> known = named_methods()
    >>> Ensemble("both", (known["knn"], known["forest"])).members[1].name
    'forest'
    """

    name: str
    members: tuple[Method, ...]
