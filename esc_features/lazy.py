"""The interface of a lazy X, whose rows are read in batches, and checks that no recording leaks between splits."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np

from .exceptions import SourceLeakWarning

# The identity of a clip: file name, start and end in seconds.
ClipKey = tuple[str, float, float]


@runtime_checkable
class LazyArray(Protocol):
    """An X with one row per clip that reads nothing until rows are taken, such as an array of a store.

    Folds, sources and file names are sliced along with the rows. An array whose clips are segments of recordings also
    has `clip_keys`, one (filename, start, end) per clip.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def ndim(self) -> int: ...
    @property
    def folds(self) -> np.ndarray: ...
    @property
    def sources(self) -> np.ndarray: ...
    @property
    def filenames(self) -> np.ndarray: ...
    @property
    def dataset(self) -> str: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: Any) -> Any: ...
    def take(self, rows: Any, out: np.ndarray | None = None) -> np.ndarray: ...
    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> LazyArray: ...


@runtime_checkable
class Recordings(Protocol):
    """The recordings of a store: a feature finds its stored output through them, or computes it."""

    def precomputed(self, feature: Any) -> LazyArray | None: ...
    def derive(self, feature: Any) -> LazyArray: ...


# isinstance(X, LazyArray) would evaluate each property, and so read columns. Looking at the class reads nothing.
_LAZY = ("take", "map", "shape", "dtype", "folds", "sources")


def is_lazy(X: Any) -> TypeGuard[LazyArray]:
    """Return whether X is an array of a store, or has the same interface."""
    return all(hasattr(type(X), name) for name in _LAZY)


def is_recordings(X: Any) -> TypeGuard[Recordings]:
    """Return whether X is the recordings of a store, which only a feature turns into numbers."""
    return hasattr(type(X), "precomputed")


def as_float32(batch: np.ndarray) -> np.ndarray:
    """Return a stored batch as float32; int16 is a waveform with full scale 32768."""
    if batch.dtype == np.float32:
        return batch
    if batch.dtype == np.int16:
        return batch.astype(np.float32) / np.float32(32768)
    return batch.astype(np.float32)


def take_rows(X: np.ndarray | LazyArray, rows: Any) -> np.ndarray:
    """Read rows of an ndarray or of a lazy array, as stored."""
    return np.take(X, rows, axis=0) if isinstance(X, np.ndarray) else X.take(rows)


@dataclass(frozen=True)
class FittedClips:
    """The clips that an estimator was fitted on, to detect other clips of the same recordings."""

    dataset: str
    clips: frozenset[ClipKey]
    sources: frozenset[str]
    folds: frozenset[int]

    @classmethod
    def of(cls, X: Any) -> FittedClips | None:
        """Return the clips of X; None if X does not know its recordings."""
        if not hasattr(type(X), "sources"):
            return None
        return cls(
            X.dataset, frozenset(_clip_keys(X)), frozenset(X.sources.tolist()), frozenset(map(int, X.folds.tolist()))
        )

    def __or__(self, other: FittedClips | None) -> FittedClips:
        if other is None or other.dataset != self.dataset:
            return self
        return FittedClips(
            self.dataset, self.clips | other.clips, self.sources | other.sources, self.folds | other.folds
        )

    def leaks(self, X: Any) -> SourceLeak | None:
        """Return how many clips of X come from recordings of these clips; None if none, or for another data set.

        Clips of other folds never count: the official folds are the accepted protocol, although four sources of ESC-50
        span two of them.
        """
        if not hasattr(type(X), "sources") or X.dataset != self.dataset:
            return None
        new = [key not in self.clips for key in _clip_keys(X)]
        shared = [
            source
            for source, fold, is_new in zip(X.sources.tolist(), X.folds.tolist(), new, strict=True)
            if is_new and fold in self.folds and source in self.sources
        ]
        return SourceLeak(len(shared), sum(new), len(set(shared))) if shared else None


@dataclass(frozen=True)
class SourceLeak:
    """Number of new clips that come from recordings of fitted clips, of all new clips, and of these recordings."""

    clips: int
    of: int
    sources: int


#: What to do about a leak, for messages.
LEAK_ADVICE = (
    "Split by the official folds, cv=store.cv(), or keep the clips of one recording together "
    "(sklearn.model_selection.GroupKFold with groups=X.sources)."
)


def remember_sources(estimator: Any, X: Any) -> None:
    """Store the clips that an estimator was fitted on as `fitted_clips_`; None if X does not know them."""
    estimator.fitted_clips_ = FittedClips.of(X)


def warn_source_leak(estimator: Any, X: Any) -> None:
    """Warn if clips of X share their source recording with clips that an estimator was fitted on, but are new."""
    fitted: FittedClips | None = getattr(estimator, "fitted_clips_", None)
    leak = None if fitted is None else fitted.leaks(X)
    if leak is not None:
        warnings.warn(
            f"{leak.clips} of the {leak.of} clips being scored that {type(estimator).__name__} was not fitted on come "
            f"from {leak.sources} recordings that it was fitted on: the score will be too good. {LEAK_ADVICE}",
            SourceLeakWarning,
            stacklevel=3,
        )


def _clip_keys(X: Any) -> list[ClipKey]:
    if hasattr(type(X), "clip_keys"):
        return list(X.clip_keys)
    return [(name, 0.0, np.inf) for name in X.filenames.tolist()]
