"""Tables of predictions by clip and by category, which `Leaderboard` returns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from ._bootstrap import Interval, interval, resample_scores
from ._held_out import PROBABILITY, HeldOut
from ._metrics import recall_of
from ._result import Result


def complete_seeds(results: Iterable[Result]) -> list[Result]:
    """Return the results of complete seeds: those that have as many splits as any seed of their method."""
    results = list(results)
    splits: dict[tuple[str, int], set[str]] = {}
    for one in results:
        splits.setdefault((one.method, one.seed), set()).add(one.split)
    most: dict[str, set[str]] = {}
    for (method, _), found in splits.items():
        most[method] = max(most.get(method, set()), found, key=len)
    return [one for one in results if splits[one.method, one.seed] == most[one.method]]


def held_out_by_method(results: Iterable[Result]) -> dict[str, list[HeldOut]]:
    """Return method -> its predictions for all clips, one `HeldOut` per seed."""
    parts: dict[str, dict[int, list[HeldOut]]] = {}
    for one in sorted(results, key=lambda one: (one.seed, one.split)):
        parts.setdefault(one.method, {}).setdefault(one.seed, []).append(one.held_out)
    return {method: [HeldOut.concatenate(of_seed) for of_seed in seeds.values()] for method, seeds in parts.items()}


def only_splits(seeds: Sequence[HeldOut], splits: set[str]) -> list[HeldOut]:
    """Return the predictions on some splits only."""
    return [held[np.flatnonzero(held.clips["split"].isin(splits))] for held in seeds]


def need_probabilities(method: str, held: HeldOut) -> None:
    """Raise ValueError if a method gives no probabilities."""
    if held.kind != PROBABILITY:
        raise ValueError(
            f"{method!r} gives no probabilities: its estimator has no predict_proba. "
            "scikit-learn's CalibratedClassifierCV would add one."
        )


def prediction_table(results: Iterable[Result], probabilities: bool) -> pd.DataFrame:
    """Return one row per clip and seed, with one column per category if probabilities are wanted."""
    parts = []
    for one in results:
        held = one.held_out
        part = held.clips[["filename", "start", "end", "split"]].assign(seed=one.seed)
        part = part.assign(true=held.names(held.truth), predicted=held.names(held.predicted))
        if probabilities:
            need_probabilities(one.method, held)
            part = part.join(pd.DataFrame(held.scores, part.index, list(held.categories)))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def confusion_matrix(seeds: Sequence[HeldOut]) -> np.ndarray:
    """Return how many clips of each category (row) were predicted as each (column), each clip counted once."""
    held = HeldOut.concatenate(seeds)
    if held.has_several_labels:
        raise ValueError("Clips with several labels have no confusions: see `recalls`.")
    times = held.clips.groupby(["filename", "start", "end"])["split"].transform("size").to_numpy()
    return held.true_matrix.T @ (held.predicted_matrix / times[:, None])


def confused_pairs(counts: np.ndarray, categories: Sequence[str]) -> pd.DataFrame:
    """Return the non-zero cells off the diagonal of a confusion matrix, the largest first."""
    true, predicted = np.nonzero(np.where(np.eye(len(counts), dtype=bool), 0, counts))
    names = np.array(categories, dtype=object)
    pairs = pd.DataFrame({"true": names[true], "predicted": names[predicted], "clips": counts[true, predicted]})
    return pairs.sort_values(["clips", "true", "predicted"], ascending=[False, True, True], ignore_index=True)


def recall_table(seeds: Sequence[HeldOut]) -> pd.DataFrame:
    """Return each category's recall with its interval, over the recordings of its own clips."""
    clips = seeds[0].true_matrix.sum(axis=0).astype(int)
    rows = []
    for number, category in enumerate(seeds[0].categories):
        found = Interval(np.nan, np.nan, np.nan)
        if clips[number]:
            own = [held[np.flatnonzero(held.true_matrix[:, number])] for held in seeds]
            scores = resample_scores({category: own}, recall_of(number, category))[category]
            found = interval(scores, own[0].clips["src_file"].nunique(), is_share=True)
        rows.append((category, clips[number], found.value, found.low, found.high))
    return pd.DataFrame(rows, columns=["category", "clips", "recall", "low", "high"])
