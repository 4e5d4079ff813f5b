"""`compare`: the same statistics for predictions from anywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..datasets import clip_name, official_name
from ..store import Store, open_store
from ._facts import Facts
from ._held_out import NONE, PROBABILITY, HeldOut
from ._keys import digest_of
from ._leaderboard import Leaderboard
from ._result import Result, check_scores

_KEYS = ["filename", "start", "end"]
_NOT_CATEGORIES = {*_KEYS, "split", "seed", "true", "predicted", "src_file", "fold", "target", "category", "note"}


def compare(
    predictions: Mapping[str, Any],
    store: Store | str | os.PathLike | None = None,
    *,
    metrics: str | Sequence[str] | None = None,
) -> Leaderboard:
    """Rank out-of-fold predictions that were made elsewhere, with the intervals and comparisons of `evaluate`.

    Each clip must have been predicted by a model that was not fitted on its recording. This cannot be checked
    afterwards, and the table says so.

    Parameters
    ----------
    predictions : mapping of str to DataFrame, path-like or array-like
        Name of each method -> its predictions. A DataFrame or a CSV file has one row per clip, with the columns
        `filename` (for windows also `start` and `end`) and `predicted`, or one column per category with its
        probability, or both. Without a store it needs `true`, and `src_file` if clips share recordings. `split` and
        `seed` are needed if there are several. `Leaderboard.predictions` returns such tables. An array has one category
        name per clip of the store, or one row of probabilities in the order of `store.categories`.
    store : Store or path-like, optional
        The store that has the true categories, the recordings and the folds.
    metrics : str or sequence of str, optional
        Names of metrics, as in `evaluate`; the first one ranks the methods.

    Returns
    -------
    Leaderboard

    Raises
    ------
    ValueError
        If a table lacks a column, names a clip twice or not at all, or names an unknown category.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.model_selection import cross_val_predict
    >>> from esc_features import open_store
    >>> from esc_features.evaluation import compare
    >>> store = open_store("stores/demo")
    >>> mine = cross_val_predict(DummyClassifier(), np.zeros((len(store), 1)), store.y, cv=store.cv())
    >>> board = compare({"mine": mine, "perfect": store.y}, store)
    >>> board.best, bool(board.compare("perfect", "mine").low > 0)
    ('perfect', True)
    """
    if not predictions:
        raise ValueError("There is nothing to compare: give at least one table of predictions.")
    if store is not None and not isinstance(store, Store):
        store = open_store(store)
    tables = {str(name): _table(str(name), given, store) for name, given in predictions.items()}
    truth = _truth_of_store(store) if store is not None else _truth_of_tables(tables)
    results = [result for name, table in tables.items() for result in _results(name, table, truth)]
    return Leaderboard(results, _facts(tables, truth, store, results), metrics)


class _Truth:
    """The clips that are compared and their true labels: one row per clip, by identity."""

    def __init__(self, clips: pd.DataFrame, labels: np.ndarray, categories: tuple[str, ...], splits: pd.Series | None):
        self.clips, self.labels, self.categories, self.splits = clips, labels, categories, splits
        self.index = pd.MultiIndex.from_frame(clips[_KEYS])

    def rows_of(self, name: str, table: pd.DataFrame) -> np.ndarray:
        rows = self.index.get_indexer(pd.MultiIndex.from_frame(table[_KEYS]))
        if (rows < 0).any():
            unknown = clip_name(*table[_KEYS].iloc[int(np.flatnonzero(rows < 0)[0])])
            raise ValueError(
                f"{name!r} predicts {unknown}, which is not among the clips that are compared: leave out its row."
            )
        for seed, of_seed in pd.Series(rows).groupby(table["seed"].to_numpy()):
            missing = np.setdiff1d(np.arange(len(self.clips)), of_seed)
            if len(missing):
                first = clip_name(*self.clips[_KEYS].iloc[int(missing[0])])
                raise ValueError(
                    f"{name!r} has no prediction for {len(missing)} of {len(self.clips)} clips (seed {seed}), such as "
                    f"{first}: methods can be compared only on the same clips."
                )
        return rows


def _table(name: str, given: Any, store: Store | None) -> pd.DataFrame:
    """Return predictions as a table with identity, split and seed."""
    if isinstance(given, str | os.PathLike):
        given = pd.read_csv(Path(given), dtype={"filename": str, "true": str, "predicted": str, "src_file": str},
                            keep_default_na=False, na_values={"start": [""], "end": [""]})  # fmt: skip
    if not isinstance(given, pd.DataFrame):
        given = _table_of_array(name, np.asarray(given), store)
    if "filename" not in given:
        raise ValueError(f"The predictions of {name!r} have no column 'filename', which names the clip of each row.")
    table = given.reset_index(drop=True).copy()
    table["start"] = table["start"].fillna(0.0).astype(float) if "start" in table else 0.0
    table["end"] = table["end"].fillna(np.inf).astype(float) if "end" in table else np.inf
    table["seed"] = table["seed"].astype(int) if "seed" in table else 0
    if "split" in table:
        table["split"] = table["split"].astype(str)
    twice = table.duplicated([*_KEYS, "seed", *(["split"] if "split" in table else [])])
    if twice.any():
        clip = clip_name(*table.loc[twice, _KEYS].iloc[0])
        raise ValueError(f"{name!r} predicts {clip} twice: give each clip one row, or add a column `seed`.")
    return table


def _table_of_array(name: str, array: np.ndarray, store: Store | None) -> pd.DataFrame:
    if store is None or len(array) != len(store):
        there = "no store was given" if store is None else f"the store has {len(store)} clips"
        raise ValueError(
            f"The predictions of {name!r} are an array of {len(array)} rows, and {there}. Give the store whose clips "
            "they are for, in its order, or a DataFrame with the column 'filename'."
        )
    clips = _identity(store)
    if array.ndim == 1:
        return clips.assign(predicted=array)
    return clips.join(pd.DataFrame(array, columns=store.categories))


def _identity(store: Store) -> pd.DataFrame:
    clips = store.clips.reset_index(drop=True)
    clips = clips.assign(**{name: value for name, value in (("start", 0.0), ("end", np.inf)) if name not in clips})
    return clips[[*_KEYS, "src_file"]]


def _truth_of_store(store: Store) -> _Truth:
    labels = store.y
    if labels.ndim == 1:
        labels = np.searchsorted(np.unique(store.target), store.target)
    splits = pd.Series([f"fold{fold}" for fold in store.folds])
    return _Truth(_identity(store), labels, tuple(map(str, store.categories)), splits)


def _truth_of_tables(tables: Mapping[str, pd.DataFrame]) -> _Truth:
    for name, table in tables.items():
        if "true" not in table:
            raise ValueError(
                f"The predictions of {name!r} have no column 'true', and no store was given. Give the store, or add "
                "the column with the true categories."
            )
    every = pd.concat(tables.values(), ignore_index=True)
    known = [name for name in ("true", "src_file", "split") if name in every]
    clips = every.groupby(_KEYS, sort=False)[known].first().reset_index()  # from whichever table has it
    given = every.groupby(_KEYS)["true"].nunique()
    if (given > 1).any():
        clip = clip_name(*given.index[int(np.flatnonzero(given > 1)[0])])
        raise ValueError(f"The tables disagree about the true category of {clip}: correct their columns 'true'.")
    words = {str(name) for table in tables.values() for name in table["true"]}
    words |= {str(name) for table in tables.values() for name in _probability_columns(table)}
    words |= {str(name) for table in tables.values() if "predicted" in table for name in table["predicted"]}
    categories = tuple(sorted(words))
    source = clips["src_file"].fillna(clips["filename"]) if "src_file" in clips else clips["filename"]
    labels = np.searchsorted(categories, clips["true"].astype(str))
    splits = clips["split"].fillna("all") if "split" in clips else None
    return _Truth(clips[_KEYS].assign(src_file=source), labels, categories, splits)


def _probability_columns(table: pd.DataFrame) -> list[str]:
    return [name for name in table if name not in _NOT_CATEGORIES]


def _results(name: str, table: pd.DataFrame, truth: _Truth) -> list[Result]:
    rows = truth.rows_of(name, table)
    scores, kind = _scores(name, table, truth)
    predicted = _predicted(name, table, truth, scores)
    splits = _splits(table, rows, truth)
    clips = truth.clips.iloc[rows].reset_index(drop=True).assign(split=splits)
    labels = np.asarray(truth.labels)[rows]
    held = HeldOut(clips, truth.categories, labels.astype(predicted.dtype), predicted, scores, kind)
    return [
        Result(
            method=name, split=str(split), seed=int(seed), held_out=held[part], protocol="given",
            method_key="given", fit_seconds=np.nan, predict_seconds=np.nan, parameters=None, configurations=1,
            chosen={}, pretraining="not stated", overlap="", estimator="given", versions={}, created="",
        )
        for (seed, split), part in table.groupby([table["seed"].to_numpy(), splits]).indices.items()
    ]  # fmt: skip


def _splits(table: pd.DataFrame, rows: np.ndarray, truth: _Truth) -> np.ndarray:
    """Return the split of each row: that of its clip, so that all tables have the same, unless splits overlap."""
    overlap = table.duplicated([*_KEYS, "seed"]).any()
    if truth.splits is not None and not overlap:
        return truth.splits.to_numpy()[rows]
    return table["split"].to_numpy() if overlap else np.full(len(table), "all")


def _scores(name: str, table: pd.DataFrame, truth: _Truth) -> tuple[np.ndarray, str]:
    columns = _probability_columns(table)
    if not columns:
        return np.empty((len(table), 0), np.float32), NONE
    unknown, missing = set(columns) - set(truth.categories), set(truth.categories) - set(columns)
    if unknown or missing:
        what = f"the unknown {sorted(unknown)[0]!r}" if unknown else f"none for {sorted(missing)[0]!r}"
        raise ValueError(
            f"The probabilities of {name!r} need one column per category ({', '.join(truth.categories[:5])}, ...) and "
            f"no other: there is {what}."
        )
    scores = table[list(truth.categories)].to_numpy(np.float32)
    try:
        check_scores(scores, PROBABILITY, len(table), len(truth.categories), np.ndim(truth.labels) == 2)
    except ValueError as error:
        raise ValueError(f"The predictions of {name!r} cannot be used: {error}.") from None
    return scores, PROBABILITY


def _predicted(name: str, table: pd.DataFrame, truth: _Truth, scores: np.ndarray) -> np.ndarray:
    several = np.ndim(truth.labels) == 2
    if "predicted" not in table:
        if not scores.shape[1]:
            raise ValueError(
                f"The predictions of {name!r} have neither a column 'predicted' nor one per category with its "
                "probability: add one or the other."
            )
        return (scores > 0.5).astype(np.int8) if several else scores.argmax(axis=1).astype(np.int64)
    number = {category: place for place, category in enumerate(truth.categories)}
    predicted = [str(labels).split(";") if several else [str(labels)] for labels in table["predicted"]]
    unknown = sorted({label for labels in predicted for label in labels if label and label not in number})
    if unknown:
        raise ValueError(
            f"{name!r} predicts {unknown[0]!r}, which is not a category. The categories are "
            f"{', '.join(truth.categories[:9])}{', ...' * (len(truth.categories) > 9)}."
        )
    if not several:
        return np.array([number[labels[0]] for labels in predicted], np.int64)
    matrix = np.zeros((len(predicted), len(number)), np.int8)
    for row, labels in enumerate(predicted):
        matrix[row, [number[label] for label in labels if label]] = 1
    return matrix


def _facts(tables: Mapping[str, pd.DataFrame], truth: _Truth, store: Store | None, results: Sequence[Result]) -> Facts:
    official = None if store is None or store.y.ndim == 2 else official_name(store.clips)
    if not all(_splits_as_the_store(name, table, truth) for name, table in tables.items()):
        official = None  # published figures are of the official folds
    return Facts(
        dataset="given" if store is None else store.dataset,
        official=official,
        clips=len(truth.clips),
        sources=truth.clips["src_file"].nunique(),
        categories=truth.categories,
        splits=tuple(sorted({result.split for result in results}, key=lambda split: (len(split), split))),
        protocol=digest_of("given", *truth.clips["filename"]),
        stamps=("GIVEN: predictions from elsewhere; whether each clip was held out is not checked",),
    )


def _splits_as_the_store(name: str, table: pd.DataFrame, truth: _Truth) -> bool:
    """Return whether a table names no splits, or splits the clips as the folds do, whatever it calls them."""
    if "split" not in table or truth.splits is None:
        return True
    pairs = set(zip(table["split"], truth.splits.iloc[truth.rows_of(name, table)], strict=True))
    return len(pairs) == len({own for own, _ in pairs}) == len({fold for _, fold in pairs})
