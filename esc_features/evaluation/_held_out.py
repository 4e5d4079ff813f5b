"""A method's predictions for held-out clips, with the true labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

PROBABILITY, DECISION, NONE = "probability", "decision", "none"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Predictions for n held-out clips, with their true labels.

    Parameters
    ----------
    clips : pandas.DataFrame
        One row per clip: `filename`, `start`, `end`, `src_file`, `split`.
    categories : tuple of str
        The category names; their positions are the class numbers below.
    truth : ndarray of int64, shape (n,), or of int8, shape (n, categories)
        The class number of each clip, or an indicator matrix if clips have several labels.
    predicted : ndarray
        The predictions, in the form of `truth`.
    scores : ndarray of float32, shape (n, categories)
        The score of each category; no columns if the method gives none.
    kind : {"probability", "decision", "none"}
        What the scores are.

    Examples
    --------
    >>> from esc_features import evaluate
    >>> board = evaluate("stores/demo", ["knn"], out="results", verbose=False)
    >>> (held_out,) = board.held_out("knn")
    >>> held_out.kind, held_out.scores.shape
    ('probability', (40, 4))
    """

    clips: pd.DataFrame
    categories: tuple[str, ...]
    truth: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray
    kind: str

    def __len__(self) -> int:
        return len(self.truth)

    def __getitem__(self, rows) -> HeldOut:
        return replace(
            self,
            clips=self.clips.iloc[rows],
            truth=self.truth[rows],
            predicted=self.predicted[rows],
            scores=self.scores[rows],
        )

    @classmethod
    def concatenate(cls, parts: Iterable[HeldOut]) -> HeldOut:
        """Return several as one; scores are kept if all parts have the same kind."""
        first, *rest = parts = list(parts)
        kind = first.kind if all(part.kind == first.kind for part in rest) else NONE
        scores = [part.scores if kind != NONE else np.empty((len(part), 0), np.float32) for part in parts]
        return replace(
            first,
            clips=pd.concat([part.clips for part in parts], ignore_index=True),
            truth=np.concatenate([part.truth for part in parts]),
            predicted=np.concatenate([part.predicted for part in parts]),
            scores=np.concatenate(scores),
            kind=kind,
        )

    @property
    def has_several_labels(self) -> bool:
        return self.truth.ndim == 2

    def offers(self, what: str) -> bool:
        """Return whether there is what a metric needs: "predictions", "scores" or "probabilities"."""
        return what == "predictions" or (self.kind != NONE if what == "scores" else self.kind == PROBABILITY)

    def rows_by_split(self) -> list[np.ndarray]:
        """Return the rows of each split, in the order in which the splits come."""
        numbers, names = pd.factorize(self.clips["split"])
        return [np.flatnonzero(numbers == number) for number in range(len(names))]

    @cached_property
    def correct(self) -> np.ndarray:
        """Whether the prediction of each clip was right, in all its labels; float64."""
        same = self.truth == self.predicted
        return (same.all(axis=1) if self.has_several_labels else same).astype(np.float64)

    @cached_property
    def true_matrix(self) -> np.ndarray:
        """Which categories each clip has, float64, (n, categories)."""
        return self._matrix(self.truth)

    @cached_property
    def predicted_matrix(self) -> np.ndarray:
        """Which categories were predicted, float64, (n, categories)."""
        return self._matrix(self.predicted)

    def _matrix(self, labels: np.ndarray) -> np.ndarray:
        if labels.ndim == 2:
            return labels.astype(np.float64)
        return (labels[:, None] == np.arange(len(self.categories))).astype(np.float64)

    def names(self, labels: np.ndarray) -> np.ndarray:
        """Return labels as names: one category per clip, or several separated by semicolons."""
        if labels.ndim == 1:
            return np.array(self.categories, dtype=object)[labels]
        words = [";".join(name for name, there in zip(self.categories, row, strict=True) if there) for row in labels]
        return np.array(words, dtype=object)
