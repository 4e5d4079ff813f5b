"""How batches of clips get from an array to a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset
from torch import nn
from torch.utils.data import DataLoader, default_collate

from ..lazy import as_float32, take_rows

# (X, y, generator, n_classes) -> (X, y)
Transform = Callable[..., tuple[torch.Tensor, torch.Tensor]]


class ClipDataset(Dataset):
    """PyTorch data set of clips and labels that is read a batch at a time.

    It works in any `torch.utils.data.DataLoader`, `Subset` and `random_split`; with `ClipLoader`, a batch is not split
    into samples and collated again. Clips are given as float32.

    Parameters
    ----------
    X : ndarray or StoreArray of shape (clips, ...)
        float32, float16, float64, int16 (waveforms of full scale 32768) or other integers.
    y : array-like of shape (clips,) or (clips, classes), optional
        Class numbers, which become int64; names, which become their positions in the sorted list of names; or an
        indicator matrix or other numbers, which become float32. Without labels, every label is 0.

    Attributes
    ----------
    y : ndarray or None
        The labels as they were given.
    classes : ndarray of str or None
        The names in the order of their numbers, if labels are names.

    Raises
    ------
    ValueError
        If `X` and `y` differ in length.

    Examples
    --------
    >>> import numpy as np
    >>> from torch.utils.data import DataLoader
    >>> from esc_features.models import ClipDataset
    >>> for clips, labels in DataLoader(ClipDataset(np.eye(3), ["hen", "cow", "hen"]), batch_size=2):
    ...     print(clips.shape, labels)
    torch.Size([2, 3]) tensor([1, 0])
    torch.Size([1, 3]) tensor([1])
    """

    def __init__(self, X: Any, y: Any = None):
        self.X = X
        self.y = None if y is None else np.asarray(y)
        self.classes: np.ndarray | None = None
        self._encoded: np.ndarray | None = None
        if self.y is None:
            pass
        elif len(self.y) != len(self):
            raise ValueError(f"X has {len(self)} clips and y has {len(self.y)} labels: their lengths must match.")
        elif self.y.ndim == 2:
            self._encoded = self.y.astype(np.float32)
        elif self.y.dtype.kind in "iub":
            self._encoded = self.y.astype(np.int64)
        elif self.y.dtype.kind == "f":
            self._encoded = self.y.astype(np.float32)
        else:
            self.classes, self._encoded = np.unique(self.y.astype(str), return_inverse=True)

    def __len__(self) -> int:
        return self.X.shape[0]

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"Clip {index} is out of bounds for {len(self)} clips.")
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        # PyTorch calls this once for a whole batch, through any Subset.
        rows = np.asarray(indices, dtype=np.intp)
        X = torch.from_numpy(as_float32(take_rows(self.X, rows)))
        y = torch.zeros(len(rows)) if self._encoded is None else torch.from_numpy(self._encoded[rows])
        return Batch(X, y)


class Batch(Sequence):
    """A batch that is read at once: whole for `as_batch`, a sequence of samples for any other collate function."""

    def __init__(self, X: torch.Tensor, y: torch.Tensor):
        self.X, self.y = X, y

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index: Any) -> Any:
        return self.X[index], self.y[index]


class ClipLoader(DataLoader):
    """A PyTorch loader that applies transforms to its batches.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        Usually a ClipDataset.
    transforms : sequence of transforms, or one, default=()
        Applied to each batch in this order. A transform of `esc_features.augmentation`, or any callable, is called
        as ``transform(X, y, generator=..., n_classes=...)`` and returns (X, y); after the first that mixes labels, y is
        one-hot float32. A `torch.nn.Module` is called with X and returns X. A feature, such as `MelSpectrogram()`,
        computes spectrograms from waveforms.
    n_classes : int, optional
        Number of classes, for transforms that mix labels.
    **kwargs
        Arguments of `torch.utils.data.DataLoader`.

    Raises
    ------
    TypeError
        If one of the transforms cannot change a batch.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features.augmentation import Gain
    >>> from esc_features.models import ClipDataset, ClipLoader
    >>> loader = ClipLoader(ClipDataset(np.zeros((5, 4, 4))), transforms=[Gain()], batch_size=2)
    >>> [len(X) for X, y in loader]
    [2, 2, 1]
    """

    def __init__(self, dataset: Any, transforms: Any = (), n_classes: int | None = None, **kwargs: Any):
        self.transforms = as_transforms(transforms)
        self.n_classes = n_classes
        kwargs.setdefault("collate_fn", as_batch)
        super().__init__(dataset, **kwargs)

    def __iter__(self) -> Any:
        batches = super().__iter__()
        return self._transformed(batches) if self.transforms else batches

    def _transformed(self, batches: Iterator[Any]) -> Iterator[Any]:
        generator = self.generator
        if generator is None:
            generator = torch.Generator().manual_seed(int(torch.empty((), dtype=torch.int64).random_()))
        for X, y in batches:
            for transform in self.transforms:
                X, y = _apply(transform, X, y, generator=generator, n_classes=self.n_classes)
            yield X, y


def as_transforms(given: Any) -> tuple[Any, ...]:
    """Return one transform, several or None as a tuple."""
    transforms = () if given is None else tuple(given) if isinstance(given, (list, tuple)) else (given,)
    for transform in transforms:
        if isinstance(transform, type):
            raise TypeError(
                f"transforms has the class {transform.__name__}: give an instance of it, {transform.__name__}()."
            )
        if not (callable(transform) or is_feature(transform)):
            raise TypeError(
                f"transforms has a {type(transform).__name__}, which cannot change a batch. Give transforms of "
                "esc_features.augmentation, torch.nn.Modules, features, or functions of (X, y, generator, n_classes)."
            )
    return transforms


def is_feature(transform: Any) -> bool:
    """Return whether a transform of batches is a feature, which is applied in prediction too."""
    return hasattr(transform, "transform") and not isinstance(transform, nn.Module)


def as_batch(samples: Any) -> Any:
    """Pass on what `ClipDataset` fetched as one batch; collate what another data set fetched one by one."""
    return (samples.X, samples.y) if isinstance(samples, Batch) else default_collate(samples)


def _apply(transform: Any, X: torch.Tensor, y: Any, **context: Any) -> tuple[torch.Tensor, Any]:
    if is_feature(transform):
        return torch.from_numpy(as_float32(np.asarray(transform.transform(X.numpy())))), y
    if isinstance(transform, nn.Module):
        return transform(X), y
    return transform(X, y, **context)
