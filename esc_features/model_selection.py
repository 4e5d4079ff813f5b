"""Folds that are respected, and a warning where a source recording leaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator

__all__ = ["FoldSplit", "HoldOutFold"]


class FoldSplit(BaseCrossValidator):
    """Leave one fold out after the other, in ascending order.

    The protocol of ESC-50: random splits put clips of one recording on both sides. It takes the folds from `X` where X
    has them, as arrays of a store do, so that a search inside the training folds uses these folds without `groups`.

    Parameters
    ----------
    folds : array-like of int, shape (clips,), optional
        Fold of each row, for an X that has no `folds` of its own.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features.model_selection import FoldSplit
    >>> [(train.tolist(), test.tolist()) for train, test in FoldSplit([1, 1, 2, 3]).split(np.zeros((4, 2)))]
    [([2, 3], [0, 1]), ([0, 1, 3], [2]), ([0, 1, 2], [3])]
    """

    def __init__(self, folds: Any = None):
        self.folds = None if folds is None else np.asarray(folds)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (training rows, test rows), int64 arrays, once for each fold of `X`.

        Parameters
        ----------
        X : array-like
            Data; its `folds` are used where it has them.
        y, groups : ignored
            For scikit-learn.
        """
        folds = self._folds_of(X)
        for fold in np.unique(folds):
            yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        return len(np.unique(self._folds_of(X)))

    def _folds_of(self, X: Any) -> np.ndarray:
        folds = getattr(X, "folds", None)
        if folds is None:
            folds = self.folds
            if folds is None or (X is not None and len(folds) != _length(X)):
                given = "no folds" if folds is None else f"{len(folds)} folds"
                raise ValueError(
                    f"X does not know its folds, and the splitter has {given} for its {_length(X)} rows. Give X as an "
                    "array of the store (it knows its folds, sliced or not), or make the splitter with the fold of "
                    "each row: FoldSplit(folds)."
                )
        folds = np.asarray(folds)
        if len(np.unique(folds)) < 2:
            raise ValueError(
                f"All {len(folds)} clips are of fold {folds[0] if len(folds) else 'none'}: "
                "leaving a fold out needs at least two."
            )
        return folds


class HoldOutFold:
    """Hold out one of the training folds for validation, as skorch's `train_split`.

    Early stopping must not look at the test fold, and a random fifth of the training clips shares recordings with the
    rest. This takes a whole fold of those that the net is being fitted on.

    Parameters
    ----------
    fold : int, optional
        Which; by default the highest of the training folds.

    Examples
    --------
    >>> from skorch.callbacks import EarlyStopping
    >>> from esc_features.model_selection import HoldOutFold
    >>> from esc_features.models import ConvNetClassifier
    >>> net = ConvNetClassifier(train_split=HoldOutFold(), callbacks=[EarlyStopping(patience=5)])
    """

    def __init__(self, fold: int | None = None):
        self.fold = fold

    def __call__(self, dataset: Any, y: Any = None, groups: Any = None) -> tuple[Any, Any]:
        """Return (training, validation) subsets of a skorch data set.

        Parameters
        ----------
        dataset : torch.utils.data.Dataset
            With an `X` that knows its `folds`.
        y, groups : ignored
            For skorch.
        """
        from torch.utils.data import Subset

        folds = getattr(getattr(dataset, "X", None), "folds", None)
        if folds is None:
            raise ValueError(
                "HoldOutFold needs an X that knows its folds: fit on an array of a store (through steps that keep it "
                "lazy), not on a plain array."
            )
        present = np.unique(folds)
        held_out = present[-1] if self.fold is None else self.fold
        if held_out not in present or len(present) < 2:
            raise ValueError(
                f"Fold {held_out} cannot be held out of training folds {present.tolist()}: it must be one of several."
            )
        inside = folds == held_out
        training, validation = np.flatnonzero(~inside), np.flatnonzero(inside)
        return Subset(dataset, training), Subset(dataset, validation)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"HoldOutFold({'' if self.fold is None else self.fold})"


def _length(X: Any) -> int:
    return 0 if X is None else X.shape[0] if hasattr(X, "shape") else len(X)
