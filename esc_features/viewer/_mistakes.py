"""What the evaluated methods predicted: confusion matrices, mistakes, and clips that all methods get wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._collection import Collection, Query

if TYPE_CHECKING:
    from ..evaluation import HeldOut


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one method predicted for the clips of the store while they were held out; seeds are averaged.

    `positions` has the position in `held_out` of each clip of the store, -1 if it has no prediction.
    """

    method: str
    held_out: HeldOut
    positions: np.ndarray

    @cached_property
    def known(self) -> np.ndarray:
        return self.positions >= 0

    @cached_property
    def correct(self) -> np.ndarray:
        """Whether the prediction for each clip of the store was correct; False where there is none."""
        return self.known & (self.held_out.correct[self.positions] == 1)

    @cached_property
    def confidence(self) -> np.ndarray:
        """Probability of what was predicted, for each clip of the store; NaN where there is none."""
        held = self.held_out
        if held.kind != "probability":
            return np.full(len(self.positions), np.nan)
        if held.has_several_labels:
            confidence = np.abs(held.scores - 0.5).max(axis=1) + 0.5
        else:
            confidence = held.scores[np.arange(len(held)), held.predicted]
        return np.where(self.known, confidence[self.positions], np.nan)

    def is_true(self, category: str) -> np.ndarray:
        """Return whether each clip of the store had a category when the method was evaluated."""
        return self.known & (self.held_out.true_matrix[self.positions, self._number(category)] == 1)

    def is_predicted(self, category: str) -> np.ndarray:
        """Return whether a category was predicted for each clip of the store."""
        return self.known & (self.held_out.predicted_matrix[self.positions, self._number(category)] == 1)

    def matches(self, query: Query) -> np.ndarray:
        """Return whether each clip of the store has the truth, prediction and outcome that a query names."""
        keep = self.known.copy()
        if query.true:
            keep &= self.is_true(query.true)
        if query.predicted:
            keep &= self.is_predicted(query.predicted)
        if query.outcome:
            category, correct = query.true or query.predicted, self.correct
            if category and self.held_out.has_several_labels:  # about this label only
                correct = self.is_true(category) == self.is_predicted(category)
            keep &= correct if query.outcome == "correct" else ~correct
        return keep

    def of(self, row: int, top: int = 0) -> dict[str, Any] | None:
        """Return the prediction for a clip, with its most probable categories; None if there is none."""
        position = int(self.positions[row])
        if position < 0:
            return None
        held, confidence = self.held_out, float(self.confidence[row])
        probable: list[tuple[str, float]] = []
        if held.kind == "probability" and top:
            best = np.argsort(-held.scores[position], kind="stable")[:top]
            probable = [(held.categories[number], float(held.scores[position, number])) for number in best]
        return {
            "method": self.method,
            "predicted": str(held.names(held.predicted[[position]])[0]) or "no label",
            "correct": bool(self.correct[row]),
            "confidence": None if np.isnan(confidence) else confidence,
            "probabilities": probable,
        }

    def summary(self) -> dict[str, Any]:
        """Return the confusion matrix, or counts per label if clips have several."""
        held, there = self.held_out, np.unique(self.positions[self.known])
        true, predicted = held.true_matrix[there], held.predicted_matrix[there]
        found: dict[str, Any] = {
            "method": self.method,
            "clips": len(there),
            "correct": int(self.correct.sum()),
            "categories": list(held.categories),
        }
        if held.has_several_labels:
            counts = (true * predicted).sum(0), (true * (1 - predicted)).sum(0), ((1 - true) * predicted).sum(0)
            found["labels"] = np.transpose(counts).astype(int).tolist()  # found, missed, false alarms
        else:
            found["matrix"] = (true.T @ predicted).astype(int).tolist()
        return found

    def _number(self, category: str) -> int:
        if category not in self.held_out.categories:
            raise ValueError(f"{self.method} was not evaluated on a category {category!r}.")
        return self.held_out.categories.index(category)


class Mistakes:
    """The stored results of an evaluation, read when they are first asked for.

    Parameters
    ----------
    collection : Collection
        The clips of the store.
    folder : Path
        Folder of the results of `evaluate`. They are only shown, so those made elsewhere count too.
    """

    def __init__(self, collection: Collection, folder: Path):
        self._collection, self.folder = collection, folder

    @property
    def are_there(self) -> bool:
        return (self.folder / "leaderboard.json").is_file()

    @cached_property
    def methods(self) -> Mapping[str, Predictions]:
        """Method -> its predictions, the most accurate first."""
        from ..evaluation import ResultError, load_leaderboard  # scikit-learn: the first page does not wait for it

        try:
            board = load_leaderboard(self.folder)
        except ResultError as error:
            raise ValueError(str(error)) from error
        found = []
        for name in dict.fromkeys(board.results["method"]):
            held = _mean(board.held_out(name))
            rows = self._collection.rows_of(held.clips)
            positions = np.full(len(self._collection), -1)
            positions[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
            found.append(Predictions(name, held, positions))
        return {one.method: one for one in sorted(found, key=lambda one: -int(one.correct.sum()))}

    def predictions(self, method: str) -> Predictions:
        if method not in self.methods:
            raise ValueError(f"There are no results of {method!r}. There are {', '.join(self.methods)}.")
        return self.methods[method]

    def matches(self, query: Query) -> np.ndarray:
        """Return whether each clip matches what a query asks of the methods."""
        keep = self.wrong_by_all() if query.suspicious else np.ones(len(self._collection), bool)
        if query.method:
            keep &= self.predictions(query.method).matches(query)
            if query.other:
                other = self.predictions(query.other)
                keep &= other.known & (~other.correct if query.outcome == "correct" else other.correct)
        return keep

    def wrong_by_all(self) -> np.ndarray:
        """Return whether each clip has predictions, none of which is correct: its label may be wrong."""
        known = np.zeros(len(self._collection), bool)
        correct = known.copy()
        for one in self.methods.values():
            known |= one.known
            correct |= one.correct
        return known & ~correct

    def order(self, query: Query, rows: np.ndarray) -> np.ndarray:
        """Return rows in the order of the confidence of their predictions, the highest first."""
        chosen = [self.predictions(query.method)] if query.method else list(self.methods.values())
        confidence = np.mean([np.nan_to_num(one.confidence[rows]) for one in chosen], axis=0)
        return rows[np.argsort(-confidence, kind="stable")]

    def of(self, row: int, top: int = 0) -> list[dict[str, Any]]:
        """Return what each method predicted for a clip."""
        return [found for one in self.methods.values() if (found := one.of(row, top)) is not None]

    def summary(self) -> dict[str, Any]:
        return {
            "methods": [one.summary() for one in self.methods.values()],
            "suspicious": int(self.wrong_by_all().sum()),
        }


def _mean(seeds: list[HeldOut]) -> HeldOut:
    """Return one prediction per clip: that of the mean of the scores, or of the first seed if there are none."""
    first = seeds[0]
    if len(seeds) == 1 or first.kind == "none" or any(len(one) != len(first) for one in seeds):
        return first
    scores = np.mean([one.scores for one in seeds], axis=0)
    if first.has_several_labels:
        predicted = (scores >= (0.5 if first.kind == "probability" else 0)).astype(first.predicted.dtype)
    else:
        predicted = scores.argmax(axis=1)
    return replace(first, scores=scores, predicted=predicted)
