"""Lengths of recordings, from their headers, and the check that clips do not reach beyond them."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from .._suggest import list_some
from ..audio import END_TOLERANCE, recording_duration
from ..exceptions import AudioError, ClipTableError
from ._columns import clip_keys, clip_name


def lengths_of(paths: Iterable[str]) -> dict[str, float | str]:
    """Return the length of each recording in seconds, or the reason why it cannot be read."""

    def length(path: str) -> float | str:
        try:
            return recording_duration(path)
        except AudioError as error:
            return str(error)

    paths = list(paths)
    with ThreadPoolExecutor(8) as pool:
        return dict(zip(paths, pool.map(length, paths), strict=True))


def check_ends(clips: pd.DataFrame, lengths: pd.Series, places: Iterable[str]) -> None:
    """Raise ClipTableError if clips reach beyond the end of their recording; a length of NaN is not checked."""
    beyond = (clips["start"] >= lengths) | (lengths + END_TOLERANCE < clips["end"]) & np.isfinite(clips["end"])
    if beyond.any():
        found = [each for each in zip(places, clip_keys(clips), lengths, beyond, strict=True) if each[-1]]
        named = [f"{place} ({clip_name(*key)}, but it has {length:g} s)" for place, key, length, _ in found]
        raise ClipTableError(
            f"Clips that reach beyond the end of their recording: {list_some(named)}. Correct their start and end; an "
            "end of infinity is the end of the recording."
        )
