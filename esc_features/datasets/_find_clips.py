"""Data sets by name, folder, table or DataFrame, as all commands accept them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from .._suggest import did_you_mean
from ..exceptions import ClipTableError
from ._clips import check_clips, load_clips
from ._demo import make_demo
from ._esc50 import fetch_esc50
from ._table import Choice

_NAMES = ("demo", "esc10", "esc50")


def find_clips(
    dataset: str | os.PathLike | pd.DataFrame,
    *,
    audio_dir: str | os.PathLike | None = None,
    columns: Mapping[str, str | None] | None = None,
    categories: str | Iterable[str] | None = None,
    folds: int | Iterable[int] | None = None,
    folds_by: str | None = None,
    corrections: str | os.PathLike | pd.DataFrame | None = None,
    data_home: str | os.PathLike | None = None,
    mirror: str | os.PathLike | None = None,
    verbose: bool = True,
) -> pd.DataFrame:
    """Return the clip table of a data set that is given by name, folder or table.

    `extract`, `explain` and the command line use it for DATASET: the demo and ESC-50 by name (synthesised or downloaded
    if necessary), a folder or table as for `load_clips`, or a clip table.

    Parameters
    ----------
    dataset : {"demo", "esc10", "esc50"}, path or DataFrame
        A name takes precedence over a folder of that name: write ``./esc50`` for the folder.
    audio_dir, columns, categories, folds, folds_by, corrections : optional
        As in `load_clips`.
    data_home, mirror : optional
        As in `fetch_esc50`.
    verbose : bool, default=True
        Show the progress of downloads, and notes.

    Returns
    -------
    pandas.DataFrame
        A checked clip table, as returned by `load_clips`.

    Raises
    ------
    ClipTableError
        If there is no such data set, or its table cannot be used.
    DownloadError
        If files could not be fetched.

    Examples
    --------
    >>> from esc_features.datasets import find_clips
    >>> len(find_clips("demo", categories="dog"))
    20
    """
    if isinstance(dataset, str) and dataset in _NAMES:
        if verbose and Path(dataset).is_dir():
            print(f"note: {dataset} means the data set of that name; write ./{dataset} for the folder")
        if dataset != "demo":
            return fetch_esc50(
                categories,
                esc10=dataset == "esc10",
                folds=folds,
                data_home=data_home,
                mirror=mirror,
                folds_by=folds_by,
                corrections=corrections,
                verbose=verbose,
            )
        clips = make_demo(Path(data_home) / "demo" if data_home is not None else None)
    elif isinstance(dataset, pd.DataFrame) and audio_dir is None:
        clips = check_clips(dataset, columns)
    else:
        if not isinstance(dataset, pd.DataFrame) and not os.path.lexists(Path(dataset).expanduser()):
            raise ClipTableError(
                f"There is no {dataset}.{did_you_mean(os.fspath(dataset), _NAMES)} Give demo, esc10 or esc50, the "
                "folder of a data set, or a CSV file."
            )
        return load_clips(
            dataset,
            audio_dir,
            columns,
            categories=categories,
            folds=folds,
            folds_by=folds_by,
            corrections=corrections,
        )
    return Choice(categories, folds, folds_by=folds_by, corrections=corrections).of(clips).reset_index(drop=True)
