"""What the evaluated methods said of the clips: confusions, mistakes, and clips that all methods get wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation import HeldOut, Leaderboard, ResultError, load_leaderboard
from ._collection import Collection, Query


@dataclass(frozen=True, eq=False)
class Answers:
    """What one method said of the clips of the store that it was not shown; seeds are averaged.

    `place` says where in `held_out` each clip of the store is, -1 where nothing was said of it.
    """

    method: str
    held_out: HeldOut
    place: np.ndarray

    @property
    def has_several_labels(self) -> bool:
        return self.held_out.has_several_labels

    @cached_property
    def known(self) -> np.ndarray:
        return self.place >= 0

    @cached_property
    def right(self) -> np.ndarray:
        """Whether it was right about each clip of the store; False where it said nothing."""
        return self.known & (self.held_out.correct[self.place] == 1)

    @cached_property
    def sure(self) -> np.ndarray:
        """How sure it was of what it said, for each clip of the store; NaN where it does not say."""
        held = self.held_out
        if held.kind != "probability":
            return np.full(len(self.place), np.nan)
        if held.has_several_labels:
            sure = np.abs(held.scores - 0.5).max(axis=1) + 0.5
        else:
            sure = held.scores[np.arange(len(held)), held.predicted]
        return np.where(self.known, sure[self.place], np.nan)

    def truth(self, category: str) -> np.ndarray:
        """Return whether each clip of the store was of a category when the method was evaluated."""
        return self.known & (self.held_out.true_matrix[self.place, self._number(category)] == 1)

    def said(self, category: str) -> np.ndarray:
        """Return whether each clip of the store was said to be of a category."""
        return self.known & (self.held_out.predicted_matrix[self.place, self._number(category)] == 1)

    def of(self, row: int, most: int = 0) -> dict[str, Any] | None:
        """Return what was said of a clip, with its most probable categories; None where nothing was."""
        place = int(self.place[row])
        if place < 0:
            return None
        held, sure = self.held_out, float(self.sure[row])
        probable: list[tuple[str, float]] = []
        if held.kind == "probability" and most:
            best = np.argsort(-held.scores[place], kind="stable")[:most]
            probable = [(held.categories[number], float(held.scores[place, number])) for number in best]
        return {
            "method": self.method,
            "said": str(held.names(held.predicted[[place]])[0]) or "no label",
            "right": bool(self.right[row]),
            "sure": None if np.isnan(sure) else sure,
            "probabilities": probable,
        }

    def summary(self) -> dict[str, Any]:
        """Return the confusion matrix, or per category what was missed and invented where clips have several labels."""
        held = self.held_out
        true, said = held.true_matrix, held.predicted_matrix
        found: dict[str, Any] = {
            "method": self.method,
            "clips": int(self.known.sum()),
            "right": int(self.right.sum()),
            "categories": list(held.categories),
            "gives_probabilities": held.kind == "probability",
        }
        there = np.unique(self.place[self.known])
        true, said = true[there], said[there]
        if held.has_several_labels:
            found["labels"] = [
                {"found": int(both), "missed": int(missed), "invented": int(invented)}
                for both, missed, invented in zip(
                    (true * said).sum(0), (true * (1 - said)).sum(0), ((1 - true) * said).sum(0), strict=True
                )
            ]
        else:
            found["matrix"] = (true.T @ said).astype(int).tolist()
        return found

    def _number(self, category: str) -> int:
        if category not in self.held_out.categories:
            raise ValueError(f"{self.method} knows no category {category!r}.")
        return self.held_out.categories.index(category)


class Mistakes:
    """The stored results of an evaluation, read when they are first asked for.

    Parameters
    ----------
    collection : Collection
    folder : Path
        Where `evaluate` wrote them. They are only shown, so those made elsewhere count too.
    """

    def __init__(self, collection: Collection, folder: Path):
        self._collection, self.folder = collection, folder

    @property
    def are_there(self) -> bool:
        return (self.folder / "leaderboard.json").is_file()

    @cached_property
    def methods(self) -> Mapping[str, Answers]:
        """Method -> its answers, the one that was right most often first."""
        try:
            board: Leaderboard = load_leaderboard(self.folder)
        except ResultError as error:
            raise ValueError(str(error)) from error
        found = []
        for name in dict.fromkeys(board.results["method"]):
            held = _mean(board.held_out(name))
            rows = self._collection.rows_of(held.clips)
            place = np.full(len(self._collection), -1)
            place[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
            found.append(Answers(name, held, place))
        return {one.method: one for one in sorted(found, key=lambda one: -int(one.right.sum()))}

    def answers(self, method: str) -> Answers:
        if method not in self.methods:
            raise ValueError(f"There are no results of {method!r}. There are {', '.join(self.methods)}.")
        return self.methods[method]

    def matches(self, query: Query) -> np.ndarray:
        """Return whether each clip is what a query asks of the methods."""
        keep = np.ones(len(self._collection), bool)
        if query.suspicious:
            keep &= self.wrong_by_all()
        if query.method:
            one = self.answers(query.method)
            keep &= one.known
            if query.true:
                keep &= one.truth(query.true)
            if query.said:
                keep &= one.said(query.said)
            if query.heard:
                keep &= one.right if query.heard == "right" else ~one.right
            if query.other:
                other = self.answers(query.other)
                keep &= other.known & (~other.right if query.heard == "right" else other.right)
        return keep

    def wrong_by_all(self) -> np.ndarray:
        """Return whether each clip was answered by some method, and by none rightly: its label may be wrong."""
        some = np.zeros(len(self._collection), bool)
        right = some.copy()
        for one in self.methods.values():
            some |= one.known
            right |= one.right
        return some & ~right

    def order(self, query: Query, rows: np.ndarray) -> np.ndarray:
        """Return rows with those first that were answered most surely."""
        chosen = [self.answers(query.method)] if query.method else list(self.methods.values())
        sure = np.nanmean([np.nan_to_num(one.sure[rows], nan=0.0) for one in chosen], axis=0)
        return rows[np.argsort(-sure, kind="stable")]

    def said(self, row: int, most: int = 0) -> list[dict[str, Any]]:
        """Return what each method said of a clip."""
        return [said for one in self.methods.values() if (said := one.of(row, most)) is not None]

    def summary(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "methods": [one.summary() for one in self.methods.values()],
            "suspicious": int(self.wrong_by_all().sum()),
        }


def _mean(seeds: list[HeldOut]) -> HeldOut:
    """Return one answer for each clip: that of the mean of the scores, or of the first seed where there are none."""
    first = seeds[0]
    if len(seeds) == 1 or first.kind == "none" or any(len(one) != len(first) for one in seeds):
        return first
    scores = np.mean([one.scores for one in seeds], axis=0)
    if first.has_several_labels:
        predicted = (scores >= (0.5 if first.kind == "probability" else 0)).astype(first.predicted.dtype)
    else:
        predicted = scores.argmax(axis=1)
    return replace(first, scores=scores, predicted=predicted)
