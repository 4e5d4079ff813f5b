"""scikit-learn steps over a lazy X."""

from __future__ import annotations

import numpy as np


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
