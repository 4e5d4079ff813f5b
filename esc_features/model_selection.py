"""Splitters that follow the folds of a data set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator

__all__ = ["FoldSplit", "HoldOutFold"]


class FoldSplit(BaseCrossValidator):
    """Leave-one-fold-out cross-validation, in ascending order of the folds.

    This is the protocol of ESC-50; random splits would put clips of one recording on both sides. If `X` knows its
    folds, as arrays of a store do, they are used: a search inside the training folds then needs no `groups`.

    Parameters
    ----------
    folds : array-like of int, shape (clips,), optional
        Fold of each row, for an X without `folds`.

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
        """Yield one split per fold of `X`.

        Parameters
        ----------
        X : array-like
            Data; its `folds` are used if it has them.
        y, groups : ignored
            Not used; present for scikit-learn.

        Yields
        ------
        train, test : ndarray of int64
            Positions of the training and test rows.

        Raises
        ------
        ValueError
            If the folds are not known, or all rows have the same fold.
        """
        folds = self._folds_of(X)
        for fold in np.unique(folds):
            yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits, one per fold.

        Parameters
        ----------
        X : array-like, optional
            Data; its `folds` are used if it has them.
        y, groups : ignored
            Not used; present for scikit-learn.

        Returns
        -------
        int
            The number of splits.
        """
        return len(np.unique(self._folds_of(X)))

    def _folds_of(self, X: Any) -> np.ndarray:
        folds = getattr(X, "folds", None)
        if folds is None:
            folds = self.folds
            if folds is None or (X is not None and len(folds) != _length(X)):
                given = "no folds" if folds is None else f"{len(folds)} folds"
                raise ValueError(
                    f"X does not know its folds, and the splitter has {given} for its {_length(X)} rows. Use an array "
                    "of the store as X (it knows its folds, sliced or not), or give the splitter the fold of each row: "
                    "FoldSplit(folds)."
                )
        folds = np.asarray(folds)
        if len(np.unique(folds)) < 2:
            raise ValueError(
                f"All {len(folds)} clips are of fold {folds[0] if len(folds) else 'none'}: leaving one fold out "
                "requires at least two. Use clips of more folds."
            )
        return folds


class HoldOutFold:
    """Hold out one of the training folds for validation, for `train_split` of skorch.

    Use it for early stopping, which must not see the test fold. A random fifth of the training clips, skorch's default,
    would share recordings with the rest; a whole fold does not.

    Parameters
    ----------
    fold : int, optional
        The fold to hold out; by default the highest of the training folds.

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
        """Split a skorch data set.

        Parameters
        ----------
        dataset : torch.utils.data.Dataset
            A data set with an `X` that knows its `folds`.
        y, groups : ignored
            Not used; present for skorch.

        Returns
        -------
        training, validation : torch.utils.data.Subset
            The two parts.

        Raises
        ------
        ValueError
            If X does not know its folds, or the fold is not one of several training folds.
        """
        from torch.utils.data import Subset

        folds = getattr(getattr(dataset, "X", None), "folds", None)
        if folds is None:
            raise ValueError(
                "HoldOutFold requires an X that knows its folds: fit on an array of a store (with steps that keep it "
                "lazy), not on a plain array."
            )
        present = np.unique(folds)
        held_out = present[-1] if self.fold is None else self.fold
        if held_out not in present or len(present) < 2:
            raise ValueError(
                f"Fold {held_out} cannot be held out of the training folds {present.tolist()}: it must be one of "
                "several."
            )
        inside = folds == held_out
        training, validation = np.flatnonzero(~inside), np.flatnonzero(inside)
        return Subset(dataset, training), Subset(dataset, validation)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"HoldOutFold({'' if self.fold is None else self.fold})"


def _length(X: Any) -> int:
    return 0 if X is None else X.shape[0] if hasattr(X, "shape") else len(X)
