"""The metrics, each computed for thousands of resamplings of the clips at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .._suggest import did_you_mean
from ._held_out import HeldOut

CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Metric:
    """A score of held-out clips.

    Parameters
    ----------
    name : str
        Its name in tables and on the command line.
    title : str
        Its name in figures.
    function : callable
        Takes `HeldOut` of n clips and weights (resamplings, n), float64, and returns a score (resamplings,).
    needs : str
        What it is computed from: "predictions", "scores" (anything that ranks) or "probabilities".
    is_share : bool, default=True
        Whether it lies between 0 and 1 and is written in percent.
    higher_is_better : bool, default=True
        Whether a higher score is better.
    is_pooled : bool, default=False
        Whether all held-out clips are scored together. Otherwise the folds are scored one by one and averaged.

    Examples
    --------
    >>> from esc_features.evaluation import METRICS
    >>> METRICS["accuracy"].text(0.925), METRICS["log_loss"].higher_is_better
    ('92.5', False)
    """

    name: str
    title: str
    function: Callable[[HeldOut, np.ndarray], np.ndarray]
    needs: str
    is_share: bool = True
    higher_is_better: bool = True
    is_pooled: bool = False

    def __call__(self, held_out: HeldOut, weights: np.ndarray | None = None) -> np.ndarray:
        """Return the score for each row of weights; NaN if the method does not give what the metric needs."""
        weights = np.ones((1, len(held_out))) if weights is None else weights
        if not held_out.offers(self.needs):
            return np.full(len(weights), np.nan)
        if self.is_pooled:
            return self.function(held_out, weights)
        by_split = [self.function(held_out[rows], weights[:, rows]) for rows in held_out.rows_by_split()]
        return nan_mean(np.stack(by_split), axis=0)

    @property
    def unit(self) -> str:
        """The unit of written values: "%", or "" if it is not a share."""
        return "%" if self.is_share else ""

    @property
    def factor(self) -> int:
        """The factor from a value to what is written: 100 for percent, else 1."""
        return 100 if self.is_share else 1

    def text(self, value: float) -> str:
        """Return a value as tables write it: in percent, or with three decimals."""
        return "–" if np.isnan(value) else f"{self.factor * value:.{1 if self.is_share else 3}f}"


def nan_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean of the numbers that are not NaN; NaN, without a warning, if there are none."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(there, values, 0).sum(axis=axis) / there.sum(axis=axis)


def _share(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return weights @ values / weights.sum(axis=1)


def _accuracy(held_out: HeldOut, weights: np.ndarray) -> np.ndarray:
    return _share(weights, held_out.correct)


def _top5(held_out: HeldOut, weights: np.ndarray) -> np.ndarray:
    """Count ties as if their order were random: none of a k-NN's many zeros comes first."""
    rows = np.arange(len(held_out))
    own = held_out.scores[rows, held_out.truth][:, None]
    above, equal = (held_out.scores > own).sum(axis=1), (held_out.scores == own).sum(axis=1)
    return _share(weights, np.clip((5 - above) / equal, 0, 1))


def _counts(held_out: HeldOut, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (hits, true clips, predicted clips) of each category, each (resamplings, categories)."""
    true, predicted = held_out.true_matrix, held_out.predicted_matrix
    return weights @ (true * predicted), weights @ true, weights @ predicted


def category_recalls(held_out: HeldOut, weights: np.ndarray) -> np.ndarray:
    """Return the share of each category's clips that was recognised, (resamplings, categories)."""
    hits, true, _ = _counts(held_out, weights)
    with np.errstate(invalid="ignore"):
        return hits / true


def recall_of(category: int, name: str) -> Metric:
    """Return the metric for the share of one category's clips that was recognised."""
    return Metric(name, name, lambda held, weights: category_recalls(held, weights)[:, category], "predictions",
                  is_pooled=True)  # fmt: skip


def _macro_recall(held_out: HeldOut, weights: np.ndarray) -> np.ndarray:
    return nan_mean(category_recalls(held_out, weights), axis=1)


def _macro_f1(held_out: HeldOut, weights: np.ndarray) -> np.ndarray:
    hits, true, predicted = _counts(held_out, weights)
    with np.errstate(invalid="ignore"):
        return nan_mean(2 * hits / (true + predicted), axis=1)


def _log_loss(held_out: HeldOut, weights: np.ndarray) -> np.ndarray:
    smallest = np.finfo(np.float64).eps  # as in scikit-learn: a certain and wrong prediction costs 36, not infinity
    if held_out.has_several_labels:
        chances = np.clip(held_out.scores.astype(np.float64), smallest, 1 - smallest)
        true = held_out.true_matrix
        return _share(weights, -(true * np.log(chances) + (1 - true) * np.log1p(-chances)).mean(axis=1))
    own = held_out.scores.astype(np.float64)
    own = own[np.arange(len(own)), held_out.truth] / own.sum(axis=1)
    return _share(weights, -np.log(np.clip(own, smallest, 1 - smallest)))


def confidence_bins(held_out: HeldOut) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (clip, confidence, 1.0 if it was right, else 0.0) of each statement whose calibration is measured.

    A statement is the predicted category with its probability; if clips have several labels, each category is one.
    """
    if held_out.has_several_labels:
        rows = np.repeat(np.arange(len(held_out)), held_out.scores.shape[1])
        return rows, held_out.scores.astype(np.float64).ravel(), held_out.true_matrix.ravel()
    chosen = held_out.scores.max(axis=1).astype(np.float64)
    right = (held_out.scores.argmax(axis=1) == held_out.truth).astype(np.float64)
    return np.arange(len(held_out)), chosen, right


def _expected_calibration_error(held_out: HeldOut, weights: np.ndarray) -> np.ndarray:
    rows, confidence, right = confidence_bins(held_out)
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    gaps = np.zeros((len(held_out), CALIBRATION_BINS))
    np.add.at(gaps, (rows, bins), right - confidence)
    statements = len(rows) / max(1, len(held_out))
    with np.errstate(invalid="ignore"):
        return np.abs(weights @ gaps).sum(axis=1) / (weights.sum(axis=1) * statements)


def _average_precision(held_out: HeldOut, weights: np.ndarray) -> np.ndarray:
    """Average the precision at each threshold that adds recall, as scikit-learn's `average_precision_score`."""
    return _mean_over_categories(held_out, weights, _precision_of_one)


def _precision_of_one(hits: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Take cumulative counts of the category's clips and of all clips, (resamplings, thresholds)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(taken > 0, hits / taken, 0)
        gained = np.diff(hits, axis=1, prepend=0)
        return (precision * gained).sum(axis=1) / hits[:, -1]


def _roc_auc(held_out: HeldOut, weights: np.ndarray) -> np.ndarray:
    return _mean_over_categories(held_out, weights, _auc_of_one)


def _auc_of_one(hits: np.ndarray, taken: np.ndarray) -> np.ndarray:
    false = taken - hits
    area = np.trapezoid(np.pad(hits, ((0, 0), (1, 0))), np.pad(false, ((0, 0), (1, 0))), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return area / (hits[:, -1] * false[:, -1])


def _mean_over_categories(held_out: HeldOut, weights: np.ndarray, function) -> np.ndarray:
    """Rank the clips by each category's score, and average a function of the rankings; ties stay together."""
    values = np.full((len(weights), held_out.scores.shape[1]), np.nan)
    true = held_out.true_matrix
    for category in range(values.shape[1]):
        scores = held_out.scores[:, category]
        order = np.argsort(-scores, kind="stable")
        last_of_tie = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)
        ranked = weights[:, order]
        hits = np.cumsum(ranked * true[order, category], axis=1)[:, last_of_tie]
        values[:, category] = function(hits, np.cumsum(ranked, axis=1)[:, last_of_tie])
    return nan_mean(values, axis=1)


_ALL = (
    Metric("accuracy", "Accuracy", _accuracy, "predictions"),
    Metric("top5", "Top-5 accuracy", _top5, "scores"),
    Metric("macro_recall", "Macro recall", _macro_recall, "predictions", is_pooled=True),
    Metric("macro_f1", "Macro F1", _macro_f1, "predictions", is_pooled=True),
    Metric("map", "Mean average precision", _average_precision, "scores"),
    Metric("macro_auc", "Mean area under the ROC curve", _roc_auc, "scores"),
    Metric("log_loss", "Log loss", _log_loss, "probabilities", is_share=False, higher_is_better=False),
    Metric(
        "ece", "Expected calibration error", _expected_calibration_error, "probabilities",
        higher_is_better=False, is_pooled=True,
    ),
)  # fmt: skip
METRICS = {metric.name: metric for metric in _ALL}
_ONE_LABEL_ONLY = ("top5",)


def choose_metrics(names: str | Sequence[str] | None, has_several_labels: bool, categories: int) -> tuple[Metric, ...]:
    """Return the metrics of these names; by default those that suit the labels."""
    if names is None and has_several_labels:
        names = ("map", "macro_auc", "macro_f1", "ece")
    elif names is None:
        names = ("accuracy", *(["top5"] if categories > 20 else []), "macro_f1", "log_loss", "ece")
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    for name in names:
        if name not in METRICS:
            raise ValueError(
                f"There is no metric {name!r}.{did_you_mean(name, METRICS)} Choose from {', '.join(METRICS)}."
            )
        if has_several_labels and name in _ONE_LABEL_ONLY:
            raise ValueError(f"The metric {name!r} is for clips of one category each: use 'map' or 'macro_f1'.")
    if not names:
        raise ValueError(f"No metric was named: choose from {', '.join(METRICS)}.")
    return tuple(METRICS[name] for name in dict.fromkeys(names))
