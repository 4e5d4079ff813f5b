"""Checks that training and test sets share no clips and no recordings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._suggest import list_some
from ..lazy import LEAK_ADVICE, FittedClips, LazyArray


def check_split(train: LazyArray, test: LazyArray) -> None:
    """Raise ValueError if both sides share clips, or share recordings of folds that are on both sides."""
    fitted = FittedClips.of(train)
    if fitted is None:
        return
    twice = set(test.clip_keys) & fitted.clips  # type: ignore[attr-defined]
    if twice:
        names = list_some(sorted({name for name, _, _ in twice}))
        raise ValueError(
            f"{len(twice)} clips are in both the training and the test set ({names}). Remove them from one of the two."
        )
    leak = fitted.leaks(test)
    if leak is not None:
        raise ValueError(
            f"{leak.clips} of the {leak.of} test clips come from {leak.sources} recordings that training clips also "
            f"come from: the score will be too good. {LEAK_ADVICE}"
        )


class CheckedSplit:
    """A scikit-learn splitter whose splits are checked before they are used; made by `Store.checked`."""

    def __init__(self, cv: Any, clips: Any):
        self.cv, self._clips = cv, clips

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the splits; raise ValueError at the first one that shares clips or recordings."""
        clips = X if hasattr(type(X), "clip_keys") else self._clips
        for train, test in self.cv.split(X, y, groups):
            check_split(clips[train], clips[test])
            yield train, test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits."""
        return self.cv.get_n_splits(X, y, groups)

    def __repr__(self) -> str:
        return f"CheckedSplit({self.cv!r})"
