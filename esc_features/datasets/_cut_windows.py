"""Cutting long recordings into windows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .._suggest import list_some
from ..exceptions import ClipTableError
from ._clips import check_clips
from ._lengths import check_ends, lengths_of

# Seconds; less than one sample, and more than the rounding errors of sums of times.
_NOTHING = 1e-6


def cut_windows(clips: pd.DataFrame, duration: float, hop: float | None = None, last: str = "drop") -> pd.DataFrame:
    """Cut clips into windows of equal length.

    Use it for recordings of minutes or hours, before `label_windows` or prediction. Only headers are read: a window is
    a row with its start and end, and the recordings are not changed.

    Parameters
    ----------
    clips : DataFrame
        A clip table. Windows do not extend beyond their clip.
    duration : float
        Length of a window, in seconds.
    hop : float, optional
        Time from the start of one window to the start of the next, in seconds; `duration` by default (no overlap).
    last : {"drop", "pad"}, default="drop"
        What to do with a rest at the end that is shorter than a window: leave it out, or keep it as a shorter window,
        which features pad with zeros.

    Returns
    -------
    pandas.DataFrame
        A clip table with one row per window, in the order of the clips. The other columns are those of the clip;
        `src_file` is kept, so that splitters keep the windows of a recording together.

    Raises
    ------
    ClipTableError
        If a clip reaches beyond its recording, a recording cannot be read, or no clip is long enough for a window.
    ValueError
        If `duration`, `hop` or `last` is invalid.

    Notes
    -----
    Window `k` of a clip starts at ``start + k * hop``. The last window is the first that reaches the end of the clip.

    Examples
    --------
    >>> from esc_features.datasets import clip_name, cut_windows, make_demo
    >>> windows = cut_windows(make_demo()[:2], duration=3, hop=1)
    >>> windows[["start", "end"]].to_numpy().tolist()
    [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0], [0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    """
    hop = duration if hop is None else hop
    for name, value in (("duration", duration), ("hop", hop)):
        if isinstance(value, bool) or not np.isreal(value) or not _NOTHING < value < np.inf:
            raise ValueError(f"{name} must be a number of seconds above 0, not {value!r}.")
    if last not in ("drop", "pad"):
        raise ValueError(f"last must be 'drop' or 'pad', not {last!r}.")
    clips = check_clips(clips)
    ends = _ends(clips)
    rows, starts, stops = [], [], []
    for row, (start, end) in enumerate(zip(clips["start"], ends, strict=True)):
        begin = start + hop * np.arange(_count(end - start, duration, hop, last))
        stop = _add(begin, duration)
        if last == "pad":
            stop = np.where(stop > end + _NOTHING, end, stop)
        rows.append(np.full(len(begin), row))
        starts.append(begin)
        stops.append(stop)
    if not sum(map(len, rows)):
        raise ClipTableError(
            f"No clip is as long as a window of {duration:g} s; the longest has {(ends - clips['start']).max():g} s. "
            "Use a shorter duration, or last='pad' to keep shorter windows."
        )
    windows = clips.iloc[np.concatenate(rows)].reset_index(drop=True)
    return windows.assign(start=np.concatenate(starts), end=np.concatenate(stops))


def _count(length: float, duration: float, hop: float, last: str) -> int:
    """Return the number of windows in a clip of some length."""
    whole = int((length - duration + _NOTHING) / hop) + 1 if length + _NOTHING >= duration else 0
    covered = (whole - 1) * hop + duration if whole else 0.0
    rest = covered < length - _NOTHING and whole * hop < length - _NOTHING
    return whole + int(rest and last == "pad")


def _add(starts: np.ndarray, duration: float) -> np.ndarray:
    """Return ends that are at least `duration` after their starts: rounding down would lose a sample."""
    ends = starts + duration
    while (short := ends - starts < duration).any():
        ends = np.where(short, np.nextafter(ends, np.inf), ends)
    return ends


def _ends(clips: pd.DataFrame) -> pd.Series:
    """Return the end of each clip in seconds, with the end of its recording instead of infinity."""
    found = lengths_of(clips["path"].unique())
    if wrong := [value for value in found.values() if isinstance(value, str)]:
        raise ClipTableError(
            f"{len(wrong)} of {len(found)} recordings cannot be cut: {list_some(wrong)} Replace or remove them."
        )
    lengths = clips["path"].map(found).astype(float)
    check_ends(clips, lengths, [f"row {row}" for row in clips.index])
    return np.minimum(clips["end"], lengths)
