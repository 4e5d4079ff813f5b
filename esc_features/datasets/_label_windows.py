"""Labelling windows by the annotations in them."""

from __future__ import annotations

import os
import posixpath
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from .._suggest import did_you_mean, list_some
from ..exceptions import ClipTableError
from ._annotations import check_annotations, load_annotations
from ._clips import check_clips
from ._columns import clip_name
from ._table import finish


def label_windows(
    windows: pd.DataFrame,
    annotations: pd.DataFrame | str | os.PathLike,
    min_overlap: float = 0.5,
    *,
    categories: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Label windows with the annotations that they overlap.

    Use it after `cut_windows`. A window can have several labels, one, or none.

    Parameters
    ----------
    windows : DataFrame
        A clip table.
    annotations : DataFrame or path
        A table with the columns ``filename``, ``start``, ``end`` (s) and ``label``, or anything that `load_annotations`
        reads. A file name without its extension or folder is accepted if it fits only one recording.
    min_overlap : float, default=0.5
        The share of the shorter of the two, window and annotation, that must overlap; above 0 and at most 1.
    categories : iterable of str, optional
        The permitted labels; any other label is an error. ``attrs["categories"]`` of the result has all of them, even
        those of no window. By default, all labels of the annotations are permitted.

    Returns
    -------
    pandas.DataFrame
        The windows in their order, with ``labels`` (sorted tuple of str, empty if nothing was annotated) instead of
        any labels that they had.

    Raises
    ------
    ClipTableError
        If an annotation has a recording or a label that does not exist; the message has the lines.
    ValueError
        If `min_overlap` is out of range.

    Warns
    -----
    UserWarning
        If annotations label no window; the message has the lines.

    Notes
    -----
    An annotation of a point in time labels the windows with ``start <= time < end``.

    Examples
    --------
    >>> import pandas as pd
    >>> from esc_features.datasets import cut_windows, label_windows, make_demo
    >>> windows = cut_windows(make_demo()[:1], duration=2, hop=1)
    >>> barks = pd.DataFrame({"filename": windows["filename"][:1], "start": [2.5], "end": [2.75], "label": ["bark"]})
    >>> label_windows(windows, barks)["labels"].tolist()
    [(), ('bark',), ('bark',), ()]
    """
    if isinstance(min_overlap, bool) or not 0 < min_overlap <= 1:
        raise ValueError(f"min_overlap must be a number above 0 and at most 1, not {min_overlap!r}.")
    windows = check_clips(windows)
    if isinstance(annotations, pd.DataFrame):
        annotations = check_annotations(annotations)
    else:
        annotations = load_annotations(annotations)
    annotations = annotations.assign(filename=_recordings(annotations, windows["filename"].unique()))
    if categories is not None:
        categories = sorted(set(categories))
        _check_labels(annotations, categories)
    labels: list[set[str]] = [set() for _ in range(len(windows))]
    used = np.zeros(len(annotations), bool)
    by_recording = dict(list(annotations.groupby("filename", sort=False)))
    for filename, of_recording in windows.groupby("filename", sort=False):
        if filename in by_recording:
            for row, annotation in _overlapping(of_recording, by_recording[filename], min_overlap):
                labels[row].add(annotations["label"][annotation])
                used[annotation] = True
    if not used.all():
        _warn_of_unused(annotations[~used], len(annotations))
    table = windows.drop(columns="category", errors="ignore").assign(target=-1)
    table["labels"] = pd.Series([tuple(sorted(each)) for each in labels], index=table.index, dtype=object)
    labelled = finish(table, table["path"], windows.attrs["name"])
    labelled.attrs.update(windows.attrs)
    if categories is not None:
        labelled.attrs["categories"] = categories
    return labelled


def _overlapping(windows: pd.DataFrame, annotations: pd.DataFrame, min_overlap: float) -> Iterator[tuple[int, int]]:
    """Yield the row of the window and of the annotation for each pair of a recording that overlaps enough."""
    windows = windows.sort_values("start", kind="stable")
    starts, ends = windows["start"].to_numpy(), windows["end"].to_numpy()
    rows, longest = windows.index.to_numpy(), (ends - starts).max()
    for annotation, begin, end in annotations[["start", "end"]].itertuples():
        # Only windows that start in this range can overlap.
        near = slice(np.searchsorted(starts, begin - longest), np.searchsorted(starts, end, side="right"))
        if begin == end:
            enough = (starts[near] <= begin) & (begin < ends[near])
        else:
            overlap = np.minimum(ends[near], end) - np.maximum(starts[near], begin)
            shorter = np.minimum(ends[near] - starts[near], end - begin)
            # Times are sums of decimal fractions: rounding errors must not decide.
            enough = (overlap > 0) & (overlap + 1e-6 >= min_overlap * shorter)
        for row in rows[near][enough]:
            yield row, annotation


def _warn_of_unused(unused: pd.DataFrame, count: int) -> None:
    shown = zip(unused["line"], unused["filename"], unused["start"], unused["end"], strict=True)
    found = list_some(f"{line} ({clip_name(name, start, end)})" for line, name, start, end in shown)
    warnings.warn(
        f"{len(unused)} of {count} annotations label no window: {found}. Check that their times are seconds in the "
        "recording; min_overlap is the share that must be in one window.",
        stacklevel=3,
    )


def _recordings(annotations: pd.DataFrame, names: Iterable[str]) -> pd.Series:
    """Return the recording of each annotation, spelled as in the windows."""
    known: dict[str, set[str]] = defaultdict(set)
    for name in names:
        for form in (name, posixpath.splitext(name)[0]):
            known[posixpath.normpath(form)].add(name)
            known[posixpath.basename(form)].add(name)
    meant = {name: {name} & known.get(name, set()) or known.get(posixpath.normpath(name), set())
             for name in annotations["filename"].unique()}  # fmt: skip
    wrong = annotations[[len(meant[name]) != 1 for name in annotations["filename"]]]
    if len(wrong):
        first = wrong["filename"].iloc[0]
        found = list_some(f"{line} ({name!r})" for line, name in zip(wrong["line"], wrong["filename"], strict=True))
        if meant[first]:
            advice = f"{first!r} could be {' or '.join(sorted(meant[first])[:5])}: write the full name."
        else:
            advice = f"Correct or remove these lines.{did_you_mean(first, known)}"
        raise ClipTableError(f"Annotations of recordings that the windows do not have: {found}. {advice}")
    return annotations["filename"].map({name: next(iter(found)) for name, found in meant.items()})


def _check_labels(annotations: pd.DataFrame, categories: list[str]) -> None:
    wrong = annotations[~annotations["label"].isin(categories)]
    if len(wrong):
        found = list_some(f"{line} ({label!r})" for line, label in zip(wrong["line"], wrong["label"], strict=True))
        raise ClipTableError(
            f"Labels that are not among the categories: {found}.{did_you_mean(wrong['label'].iloc[0], categories)} "
            f"Correct them, or add them to categories: {list_some(categories)}."
        )
