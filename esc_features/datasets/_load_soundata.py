"""Data sets of soundata, which has loaders for two dozen of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from .._suggest import did_you_mean
from ..exceptions import ClipTableError
from ._clips import check_clips
from ._table import Choice

_SPLITS = ("train", "training", "development", "dev", "val", "validation", "validate", "test", "evaluation", "eval")


def load_soundata(
    dataset: Any,
    data_home: str | os.PathLike | None = None,
    *,
    categories: str | Iterable[str] | None = None,
    folds: int | Iterable[int] | None = None,
) -> pd.DataFrame:
    """Convert a data set of soundata to a clip table.

    Use it for data sets that soundata has a loader for. It requires ``pip install esc_features[soundata]``. Download
    the data set first: ``soundata.initialize("urbansound8k", data_home=...).download()``.

    Parameters
    ----------
    dataset : str or soundata.core.Dataset
        The name of a loader, or an initialised data set.
    data_home : path, optional
        Folder of the data set; by default the one that soundata uses.
    categories, folds : optional
        As in `load_clips`.

    Returns
    -------
    pandas.DataFrame
        A clip table, as returned by `load_clips`, of the recordings that are on disk.

    Raises
    ------
    ClipTableError
        If there is no such loader, or none of the recordings is on disk.
    ImportError
        If soundata is not installed.

    Notes
    -----
    If every clip has exactly one tag, the tag is its category; otherwise the tags are its labels. The labels of events
    are treated like tags, wherever they are in the recording (to label windows, pass the events to `label_windows`).
    ``fold`` is the fold of the data set, or the number of its split in the order train, validation, test.

    Examples
    --------
    >>> from esc_features.datasets import load_soundata
    >>> clips = load_soundata("urbansound8k", "data/UrbanSound8K")  # doctest: +SKIP
    >>> clips["fold"].nunique()  # doctest: +SKIP
    10
    """
    import soundata

    if isinstance(dataset, str):
        known = soundata.list_datasets()
        if dataset not in known:
            raise ClipTableError(
                f"soundata has no loader {dataset!r}.{did_you_mean(dataset, known)} Choose from {', '.join(known)}."
            )
        dataset = soundata.initialize(dataset, data_home=None if data_home is None else os.fspath(data_home))
    try:
        clips = list(dataset.load_clips().values())
    except FileNotFoundError as error:
        raise ClipTableError(
            f"soundata has no {dataset.name} in {dataset.data_home}. Run soundata.initialize({dataset.name!r}, "
            f"data_home={dataset.data_home!r}).download(), or name its folder with data_home=."
        ) from error
    there = [clip for clip in clips if Path(clip.audio_path).is_file()]
    if not there:
        raise ClipTableError(
            f"None of the {len(clips)} recordings of {dataset.name} is in {dataset.data_home} (first: "
            f"{clips[0].audio_path}). Name the folder that it was unpacked in with data_home=."
        )
    home = os.path.realpath(dataset.data_home)
    table = pd.DataFrame(
        {
            "filename": [os.path.relpath(os.path.realpath(clip.audio_path), home) for clip in there],
            "path": [os.path.abspath(clip.audio_path) for clip in there],  # noqa: PTH100
            "src_file": [_first(clip, "freesound_id", "src_file") for clip in there],
            "take": [_first(clip, "take") for clip in there],
        }
    )
    table["filename"] = table["filename"].str.replace(os.sep, "/", regex=False)
    table["fold"] = _folds(there)
    labels = [_labels(clip) for clip in there]
    if all(len(each) == 1 for each in labels):
        table["category"] = [each[0] for each in labels]
        targets = [_first(clip, "target", "class_id") for clip in there]
        if None not in targets:
            table["target"] = targets
    else:
        table["labels"] = pd.Series(labels, dtype=object)
    table.attrs["name"] = dataset.name
    return Choice(categories, folds).of(check_clips(table)).reset_index(drop=True)


def _labels(clip: Any) -> list[str]:
    tags = _first(clip, "tags", "events")
    if tags is not None:
        return sorted(set(tags.labels))
    birds = _first(clip, "has_bird")
    return [] if birds is None else ["bird" if str(birds) in ("1", "True") else "no_bird"]


def _folds(clips: list) -> list[int]:
    folds = [_first(clip, "fold") for clip in clips]
    if None not in folds:
        return [int(fold) for fold in folds]
    splits = [str(_first(clip, "split") or "") for clip in clips]
    order = sorted(set(splits), key=lambda split: (_place(split), split))
    return [order.index(split) + 1 for split in splits]


def _place(split: str) -> int:
    return next((place for place, name in enumerate(_SPLITS) if split.lower().startswith(name)), len(_SPLITS))


def _first(clip: Any, *names: str) -> Any:
    """Return the first of these attributes that the loader has."""
    return next((value for name in names if (value := getattr(clip, name, None)) is not None), None)
