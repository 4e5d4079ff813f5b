"""Uncertainty: bootstrap intervals over source recordings, paired between methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ._held_out import HeldOut
from ._metrics import Metric, nan_mean

RESAMPLINGS = 2000
CONFIDENCE = 0.95
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A score with its confidence interval.

    Parameters
    ----------
    value, low, high : float
        The score of the original clips, and the ends of the interval.

    Examples
    --------
    >>> from esc_features.evaluation import Interval
    >>> Interval(0.05, -0.01, 0.11).holds_zero
    True
    """

    value: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Whether 0 is in the interval: a difference of this size may be noise. False if there is no interval."""
        return self.low <= 0 <= self.high

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 is outside the interval. False if there is no interval."""
        return self.low > 0 or self.high < 0


def resample_scores(
    by_method: Mapping[str, Sequence[HeldOut]], metric: Metric, resamplings: int = RESAMPLINGS, seed: int = 0
) -> dict[str, np.ndarray]:
    """Return each method's score for the original clips and for each resampling, (1 + resamplings,).

    The same recordings are drawn for all methods, so that differences of two are paired. A method with several seeds
    has several `HeldOut`: their scores are averaged.
    """
    every = [held.clips["src_file"] for seeds in by_method.values() for held in seeds]
    sources = pd.Index(sorted({source for column in every for source in column.unique()}))
    placed = {
        name: [(held, sources.get_indexer(held.clips["src_file"])) for held in seeds]
        for name, seeds in by_method.items()
    }
    scores: dict[str, list[np.ndarray]] = {name: [] for name in by_method}
    for counts in _draws(len(sources), resamplings, seed, max(1, _CELLS_AT_ONCE // max(map(len, every)))):
        for name, seeds in placed.items():
            each = [metric(held, counts[:, positions]) for held, positions in seeds]
            scores[name].append(nan_mean(np.stack(each), axis=0))
    return {name: np.concatenate(parts) for name, parts in scores.items()}


def _draws(sources: int, resamplings: int, seed: int, at_once: int) -> Iterator[np.ndarray]:
    """Yield how often each source is taken: first once each, then as drawn with replacement."""
    yield np.ones((1, sources))
    rng = np.random.default_rng(seed)
    for start in range(0, resamplings, at_once):
        rows = min(at_once, resamplings - start)
        drawn = rng.integers(sources, size=(rows, sources)) + np.arange(rows)[:, None] * sources
        yield np.bincount(drawn.ravel(), minlength=rows * sources).reshape(rows, sources).astype(np.float64)


def interval(scores: np.ndarray, sources: int, is_share: bool) -> Interval:
    """Return the score with its percentile interval, moved so that the draws have the score as their mean.

    Recordings that are drawn twice lower macro F1 and raise mean average precision and calibration error: a bias that
    the score, with each recording once, does not have.

    If every clip was right, or none, all resamplings give the same score: then the interval is that of Clopper and
    Pearson for as many independent trials as there are sources.
    """
    value, drawn = float(scores[0]), scores[1:]
    drawn = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(drawn):
        return Interval(value, np.nan, np.nan)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]) - (drawn.mean() - value)
    if is_share:
        if low == high and value in (0, 1):
            room = 1 - ((1 - CONFIDENCE) / 2) ** (1 / sources)
            low, high = value - room, value + room
        low, high = max(low, 0.0), min(high, 1.0)
    return Interval(value, float(low), float(high))


def difference(scores: np.ndarray, others: np.ndarray) -> Interval:
    """Return one method's score minus another's, paired on the same draws."""
    return interval(np.round(scores - others, 12), 1, is_share=False)  # rounding errors are not a difference
