"""`train`: a method fitted on all folds, with what it scored when they were held out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ..store import Store, open_store
from ._bootstrap import Interval
from ._evaluate import evaluate
from ._features import with_features
from ._fit import fit_method
from ._leaderboard import Leaderboard
from ._method import Ensemble
from ._methods import choose_methods


@dataclass(frozen=True)
class TrainedMethod:
    """A method fitted on all clips of a store, and what to expect of it.

    Parameters
    ----------
    name : str
        Name of the method.
    pipeline : estimator
        Fitted on all clips; it predicts labels in the form of `Store.y`.
    scores : dict of str to Interval
        Metric -> its cross-validated score with the 95 % interval.
    chosen : dict
        The parameters that were chosen on inner folds, if the method has a grid.
    leaderboard : Leaderboard
        The leaderboard that the scores are from.

    Examples
    --------
    >>> from esc_features.evaluation import train
    >>> trained = train("stores/demo", "knn", out="results", verbose=False)
    >>> trained.name, trained.scores["accuracy"].low <= trained.scores["accuracy"].value
    ('knn', True)
    """

    name: str
    pipeline: Any
    scores: dict[str, Interval]
    chosen: dict[str, Any]
    leaderboard: Leaderboard


def train(
    store: Store | str | os.PathLike,
    method: Any,
    *,
    seed: int = 0,
    n_jobs: int = 1,
    out: str | os.PathLike | None = None,
    verbose: bool = True,
) -> TrainedMethod:
    """Evaluate a method by cross-validation, and fit it on all folds of a store.

    The scores are those of `evaluate` for this method and seed; stored ones are used again. They are scores of models
    fitted on all folds but one, so the returned one should be slightly better.

    Parameters
    ----------
    store : Store or path-like
        The store.
    method : str, Method or pipeline
        One method, as `evaluate` takes them; no ensemble.
    seed : int, default=0
        The seed of all fits.
    n_jobs : int, default=1
        Number of fits at a time during cross-validation.
    out : path-like, optional
        Folder of the results; `evaluation` in the folder of the store by default.
    verbose : bool, default=True
        Show progress.

    Returns
    -------
    TrainedMethod

    Raises
    ------
    ValueError
        If `method` is not exactly one method, or is an ensemble, which is several models.

    Examples
    --------
    >>> from esc_features.evaluation import train
    >>> from esc_features import open_store
    >>> trained = train("stores/demo", "knn", out="results", verbose=False)
    >>> trained.pipeline.predict(open_store("stores/demo").audio[:1]).shape, "accuracy" in trained.scores
    ((1,), True)
    """
    store = store if isinstance(store, Store) else open_store(store)
    if hasattr(method, "get_params"):
        method = {type(getattr(method, "_final_estimator", method)).__name__: method}
    chosen = choose_methods(method, store)
    one = chosen[0]
    if len(chosen) != 1 or isinstance(one, Ensemble):
        raise ValueError(
            f"One method is trained at a time, and not an ensemble: {method!r} cannot be trained. Name one method."
        )
    store = with_features(store, [one], verbose)
    board = evaluate(store, one, seeds=[seed], n_jobs=n_jobs, out=out, verbose=verbose)
    fitted = fit_method(one, seed, store.audio, store.y)
    return TrainedMethod(
        name=one.name,
        pipeline=getattr(fitted, "best_estimator_", fitted),
        scores={metric.name: board.interval(one.name, metric.name) for metric in board.metrics},
        chosen=dict(getattr(fitted, "best_params_", {})),
        leaderboard=board,
    )
