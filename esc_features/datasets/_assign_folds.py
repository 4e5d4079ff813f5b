"""Folds for data sets without predefined ones."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from ..exceptions import ClipTableError


def assign_folds(clips: pd.DataFrame, folds_by: str = "source:5") -> pd.DataFrame:
    """Assign folds to a clip table: source recordings are kept whole, and categories are spread evenly.

    Use it for data sets without predefined folds. All clips of a source recording (`src_file`) get the same fold, so
    that no recording is in both the training and the test set.

    Parameters
    ----------
    clips : DataFrame
        A clip table, with `category` or `labels`.
    folds_by : str, default="source:5"
        ``"source:K"`` for K folds, or ``"source:K:SEED"``; the seed is 0 by default. The same clips, in any order, and
        the same seed give the same folds.

    Returns
    -------
    pandas.DataFrame
        A new table with the numbers 1 to K in `fold`; ``attrs["folds_by"]`` records how they were made.

    Raises
    ------
    ClipTableError
        If `folds_by` is not of this form, or there are fewer source recordings than folds.

    Notes
    -----
    The assignment is greedy. Recordings are taken in descending order of their number of clips, ties in an order drawn
    from the seed. Each goes to the fold in which the squared shares of its categories grow least, and of tied folds to
    the smallest. A category with fewer recordings than folds is missing from some of them.

    Examples
    --------
    >>> from esc_features.datasets import assign_folds, make_demo
    >>> clips = assign_folds(make_demo(), "source:3")
    >>> sorted(clips["fold"].unique().tolist()), clips.attrs["folds_by"]
    ([1, 2, 3], 'source:3:0')
    """
    form = re.fullmatch(r"source:(\d{1,6})(?::(\d{1,9}))?", folds_by)
    if form is None or int(form[1]) < 2:
        raise ClipTableError(
            f"Folds cannot be made by {folds_by!r}. Use 'source:5' for five folds that keep the clips of a source "
            "recording together, or 'source:5:7' for the same with another seed (7)."
        )
    n_folds, seed = int(form[1]), int(form[2] or 0)
    sources, counts = _clips_per_source(clips)
    if len(sources) < n_folds:
        raise ClipTableError(
            f"{n_folds} folds need at least {n_folds} source recordings, but the table has {len(sources)} (column "
            f"src_file). Use at most {len(sources)} folds."
        )
    fold_of = dict(zip(sources, _deal(counts, n_folds, np.random.default_rng(seed)), strict=True))
    clips = clips.assign(fold=clips["src_file"].map(fold_of).astype(np.int64))
    clips.attrs["folds_by"] = f"source:{n_folds}:{seed}"
    return clips


def _clips_per_source(clips: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Return the sources, sorted, and the number of clips of each source per category and in total (last column)."""
    column = "labels" if "labels" in clips else "category"
    each = clips[["src_file", column]].explode(column)
    names = pd.Series(sorted(clips["src_file"].unique()))
    counts = pd.crosstab(each["src_file"], each[column]).reindex(names, fill_value=0)
    sizes = clips.groupby("src_file").size().reindex(names)
    return names.tolist(), np.column_stack([counts, sizes]).astype(np.int64)


def _deal(counts: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Return the fold, from 1, of each source."""
    drawn = rng.permutation(len(counts))
    order = drawn[np.argsort(-counts[drawn, -1], kind="stable")]
    totals = counts[:, :-1].sum(axis=0)
    filled = np.zeros((n_folds, counts.shape[1]), np.int64)
    folds = np.empty(len(counts), np.int64)
    for source in order:
        present = np.flatnonzero(counts[source, :-1])
        own = counts[source, present]
        # If a fold holds f clips of a category, its squared share grows by ((f + own)² - f²) / total².
        growth = ((2 * filled[:, present] + own) * own / totals[present] ** 2).sum(axis=1)
        fold = int(np.lexsort((filled[:, -1], growth.round(12)))[0])
        filled[fold] += counts[source]
        folds[source] = fold + 1
    return folds
