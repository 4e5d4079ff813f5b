"""What a lazy X is: read by rows, changed as it is read, and known by its clips."""

from __future__ import annotations

import warnings

import numpy as np

from .exceptions import SourceLeakWarning


def as_float32(batch: np.ndarray) -> np.ndarray:
    """Return a stored batch as the float32 numbers that it stands for; int16 is a waveform of full scale 32768."""
    if batch.dtype == np.float32:
        return batch
    if batch.dtype == np.int16:
        return batch.astype(np.float32) / np.float32(32768)
    return batch.astype(np.float32)


def take_rows(X, rows) -> np.ndarray:
    """Read rows of an ndarray or of a lazy array, as stored."""
    return np.take(X, rows, axis=0) if isinstance(X, np.ndarray) else X.take(rows)


def is_lazy(X) -> bool:
    """Whether X is an array of a store: read by `take`, changed by `map`."""
    return not isinstance(X, np.ndarray) and all(hasattr(X, name) for name in ("take", "map", "shape", "dtype"))


def remember_sources(estimator, X) -> None:
    """Keep on a fitted estimator which clips and source recordings it was fitted on; nothing for an X without them."""
    estimator.fitted_clips_ = None
    if hasattr(X, "sources"):
        estimator.fitted_clips_ = {
            "dataset": X.dataset,
            "filenames": frozenset(X.filenames.tolist()),
            "sources": frozenset(X.sources.tolist()),
            "folds": frozenset(X.folds.tolist()),
        }


def warn_source_leak(estimator, X) -> None:
    """Warn where clips of X are not those an estimator was fitted on but share their source recording with them.

    Clips of folds that were not fitted on never count: the official folds are the agreed protocol, although four
    sources of ESC-50 do span two of them.
    """
    fitted = getattr(estimator, "fitted_clips_", None)
    if fitted is None or not hasattr(X, "sources") or X.dataset != fitted["dataset"]:
        return
    new = [name not in fitted["filenames"] for name in X.filenames.tolist()]
    leaking = [
        source
        for source, fold, is_new in zip(X.sources.tolist(), X.folds.tolist(), new, strict=True)
        if is_new and fold in fitted["folds"] and source in fitted["sources"]
    ]
    if leaking:
        warnings.warn(
            f"{len(leaking)} of the {sum(new)} clips being scored that {type(estimator).__name__} was not fitted on "
            f"come from {len(set(leaking))} recordings that it was fitted on: the score will be too good. Split by the "
            "official folds, cv=store.cv(), or keep the clips of one recording together "
            "(sklearn.model_selection.GroupKFold with groups=X.sources).",
            SourceLeakWarning,
            stacklevel=3,
        )
