"""The input of `transform`: clips of recordings, or waveforms."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..audio import LOUDEST, WaveformSpec
from ..lazy import LazyArray


@dataclass(frozen=True)
class Clips:
    """Segments of recordings: paths or URLs, and the start and end of each clip, in seconds."""

    paths: Sequence[str | os.PathLike]
    starts: np.ndarray
    ends: np.ndarray

    def by_recording(self) -> list[int]:
        """Return the rows in an order in which each recording is opened once and read forwards."""
        seen: dict[str | os.PathLike, int] = {}
        recording = [seen.setdefault(path, len(seen)) for path in self.paths]
        return np.lexsort((self.starts, np.array(recording))).tolist()


def as_clips(X: Any) -> Clips | None:
    """Return the clips of X, a list of paths or a clip table; None if it is neither."""
    if isinstance(X, (str, bytes, os.PathLike)):
        raise TypeError(f"transform takes a list of recordings. Put a single one into a list: transform([{X!r}]).")
    if hasattr(X, "columns") and {"path", "filename"} & set(X.columns):
        return _from_table(X)
    if isinstance(X, np.ndarray) or hasattr(X, "dtype"):
        if getattr(X, "ndim", 1) != 1 or getattr(X.dtype, "kind", "") not in ("O", "U", "T"):
            return None
        X = list(X)
    if not isinstance(X, Sequence) or not all(isinstance(item, (str, os.PathLike)) for item in X):
        return None
    if not X:
        raise ValueError("transform got an empty list: give it at least one recording.")
    return Clips(X, np.zeros(len(X)), np.full(len(X), np.inf))


def _from_table(table: Any) -> Clips:
    if len(table) == 0:
        raise ValueError("transform got an empty table: give it at least one clip.")
    paths = list(table["path" if "path" in table.columns else "filename"])
    starts, ends = _seconds(table, "start", 0.0), _seconds(table, "end", np.inf)
    wrong = np.flatnonzero(~((starts >= 0) & (starts < np.inf) & (ends > starts)))
    if len(wrong):
        row = wrong[0]
        raise ValueError(
            f"Row {table.index[row]} of the table, {paths[row]!r}, is from {starts[row]} to {ends[row]} s: start must "
            "be at least 0, end must be after it, and neither may be missing."
        )
    return Clips(paths, starts, ends)


def _seconds(table: Any, column: str, default: float) -> np.ndarray:
    if column not in table.columns:
        return np.full(len(table), default)
    try:
        return table[column].to_numpy(float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The column {column!r} of the table must hold seconds as numbers: {error}.") from error


def as_waveforms(X: Any) -> np.ndarray:
    """Return X as an array of waveforms, (n, samples) of a float type; raise an error that says why it is not one."""
    if hasattr(X, "toarray"):
        raise TypeError("transform takes paths or a dense array of waveforms, not a sparse matrix.")
    if X is None or np.isscalar(X):
        raise TypeError(f"transform takes a list of paths, a clip table, waveforms or store.audio, not {X!r}.")
    try:
        waveforms = np.asarray(X)
    except ValueError as error:
        raise ValueError(f"The waveforms differ in length: {error}. Pad them, or pass paths.") from error
    if waveforms.dtype == object:
        try:
            waveforms = waveforms.astype(float)
        except (TypeError, ValueError) as error:
            raise TypeError(
                "transform takes a list of paths, a clip table, an array of waveforms or store.audio, not a "
                f"{type(X).__name__} of other objects: {error}."
            ) from error
    if waveforms.dtype.kind == "c":
        raise ValueError("Complex data not supported: waveforms must be real numbers.")
    if waveforms.dtype.kind != "f":
        raise TypeError(
            f"Waveforms must be floats with full scale 1, not {waveforms.dtype}: divide 16-bit integers by 32768."
        )
    if waveforms.ndim != 2:
        raise ValueError(
            f"Expected 2D array (clips, samples), got shape {waveforms.shape}. "
            "Reshape your data: for a single waveform use waveform.reshape(1, -1)."
        )
    clips, samples = waveforms.shape
    if clips == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape={waveforms.shape}) while a minimum of 1 is required.")
    if samples == 0:
        raise ValueError(f"Found array with 0 feature(s) (shape={waveforms.shape}) while a minimum of 1 is required.")
    bad = np.flatnonzero(~np.isfinite(waveforms).all(axis=1))
    if len(bad):
        raise ValueError(
            f"Input X contains NaN or infinity, first in row {bad[0]} ({len(bad)} rows). Leave these rows out."
        )
    if max(waveforms.max(), -waveforms.min()) > LOUDEST:
        raise ValueError(
            f"The waveforms have values as large as {np.abs(waveforms).max():.3g}, but full scale is 1: scale them."
        )
    return waveforms


def check_stored_waveforms(X: LazyArray, spec: WaveformSpec, feature: Any) -> None:
    """Raise ValueError if an array of a store does not hold waveforms of the rate that a feature is computed from."""
    parameters = getattr(X, "parameters", {})
    if len(X.shape) != 2 or X.shape[0] == 0:
        raise ValueError(
            f"{feature!r} is computed from waveforms (clips, samples), but X has the shape {X.shape}. Give it the "
            "recordings, store.audio."
        )
    if "sample_rate" not in parameters:
        return
    stored = WaveformSpec(parameters["sample_rate"], parameters.get("duration", spec.duration))
    if stored.n_samples != X.shape[1]:
        raise ValueError(
            f"{feature!r} is computed from waveforms, but X is another feature: {stored.duration} s at "
            f"{stored.sample_rate} Hz are {stored.n_samples} samples, but X has {X.shape[1]} numbers per clip. Give it "
            "the recordings, store.audio."
        )
    if stored.sample_rate != spec.sample_rate:
        raise ValueError(
            f"X holds waveforms at {stored.sample_rate} Hz, but {feature!r} takes {spec.sample_rate} Hz: its numbers "
            f"would differ from those of the recordings. Give it the recordings, store.audio, or set "
            f"sample_rate={stored.sample_rate}."
        )
